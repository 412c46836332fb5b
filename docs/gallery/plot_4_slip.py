"""
The gradient of the official code
=================================

Exact RTRL, the same with the slip of the official code, and RFLO, in memories of 8 and 16 steps
(:doc:`reproduction </reproduction/README>`). The file knows the command that made it.
"""

from pathlib import Path

import bgrl
from bgrl.analysis.reproduction import figure

# The folder docs/ of a checkout.
docs = next(p / "docs" for p in Path.cwd().resolve().parents if (p / "docs" / "start.md").exists())
data = bgrl.open(docs / "reproduction/rtrl_slip.nc")
drawn = figure(data)
print(data.attrs["command"])
