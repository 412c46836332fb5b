"""Ways to run an agent's program, one file each.

A backend is a module with ``load(structure, progress)`` that returns a program: an object with the
`layout` of the state and ``advance``. `LOADERS` names them.
"""

import importlib

from bgrl.errors import choose

#: Backend name to (module, what it is).
LOADERS = {
    "numpy": ("bgrl.backends.runtime", "interpreted; for tests and for looking inside"),
    "cython": ("bgrl.backends.runtime", "Brian2's runtime mode, compiled piecewise"),
    "cpp": ("bgrl.backends.cpp", "C++ standalone with dense kernels; the default"),
    "cpp-plain": ("bgrl.backends.cpp", "C++ standalone as Brian2 writes it, to compare with"),
}


def load(name, structure, progress=None):
    """Make the program of an agent.

    Parameters
    ----------
    name : str
        One of `LOADERS`.
    structure : dict
        `Agent.structure()`.
    progress : callable, optional
        Called with a line of text when something takes long.

    Returns
    -------
    program
        With ``layout`` (dict of str to (dtype, shape)), ``build_seconds``, ``environment`` (a
        `bgrl.bridge.Connection`, to be set where the task is outside of the program) and
        ``advance(state, start, steps, learn=True, sink=None)``, which returns the state after
        `steps` more steps, the first of which has number `start`; recordings go to the `Sink`.

    Raises
    ------
    InputError
        For an unknown backend, or one that this machine lacks something for.
    """
    module = importlib.import_module(LOADERS[choose("backend", name, LOADERS)][0])
    return module.load(structure, name, progress)
