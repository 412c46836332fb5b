"""What the README and the documentation show runs, and prints what they say."""

import importlib
import re
from importlib.util import find_spec
from pathlib import Path

import pytest

from bgrl import tasks
from bgrl.backends import BACKENDS
from bgrl.interventions import KINDS
from bgrl.learning.methods import METHODS
from bgrl.recording import VARIABLES

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
PAGES = sorted((ROOT / "bgrl" / "docs").glob("*.md"))


@pytest.mark.slow
def test_python_example(tmp_path, monkeypatch, capsys):
    (example,) = re.findall(r"```python\n(.*?)```", README, re.S)
    monkeypatch.chdir(tmp_path)
    exec(compile(example, "README.md", "exec"), {})
    assert capsys.readouterr().out.split()[-1] == "1.]"
    assert list(tmp_path.glob("*.nc")) and list(tmp_path.glob("*.png"))


@pytest.fixture
def registries():
    """What a page adds to these is taken out again."""
    kept = [(registry, dict(registry)) for registry in (METHODS, KINDS, VARIABLES, BACKENDS)]
    yield
    for registry, before in kept:
        registry.clear()
        registry.update(before)


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_pages(page, capsys, registries):
    """Code blocks run in order; a text block after one is what it prints."""
    parts = re.findall(r"```(python|text)\n(.*?)```", page.read_text(), re.S)
    assert parts
    namespace = {}
    for kind, text in parts:
        if kind == "python":
            capsys.readouterr()
            exec(compile(text, page.name, "exec"), namespace)
        else:
            assert capsys.readouterr().out == text


def test_every_task_is_on_its_page():
    text = (ROOT / "bgrl" / "docs" / "tasks.md").read_text()
    for name in tasks.names():
        task = tasks.make(name)
        actions = f"{len(task.actions)}{' continuous' if task.continuous else ''}"
        row = f"| `{name}` | {task.summary} | {len(task.observations)} | {actions} |"
        assert row in text, row


def known(name):
    """Whether a name with dots is a module, or something in one."""
    parts = name.split(".")
    for k in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:k]))
        except ImportError:
            continue
        for part in parts[k:]:
            fields = getattr(found, "__dataclass_fields__", {})
            if part in fields:
                return True
            found = getattr(found, part, None)
        return found is not None
    return False


def test_what_docstrings_and_pages_name_exists():
    folders = [ROOT / name for name in ("bgrl", "models", "analysis", "experiments")]
    files = [*PAGES, ROOT / "README.md", *(p for folder in folders for p in folder.rglob("*.py"))]
    names = {name for p in files for name in re.findall(r"`(bgrl\.[\w.]+\w)`", p.read_text())}
    assert len(names) > 50
    assert [name for name in sorted(names) if not known(name)] == []


def test_commands_and_paths_exist():
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"^make (\w+)", README, re.M):
        assert f"\n{target}:" in makefile
    for page in (ROOT / "README.md", *PAGES):
        text = page.read_text()
        for module in re.findall(r"python -m ([\w.]+)", text):
            if "NAME" not in module:
                spec = find_spec(module)
                assert spec, module
                assert not spec.submodule_search_locations or find_spec(f"{module}.__main__"), (
                    module
                )
        prose = re.sub(r"```.*?```", "", text, flags=re.S)
        for path in re.findall(r"\]\(([^)#:]+)\)", prose):
            assert (page.parent / path).exists(), path
