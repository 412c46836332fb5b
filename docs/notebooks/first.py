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
# # A first agent
# A task and an agent are shown as tables and a drawing.

# %%
from bgrl import Record, Run, models, simulate, tasks

task = tasks.make("memory_chain", length=2)
task

# %%
agent = models.agent("rtrrl", task, units=8, replicates=3, **models.STEADY)
agent

# %%
run = Run(steps=4000, evaluations=4, record=Record(("dopamine", "value"), windows=((-200, None),)))
run

# %%
data = simulate(agent, run, progress=True)
data

# %%
from bgrl.analysis.train import plot_traces

plot_traces(data).figure
