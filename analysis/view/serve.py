"""Serves the viewer: a page of its own to every window."""

import contextlib
import gc
import logging
import signal
import traceback

import netCDF4
import panel as pn

from . import draw
from .page import STYLE, page
from .state import State, open_runs

#: Addresses that only this machine can reach.
LOOPBACK = ("127.0.0.1", "localhost", "::1")
#: Bytes of a variable of a file that stay in memory once they were read; without it 64 MB of each.
CACHE = 2**21
#: Milliseconds after which a page is drawn: the browser has asked for its scripts by then.
WHILE = 50


def serve(files, going, address, port):
    """Answer until interrupted.

    Parameters
    ----------
    files : list of str
    going : analysis.view.state.Going or None
        A run that goes on.
    address : str
        Loopback, or of this machine in a network.
    port : int
        0 for a free one.

    Returns
    -------
    int
        0, as an exit code.

    Raises
    ------
    ValueError
        For a file that holds no run.
    OSError
        If the address or port cannot be had.
    """
    netCDF4.set_chunk_cache(CACHE)
    # Warnings of windows that were closed.
    logging.getLogger("bokeh.server.views.ws").setLevel(logging.ERROR)
    runs = open_runs(files, going)

    def window():
        """The page, empty at first: it is drawn while the browser loads what draws there."""
        state, refused = State(runs), []
        pn.state.location.sync(state, list(State.SHARED), on_error=refused.append)
        shown = pn.Column(draw.said("is being read ..."), **draw.STRETCH)

        def fill():
            try:
                shown[:] = [page(state)]
            except Exception as error:  # a blank page would say nothing
                traceback.print_exc()
                shown[:] = [draw.said(f"cannot be shown: {type(error).__name__}: {error}", "alert")]
            if refused:
                asked = ", ".join(f"{k} = {v}" for one in refused for k, v in one.items())
                shown.insert(0, draw.said(f"not all of the address is valid: {asked}", "alert"))

        pn.state.curdoc.add_timeout_callback(fill, WHILE)
        return shown

    pn.config.raw_css = [STYLE]
    server = pn.io.server.get_server(
        window,
        port=port,
        address=address,
        title="bgrl: " + ", ".join([*([going.folder] if going else []), *files]),
        # Nobody knows by which name this machine is called from outside.
        websocket_origin=None if address in LOOPBACK else ["*"],
    )
    print(f"http://{address}:{server.port}/ (Ctrl-C ends it)", flush=True)
    gc.freeze()  # what is there stays
    gc.enable()
    # Bokeh's own handler prints first, and fails where nobody reads that any more.
    loop = server.io_loop
    signal.signal(signal.SIGTERM, lambda *_: loop.add_callback_from_signal(loop.stop))
    server.start()
    with contextlib.suppress(KeyboardInterrupt):
        loop.start()
    server.stop()
    return 0
