"""The data of a run in plain xarray and pandas.

Page: file.md
"""

import json

import xarray as xr

from bgrl import Record, Run, models, simulate, tasks, write

agent = models.agent("rtrrl", tasks.make("memory_chain", length=2), units=3, replicates=2)
settings = {"backend": "numpy", "evaluations": 1, "evaluation_steps": 20}
write(simulate(agent, Run(60, record=Record(("dopamine", "cortex")), **settings)), "a.nc")

with xr.open_datatree("a.nc") as data:
    returns = data["trials"]["trial_return"].to_dataframe()["trial_return"].dropna()
    assert set(returns.unique()) <= {-1.0, 1.0}
    rates = data["traces"]["cortex"].to_dataframe()
    assert rates.index.names == ["replicate", "time", "cortex_unit"]
    assert data["weights"]["cortex.tau"].attrs["units"] == "ms"
    assert json.loads(data.attrs["configuration"])["agent"]["learning"]["discount"] == 0.99
print("done")
