"""Follows a run that goes on, and steers it: pause, step, silence a nucleus, clamp dopamine.

Following reads the folder of the unfinished run and writes nothing. What is steered is asked for by a
line in that folder; the run takes it up between two of its chunks, and its file has it like any other
intervention.

A run that is looked at should not be slower. So it is looked at the less often the longer looking and
drawing take, not at all while nobody sees it, and at once when a request was answered.
"""

import time
from pathlib import Path

import panel as pn

from . import draw
from .state import EVERY

TITLE = "Live"


def panel(state, sight):
    """How far the run is, the controls that steer it, and what became of requests.

    Parameters
    ----------
    state : analysis.view.state.State
        Of the window; its `looks` grows with each look that found something new.
    sight : analysis.view.page.Sight
        Whether somebody sees the window.
    """
    opened = next(one for one in state.runs.values() if one.going)
    going = opened.going
    targets = [*opened.circuit["populations"], *opened.circuit["projections"]]
    targets += [opened.circuit[k]["name"] for k in ("actor", "critic") if opened.circuit.get(k)]
    target = pn.widgets.Select(label="nucleus or pathway", options=targets, width=200)
    level = pn.widgets.FloatInput(label="dopamine (TD error)", value=0.0, step=0.1, width=130)
    count = pn.widgets.IntInput(label="steps", value=100, start=1, width=100)
    last = draw.said("")
    known = {"asked": "", "answers": None}

    def ask(text):
        try:
            going.steer(going.folder, text)
            known["asked"] = f"asked: {text}"
        except ValueError as error:
            known["asked"] = str(error)
        look()

    def look():
        """Take up what is new; where the run ended, say so."""
        if not sight.seen:
            return
        begun = time.process_time()
        try:
            told = going.steering(going.folder) if Path(going.folder).is_dir() else None
            answers = told and (len(told["answers"]), told["paused"])
            opened.look(now=answers != known["answers"])
        except (ValueError, RuntimeError, OSError) as error:
            last.object = draw.as_note(str(error), "alert")
            return
        known["answers"], state.looks = answers, opened.looks
        text = "\n".join(filter(None, [known["asked"], *_lines(opened, told)]))
        last.object = draw.as_note(text)
        opened.rest(time.process_time() - begun)

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
    pn.state.add_periodic_callback(look, period=round(1000 * EVERY))
    note = draw.said(
        "Steering changes the run for everybody who looks at it. The longer it takes to draw what is in "
        "sight, the less often is it drawn, so that the run is not slowed."
    )
    return pn.Column(last, *rows, note, **draw.STRETCH)


def _lines(opened, told):
    """How far the run is, what is done to it, and what became of the last requests."""
    if told is None:
        return [f"the run has ended; what is shown is of {opened.file}"]
    lines = [f"step {opened.seen:,} of {opened.steps:,}{', paused' if told['paused'] else ''}"]
    lines += [f"in force or past: {text}" for text in told["interventions"]]
    for answer in told["answers"][-3:]:
        refused = answer["refused"]
        became = f"refused: {refused}" if refused else f"from step {answer['step']:,}"
        lines.append(f"{answer['request']}: {became}")
    return lines
