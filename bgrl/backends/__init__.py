"""Ways to run an agent's program, one file each.

A backend is a module with ``load(structure, name, progress)`` that returns a program: an object with
the `layout` of the state and ``advance``. `LOADERS` names them. Where replicates are to be shared among
processes, a program of fewer of them serves all (`bgrl.backends.groups`).
"""

import importlib

from bgrl.backends.groups import GroupedProgram, cores
from bgrl.errors import InputError, check_integer, choose

#: Backend name to (module, what it is).
LOADERS = {
    "numpy": ("bgrl.backends.runtime", "interpreted; for tests and for looking inside"),
    "cython": ("bgrl.backends.runtime", "Brian2's runtime mode, compiled piecewise"),
    "cpp": ("bgrl.backends.cpp", "C++ standalone with dense kernels; the default"),
    "cpp-plain": ("bgrl.backends.cpp", "C++ standalone as Brian2 writes it, to compare with"),
}


def load(name, structure, progress=None, processes=1):
    """Make the program of an agent.

    Parameters
    ----------
    name : str
        One of `LOADERS`.
    structure : dict
        `Agent.structure()`.
    progress : callable, optional
        Called with a line of text when something takes long.
    processes : int
        Among how many processes the replicates are shared, at most one for each; 0 is one for each
        core. Results are the same. Only compiled programs run in processes of their own, and only
        tasks inside of the program: a Gymnasium environment is the work of one other process.

    Returns
    -------
    program
        With ``layout`` (dict of str to (dtype, shape)), ``build_seconds``, ``processes`` (in how
        many it runs), ``environment`` (a `bgrl.bridge.Connection`, to be set where the task is
        outside of the program) and ``advance(state, start, steps, learn=True, sink=None)``, which
        returns the state after `steps` more steps, the first of which has number `start`;
        recordings go to the `Sink`.

    Raises
    ------
    InputError
        For an unknown backend, or one that this machine lacks something for; for more processes
        than one where there can be only one.
    """
    module = importlib.import_module(LOADERS[choose("backend", name, LOADERS)][0])
    replicates = structure["replicates"]
    size = -(-replicates // min(replicates, _processes(name, structure, processes)))
    program = module.load(structure | {"replicates": size}, name, progress)
    return program if size == replicates else GroupedProgram(program, replicates)


def _processes(name, structure, wanted):
    """How many processes there are to be."""
    wanted = check_integer("processes", wanted, 0)
    external = structure["task"]["external"]
    if name.startswith("cpp") and not external:
        return wanted or cores()
    if wanted > 1:
        what = "a Gymnasium environment" if external else f"backend {name!r}"
        raise InputError(f"processes is {wanted}; {what} runs in one only; valid: 0, 1")
    return 1
