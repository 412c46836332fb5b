"""Compiled programs, kept to be run again: ``python -m bgrl.cache`` lists them, ``clear`` removes them.

========================  ======================================================================
``programs/DIGEST``       a program: what runs, the structure of the agent it was made from, and in
                          ``lock`` the bytes that each of these files has
``programs/.building-*``  one that is being compiled; renamed once it is whole
``recipes/KEY.json``      which program an agent's structure gives
``locks/KEY``             locked while the program of that structure is compiled
========================  ======================================================================

A program of which a file is missing or cut is built again. One is compiled by one process while others
that want it wait, and is never removed while somebody uses it. The locks (``flock``) end with the process
that holds them, so a killed one leaves nothing locked, and what it left half done is removed after the
next build. Programs used least recently go when all together take more than ``$BGRL_CACHE_LIMIT``.
"""

import argparse
import contextlib
import fcntl
import json
import os
import re
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from bgrl.cli import Parser, run_command
from bgrl.errors import InputError, RunError, from_system

DEFAULT_LIMIT = "2GB"
_UNITS = {"MB": 10**6, "GB": 10**9, "TB": 10**12}
_DAY = 86_400


def cache_directory():
    """Where programs are kept: ``$BGRL_CACHE``, or ``bgrl`` in the user's cache folder."""
    default = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "bgrl"
    return Path(os.environ.get("BGRL_CACHE") or default)


def size_limit():
    """Bytes that all programs together may take: ``$BGRL_CACHE_LIMIT``, 2 GB by default.

    Raises
    ------
    InputError
        If it is no size.
    """
    text = os.environ.get("BGRL_CACHE_LIMIT") or DEFAULT_LIMIT
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([MGT]B)", text.strip(), re.IGNORECASE)
    if not match:
        raise InputError(f"BGRL_CACHE_LIMIT is {text!r}; a size like 500MB or 2GB is needed")
    return int(float(match[1]) * _UNITS[match[2].upper()])


@dataclass(frozen=True)
class Program:
    """A program in the cache.

    Parameters
    ----------
    folder : Path
    size : int
        Bytes it takes on disk.
    used : float
        When it was last asked for, in seconds since 1970.
    """

    folder: Path
    size: int
    used: float

    def labels(self):
        """Circuit, method, dtype, replicates and observations, as text."""
        try:
            structure = json.loads((self.folder / "structure.json").read_text())
            populations = structure["populations"].items()
            methods = {a["sensitivity"] for a in structure["afferents"].values()}
            return (
                ", ".join(f"{name} {p['size']}" for name, p in populations),
                ", ".join(sorted(methods)),
                structure["dtype"],
                str(structure["replicates"]),
                ", ".join(structure["task"]["observations"]),
            )
        except (OSError, ValueError, KeyError, TypeError):
            return ("unknown", *[""] * 4)


def programs():
    """All programs, the least recently used first."""
    found = []
    for folder in (cache_directory() / "programs").glob("[!.]*"):
        # Another process may remove it just now.
        with contextlib.suppress(OSError):
            size = sum(p.lstat().st_blocks * 512 for p in folder.rglob("*"))
            mark = folder / "lock"
            found.append(Program(folder, size, (mark if mark.exists() else folder).stat().st_mtime))
    return sorted(found, key=lambda program: program.used)


def obtain(key, generate, build, progress=None):
    """Find a program or make it.

    Parameters
    ----------
    key : str
        Of everything the program depends on.
    generate : callable
        Writes the sources into a folder and returns a digest of them.
    build : callable
        Compiles what is in the folder; what it leaves there is the program, `main` among it.
    progress : callable, optional
        Called with a line of text when something takes long.

    Returns
    -------
    folder : Path
    lock : file
        The program is not removed as long as this is open.

    Raises
    ------
    InputError
        If the cache cannot be written, or its limit is no size.
    RunError
        If its disk is full.
    """
    root = cache_directory()
    try:
        for name in ("programs", "recipes", "locks"):
            (root / name).mkdir(parents=True, exist_ok=True)
        if found := _known(root, key):
            return found
        limit, say = size_limit(), progress or (lambda text: None)
        with _alone(root, key, lambda: say("another process compiles the same program; waiting")):
            found = _known(root, key)
            if not found:
                say("compiling the circuit and the task to C++ (once)")
                found = _make(root, key, generate, build)
    except OSError as error:
        failure = from_system(f"cannot write the cache {root}", error)
        raise type(failure)(f"{failure}; set BGRL_CACHE to a folder that can be written") from None
    _tidy(root)
    _trim(limit)
    return found


def clear(older_than=0):
    """Remove programs that nobody uses.

    Parameters
    ----------
    older_than : float
        Only those last used so many days ago.

    Returns
    -------
    list of Program
    """
    before = time.time() - older_than * _DAY
    removed = [p for p in programs() if p.used <= before and _remove(p.folder)]
    _tidy(cache_directory())
    return removed


def _known(root, key):
    """The program that a recipe points at, if both are whole."""
    try:
        name = json.loads((root / "recipes" / f"{key}.json").read_text())
    except (OSError, ValueError):
        return None
    return _hold(root / "programs" / name)


def _make(root, key, generate, build):
    work = Path(tempfile.mkdtemp(prefix=f".building-{key}-", dir=root / "programs"))
    try:
        program = root / "programs" / generate(work)
        found = _hold(program)
        if not found:
            build(work)
            sizes = json.dumps(_sizes(work))
            lock = open(work / "lock", "w")  # noqa: SIM115
            lock.write(sizes)
            lock.flush()
            # Locked before anybody can see it, so that it cannot be removed before it is used.
            fcntl.flock(lock, fcntl.LOCK_SH)
            _remove(program)  # if a part of one lies there
            try:
                work.rename(program)
                found = program, lock
            except OSError as error:  # the same sources under another key, made meanwhile
                lock.close()
                found = _hold(program)
                if not found and program.exists():
                    raise RunError(
                        f"the program {program} is damaged and in use; end the runs that use it"
                    ) from error
                if not found:
                    raise
        recipe = root / "recipes" / f"{key}.json"
        temporary = recipe.with_name(f".{recipe.name}")
        temporary.write_text(json.dumps(program.name))
        temporary.replace(recipe)
        return found
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _hold(program):
    """A program and a shared lock on it, or None if there is no whole one."""
    path = program / "lock"
    try:
        lock = open(path)  # noqa: SIM115
    except OSError:
        return None
    fcntl.flock(lock, fcntl.LOCK_SH)  # waits while it is being removed
    if not (_is_file(lock, path) and _is_whole(program, lock)):
        lock.close()
        return None
    with contextlib.suppress(OSError):  # the cache may be another user's
        os.utime(path)
    return program, lock


def _is_whole(program, lock):
    """Whether the files of a program have the sizes that its lock says."""
    try:
        return json.load(lock).items() <= _sizes(program).items()
    except (ValueError, AttributeError):
        return False


def _sizes(folder):
    """Name to bytes of all files in a folder."""
    return {
        path.relative_to(folder).as_posix(): path.stat().st_size
        for path in folder.rglob("*")
        if path.is_file()
    }


def _remove(program):
    """Remove a program unless somebody uses it; whether it was removed."""
    gone = program.with_name(f".removed-{program.name}-{os.getpid()}")
    try:
        with open(program / "lock", "a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            program.rename(gone)
    except OSError:  # in use, or removed by another process
        return False
    shutil.rmtree(gone, ignore_errors=True)
    return True


@contextlib.contextmanager
def _alone(root, key, waiting=None):
    """Be the only process that compiles a program; `BlockingIOError` if `waiting` is None."""
    path, told = root / "locks" / key, False
    while True:
        lock = open(path, "a")  # noqa: SIM115
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if waiting is None:
                lock.close()
                raise
            if not told:
                waiting()
                told = True
            fcntl.flock(lock, fcntl.LOCK_EX)
        # Who held it has removed the file, and another process may hold a new one.
        if _is_file(lock, path):
            break
        lock.close()
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        lock.close()


def _is_file(opened, path):
    """Whether a file that was opened is still what has that name."""
    try:
        return os.path.samestat(os.fstat(opened.fileno()), os.stat(path))
    except FileNotFoundError:
        return False


def _tidy(root):
    """Remove what killed processes left, and recipes of programs that are gone."""
    builds = {path.name: [] for path in (root / "locks").glob("*")}
    for folder in (root / "programs").glob(".building-*"):
        builds.setdefault(folder.name.split("-")[1], []).append(folder)
    for key, folders in builds.items():
        with contextlib.suppress(OSError), _alone(root, key):
            for folder in folders:
                shutil.rmtree(folder, ignore_errors=True)
    for folder in (root / "programs").glob(".removed-*"):
        shutil.rmtree(folder, ignore_errors=True)
    for recipe in (root / "recipes").glob("*.json"):
        with contextlib.suppress(OSError, ValueError):
            if not (root / "programs" / json.loads(recipe.read_text())).exists():
                recipe.unlink()


def _trim(limit):
    """Remove the least recently used programs until the rest take no more than `limit` bytes."""
    found = programs()
    total = sum(program.size for program in found)
    for program in found:
        if total > limit and _remove(program.folder):
            total -= program.size


def _table(found):
    """Programs as lines of text, the most recently used last."""
    rows = [("size", "last used", "circuit", "method", "dtype", "replicates", "observations")]
    for program in found:
        used = time.strftime("%Y-%m-%d %H:%M", time.localtime(program.used))
        labels = [text if len(text) <= 40 else f"{text[:37]}..." for text in program.labels()]
        rows.append((f"{program.size / 1e6:.1f} MB", used, *labels))
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    return [
        "  ".join(text.ljust(n) for text, n in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def _count(found):
    """Number and size of programs, as text."""
    size = sum(program.size for program in found) / 1e6
    return f"{len(found)} program{'s' * (len(found) != 1)}, {size:.1f} MB"


def summary():
    """How many programs there are, what they take, and the limit; a line of text."""
    return f"{cache_directory()}: {_count(programs())} of at most {size_limit() / 1e9:g} GB"


def main(arguments=None):
    """The command."""
    parser = Parser(
        prog="python -m bgrl.cache",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "action", nargs="?", choices=["clear"], help="remove all programs that nobody uses"
    )
    parser.add_argument(
        "--older-than",
        type=float,
        metavar="DAYS",
        help="with clear: only programs last used so many days ago",
    )
    options = parser.parse_args(arguments)
    if options.action == "clear":
        days = options.older_than or 0
        if not days >= 0:
            raise InputError(f"--older-than is {days}; a number of days is needed")
        print(f"removed {_count(clear(days))}")
    elif options.older_than is not None:
        raise InputError("--older-than goes with clear")
    else:
        print("\n".join(_table(programs())))
    print(summary())
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
