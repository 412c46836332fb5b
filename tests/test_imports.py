"""Imports go one way: bgrl <- models <- experiments, analysis alone; and between the rooms of bgrl.

models, experiments and analysis are called by their full names, `bgrl.models`; within analysis they are
relative, so that it stands alone.
"""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FORBIDDEN = {
    "bgrl": {"models", "experiments", "analysis", "tests"},
    "models": {"experiments", "analysis", "tests"},
    "experiments": {"tests"},
    "analysis": {"bgrl", "brian2", "models", "experiments", "tests"},
}
BESIDE = ("analysis", "experiments", "models")

#: The rooms of bgrl: modules and packages. One may import those above it, and its own.
ROOMS = (
    ("errors",),
    ("quantities",),
    ("checkout", "cli", "description", "language", "own", "random", "slots"),
    ("circuit",),
    ("bridge", "tasks"),
    ("learning",),
    ("agent", "interventions"),
    ("recording", "step"),
    ("backends", "cache"),
    ("layout",),
    ("assembly",),
    ("checkpoints", "dataset", "estimate", "experiment", "requests", "settings", "simulation"),
    ("bptt", "commands", "following", "doctor", "notebook", "task_check", "verify"),
)


def wrong_imports(package, source):
    """Names of forbidden packages that a source imports anywhere."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {folder(alias.name) for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            found |= {folder(name) for name in names if not node.level}
    return found & FORBIDDEN[package]


def folder(module):
    """Top-level folder of the repository that a module is in."""
    parts = module.split(".")
    return parts[1] if parts[0] == "bgrl" and ".".join(parts[1:2]) in BESIDE else parts[0]


@pytest.mark.parametrize("package", FORBIDDEN)
def test_no_arrow_goes_the_wrong_way(package):
    files = sorted((ROOT / package).rglob("*.py"))
    assert files
    wrong = {str(f): w for f in files if (w := wrong_imports(package, f.read_text()))}
    assert wrong == {}


def test_only_the_command_of_the_viewer_calls_bgrl_from_analysis():
    """By name, for a run that goes on: it hands in what follows and steers it."""
    asked = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "analysis").rglob("*.py")
        if re.search(r"import_module\([^)]*bgrl(?!\.analysis)", path.read_text())
    }
    assert asked == {"analysis/view/__main__.py"}


def test_a_wrong_arrow_would_be_seen():
    assert wrong_imports("analysis", "def f():\n    from bgrl.tasks import make\n") == {"bgrl"}
    assert wrong_imports("bgrl", "from bgrl import models\n") == {"models"}
    assert wrong_imports("models", "import bgrl.experiments.train\n") == {"experiments"}


def test_analysis_stands_alone():
    """It may be copied to where there is no bgrl: its own modules are not called by that name."""
    for path in (ROOT / "analysis").rglob("*.py"):
        found = re.findall(r"^\s*(?:import|from) bgrl\b.*", path.read_text(), re.M)
        assert not found, (str(path), found)


def test_no_short_names():
    """In an install there is no `models`, only `bgrl.models`."""
    for name in BESIDE:
        for path in (ROOT / name).rglob("*.py"):
            short = rf"^\s*(import |from |ANALYSIS = \")({'|'.join(BESIDE)})\b"
            assert not re.search(short, path.read_text(), re.M), path


def modules():
    """Name to source of every module of bgrl."""
    found = {}
    for path in sorted((ROOT / "bgrl").rglob("*.py")):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        found[name.removesuffix(".__init__")] = path.read_text()
    return found


def imported(source, known):
    """Modules among the known ones that a source imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            found |= {name if name in known else node.module for name in names}
    return found & set(known)


def room(module):
    """Number of the room that a module is in; the face is above all."""
    part = module.split(".")[1] if "." in module else None
    numbers = [k for k, names in enumerate(ROOMS) if part in names]
    return numbers[0] if part else -1


def test_every_module_has_a_room():
    names = {name.split(".")[1] for name in modules() if "." in name}
    assert sorted(names) == sorted(part for names in ROOMS for part in names)


def test_doors_between_rooms_go_one_way():
    sources = modules()
    wrong = [
        f"{name} imports {other}"
        for name, source in sources.items()
        for other in imported(source, sources)
        if room(other) > room(name)
    ]
    assert wrong == []


def test_no_circle():
    sources = modules()
    left = {name: imported(source, sources) - {name} for name, source in sources.items()}
    while free := [name for name, others in left.items() if not others & set(left)]:
        left = {name: others for name, others in left.items() if name not in free}
    assert left == {}


def test_a_circle_would_be_seen():
    sources = {"bgrl.a": "import bgrl.b", "bgrl.b": "def f():\n    from bgrl import a"}
    assert [imported(source, sources) for source in sources.values()] == [{"bgrl.b"}, {"bgrl.a"}]


def test_brian2_is_in_the_backends():
    pattern = re.compile(r"^\s*(?:import|from) brian2\b", re.MULTILINE)
    found = [name for name, source in modules().items() if pattern.search(source)]
    assert found and all(name.startswith("bgrl.backends.") for name in found)


def test_the_face():
    code = (
        "import sys\n"
        "from bgrl import Agent, Circuit, Learning, Record, Run, simulate, tasks\n"
        "assert not {'brian2', 'sympy', 'xarray', 'matplotlib'} & set(sys.modules)\n"
        "import bgrl\n"
        "assert all(getattr(bgrl, name) is not None for name in bgrl.__all__)\n"
        "bgrl.nothing"
    )
    words = [sys.executable, "-c", code]
    result = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    assert result.stderr.splitlines()[-1] == (
        "AttributeError: module 'bgrl' has no attribute 'nothing'"
    )


def test_importing_has_no_side_effects(tmp_path):
    """Importing what a warm start needs loads no Brian2, touches no file and prints nothing."""
    code = (
        "import sys, bgrl.simulation, bgrl.tasks, models.rtrrl;"
        "assert not {'brian2', 'sympy', 'xarray', 'matplotlib'} & set(sys.modules)"
    )
    result = subprocess.run(
        [sys.executable, "-B", "-c", code],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "PATH": "", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    assert list(tmp_path.iterdir()) == []
