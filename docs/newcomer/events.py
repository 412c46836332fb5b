"""Dopamine aligned to one's own events, by a function and by hand.

Page: tutorials/events.md
"""

import numpy as np

from bgrl import Record, Run, models, simulate, tasks
from bgrl.analysis.event_aligned import plot_event_aligned
from bgrl.analysis.trials import aligned

agent = models.agent("rtrrl", tasks.make("pavlovian"), units=4, replicates=2)
settings = {"backend": "numpy", "evaluations": 1, "evaluation_steps": 50}
run = Run(2_000, record=Record(("dopamine", "reward", "done")), **settings)
data = simulate(agent, run)
table = aligned(data, "dopamine", "reward", before=2, after=3)
plot_event_aligned(data, "dopamine", "reward", before=2, after=3).figure.savefig("reward.png")

# By hand: in the same trials the same numbers.
traces, steps = data["traces"].to_dataset(), data["trials"]["event_step"].sel(event="reward")
for trial in table:
    replicate, start = int(trial["replicate"]), int(traces["step"][int(trial["start"])])
    own = steps.sel(replicate=replicate).values
    at = own[(own > start)].min()
    by_hand = traces["dopamine"].sel(replicate=replicate)[traces["step"].values == at].item()
    assert np.isclose(trial.sel(lag=0).item(), by_hand)
assert len(table) > 3
print("done")
