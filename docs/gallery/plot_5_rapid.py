"""
Adaptation within a trial
=========================

Weights are frozen, and the regret of a bandit still falls: what was learned is how to explore
(:doc:`reproduction </reproduction/README>`). The file knows the command that made it.
"""

from pathlib import Path

import bgrl
from bgrl.analysis.rapid_adaptation import figure

# The folder docs/ of a checkout.
docs = next(p / "docs" for p in Path.cwd().resolve().parents if (p / "docs" / "start.md").exists())
data = bgrl.open(docs / "reproduction/rapid_adaptation.nc")
drawn = figure(data)
print(data.attrs["command"])
