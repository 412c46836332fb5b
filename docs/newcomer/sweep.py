"""A sweep over two settings, killed after its first points, and given again.

Page: tutorials/sweep.md
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import bgrl

words = "-m bgrl.experiments.sweep memory_chain --vary discount=0.9,0.99 --vary task.length=2,3"
words += " --units 8 --steps 5000 --replicates 2 --evaluations 1 --workers 1 --output s.nc"
command = [sys.executable, *words.split()]
running = subprocess.Popen(command, start_new_session=True)


def finished():
    return {p.name: p.stat().st_mtime for p in Path().glob("s.nc.partial/points/*.nc")}


until = time.monotonic() + 200
while not finished():
    assert running.poll() is None and time.monotonic() < until
    time.sleep(0.02)
os.killpg(running.pid, signal.SIGKILL)
running.wait()
before = finished()
assert not Path("s.nc").exists() and 1 <= len(before) < 4
subprocess.run(command, check=True)
after = {p.name: p.stat().st_mtime for p in Path("s.nc.points").glob("*.nc")}
assert len(after) == 4 and all(after[name] == made for name, made in before.items())
data = bgrl.read("s.nc")
print(data["evaluation"]["final_return"].dims)
assert data["evaluation"]["final_return"].shape == (2, 2, 2)
assert Path("s.png").exists() and not Path("s.nc.partial").exists()
subprocess.run(
    [sys.executable, *["-m", "bgrl.analysis.plot", "s.nc", "--figure", "again.png"]], check=True
)
print("done")
