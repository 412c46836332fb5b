"""All panels of a window on one page, and what they have in common on top of it."""

import panel as pn

from . import circuit, compare, draw, events, learning, live, share, traces

#: The panels, in their order. A new one is a file with TITLE, ``panel(state)`` and ``drawing(state)``.
PANELS = (circuit, learning, traces, events, compare)
#: Those that stand beside each other on top; the others take the whole width.
BESIDE = (circuit, learning)
#: Those that read much, and are filled once the page is there.
LATER = (events, compare)
STYLE = "body { margin: 8px; font-family: sans-serif; background: #FFFFFF }"


def page(state):
    """The page of a window.

    Parameters
    ----------
    state : analysis.view.state.State

    Returns
    -------
    panel.viewable.Viewable
    """
    cards = {
        one.TITLE: _card(one, _later(one, state) if one in LATER else one.panel(state))
        for one in PANELS
    }
    along = _card(share, share.panel(state, {one.TITLE: one for one in PANELS}))
    left, right = (cards.pop(one.TITLE) for one in BESIDE)
    top = pn.FlexBox(_half(left), _half(right, along), gap="10px", **draw.STRETCH)
    below = [*cards.values()]
    if state.opened.folder is not None:
        below.insert(0, _card(live, live.panel(state)))
    return pn.Column(_head(state), top, *below, **draw.STRETCH)


def _later(one, state):
    content = pn.Column(draw.said("is being read ..."), **draw.STRETCH)

    def fill():
        content[:] = [one.panel(state)]

    pn.state.onload(fill)
    return content


def _half(*cards):
    """Half of the width, or all of it where the window is narrow."""
    box = {"flex": "1 1 420px", "min-width": "min(420px, 100%)"}
    return pn.Column(*cards, styles=box, **draw.STRETCH)


def _card(module, content):
    return pn.Card(content, title=module.TITLE, margin=(0, 0, 10, 0), **draw.STRETCH)


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
