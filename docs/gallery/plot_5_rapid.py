"""
Adaptation within a trial
=========================

Weights are frozen, and the regret of a bandit still falls: what was learned is how to explore
(:doc:`reproduction </reproduction/README>`):

.. code-block:: sh

    python -m experiments.rapid_adaptation
"""

from pathlib import Path

import bgrl
from bgrl.analysis.rapid_adaptation import figure

# The folder docs/ of a checkout.
docs = next(p / "docs" for p in Path.cwd().resolve().parents if (p / "docs" / "start.md").exists())
data = bgrl.open(docs / "reproduction/rapid_adaptation.nc")
drawn = figure(data)
