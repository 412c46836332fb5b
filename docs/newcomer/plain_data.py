"""The file of a run in xarray and pandas alone.

Page: file.md
"""

import json
import subprocess
import sys

import xarray as xr

command = (
    "-m bgrl.experiments.train --task memory_chain --set task.length=2 --units 8 --replicates 3"
)
command += " --steps 6000 --evaluations 2 --output plain.nc"
subprocess.run([sys.executable, *command.split()], check=True)

tree = xr.open_datatree("plain.nc")
trials = tree["trials"].to_dataset()[["trial_return", "length", "end_step"]]
table = trials.to_dataframe().dropna().reset_index()
print(table.groupby("replicate")["trial_return"].describe()[["count", "mean"]])
assert set(table.columns) >= {"replicate", "trial", "trial_return", "length"}
late = table[table.end_step > 5000].groupby("replicate")["trial_return"].mean()
assert (late > 0.8).sum() >= 2
traces = tree["traces"].to_dataset()
dopamine = traces["dopamine"].sel(replicate=0)
print(traces["time"].attrs, dopamine.attrs)
assert traces["time"].attrs["units"] == "s"
series = dopamine.to_series()
step = json.loads(tree.attrs["configuration"])["agent"]["task"]
print("task", step["name"], "step", tree.attrs["step_duration_ms"])
assert abs(series.index[1] - series.index[0] - tree.attrs["step_duration_ms"] / 1000) < 1e-9
print("done")
