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


class _Loader(SourceFileLoader):
    """Loads a file, by whichever of its two names ``python -m`` asks for it."""

    def get_filename(self, name=None):
        """Path of the file."""
        return self.path


class _SameModule(_Loader):
    """Loads ``models.rtrrl`` as the module that is called ``bgrl.models.rtrrl``."""

    def create_module(self, spec):
        """The module, imported by its full name."""
        module = importlib.import_module(f"bgrl.{spec.name}")
        self._own = module.__spec__
        return module

    def exec_module(self, module):
        """Nothing runs again; the module stays what it is by its full name."""
        module.__spec__ = self._own


class _Finder:
    """Finds what is in the folders by full names and, where a short one is in use, by that too."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        """See `importlib.abc.MetaPathFinder`."""
        short = name.removeprefix("bgrl.")
        top, *rest = short.split(".")
        if top not in FOLDERS:
            return None
        loader = _Loader
        if name == short:
            loader = _SameModule
            if not rest or sys.modules.get(top) is not sys.modules.get(f"bgrl.{top}"):
                return None
        package = ROOT.joinpath(top, *rest, "__init__.py")
        file = package if package.is_file() else package.parent.with_suffix(".py")
        if not file.is_file():
            return None
        return spec_from_file_location(name, file, loader=loader(name, str(file)))


def find_folders():
    """Make the folders known, before anything else that was installed under their names."""
    sys.meta_path.insert(0, _Finder)
