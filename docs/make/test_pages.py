"""Every code block of the pages runs and prints what stands below it: part of ``make docs``.

The blocks of a page run in order, in a folder of their own and, those of Python, in one namespace:

```` ```python ````
    Python code.
```` ```python file=NAME ````
    A file, written into the folder.
```` ```console ````
    What follows ``$`` is run by the shell; further lines are what it prints.
```` ```text ````
    What the block before prints; ``...`` stands for anything. Where no code ran before, what a long
    command printed.
```` ```sh ````
    Commands that take minutes. Their options are checked, see `test_long_commands`.
"""

import contextlib
import doctest
import importlib
import io
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import jupytext
import nbclient
import pytest

from bgrl.backends import BACKENDS
from bgrl.experiment import make_parser
from bgrl.interventions import KINDS
from bgrl.learning.methods import METHODS
from bgrl.recording import VARIABLES

HERE = Path(__file__).parents[1]
ROOT = HERE.parent
PAGES = [
    path
    for path in sorted(HERE.rglob("*.md"))
    if not {"_build", "generated"} & set(path.relative_to(HERE).parts)
]
BLOCK = re.compile(r"^```(python|console|text|sh)(?: file=(\S+))?\n(.*?)^```$", re.S | re.M)
#: Commands find this checkout from any folder, as an install would be found.
ENVIRONMENT = os.environ | {
    "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    "PYTHONPATH": str(ROOT),
    "MPLBACKEND": "agg",
}


@pytest.fixture(autouse=True)
def registries():
    """What a page adds to these is taken out again."""
    kept = [(registry, dict(registry)) for registry in (METHODS, KINDS, VARIABLES, BACKENDS)]
    yield
    for registry, before in kept:
        registry.clear()
        registry.update(before)


def same(wanted, got, where):
    """Check what was printed; ``...`` stands for anything."""
    if not doctest.OutputChecker().check_output(wanted, got, doctest.ELLIPSIS):
        pytest.fail(f"{where} prints\n{got}\nnot\n{wanted}")


def shell(text, folder, where):
    """Run the commands of a block."""
    for part in re.split(r"^\$ ", text, flags=re.M)[1:]:
        line, _, wanted = part.partition("\n")
        while line.endswith("\\"):
            more, _, wanted = wanted.partition("\n")
            line = line[:-1] + more
        done = subprocess.run(
            ["bash", "-c", line], cwd=folder, env=ENVIRONMENT, capture_output=True, text=True
        )
        assert done.returncode == 0, f"{where}: {line}\n{done.stderr}"
        if wanted.strip():
            same(wanted, done.stdout, f"{where}: {line}")


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(HERE).with_suffix("")))
def test_page(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)  # as of a script beside the files
    namespace, printed = {"__name__": page.stem}, None
    for kind, file, text in BLOCK.findall(page.read_text()):
        if file:
            (tmp_path / file).write_text(text)
        elif kind == "python":
            with contextlib.redirect_stdout(io.StringIO()) as out:
                exec(compile(text, page.name, "exec"), namespace)
            printed = out.getvalue()
        elif kind == "console":
            shell(text, tmp_path, page.name)
        elif kind == "text" and printed is not None:
            same(text, printed, page.name)


@pytest.mark.parametrize("path", sorted(HERE.glob("notebooks/*.py")), ids=lambda p: p.stem)
def test_notebook(path, tmp_path, monkeypatch):
    """Cells run in a kernel; drawings, tables and bars are what they show."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    notebook = jupytext.read(path)
    client = nbclient.NotebookClient(
        notebook, timeout=600, resources={"metadata": {"path": tmp_path}}
    )
    client.execute()
    shown = [
        kind
        for cell in notebook.cells
        for output in cell.get("outputs", ())
        for kind in output.get("data", ())
    ]
    if path.stem == "first":
        assert shown.count("text/html") >= 4 and "application/vnd.jupyter.widget-view+json" in shown
        assert "image/png" in shown


@pytest.mark.parametrize("path", sorted(HERE.glob("newcomer/*.py")), ids=lambda p: p.stem)
def test_newcomer(path, tmp_path):
    """What a newcomer does from the pages that the script names."""
    pages = re.search(r"^Pages?: (.+)$", path.read_text(), re.M)[1].split(", ")
    assert all((HERE / page).exists() for page in pages)
    own = shutil.copy(path, tmp_path)  # beside what it writes
    done = subprocess.run(
        [sys.executable, own], cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "done"


def commands():
    """Words of each experiment's command in the pages and the README that is not run there."""
    for page in (*PAGES, ROOT / "README.md"):
        text = page.read_text()
        written = re.sub(r"^```(console|python|text).*?^```$", "", text, flags=re.S | re.M)
        written = re.sub(r"\\\n *", "", written)
        for line in re.findall(r"python -m experiments\.(\w+ [^`\n]*)", written):
            yield page, line


def test_long_commands():
    checked = 0
    for page, line in commands():
        name, *words = shlex.split(line, comments=True)
        if name in ("NAME", "sweep", "dopamine"):
            continue
        module = importlib.import_module(f"bgrl.experiments.{name}")
        if not hasattr(module, "Config"):  # of its own options
            continue
        try:
            with contextlib.redirect_stderr(io.StringIO()) as said:
                make_parser(name, module).parse_args(words)
        except SystemExit as error:
            # Prose may name an option without its value.
            known = error.code == 0 or said.getvalue().endswith("expected one argument\n")
            assert known, f"{page.name}: {line}: {said.getvalue()}"
        checked += 1
    assert checked > 20
