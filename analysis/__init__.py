"""Statistics and plots: functions of a dataset. Imports neither Brian2 nor bgrl nor models."""

import importlib
import sys

if __name__ == "analysis":  # in a checkout, see `bgrl.checkout`
    sys.modules[__name__] = importlib.import_module("bgrl.analysis")
