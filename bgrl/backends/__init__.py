"""Ways to run an agent's program, found by their names in `BACKENDS`.

A program has the `layout` of the state and ``advance``, see `load`. Where replicates are to be shared
among processes, a program of fewer of them serves all (`bgrl.backends.groups`).
"""

import importlib
from dataclasses import dataclass

from bgrl.backends.groups import GroupedProgram, cores
from bgrl.backends.joint import Joint
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
    card : bool
        Whether programs run on a card, which all processes share.
    joint : str
        As `loader`, of a program for several runs side by side (`bgrl.backends.joint`); nothing where
        that would not pay. Every array of its ``layout`` has an axis of replicates, also those in
        ``shared``, which are one number in the program of a run. Its ``advance`` takes the state of any
        number of replicates up to that of the structure, and trials tell their place in the state instead
        of their replicate.
    needs : str
        "module:function" of what raises `InputError` where this machine lacks what programs need;
        nothing where that is always there.
    """

    loader: object
    summary: str
    separate: bool = False
    imports_brian2: bool = True
    card: bool = False
    joint: str = ""
    needs: str = ""

    def check(self):
        """Raise `InputError`, in one line, if this machine lacks what programs need."""
        if self.needs:
            _imported(self.needs)()

    def program(self, structure, name, progress):
        """A program, see `load`."""
        return _imported(self.loader)(structure, name, progress)

    def joint_program(self, structure, name, progress):
        """A program of several runs."""
        return _imported(self.joint)(structure, name, progress)


def _imported(loader):
    if not isinstance(loader, str):
        return loader
    module, function = loader.split(":")
    return getattr(importlib.import_module(module), function)


BACKENDS = {
    "numpy": Backend(
        "bgrl.backends.runtime:load",
        "interpreted; for tests and for looking inside",
        joint="bgrl.backends.runtime:load_joint",
    ),
    "cython": Backend("bgrl.backends.runtime:load", "Brian2's runtime mode, compiled piecewise"),
    "cpp": Backend(
        "bgrl.backends.cpp:load",
        "C++ standalone with dense kernels; the default",
        separate=True,
        imports_brian2=False,
        needs="bgrl.backends.cpp:compiler",
    ),
    "cpp-plain": Backend(
        "bgrl.backends.cpp:load",
        "C++ standalone as Brian2 writes it, to compare with",
        separate=True,
        imports_brian2=False,
        needs="bgrl.backends.cpp:compiler",
    ),
    "cuda": Backend(
        "bgrl.backends.cuda:load",
        "one kernel on an NVIDIA card",
        card=True,
        joint="bgrl.backends.cuda:load_joint",
        needs="bgrl.backends.cuda:compiler_and_card",
    ),
    "cuda-emulated": Backend(
        "bgrl.backends.cuda:load",
        "the source of cuda, compiled by a C++ compiler",
        separate=True,
        joint="bgrl.backends.cuda:load_joint",
        needs="bgrl.backends.cpp:compiler",
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
    joint = Joint.of_this_thread()
    if joint and backend.joint and not structure["task"]["external"]:
        return joint.share(backend.joint_program, name, structure, progress)
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
