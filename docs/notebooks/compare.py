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
# # Three runs compared

# %%
import tempfile
from pathlib import Path

import bgrl
from bgrl import Run, models, simulate, tasks, write
from bgrl.analysis.runs import plot_compare

folder = Path(tempfile.mkdtemp())
for method in ("rtrl", "rflo", "none"):
    agent = models.agent(
        "rtrrl", tasks.make("memory_chain", length=2), 8, 3, sensitivity=method, **models.STEADY
    )
    write(simulate(agent, Run(steps=4000, evaluations=8)), folder / f"{method}.nc")

# %%
runs = bgrl.open(folder / "*.nc")
runs["evaluation"]["mean_return"].median("replicate")

# %%
plot_compare(runs)
