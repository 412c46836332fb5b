"""One file per question or figure; ``python -m experiments`` lists them."""

import importlib
import sys

if __name__ == "experiments":  # in a checkout, see `bgrl.checkout`
    sys.modules[__name__] = importlib.import_module("bgrl.experiments")
