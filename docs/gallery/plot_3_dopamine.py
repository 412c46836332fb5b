"""
Recordings of dopamine neurons
==============================

A panel for each finding, with its criterion and verdict; :doc:`the page of the results
</dopamine/README>` has the command of these data, and all numbers.
"""

from pathlib import Path

import bgrl
from bgrl.analysis.dopamine import figure

# The folder docs/ of a checkout.
docs = next(p / "docs" for p in Path.cwd().resolve().parents if (p / "docs" / "start.md").exists())
data = bgrl.open(docs / "dopamine/dopamine.nc")
drawn = figure(data)
