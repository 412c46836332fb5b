"""All panels of a window on one page, and what they have in common on top of it."""

import traceback
from functools import partial

import panel as pn
import param
from panel.custom import JSComponent

from . import circuit, compare, draw, events, learning, live, share, traces
from .state import State

#: The panels, in their order. A new one is a file with TITLE, ``panel(state)`` and ``drawing(state)``.
PANELS = (circuit, learning, traces, events, compare)
#: Those that stand beside each other on top, and are drawn at once; the others take the whole width.
BESIDE = (circuit, learning)
STYLE = "body { margin: 8px; font-family: sans-serif; background: #FFFFFF }"
#: Size of what has nothing to show.
NOTHING = {"width": 0, "height": 0, "margin": 0}
#: Height in pixels of a card that is not drawn yet, so that those below it are out of sight.
ROOM = 700


def page(state):
    """The page of a window.

    Parameters
    ----------
    state : analysis.view.state.State

    Returns
    -------
    panel.viewable.Viewable
    """
    sight, going = Sight(seen=True, **NOTHING), []
    if any(one.going for one in state.runs.values()):  # first, as it takes up what is new for all
        going = [_framed(live.TITLE, live.panel(state, sight))]
    cards = {one.TITLE: Card(one.TITLE, one.panel, state, one in BESIDE) for one in PANELS}
    titled = {one.TITLE: one for one in PANELS}
    along = Card(share.TITLE, partial(share.panel, panels=titled), state, True).shown
    left, right = (cards.pop(one.TITLE).shown for one in BESIDE)
    top = pn.FlexBox(_half(left), _half(*going, right, along), gap="10px", **draw.STRETCH)
    below = [card.shown for card in cards.values()]
    return pn.Column(sight, _head(state), top, *below, **draw.STRETCH)


class Sight(JSComponent):
    """Whether what it lies in is in sight: a part of it in the window, and the window's tab in front."""

    seen = param.Boolean(False)

    _esm = """
    export function render({ model, el }) {
      const card = el.getRootNode().host.parentNode.host
      let within = false
      const tell = () => { model.seen = within && !document.hidden }
      const observer = new IntersectionObserver((entries) => {
        within = entries.at(-1).isIntersecting
        tell()
      })
      observer.observe(card)
      document.addEventListener('visibilitychange', tell)
      model.on('remove', () => {
        observer.disconnect()
        document.removeEventListener('visibilitychange', tell)
      })
    }
    """


class Card:
    """A panel under its title, that is drawn when it comes in sight, and anew only while it is.

    The panel has a state of its own, which goes with that of the window while it is in sight, and takes
    up what has changed when it comes in sight again.

    Parameters
    ----------
    title : str
    panel : callable
        ``panel(state)``.
    state : analysis.view.state.State
        Of the window.
    at_once : bool
        Whether to draw it before it was seen.
    """

    def __init__(self, title, panel, state, at_once):
        self._panel, self._window, self._late = panel, state, set()
        names = [*State.SHARED, "looks"]
        self._own = State([*state.runs.values()], **{name: getattr(state, name) for name in names})
        self._own.param.watch(self._tell, names)
        state.param.watch(self._hear, names)
        # Where there is no window, as in a notebook, everything is.
        self.sight = Sight(seen=at_once or pn.state.curdoc is None, **NOTHING)
        self.sight.param.watch(self._go_on, "seen")
        self._content = pn.Column(draw.said("is being read ..."), min_height=ROOM, **draw.STRETCH)
        self.shown = _framed(title, pn.Column(self.sight, self._content, **draw.STRETCH))
        self._go_on()

    def _tell(self, *events):
        self._window.param.update(**{event.name: event.new for event in events})

    def _hear(self, *events):
        self._late |= {event.name for event in events}
        self._go_on()

    def _go_on(self, *_):
        """Show what the window's state is by now, if somebody sees it."""
        if not self.sight.seen:
            return
        late, self._late = self._late, set()
        try:
            self._own.param.update(**{name: getattr(self._window, name) for name in late})
            if self._panel is not None:
                panel, self._panel = self._panel, None
                self._content.min_height = None
                self._content[:] = [panel(self._own)]
        except Exception as error:  # a window that does not change would say nothing
            if pn.state.curdoc is None:
                raise
            traceback.print_exc()
            text = f"cannot be shown: {type(error).__name__}: {error}"
            self._content[:] = [draw.said(text, "alert")]


def _half(*cards):
    """Half of the width, or all of it where the window is narrow."""
    box = {"flex": "1 1 420px", "min-width": "min(420px, 100%)"}
    return pn.Column(*cards, styles=box, **draw.STRETCH)


def _framed(title, content):
    return pn.Card(content, title=title, margin=(0, 0, 10, 0), **draw.STRETCH)


def _head(state):
    """The run, the replicate and the step."""
    run = draw.select(state, "run", "run", list(state.runs))
    run.width = 340
    replicate = draw.integer(state, "replicate", "replicate")
    step = draw.integer(state, "step", "step of learning")

    def bound(*_):
        replicate.end = state.opened.replicates - 1
        step.end = state.opened.steps
        state.param.update(
            replicate=min(state.replicate, replicate.end), step=min(state.step, step.end)
        )
        opened, told = state.opened, state.data.attrs
        method = opened.configuration["agent"]["learning"]["sensitivity"]
        text = (
            f"{told.get('task')}, {method}, {opened.replicates} replicates, {opened.steps:,} steps"
        )
        name.object = draw.line(f"{text}; {opened.file or opened.folder or ''}")

    name = pn.pane.HTML("", **draw.STRETCH)
    state.param.watch(bound, "run")
    bound()
    return pn.Column(draw.row(run, replicate, step), name, **draw.STRETCH)
