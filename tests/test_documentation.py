"""What the README and the documentation name exists; blocks of pages run in docs/make."""

import importlib
import inspect
import re
from importlib.util import find_spec
from pathlib import Path

import pytest

import bgrl
from bgrl import tasks

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
PAGES = sorted(p for p in (ROOT / "docs").rglob("*.md") if "generated" not in p.parts)


@pytest.mark.slow
def test_python_example(tmp_path, monkeypatch, capsys):
    (example,) = re.findall(r"```python\n(.*?)```", README, re.S)
    monkeypatch.chdir(tmp_path)
    exec(compile(example, "README.md", "exec"), {})
    assert capsys.readouterr().out.split()[-1] == "1.]"
    assert list(tmp_path.glob("*.nc")) and list(tmp_path.glob("*.png"))


def test_every_task_is_on_its_page():
    text = (ROOT / "docs" / "tasks.md").read_text()
    for name in tasks.names():
        task = tasks.make(name)
        actions = f"{len(task.actions)}{' continuous' if task.continuous else ''}"
        row = f"| `{name}` | {task.summary} | {len(task.observations)} | {actions} |"
        assert row in text, row


def test_the_version_is_the_same_everywhere():
    citation = (ROOT / "CITATION.cff").read_text()
    assert re.search(r"^version: (\S+)$", citation, re.M)[1] == bgrl.__version__
    assert f"\n## {bgrl.__version__}\n" in (ROOT / "CHANGELOG.md").read_text()
    assert "version = attr: bgrl.__version__" in (ROOT / "setup.cfg").read_text()


def test_the_reference_has_every_name_and_every_analysis():
    text = (ROOT / "docs" / "api.md").read_text()
    analyses = [f"bgrl.analysis.{p.stem}" for p in (ROOT / "analysis").glob("[!_]*.py")]
    names = [f"`{name}`" for name in bgrl.__all__]
    missing = [name for name in (*analyses, *names) if name not in text]
    assert len(analyses) > 25 and not missing


def test_what_refuses_something_says_so():
    """All of `bgrl`, with the methods of its classes and the functions of its modules."""
    found = {name: getattr(bgrl, name) for name in bgrl.__all__}
    for name, thing in list(found.items()):
        if inspect.ismodule(thing) or inspect.isclass(thing):
            inside = inspect.getmembers(thing, inspect.isroutine)
            found |= {f"{name}.{k}": v for k, v in inside if not k.startswith("_")}
    own = {k: v for k, v in found.items() if getattr(v, "__module__", "").startswith("bgrl.")}
    refuses = re.compile(r"raise \w+\(|\b(choose|frozen|as_annotated|check_\w+)\(")
    silent = [
        name
        for name, thing in own.items()
        if refuses.search(inspect.getsource(thing))
        and "\nRaises\n------\n" not in inspect.getdoc(thing)
    ]
    assert len(own) > 100 and not silent


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
            # Generated pages are there once they are built, which refuses links into nothing.
            assert "generated/" in path or (page.parent / path).exists(), path
