"""A viewer of runs in the browser: circuit, learning, traces, events, comparison.

``python -m analysis.view results/x.nc`` serves it on this machine; in a notebook, `view` shows the same
panels. A panel is a file of this folder with a title, ``panel(state)`` and ``drawing(state)``, and an
entry in `analysis.view.page`. All panels of a window look at one `analysis.view.state.State`.
"""


def view(*runs):
    """The viewer as an object, for a notebook.

    Parameters
    ----------
    *runs : xarray.DataTree or path
        Several are compared.

    Returns
    -------
    panel.viewable.Viewable

    Raises
    ------
    ImportError
        If the extra `view` is not installed.

    Examples
    --------
    >>> view("results/control.nc", "results/lesion.nc")  # doctest: +SKIP
    """
    from .page import page
    from .state import State

    return page(State.of(runs))
