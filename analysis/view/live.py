"""Follows a run that goes on, and steers it: pause, step, silence a nucleus, clamp dopamine.

Following reads the folder of the unfinished run and writes nothing. What is steered is asked for by a
line in that folder; the run takes it up between two of its chunks, and its file has it like any other
intervention. `bgrl` knows how, so it is needed here, and only here.
"""

import importlib

import panel as pn

from . import draw

TITLE = "Live"
#: Milliseconds between two looks at the run.
EVERY = 1500


def follow(folder):
    """The dataset of a run as far as it is, see `bgrl.follow`."""
    return importlib.import_module("bgrl").follow(folder)


def panel(state):
    """How far the run is, the controls that steer it, and what became of requests."""
    bgrl = importlib.import_module("bgrl")
    opened = state.opened
    targets = [*opened.circuit["populations"], *opened.circuit["projections"]]
    targets += [opened.circuit[k]["name"] for k in ("actor", "critic") if opened.circuit.get(k)]
    target = pn.widgets.Select(label="nucleus or pathway", options=targets, width=200)
    level = pn.widgets.FloatInput(label="dopamine (TD error)", value=0.0, step=0.1, width=130)
    count = pn.widgets.IntInput(label="steps", value=100, start=1, width=100)
    last = draw.said("")
    seen = {"frames": None, "asked": ""}

    def ask(text):
        try:
            bgrl.steer(opened.folder, text)
            seen["asked"] = f"asked: {text}"
        except ValueError as error:
            seen["asked"] = str(error)
        look()

    def look():
        """Take up what is new; where the run ended, say so."""
        try:
            opened.look()
            if opened.file is None:
                told = bgrl.steering(opened.folder)
        except (ValueError, RuntimeError, OSError) as error:
            last.object = draw.as_note(str(error), "alert")
            return
        if seen["frames"] != opened.seen:
            seen["frames"] = opened.seen
            state.seen = opened.seen
        if opened.file is not None:
            text = f"the run has ended; what is shown is of {opened.file}"
            last.object = draw.as_note("\n".join(filter(None, [seen["asked"], text])))
            return
        lines = [f"step {opened.seen:,} of {opened.steps:,}{', paused' if told['paused'] else ''}"]
        lines += [f"in force or past: {text}" for text in told["interventions"]]
        for answer in told["answers"][-3:]:
            refused = answer["refused"]
            became = f"refused: {refused}" if refused else f"from step {answer['step']:,}"
            lines.append(f"{answer['request']}: {became}")
        last.object = draw.as_note("\n".join(filter(None, [seen["asked"], *lines])))

    def inactivate(ending):
        return lambda _: ask(f"{'end ' if ending else ''}inactivate {target.value}")

    def clamp(ending):
        return lambda _: ask(f"{'end ' if ending else ''}clamp dopamine {level.value:g}")

    rows = [
        draw.row(
            draw.button("pause", lambda _: ask("pause")),
            draw.button("go on", lambda _: ask("go on")),
            count,
            draw.button("go these steps", lambda _: ask(f"step {count.value}")),
        ),
        draw.row(
            target,
            draw.button("inactivate", inactivate(False)),
            draw.button("let go", inactivate(True)),
        ),
        draw.row(level, draw.button("clamp", clamp(False)), draw.button("unclamp", clamp(True))),
    ]
    look()
    pn.state.add_periodic_callback(look, period=EVERY)
    note = draw.said("Steering changes the run for everybody who looks at it.")
    return pn.Column(last, *rows, note, **draw.STRETCH)
