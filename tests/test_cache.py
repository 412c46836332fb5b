"""The cache of compiled programs: one build for all, nothing removed in use, a limit to its size."""

import errno
import fcntl
import json
import os
import resource
import threading
import time

import numpy as np
import pytest

from bgrl import cache
from bgrl.backends import cpp
from bgrl.errors import InputError, RunError
from bgrl.recording import Sink

MEGABYTE = 2**20


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("BGRL_CACHE", str(tmp_path))
    monkeypatch.delenv("BGRL_CACHE_LIMIT", raising=False)
    return tmp_path


def build(work):
    (work / "main").write_bytes(b"x" * MEGABYTE)


def obtain(key, progress=None, build=build, digest=None):
    return cache.obtain(key, lambda work: digest or f"program-{key}", build, progress)


def refuse(work):
    raise AssertionError("built again")


def make(*keys):
    """Programs that nobody uses, each used an hour after the one before, long ago."""
    for k, key in enumerate(keys):
        program, lock = obtain(key)
        lock.close()
        os.utime(program / "lock", (3600 * k, 3600 * k))


def names(folder):
    return sorted(p.name for p in (folder / "programs").iterdir())


def test_a_program_is_built_once(folder):
    said = []
    first, _ = obtain("a", said.append)
    assert first == folder / "programs" / "program-a"
    assert (first / "main").stat().st_size == MEGABYTE
    assert said == ["compiling the circuit and the task to C++ (once)"]
    assert obtain("a", said.append, refuse)[0] == first
    # Another structure with the same sources is the same program.
    assert obtain("b", build=refuse, digest="program-a")[0] == first
    assert len(said) == 1 and sorted(p.name for p in (folder / "recipes").iterdir()) == [
        "a.json",
        "b.json",
    ]
    assert not list((folder / "locks").iterdir())


def test_of_many_that_want_it_one_builds_and_the_others_say_that_they_wait(folder):
    built, said, found = [], [], []

    def slow(work):
        built.append(work)
        while said.count("another process compiles the same program; waiting") < 3:
            time.sleep(0.01)
        build(work)

    threads = [
        threading.Thread(target=lambda: found.append(obtain("a", said.append, slow)[0]))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(built) == 1 and found == [folder / "programs" / "program-a"] * 4
    assert len(said) == 4 and not list((folder / "locks").iterdir())


def test_different_programs_do_not_wait_for_each_other(folder):
    def inner(work):
        make("b")
        build(work)

    obtain("a", build=inner)
    assert names(folder) == ["program-a", "program-b"]


def test_a_failed_build_leaves_nothing(folder):
    def fail(work):
        (work / "main.o").touch()
        raise RunError("no luck")

    with pytest.raises(RunError, match="no luck"):
        obtain("a", build=fail)
    assert not [p for p in folder.rglob("*") if p.is_file()] and not names(folder)
    obtain("a")


def test_what_killed_builds_left_is_removed_but_not_what_others_build(folder):
    make("a")
    for name in (".building-dead-x", ".building-alive-y", ".removed-program-b-17"):
        (folder / "programs" / name).mkdir()
        (folder / "programs" / name / "step.o").touch()
    (folder / "locks" / "dead").touch()
    with open(folder / "locks" / "alive", "w") as alive:
        fcntl.flock(alive, fcntl.LOCK_EX)
        make("c")
        assert names(folder) == [".building-alive-y", "program-a", "program-c"]
    make("d")
    assert names(folder) == ["program-a", "program-c", "program-d"]
    assert not list((folder / "locks").iterdir())


@pytest.mark.parametrize("missing", ["main", "lock"])
def test_half_a_program_is_built_again(folder, missing):
    make("a")
    (folder / "programs" / "program-a" / missing).unlink()
    program, _ = obtain("a")
    assert (program / "main").is_file() and names(folder) == ["program-a"]


def test_the_least_recently_used_go_first(folder, monkeypatch):
    make("a", "b", "c")
    obtain("a", build=refuse)[1].close()
    monkeypatch.setenv("BGRL_CACHE_LIMIT", "3.5MB")
    make("d")
    assert names(folder) == ["program-a", "program-c", "program-d"]
    # Their recipes go at the next build.
    monkeypatch.setenv("BGRL_CACHE_LIMIT", "3500 mb")
    make("e")
    assert {p.stem for p in (folder / "recipes").glob("*")} == {"a", "c", "d", "e"}


def test_what_is_in_use_stays_whatever_the_limit(folder, monkeypatch):
    make("b")
    program, lock = obtain("a")
    os.utime(program / "lock", (0, 0))
    monkeypatch.setenv("BGRL_CACHE_LIMIT", "0MB")
    newest = obtain("c")[1]
    assert names(folder) == ["program-a", "program-c"]
    newest.close()
    assert [p.folder.name for p in cache.clear()] == ["program-c"]
    lock.close()
    assert [p.folder.name for p in cache.clear()] == ["program-a"]
    assert not [p for p in folder.rglob("*") if p.is_file()]


def test_a_program_removed_while_it_is_looked_up_is_built_again(folder, monkeypatch):
    make("a")
    hold, flock = cache._hold, fcntl.flock

    def late(lock, mode):
        """Another process removes the program between opening its lock and locking it."""
        monkeypatch.setattr(fcntl, "flock", flock)
        assert cache._remove(folder / "programs" / "program-a")
        flock(lock, mode)

    monkeypatch.setattr(fcntl, "flock", late)
    assert hold(folder / "programs" / "program-a") is None
    assert obtain("a")[0].is_dir()


@pytest.mark.parametrize("text", ["much", "2", "-1GB", "1 kB", "GB", "nanGB"])
def test_a_limit_that_is_no_size_is_refused(monkeypatch, text):
    monkeypatch.setenv("BGRL_CACHE_LIMIT", text)
    with pytest.raises(InputError, match=f"BGRL_CACHE_LIMIT is '{text}'; a size like 500MB"):
        obtain("a")


def test_sizes(monkeypatch):
    assert cache.size_limit() == 2 * 10**9
    for text, size in (("500MB", 5e8), ("1.5 gb", 1.5e9), ("1TB", 1e12), ("", 2e9)):
        monkeypatch.setenv("BGRL_CACHE_LIMIT", text)
        assert cache.size_limit() == size


def test_listed_and_cleared(folder, small_agent, capsys):
    make("a", "b")
    structure = small_agent().structure()
    (folder / "programs" / "program-b" / "structure.json").write_text(cpp.describe(structure))
    (folder / "programs" / "program-a" / "structure.json").write_text(json.dumps({"a": 1}))
    assert cache.main([]) == 0
    header, first, second, total = capsys.readouterr().out.splitlines()
    assert header.split() == [
        *("size", "last", "used", "circuit", "method", "dtype", "replicates", "observations")
    ]
    assert first.split()[:2] == ["1.1", "MB"] and first.split()[-1] == "unknown"
    assert second.split()[4:] == [
        *("cortex", "5", "rflo", "float64", "2", "time_left,", "query,", "context")
    ]
    assert total == f"{folder}: 2 programs, 2.1 MB of at most 2 GB"
    obtain("a")[1].close()
    cache.main(["clear", "--older-than", "1"])
    assert capsys.readouterr().out.splitlines()[0] == "removed 1 program, 1.1 MB"
    assert names(folder) == ["program-a"]
    cache.main(["clear"])
    assert names(folder) == []


def test_refuses_wrong_words():
    for words in (["--older-than", "3"], ["clear", "--older-than", "-1"]):
        with pytest.raises(InputError, match="--older-than"):
            cache.main(words)
    with pytest.raises(InputError, match="unknown action 'wipe'; valid: clear"):
        cache.main(["wipe"])


def test_an_empty_cache_is_listed(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("BGRL_CACHE", str(tmp_path / "none"))
    cache.main(["clear"])
    assert "removed 0 programs" in capsys.readouterr().out
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("name", ["main", "manifest.json", "structure.json", "lock"])
@pytest.mark.parametrize("left", [0, 1])
def test_a_program_of_which_a_file_is_cut_is_built_again(folder, name, left):
    def whole(work):
        build(work)
        (work / "manifest.json").write_text('{"layout": {}}')
        (work / "structure.json").write_text('{"dtype": "float32"}')

    obtain("a", build=whole)[1].close()
    assert obtain("a", build=refuse)[1].close() is None
    path = folder / "programs" / "program-a" / name
    os.truncate(path, left)
    program, lock = obtain("a", build=whole)
    lock.close()
    assert path.stat().st_size > 10 and names(folder) == ["program-a"]
    assert obtain("a", build=refuse)[0] == program


def test_a_damaged_program_that_is_in_use_is_named(folder):
    program, lock = obtain("a")
    os.truncate(program / "main", 5)
    with pytest.raises(
        RunError, match=r"program-a is damaged and in use; end the runs that use it"
    ):
        obtain("a")
    lock.close()
    obtain("a")
    assert (program / "main").stat().st_size == MEGABYTE


def test_a_disk_that_fills_up_during_a_build_is_named(folder):
    def fill(work):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(work / "program.cpp"))

    with pytest.raises(RunError, match="cannot write the cache .*: No space left on device; set"):
        obtain("a", build=fill)
    assert not [p for p in folder.rglob("*") if p.is_file()] and not names(folder)
    obtain("a")


def script(path, *lines):
    path.write_text("\n".join(["#!/bin/sh", *lines, ""]))
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("ld: final link failed: No space left on device", "No space left on device"),
        ("as: can't write 12 bytes to section .text: File too large", "File too large"),
        ("a.cpp:3:1: error: x was not declared", "a.cpp:3:1: error: x was not declared"),
    ],
)
def test_a_compiler_that_has_no_room_says_so(folder, said, reason):
    compiler = script(
        folder / "compiler",
        f'echo "{said}" >&2',
        "echo collect2: error: ld returned 1 >&2",
        "exit 1",
    )
    with pytest.raises(RunError) as error:
        cpp.call([compiler], folder)
    assert str(error.value) == f"the C++ compiler failed: {reason}"


def test_a_program_that_cannot_write_its_results_says_where(folder, tmp_path):
    (folder / "manifest.json").write_text('{"layout": {}, "work": {}}')
    script(folder / "main", "echo could not write the results >&2", "exit 5")
    program = cpp.CppProgram(folder, None, {"task": {"external": False}}, 0.0)
    (tmp_path / "run").mkdir()
    with pytest.raises(RunError, match=r"what follows step 7 to .* or .*run; is the disk full\?$"):
        program.advance({}, 7, 2, sink=Sink(tmp_path / "run"))
    with pytest.raises(RunError, match=r"what follows step 7 to [^ ]*; is the disk full\?$"):
        program.advance({}, 7, 2)


def test_a_state_that_cannot_be_written_says_where(folder):
    (folder / "manifest.json").write_text('{"layout": {"x.y": ["<f8", [2000]]}, "work": {}}')
    program = cpp.CppProgram(folder, None, {"task": {"external": False}}, 0.0)
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
    try:
        with pytest.raises(RunError, match=r"cannot write /.*before: File too large$"):
            program.advance({"x.y": np.zeros(2000)}, 7, 2)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
