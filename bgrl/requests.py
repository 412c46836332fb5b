"""Steers a run that goes on, by requests in its folder: pause, go on, step, interventions.

`steer` adds a line to ``requests.txt``. The run looks there between its chunks, about once a second, and
says in ``progress.json`` what became of each request. An intervention begins in the next step and is from
then on one of the run's: it is in the configuration of the dataset, and a run that was given it at its
start, from that step on, is the same to the bit.
"""

import contextlib
import json
import logging
import os
import re
import time
from dataclasses import asdict, replace

from bgrl.checkpoints import LAYOUT, REQUESTS
from bgrl.description import as_annotated
from bgrl.errors import InputError, RunError, check_path
from bgrl.interventions import Intervention, changes
from bgrl.step.assemble import initial_state
from bgrl.step.hold import set_table

log = logging.getLogger(__name__)
#: Seconds between two looks of a run that is paused.
WAIT = 0.05
_STEP = re.compile(r"step(?: ([1-9]\d{0,15}))?")


def steer(folder, request):
    """Ask something of a run that goes on; where it was stopped, that waits until it goes on.

    Parameters
    ----------
    folder : path
        Of the unfinished run, as `bgrl.follow` takes it.
    request : str
        ``"pause"``, ``"go on"``, ``"step"`` or ``"step 100"`` (so many steps, then a pause); an
        intervention in the words of `bgrl.interventions.Intervention.parse`, which begins in the next
        step (``"inactivate cortex"``, ``"clamp dopamine 0.5 for 100"``); or ``"end"`` and the words of
        one that is in force (``"end inactivate cortex"``).

    Returns
    -------
    int
        Number of the request, from 0; its place among the answers of `steering`.

    Raises
    ------
    InputError
        If that is no request, or no folder of an unfinished run. What does not fit the run, the run
        refuses.
    """
    text = " ".join(as_annotated("request", request, str, "steer").split())
    _read(text)
    path = check_path("folder", folder)
    _check(path)
    with open(path / REQUESTS, "ab", buffering=0) as file:
        file.write(f"{text}\n".encode())
        end = file.tell()
    with open(path / REQUESTS, "rb") as file:
        return file.read(end).count(b"\n") - 1


def steering(folder):
    """What became of the requests to a run that goes on.

    Parameters
    ----------
    folder : path

    Returns
    -------
    dict
        `step`: steps done at the last checkpoint. `paused`. `interventions`: those of the run, as texts.
        `answers`: for each request, in their order, `request`, `step` (after how many it was answered)
        and `refused`: why, or "".

    Raises
    ------
    InputError
        If that is no folder of an unfinished run.
    """
    path = check_path("folder", folder)
    _check(path)
    found = {"step": 0, "steering": {}}
    with contextlib.suppress(FileNotFoundError):
        found |= json.loads((path / "progress.json").read_text())
    status = {"paused": False, "answers": []} | found["steering"]
    made = status.get("interventions")
    if made is None:
        made = json.loads((path / "run.json").read_text())["run"]["interventions"]
    return {
        "step": found["step"],
        "paused": status["paused"],
        "interventions": [str(Intervention(**one)) for one in made],
        "answers": status["answers"],
    }


def _check(path):
    if not (path / LAYOUT).exists():
        raise InputError(f"{path} is no folder of a run that goes on")


def _read(text):
    """A request as what is to be done: a word and what it is about."""
    if text in ("pause", "go on"):
        return text, None
    if step := _STEP.fullmatch(text):
        return "step", int(step[1] or 1)
    verb = "end" if text.startswith("end ") else "begin"
    try:
        intervention = Intervention.parse(text.removeprefix("end "))
    except InputError as error:
        raise InputError(
            f"request {text!r}: {error}; or ask for pause, go on, step [STEPS], end INTERVENTION"
        ) from None
    timed = intervention.start != 0 or intervention.delay != 0
    if timed or (verb == "end" and intervention.duration is not None):
        raise InputError(f"request {text!r}: it counts from the next step; leave out when it is")
    return verb, intervention


class Steering:
    """Does what requests ask for: keeps the run with all its interventions, and its program.

    Parameters
    ----------
    agent : Agent
    run : Run
    program : program
        Of the run as it started.
    load : callable
        ``load(structure)`` makes another.
    work : Work
        Whose `status` says what became of requests.

    Attributes
    ----------
    run : Run
        With the interventions that were asked for.
    program : program
        One that has interventions, once there are some.
    describe : callable
        To be set; called where there are other interventions than before.
    """

    def __init__(self, agent, run, program, load, work):
        self.run, self.program = run, program
        self._agent, self._load, self._work = agent, load, work
        self._path, self._given = work.path / REQUESTS, len(run.interventions)
        #: Steps until the next pause, or None.
        self._left = None
        self._status = work.status

    def resume(self, status):
        """Go on as a run that was stopped; it is not paused any more."""
        self._status |= status | {"paused": False}
        if "interventions" in status:
            made = tuple(Intervention(**one) for one in status["interventions"])
            self.run = replace(self.run, interventions=made)
            self._need_interventions()

    def attributes(self):
        """Root attributes of the dataset: all interventions, where some were asked for."""
        if "interventions" not in self._status:
            return {}
        return {"steered": "; ".join(map(str, self.run.interventions))}

    def look(self, step, state, save):
        """Do what was asked for, and wait while the run is paused.

        Parameters
        ----------
        step : int
            The next step.
        state : dict of str to ndarray
        save : callable
            ``save(step, state)`` makes a checkpoint.

        Returns
        -------
        state : dict of str to ndarray
            To go on from.
        """
        while True:
            requests = self._requests()
            for text in requests:
                refused = ""
                try:
                    state = self._do(*_read(text), step, state)
                except (InputError, RunError) as error:
                    refused = " ".join(str(error).split())
                log.info("before step %d: %s%s", step, text, f" refused: {refused}" * bool(refused))
                answer = {"request": text, "step": step - 1, "refused": refused}
                self._status["answers"] = [*self._status.get("answers", []), answer]
            paused = self._left == 0
            if requests or paused != self._status.get("paused", False):
                self._status["paused"] = paused
                save(step - 1, state)
            if not paused:
                return state
            time.sleep(WAIT)

    def most(self, steps):
        """So many steps, or as many as there are until the next pause."""
        return steps if self._left is None else min(steps, self._left)

    def passed(self, steps):
        """Count steps that were taken."""
        if self._left is not None:
            self._left -= steps

    def _requests(self):
        """New lines that are whole."""
        done = self._status.get("requests", 0)
        try:
            if os.stat(self._path).st_size == done:
                return []
        except FileNotFoundError:
            return []
        with open(self._path, "rb") as file:
            file.seek(done)
            lines = file.read().rpartition(b"\n")
        self._status["requests"] = done + len(lines[0]) + len(lines[1])
        return lines[0].decode(errors="replace").split("\n") if lines[1] else []

    def _do(self, verb, what, step, state):
        if verb in ("pause", "go on", "step"):
            self._left = {"pause": 0, "go on": None, "step": what}[verb]
            return state
        made = self.run.interventions
        if verb == "end":
            made = _ended(made, what, step, self._given)
        else:
            made = (*made, replace(what, start=step))
        run = replace(self.run, interventions=made)
        changes(self._agent, made)  # refuses what cannot be
        fresh = self._need_interventions()
        self.run = run
        self._status["interventions"] = [asdict(one) for one in made]
        state = {name: value.copy() for name, value in (fresh | state).items()}
        set_table(self._agent, made, state)
        self.describe()
        return state

    def _need_interventions(self):
        """Make the program one with interventions; return a state of it, for what another lacks."""
        if "modulation.value" in self.program.layout:
            return {}
        program = self._load(self._agent.structure(True))
        program.environment = self.program.environment
        self.program = program
        return initial_state(self._agent, program.layout, self.run.seed)


def _ended(made, what, step, given):
    """Interventions, of which those that are in force and do what a request says end before a step.

    One that would have begun only in that step is left out; not of those that the run was given, whose
    places in recordings are fixed.
    """
    kept, ended = [], False
    for k, one in enumerate(made):
        alike = replace(what, start=one.start, delay=one.delay, duration=one.duration) == one
        since = step - one.start - one.delay if isinstance(one.start, int) else -1
        if alike and (since > 0 or (since == 0 and k >= given)) and step < _until(one):
            ended = True
            if since:
                kept.append(replace(one, duration=since))
        else:
            kept.append(one)
    if not ended:
        raise InputError(
            f"{what} is not in force; interventions: {', '.join(map(str, made)) or 'none'}"
        )
    return tuple(kept)


def _until(intervention):
    """The step before which an intervention that begins in a step ends."""
    return intervention.start + intervention.open_until()
