"""A sweep that is killed, and goes on with the points that are missing.

Page: tutorials/sweep.md
"""

import signal
import subprocess
import sys
import time
from pathlib import Path

import bgrl

command = [
    sys.executable,
    "-m",
    "bgrl.experiments.sweep",
    "memory_chain",
    "--vary",
    "discount=0.9,0.5",
]
command += [
    "--length",
    "2",
    "--units",
    "3",
    "--replicates",
    "1",
    "--steps",
    "300",
    "--workers",
    "1",
]
command += [
    "--backend",
    "numpy",
    "--evaluations",
    "1",
    "--evaluation-steps",
    "40",
    "--output",
    "s.nc",
]
running = subprocess.Popen(command, start_new_session=True)
until = time.monotonic() + 200
while not list(Path().glob("s.nc.partial/points/*.nc")):
    assert running.poll() is None and time.monotonic() < until
    time.sleep(0.05)
running.send_signal(signal.SIGKILL)
running.wait()
assert not Path("s.nc").exists()
kept = {path: path.stat().st_mtime_ns for path in Path().glob("s.nc.partial/points/*.nc")}
subprocess.run(command, check=True)
data = bgrl.read("s.nc")
assert data["evaluation"]["discount"].values.tolist() == [0.9, 0.5]
for path, made in kept.items():
    assert Path("s.nc.points", path.name).stat().st_mtime_ns == made
print("done")
