"""`bgrl.models`, `bgrl.analysis` and `bgrl.experiments` in a checkout: folders beside ``bgrl``.

An install has them inside ``bgrl`` (`package_dir` in setup.cfg), where they cannot be taken for a user's
own ``models``. In a checkout they are found where they are. There the short names work too
(``python -m experiments.train``), and are names of the same modules: a file that is imported under two
names would make two of each of its classes.
"""

import importlib
import sys
from importlib.machinery import SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDERS = ("analysis", "experiments", "models")


class _SameModule(SourceFileLoader):
    """Loads ``models.rtrrl`` as the module that is called ``bgrl.models.rtrrl``.

    Run by ``python -m`` it is a file like any other.
    """

    def create_module(self, spec):
        """The module, imported by its full name."""
        module = importlib.import_module(f"bgrl.{spec.name}")
        self._own = module.__spec__
        return module

    def exec_module(self, module):
        """Nothing runs again; the module stays what it is by its full name."""
        module.__spec__ = self._own


class _Finder:
    """Finds the folders and, where their short names are in use, the modules in them."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        """See `importlib.abc.MetaPathFinder`."""
        parent, _, child = name.rpartition(".")
        if parent == "bgrl" and child in FOLDERS:
            return spec_from_file_location(name, ROOT / child / "__init__.py")
        top, *rest = name.split(".")
        ours = top in FOLDERS and sys.modules.get(top) is sys.modules.get(f"bgrl.{top}")
        if not (ours and rest):
            return None
        package = ROOT.joinpath(top, *rest, "__init__.py")
        file = package if package.is_file() else package.parent.with_suffix(".py")
        if not file.is_file():
            return None
        return spec_from_file_location(name, file, loader=_SameModule(name, str(file)))


def find_folders():
    """Make the folders known, before anything else that was installed under their names."""
    sys.meta_path.insert(0, _Finder)
