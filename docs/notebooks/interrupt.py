# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # An interrupt, and going on
# The stop button of the notebook does what the timer does here.

# %%
import _thread
import threading

from bgrl import Run, models, simulate, tasks

agent = models.agent("rtrrl", tasks.make("memory_chain", length=2), units=4)
run = Run(steps=1_000_000_000, evaluations=1, evaluation_steps=100)
simulate(agent, Run(steps=100, evaluations=1))  # builds the program
threading.Timer(4, _thread.interrupt_main).start()
try:
    data = simulate(agent, run, progress=True)
except KeyboardInterrupt as stop:
    print(stop)
    data = stop.data

# %%
first = int(data["trials"]["end_step"].max())
print(data.attrs["stopped"], "after", first, "steps")
assert 0 < first < run.steps

# %% [markdown]
# The same line again goes on from there; here it is stopped once more.

# %%
threading.Timer(4, _thread.interrupt_main).start()
try:
    simulate(agent, run, progress=True)
except KeyboardInterrupt as stop:
    second = int(stop.data["trials"]["end_step"].max())
assert second > first
