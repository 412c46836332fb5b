"""Ways to run an agent's program, found by their names in `BACKENDS`.

A program has the `layout` of the state and ``advance``, see `load`. Where replicates are to be shared
among processes, a program of fewer of them serves all (`bgrl.backends.groups`).
"""

import importlib
from dataclasses import dataclass

from bgrl.backends.groups import GroupedProgram, cores
from bgrl.errors import InputError, check_integer, choose


@dataclass(frozen=True)
class Backend:
    """A way to run an agent's program.

    Parameters
    ----------
    loader : callable or str
        ``loader(structure, name, progress)`` returns a program as `load` describes it, except for
        `processes`; or "module:function" to import it from when it is needed.
    summary : str
        For people, in a few words.
    separate : bool
        Whether a program runs in a process of its own, so that several can run at once.
    imports_brian2 : bool
        Whether this process does, to make a program. It can only in its main thread.
    """

    loader: object
    summary: str
    separate: bool = False
    imports_brian2: bool = True

    def program(self, structure, name, progress):
        """A program, see `load`."""
        loader = self.loader
        if isinstance(loader, str):
            module, function = loader.split(":")
            loader = getattr(importlib.import_module(module), function)
        return loader(structure, name, progress)


BACKENDS = {
    "numpy": Backend("bgrl.backends.runtime:load", "interpreted; for tests and for looking inside"),
    "cython": Backend("bgrl.backends.runtime:load", "Brian2's runtime mode, compiled piecewise"),
    "cpp": Backend(
        "bgrl.backends.cpp:load",
        "C++ standalone with dense kernels; the default",
        separate=True,
        imports_brian2=False,
    ),
    "cpp-plain": Backend(
        "bgrl.backends.cpp:load",
        "C++ standalone as Brian2 writes it, to compare with",
        separate=True,
        imports_brian2=False,
    ),
    "cuda": Backend("bgrl.backends.cuda:load", "one kernel on an NVIDIA card"),
    "cuda-emulated": Backend(
        "bgrl.backends.cuda:load", "the source of cuda, compiled by a C++ compiler", separate=True
    ),
}


def load(name, structure, progress=None, processes=1):
    """Make the program of an agent.

    Parameters
    ----------
    name : str
        One of `BACKENDS`.
    structure : dict
        `Agent.structure()`.
    progress : callable, optional
        Called with a line of text when something takes long.
    processes : int
        Among how many processes the replicates are shared, at most one for each; 0 is one for each
        core. Results are the same. Only compiled programs run in processes of their own; each has a
        process of its own for its environments, where the task is one of Gymnasium.

    Returns
    -------
    program
        With ``layout`` (dict of str to (dtype, shape)), ``build_seconds``, ``processes`` (in how
        many it runs), ``environment`` (a `bgrl.bridge.connection.Connection`, to be set where the task is
        outside of the program; in several processes, which have their replicates in ``groups``, a list of
        them) and ``advance(state, start, steps, learn=True, sink=None)``, which
        returns the state after `steps` more steps, the first of which has number `start`;
        recordings go to the `Sink`.

    Raises
    ------
    InputError
        For an unknown backend, or one that this machine lacks something for; for more processes
        than one where there can be only one.
    """
    backend = BACKENDS[choose("backend", name, BACKENDS)]
    replicates = structure["replicates"]
    size = -(-replicates // min(replicates, _processes(name, processes)))
    program = backend.program(structure | {"replicates": size}, name, progress)
    return program if size == replicates else GroupedProgram(program, replicates)


def _processes(name, wanted):
    """How many processes there are to be."""
    wanted = check_integer("processes", wanted, 0)
    if BACKENDS[name].separate:
        return wanted or cores()
    if wanted > 1:
        raise InputError(f"processes is {wanted}; backend {name!r} runs in one only; valid: 0, 1")
    return 1
