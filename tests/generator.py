"""Generates C++ in forks of one process, since importing Brian2 takes longer than generating.

A fork has what its process imported and nothing else, so the sources are those that
``python -m bgrl.backends.generate`` writes; `test_backends.py` compares them. The process reads a device,
a folder, a file for messages and one for statements, each on a line, and answers with the exit status.

Statements that a fork has made are kept for those that follow (`bgrl.backends.brian`).
"""

import os
import pickle
import subprocess
import sys
import tempfile
import traceback
from itertools import islice
from pathlib import Path


class Generator:
    """Takes the place of `bgrl.backends.cpp.run_generator`."""

    def __init__(self):
        self.process = self.owner = None

    def __call__(self, device, directory):
        if self.owner != os.getpid():  # none yet, or this is itself a fork of the tests
            self.owner, pipe = os.getpid(), subprocess.PIPE
            self.process = subprocess.Popen(
                [sys.executable, __file__],
                stdin=pipe,
                stdout=pipe,
                text=True,
                env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            )
        with (
            tempfile.NamedTemporaryFile(mode="r") as said,
            tempfile.NamedTemporaryFile() as made,
        ):
            self.process.stdin.write(f"{device}\n{directory}\n{said.name}\n{made.name}\n")
            self.process.stdin.flush()
            return self.process.stdout.readline().strip() != "0", said.read()

    def close(self):
        """End the process."""
        if self.owner == os.getpid():
            self.process.stdin.close()
            self.process.wait()


def generate(device, directory, messages, made):
    """In a fork."""
    known = set(brian.kept_statements)
    file = os.open(messages, os.O_WRONLY)
    os.dup2(file, 1)
    os.dup2(file, 2)
    status = 1
    try:
        generator.main(device, directory)
        new = {k: v for k, v in brian.kept_statements.items() if k not in known}
        Path(made).write_bytes(pickle.dumps(new))
        status = 0
    except SystemExit as end:
        print(end, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    sys.path.remove(str(Path(__file__).parent))
    sys.modules |= dict.fromkeys(("matplotlib", "Cython", "pytest"))
    from bgrl.backends import brian
    from bgrl.backends import generate as generator

    while first := sys.stdin.readline():
        device, *rest = (line.strip() for line in (first, *islice(sys.stdin, 3)))
        child = os.fork()
        if not child:
            generate(device, *rest)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if not status:
            brian.kept_statements |= pickle.loads(Path(rest[-1]).read_bytes())
        print(status, flush=True)
