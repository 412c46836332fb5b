"""`bgrl.models`, `bgrl.analysis` and `bgrl.experiments`: in a checkout, and in a wheel."""

import configparser
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
#: What a user has beside a script.
THEIRS = 'raise SystemExit("the models of the user were taken for those of the package")\n'
#: Ends with the first line of the README's figure, so that nothing is learned here.
EXAMPLE = """
from bgrl import Circuit, models, tasks
from bgrl.analysis.memory_chain import figure
from bgrl.experiments import memory_chain

agent = models.agent("rtrrl", tasks.make("memory_chain", length=4), **models.STEADY)
assert isinstance(agent.circuit, Circuit)
assert memory_chain.ANALYSIS == figure.__module__ == "bgrl.analysis.memory_chain"
print(models.__file__)
"""


def python(folder, path, *words):
    """What Python prints, run in a folder, with one more folder to import from."""
    result = subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        env={"PYTHONPATH": str(path), "PATH": "", "HOME": str(folder)},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_a_checkout_is_used_from_any_folder(tmp_path):
    (tmp_path / "models.py").write_text(THEIRS)
    assert python(tmp_path, ROOT, "-c", EXAMPLE).strip() == str(ROOT / "models" / "__init__.py")


def test_short_names_are_those_of_the_same_modules():
    code = """
import analysis.pathways, experiments.lesions, models.gpr, models as short
import experiments.dopamine.finding
from models import rtrrl
import bgrl.analysis.pathways, bgrl.experiments.lesions, bgrl.models.rtrrl
import bgrl.experiments.dopamine.finding
assert experiments.dopamine is bgrl.experiments.dopamine
assert experiments.dopamine.finding is bgrl.experiments.dopamine.finding
assert short is bgrl.models and models.gpr is bgrl.models.gpr and rtrrl is bgrl.models.rtrrl
assert analysis.pathways.Arrow is bgrl.analysis.pathways.Arrow
assert experiments.lesions.Config is bgrl.experiments.lesions.Config
assert rtrrl.__spec__.name == "bgrl.models.rtrrl"
"""
    python(ROOT, ROOT, "-W", "error", "-c", code)


def test_what_was_imported_can_still_be_run():
    """By either name, as the process of a sweep does it, and tests of commands."""
    code = """
import runpy, sys
import experiments.__main__, experiments.lesions
for name in ("experiments", "experiments.lesions", "bgrl.experiments.lesions"):
    assert runpy.run_module(name, run_name="again")["__name__"] == "again"
"""
    python(ROOT, ROOT, "-c", code)


def test_short_names_of_others_are_left_alone(tmp_path):
    (tmp_path / "models").mkdir()
    for name in ("__init__", "rtrrl"):
        (tmp_path / "models" / f"{name}.py").write_text("MINE = True\n")
    code = "import bgrl.models.rtrrl, models.rtrrl; assert models.MINE and models.rtrrl.MINE"
    python(tmp_path, ROOT, "-c", code)


def test_every_package_is_listed():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    beside = [line.split(" = ") for line in config["options"]["package_dir"].split("\n") if line]
    assert {(full, short) for full, short in beside} == {
        (f"bgrl.{name}", name) for name in ("models", "analysis", "experiments", "docs")
    }
    found = [path.parent.relative_to(ROOT) for path in (ROOT / "bgrl").rglob("__init__.py")]
    names = [".".join(path.parts) for path in found] + [
        ".".join(("bgrl", *path.parent.relative_to(ROOT).parts))
        for _, short in beside
        for path in (ROOT / short).rglob("__init__.py")
    ]
    assert sorted([*names, "bgrl.docs"]) == config["options"]["packages"].split()


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """A folder with what a wheel installs."""
    setuptools = pytest.importorskip("setuptools")
    if tuple(map(int, setuptools.__version__.split(".")[:2])) < (70, 1):
        pytest.skip(f"setuptools {setuptools.__version__} cannot build a wheel by itself; 70.1 can")
    source, built = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("built")
    # A copy, since building leaves folders behind.
    for name in ("bgrl", "models", "analysis", "experiments", "docs"):
        (source / name).symlink_to(ROOT / name)
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        (source / name).write_text((ROOT / name).read_text())
    build = f"from setuptools.build_meta import build_wheel; build_wheel({str(built)!r})"
    python(source, Path(setuptools.__file__).parents[1], "-c", build)
    (archive,) = built.glob("*.whl")
    with zipfile.ZipFile(archive) as file:
        file.extractall(built / "installed")
    return built / "installed"


@pytest.mark.long
def test_a_wheel_is_used_from_any_folder(wheel, tmp_path):
    (tmp_path / "models.py").write_text(THEIRS)
    shown = python(tmp_path, wheel, "-c", EXAMPLE).strip()
    assert shown == str(wheel / "bgrl" / "models" / "__init__.py")
    listing = python(tmp_path, wheel, "-m", "bgrl.experiments")
    assert listing.startswith("python -m bgrl.experiments.NAME") and "  memory_chain " in listing
    usage = python(tmp_path, wheel, "-m", "bgrl.analysis.plot", "--help")
    assert usage.startswith("usage: python -m bgrl.analysis.plot")


def test_a_wheel_has_all_files_and_no_other_packages(wheel):
    folders = [path.name for path in wheel.iterdir() if not path.name.endswith(".dist-info")]
    assert folders == ["bgrl"]
    for pattern in ("bgrl/**/*.py", "bgrl/backends/templates/*.cpp"):
        for path in ROOT.glob(pattern):
            assert (wheel / path.relative_to(ROOT)).exists(), path
    for name in ("models", "analysis", "experiments"):
        for path in (ROOT / name).rglob("*"):
            if path.suffix in (".py", ".png", ".csv"):
                assert (wheel / "bgrl" / path.relative_to(ROOT)).exists(), path
    for pattern in ("docs/*.md", "docs/tutorials/*.md", "docs/dopamine/*.md"):
        for path in ROOT.glob(pattern):
            assert (wheel / "bgrl" / path.relative_to(ROOT)).exists(), path
    assert not list((wheel / "bgrl" / "docs").rglob("*.py"))
