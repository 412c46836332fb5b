"""Puts one fault after the other into a copy of the code and looks whether the tests see it.

``python tests/mutate.py`` goes through ``mutations.tsv``: a fault in words, a text that occurs once in
all code, what replaces it, and the tests that see it. These run first; if they pass, all others run until
one fails. With ``--record`` the test that failed is written to the table, or ``survives`` where none did.
Words after the command choose the faults whose description has one of them. What tests import is imported
once, and each fault is tried in a fork of that process.
"""

import argparse
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
TABLE = Path(__file__).with_name("mutations.tsv")
CODE = ("bgrl", "models", "analysis", "experiments")
SURVIVES = "survives"


def read():
    """Rows of the table: fault, old text, new text, and the tests that see it."""
    lines = TABLE.read_text().splitlines()
    return [line.split("\t") for line in lines if not line.startswith("#")]


def code(root=ROOT):
    """File to text of all code."""
    files = [p for name in CODE for p in (root / name).rglob("*") if p.suffix in (".py", ".cpp")]
    return {path: path.read_text() for path in files}


def copy(folder):
    """Copy all files but those that git ignores."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, names.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)


class FirstFailure:
    """A pytest plugin that writes the name of the first test that fails to a file."""

    def __init__(self, path):
        self.path = path

    def pytest_runtest_logreport(self, report):
        if report.failed and not self.path.exists():
            self.path.write_text(report.nodeid)

    def pytest_collectreport(self, report):
        if report.failed and not self.path.exists():
            self.path.write_text(report.nodeid or "collection")


def failing(folder, arguments):
    """The first test that fails in a copy of the code, or None."""
    found = folder / ".failure"
    child = os.fork()
    if not child:
        status = 1
        with contextlib.suppress(BaseException):
            import pytest

            os.chdir(folder)
            sys.path[0] = os.environ["PYTHONPATH"] = str(folder)
            nothing = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nothing, 1)
            os.dup2(nothing, 2)
            options = ["-x", "-n0", "-p", "no:cacheprovider", "--tb=no", *arguments]
            status = int(pytest.main(options, plugins=[FirstFailure(found)]))
        os._exit(status)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if found.exists():
        return found.read_text()
    return None if status in (0, 5) else f"pytest ended with {status}"


def sees(row, recorded):
    """The test that sees a fault, or None."""
    _, old, new, tests = row
    tests = tests.removeprefix(SURVIVES).split()
    with tempfile.TemporaryDirectory(prefix="mutate-") as name:
        folder = Path(name)
        copy(folder)
        ((path, text),) = [(p, text) for p, text in code(folder).items() if old in text]
        path.write_text(text.replace(old, new))
        found = failing(folder, tests) if tests else None
        return found if found or recorded else failing(folder, [])


def main():
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("words", nargs="*", help="only faults whose description has one of these")
    parser.add_argument("--record", action="store_true", help="write what was found to the table")
    parser.add_argument("--recorded", action="store_true", help="run the tests of the table only")
    options = parser.parse_args()
    for module in (
        "brian2",
        "distributed",
        "gymnasium",
        "hypothesis",
        "matplotlib.pyplot",
        "xarray",
    ):
        __import__(module)
    rows, count, seen = read(), 0, 0
    for row in rows:
        if options.words and not any(word in row[0] for word in options.words):
            continue
        test = sees(row, options.recorded)
        count, seen = count + 1, seen + bool(test)
        print(f"{row[0]}: {test or SURVIVES}", flush=True)
        if options.record:
            row[3] = test or SURVIVES
            head = [line for line in TABLE.read_text().splitlines() if line.startswith("#")]
            TABLE.write_text("\n".join([*head, *map("\t".join, rows), ""]))
    print(f"{seen} of {count} faults are seen")
    return seen < count


if __name__ == "__main__":
    sys.exit(main())
