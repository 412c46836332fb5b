"""Imports go one way: bgrl <- models <- experiments; analysis stands alone."""

import ast
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


def wrong_imports(package, source):
    """Names of forbidden packages that a source imports anywhere."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
    return found & FORBIDDEN[package]


@pytest.mark.parametrize("package", FORBIDDEN)
def test_no_arrow_goes_the_wrong_way(package):
    files = sorted((ROOT / package).rglob("*.py"))
    assert files
    wrong = {str(f): w for f in files if (w := wrong_imports(package, f.read_text()))}
    assert wrong == {}


def test_a_wrong_arrow_would_be_seen():
    assert wrong_imports("analysis", "def f():\n    from bgrl.tasks import make\n") == {"bgrl"}


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
