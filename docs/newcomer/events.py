"""Dopamine at the cue, reward and omission of a task of one's own, early and late in learning.

Pages: tutorials/events.md, dopamine.md
"""

import numpy as np

from bgrl import Parameter, Record, Run, Task, models, simulate
from bgrl.analysis.event_aligned import plot_event_aligned
from bgrl.analysis.style import new_figure
from bgrl.analysis.trials import aligned, replicate_means

task = Task(
    name="cue_then_maybe",
    summary="a cue, and four steps later a reward in eight of ten trials",
    reference="",
    observations={"cue": "int(time == onset)", "reward": "paid"},
    actions=("nothing",),
    variables=("time", "onset", "paid", "missed"),
    parameters={"chance": Parameter(0.8)},
    step="""
        time += 1
        lucky = int(uniform(0) < chance)
        due = int(time == onset + 4)
        paid = due*lucky
        missed = due*(1 - lucky)
        reward = paid
        terminated = int(time == onset + 8)
    """,
    reset="""
        time = 0
        paid = 0
        missed = 0
        onset = 4 + floor(6*uniform(1))
    """,
    events={"cue": "int(time == onset)", "reward": "paid", "omission": "missed"},
    step_duration=100.0,
)
agent = models.agent("rtrrl", task, units=16, replicates=5, discount=0.9, **models.STEADY)
record = Record(("dopamine", "reward", "done"), windows=((0, 2000), (-4000, None)))
data = simulate(agent, Run(steps=200_000, evaluations=1, record=record))


def at(event, period):
    table = aligned(data, "dopamine", event, before=3, after=5, period=period)
    return replicate_means(table)[:, 3]


for event in ("cue", "reward", "omission"):
    print(event, at(event, "early").round(2), at(event, "late").round(2))
assert (at("cue", "late") > 0.05).all()
assert np.median(at("reward", "late")) < np.median(at("reward", "early")) - 0.2
assert np.median(at("omission", "late")) < -0.1
figure = new_figure(9, 3)
for event, ax in zip(("cue", "reward", "omission"), figure.subplots(1, 3), strict=True):
    plot_event_aligned(data, "dopamine", event, before=3, after=5, ax=ax)
figure.savefig("events.png")
print("done")
