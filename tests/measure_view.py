"""What the viewer costs: ``python tests/measure_view.py live``, or ``open FILE.nc``; needs Chromium.

`live` runs the same training alone and followed, in alternation, and prints the wall time of both, their
ratio, and the processor time that the run, the viewer and the browser took. The viewer is started as soon
as the run has a folder, and a browser has its page open until the run ends; the browser's own start does
not count. Words after ``--`` go to `experiments.train`; without any, four exact agents learn for a
million steps.

`open` prints the seconds from the command to its address, to a page whose panels in view are drawn, then
to each panel that is scrolled to, and of zooms of the traces, and the memory of the viewer's process.

On a machine that does something else the ratios vary; the processor times less.
"""

import argparse
import collections
import contextlib
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).parents[1]
TICKS = os.sysconf("SC_CLK_TCK")
#: The page is there, and nothing is to be drawn any more.
IDLE = "window.Bokeh && Bokeh.documents.length && Bokeh.documents.every(d => d.is_idle)"
#: A figure with a name was painted.
DRAWN = """([name]) => {
  const model = Bokeh.documents[0].get_model_by_name(name)
  const view = model && Bokeh.index.find_one(model)
  return view && view.has_finished()
}"""
#: First steps of the bins of a trace.
LOWS = """() => Bokeh.documents[0].get_model_by_name('trace dopamine')
  .renderers[0].data_source.data.x.join()"""
#: What is run if nothing is said: four exact agents.
TRAIN = (
    *("--task", "memory_chain", "--sensitivity", "rtrl", "--replicates", "4", "--processes", "1"),
    *("--steps", "1000000", "--every", "1"),
)


def processor(root, but=()):
    """Seconds that a process and all below it have taken, without those of some processes."""
    below, seconds = collections.defaultdict(list), {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            words = path.read_text().rpartition(")")[2].split()
            pid = int(path.parent.name)
            below[int(words[1])].append(pid)
            seconds[pid] = sum(map(int, words[11:15])) / TICKS  # also of children that have ended
    todo, total = [root], 0.0
    while todo:
        pid = todo.pop()
        if pid not in but:
            total += seconds.get(pid, 0.0)
            todo += below[pid]
    return total


def started(*words):
    """A viewer, and its address once it has printed it."""
    command = [sys.executable, "-m", "analysis.view", *map(str, words)]
    viewer = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    line = viewer.stdout.readline()
    if not line:
        raise SystemExit(f"the viewer did not start: {' '.join(command)}")
    return viewer, line.split()[0]


def run(output, words, browser=None):
    """Wall time of a run and processor time of itself, of the viewer and of the browser."""
    command = [sys.executable, "-m", "experiments.train", *words, "--output", str(output)]
    command.append("--overwrite")
    folder = output.with_name(output.name + ".partial")
    viewer = page = None
    others = processor(os.getpid())
    begun = time.perf_counter()
    silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, cwd=ROOT, **silent) as training:
        if browser:
            while not (folder / "layout.json").exists() and training.poll() is None:
                time.sleep(0.01)
            viewer, url = started("--live", folder)
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            page.goto(url)
        while (
            ended := os.waitid(os.P_PID, training.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        ) is None:
            page.wait_for_timeout(50) if page else time.sleep(0.05)
        wall = time.perf_counter() - begun
        own = processor(training.pid)
        looked = processor(viewer.pid) if viewer else 0.0
        others = processor(os.getpid(), {training.pid, viewer.pid if viewer else 0}) - others
    if ended.si_status:
        raise SystemExit(f"the run failed: {' '.join(command)}")
    if viewer:
        page.close()
        viewer.terminate()
        viewer.wait()
    return wall, own, looked, others


def live(browser, pairs, words):
    """Pairs of a run alone and a run that is looked at."""
    ratios = []
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "run.nc"
        run(output, words)  # builds the program
        for k in range(pairs):
            both = {
                seen: run(output, words, seen) for seen in ((None, browser), (browser, None))[k % 2]
            }
            alone, seen = both[None], both[browser]
            ratios.append(seen[0] / alone[0])
            print(
                f"alone {alone[0]:.2f} s, looked at {seen[0]:.2f} s: {ratios[-1] - 1:+.1%}; processor "
                f"seconds of the run {alone[1]:.2f} and {seen[1]:.2f}, of the viewer {seen[2]:.2f} "
                f"({seen[2] / seen[0]:.1%}), of the browser {seen[3] - alone[3]:.2f} "
                f"({(seen[3] - alone[3]) / seen[0]:.1%})",
                flush=True,
            )
    print(f"median of {pairs} pairs: {statistics.median(ratios) - 1:+.1%}")


def opened(browser, files):
    """From the command to the panels in view, then to the others; zooms; memory."""
    begun = time.perf_counter()
    viewer, url = started(*(Path(file).resolve() for file in files))
    since = lambda: time.perf_counter() - begun  # noqa: E731
    times = {"address": since()}
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(url, wait_until="commit")
    times["page"] = since()
    page.get_by_text("The address of this page").wait_for()
    page.wait_for_function(IDLE)
    page.wait_for_function(DRAWN, arg=["learning"])
    times["usable"] = since()
    taken = processor(viewer.pid)
    print(
        "seconds after the command: " + ", ".join(f"{k} {t:.2f}" for k, t in times.items()), end=""
    )
    print(f"; processor seconds of the viewer {taken:.2f}")
    for title in ("Traces", "Around events", "Compare"):
        begun = time.perf_counter()
        card = page.locator(".card", has=page.get_by_text(title, exact=True)).first
        card.scroll_into_view_if_needed()
        card.get_by_text("is being read ...").wait_for(state="detached")
        page.wait_for_function(IDLE)
        print(f"{title} {since():.2f} s after it was scrolled to", end="; ")
    print()
    zooms = []
    for _ in range(8):
        drawn = page.evaluate(f"({LOWS})()")
        begun = time.perf_counter()
        page.get_by_role("button", name="zoom in", exact=True).click()
        page.wait_for_function(f"(before) => ({LOWS})() !== before", arg=drawn)
        page.wait_for_function(IDLE)
        zooms.append(since())
    status = Path(f"/proc/{viewer.pid}/status").read_text()
    memory = int(status.partition("VmHWM:")[2].split()[0]) / 1000
    print(
        "zooms " + ", ".join(f"{t:.2f}" for t in zooms) + f" s; at most {memory:.0f} MB", flush=True
    )
    page.close()
    viewer.terminate()
    viewer.wait()


def main():
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("live", "open"))
    parser.add_argument("files", nargs="*", metavar="FILE.nc", help="for `open`")
    parser.add_argument("--times", type=int, default=3, help="pairs, or how often it is opened")
    own, words = sys.argv[1:], list(TRAIN)
    if "--" in own:
        own, words = own[: own.index("--")], own[own.index("--") + 1 :]
    options = parser.parse_args(own)
    with sync_playwright() as play:
        place = shutil.which("chromium") or shutil.which("google-chrome")
        arguments = ["--no-sandbox", "--disable-gpu"]
        with play.chromium.launch(executable_path=place, args=arguments) as browser:
            browser.new_page().goto("about:blank")
            if options.what == "live":
                live(browser, options.times, words)
            for _ in range(options.times if options.what == "open" else 0):
                opened(browser, options.files)


if __name__ == "__main__":
    main()
