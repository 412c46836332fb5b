"""Commands as ``python -m`` would run them, but in this process, which has imported everything."""

import contextlib
import io
import os
import runpy
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Result:
    """What a command ended with and wrote."""

    returncode: int
    stdout: str
    stderr: str


def command(*words, cwd=ROOT, **environment):
    """Run ``python -m WORDS`` in a folder, with some environment variables."""
    words = [str(word) for word in words]
    out, errors = io.StringIO(), io.StringIO()
    try:
        with (
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(errors),
            contextlib.chdir(cwd),
            mock.patch.dict(os.environ, environment),
            mock.patch.object(sys, "argv", ["", *words[1:]]),
            warnings.catch_warnings(),
        ):
            # The module itself was imported already.
            warnings.filterwarnings("ignore", ".*found in sys.modules", RuntimeWarning)
            runpy.run_module(words[0], run_name="__main__", alter_sys=True)
            code = 0
    except SystemExit as error:
        code = error.code or 0
    return Result(code, out.getvalue(), errors.getvalue())
