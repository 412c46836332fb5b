"""The viewer in headless Chromium: pick, zoom, compare, take along, keyboard, two windows, live.

With ``BGRL_SCREENSHOTS=docs/view`` the tests, long ones too, write the pictures of docs/viewer.md.
"""

import contextlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.parse
from pathlib import Path

import numpy as np
import pytest

from analysis.difference import around, difference
from bgrl import Intervention, Record, Run, models, simulate, steer, steering, tasks, write
from bgrl import open as open_runs

ROOT = Path(__file__).parents[1]
pytest.importorskip("panel", reason="the extra `view` is not installed")
playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
if CHROMIUM is None:
    pytest.skip("there is no browser: chromium is not installed", allow_module_level=True)

NAMES = ("dopamine", "value", "reward", "done", "policy", "cortex")
#: Seconds that a page may take on a machine that is busy.
PATIENCE = 30_000


def record(folder, name, steps, *lesions):
    """A file of a small agent."""
    agent = models.agent("rtrrl", tasks.make("memory_chain", length=3), units=8, replicates=3)
    run = Run(
        steps,
        backend="numpy",
        evaluations=6,
        evaluation_steps=2 * steps,
        record=Record((*NAMES, *(["intervention"] if lesions else []))),
        interventions=tuple(map(Intervention.parse, lesions)),
    )
    path = folder / f"{name}.nc"
    write(simulate(agent, run), path)
    return path


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A control, and a lesion in its middle."""
    folder = tmp_path_factory.mktemp("view")
    lesion = "inactivate cortex->cortex from 800 for 400"
    return [record(folder, "control", 2000), record(folder, "lesion", 2000, lesion)]


@pytest.fixture(scope="module")
def serve():
    """Start viewers; their addresses."""
    started = []

    def start(*words):
        last = words[-1]  # files are named as from their folder
        names = [word if isinstance(word, str) else word.name for word in words]
        words = [sys.executable, "-m", "analysis.view", *names]
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        process = subprocess.Popen(
            words, cwd=last.parent, env=environment, stdout=subprocess.PIPE, text=True
        )
        started.append(process)
        line = process.stdout.readline()
        assert line.startswith("http://127.0.0.1:"), line
        return line.split()[0]

    yield start
    for process in started:
        process.stdout.close()  # nobody reads any more, which is no reason to go on
        process.terminate()
        assert process.wait(10) == 0


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as play:
        options = ["--no-sandbox", "--disable-gpu"]
        with play.chromium.launch(executable_path=CHROMIUM, args=options) as launched:
            yield launched


class Window:
    """A window of the viewer."""

    def __init__(self, browser, url, width=1280, height=900):
        self.page = page = browser.new_page(viewport={"width": width, "height": height})
        page.set_default_timeout(PATIENCE)
        self.errors = []
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("requestfailed", lambda request: self.errors.append(request.url))
        page.goto(url)
        page.get_by_text("The address of this page").wait_for()
        self.settle()

    def card(self, title):
        """A panel with its title."""
        return self.page.locator(".card", has=self.page.get_by_text(title, exact=True)).first

    def see(self, *titles):
        """Scroll to panels, which are drawn then; to all if nothing is said."""
        for title in titles or ("Traces", "Around events", "Compare"):
            self.card(title).scroll_into_view_if_needed()
            self.card(title).get_by_text("is being read ...").wait_for(state="detached")
            self.settle()

    def settle(self):
        """Wait until figures have been drawn and nothing moves any more."""
        self.page.wait_for_function(
            "Bokeh.documents.length && Bokeh.documents.every(d => d.is_idle)"
        )
        self.page.wait_for_timeout(400)

    def asked(self):
        """What stands in the address."""
        return dict(urllib.parse.parse_qsl(urllib.parse.urlparse(self.page.url).query))

    def wait_asked(self, **values):
        """Wait until it stands there."""
        text = json.dumps({k: str(v) for k, v in values.items()})
        self.page.wait_for_function(
            f"""() => {{ const q = new URLSearchParams(location.search), w = {text};
            return Object.keys(w).every(k => q.get(k) === w[k]) }}"""
        )
        self.settle()

    def source(self, figure, column):
        """The values of the first source of a figure that has such a column."""
        return self.page.evaluate(
            """([name, column]) => {
              for (const d of Bokeh.documents) {
                // Those that were replaced stay known to the document for a while.
                const figure = [...d._all_models.values()].filter(m => m.name === name).at(-1)
                if (figure == null) continue
                for (const r of figure.renderers) {
                  const found = r.data_source.data[column]
                  if (found == null) continue
                  const inner = found[0]
                  if (inner != null && inner.length !== undefined) {
                    return { shape: inner.shape ?? null, values: Array.from(inner) }
                  }
                  return { shape: null, values: Array.from(found) }
                }
              }
              return null
            }""",
            [figure, column],
        )

    def wait_source(self, figure, column, expected):
        """Wait until a figure has these values."""
        for _ in range(100):
            found = self.source(figure, column)
            values = np.array(found["values"] if found else [], float)
            if values.shape == np.shape(expected) and np.allclose(
                values, expected, rtol=1e-4, atol=1e-6, equal_nan=True
            ):
                return
            self.page.wait_for_timeout(100)
        np.testing.assert_allclose(values, expected, rtol=1e-4)

    def wheel(self, figure, amount):
        """Turn the wheel over the middle of a figure, with the tool that takes it."""
        x, y = self.page.evaluate(
            """(name) => {
              const model = Bokeh.documents[0].get_model_by_name(name)
              model.toolbar.tools.find(tool => tool.type === 'WheelZoomTool').active = true
              const element = Bokeh.index.find_one(model).el
              element.scrollIntoView({ block: 'center' })
              const box = element.getBoundingClientRect()
              return [box.x + box.width / 2, box.y + box.height / 2]
            }""",
            figure,
        )
        self.page.mouse.move(x, y)
        self.page.mouse.wheel(0, amount)

    def button(self, name):
        """A button by what stands on it."""
        return self.page.get_by_role("button", name=name, exact=True)

    def choose(self, label, value):
        """Choose of a list."""
        self.page.get_by_label(label, exact=True).select_option(value)

    def picture(self, name, title=None):
        """Write a picture for the documentation, of a panel or the whole page."""
        if "BGRL_SCREENSHOTS" not in os.environ:
            return
        from PIL import Image

        path = ROOT / os.environ["BGRL_SCREENSHOTS"] / f"{name}.webp"
        path.parent.mkdir(parents=True, exist_ok=True)
        self.page.mouse.move(2, 2)
        self.settle()
        taken = (
            self.page.screenshot(full_page=True) if title is None else self.card(title).screenshot()
        )
        with Image.open(io.BytesIO(taken)) as image:
            image.convert("RGB").save(path, quality=65, method=6)


@pytest.fixture
def window(browser, serve, files):
    opened = Window(browser, serve(*files))
    yield opened
    assert opened.errors == []
    opened.page.close()


def test_a_pathway_is_picked_and_a_trace_is_zoomed(window, files):
    page = window.page
    page.get_by_role("button", name="cortex->dorsal_striatum").focus()
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="cortex->dorsal_striatum").wait_for()
    window.wait_asked(pick="cortex->dorsal_striatum")
    with open_runs(files[0]) as data:
        weights = data["weights"]["cortex->dorsal_striatum"].values[0, -1]
        dopamine = data["traces"]["dopamine"].values[0]
    window.wait_source("weights cortex->dorsal_striatum", "image", weights.ravel())
    assert window.source("weights cortex->dorsal_striatum", "image")["shape"] == [*weights.shape]

    window.see("Traces")
    whole = window.source("trace dopamine", "x")["values"]
    assert len(whole) <= 1200 and np.diff(whole).min() == 2  # two steps a bin
    window.button("zoom in").click()
    window.wait_asked(first=750, last=1250)
    window.wait_source("trace dopamine", "high", dopamine[749:1250])
    window.wait_source("trace value", "x", np.arange(750, 1251))
    window.see()
    window.picture("window")
    # The wheel zooms as well, and all traces with the one under the pointer.
    window.wheel("trace dopamine", -800)
    page.wait_for_function("() => new URLSearchParams(location.search).get('first') > 800")
    first, last = (int(window.asked()[k]) for k in ("first", "last"))
    assert 750 < first < last < 1250
    window.wait_source("trace dopamine", "high", dopamine[first - 1 : last])
    window.wait_source("trace value", "x", np.arange(first, last + 1))


@pytest.mark.long
def test_a_step_is_picked_on_the_learning_curve(window):
    page = window.page
    x, y = page.evaluate(
        """() => {
          const model = Bokeh.documents[0].get_model_by_name('learning')
          const view = Bokeh.index.find_one(model), frame = view.frame.bbox
          view.el.scrollIntoView({ block: 'center' })
          const box = view.el.getBoundingClientRect()
          const at = (model.x_range.start * 0.5 + model.x_range.end * 0.5)
          return [box.x + view.frame.x_scale.compute(at), box.y + frame.y_center]
        }"""
    )
    page.mouse.click(x, y)
    window.wait_asked(step=1000)
    page.get_by_text("at step 1,000").first.wait_for()
    window.see("Around events")
    page.get_by_text("50 trials nearest to step 1,000").first.wait_for(state="attached")
    # What was drawn and is out of sight takes up a new step when it is in sight again.
    page.get_by_label("step of learning", exact=True).first.fill("2000")
    page.keyboard.press("Enter")
    window.wait_asked(step=2000)
    window.see("Around events")
    page.get_by_text("50 trials nearest to step 2,000").first.wait_for(state="attached")


@pytest.mark.long
def test_runs_are_compared_and_subtracted(window, files):
    curves = []
    for file in files:
        with open_runs(file) as data:
            curves.append(data["evaluation"]["mean_return"].values)
    control, lesion = curves
    assert not np.array_equal(control, lesion)
    window.see("Compare")
    window.wait_source("compare 0", "middle", np.median(control, axis=0))
    window.wait_source("compare 1", "middle", np.median(lesion, axis=0))
    window.choose("how", "less the run that is looked at")
    window.wait_asked(subtract="true")
    window.wait_source("compare less", "middle", lesion.mean(axis=0) - control.mean(axis=0))
    window.picture("subtracted", "Compare")
    window.choose("of each", "dopamine")
    window.wait_asked(comparing="dopamine")
    signals = []
    for file in files:
        with open_runs(file) as data:
            signals.append(around(data, "dopamine", "outcome", 5, 5)[1])
    assert np.shape(signals[0]) == (3, 11)
    window.wait_source("compare less", "middle", difference(signals[1], signals[0])[0])


@pytest.mark.long
def test_the_view_is_taken_along(window, files, browser, serve):
    window.choose("panel", "Around events")
    window.see("Around events")
    window.choose("neurons by", "components")
    window.wait_asked(order="components")
    for suffix, start in (("PNG", b"\x89PNG"), ("SVG", b"<?xml")):
        with window.page.expect_download() as download:
            window.button(suffix).click()
        assert Path(download.value.path()).read_bytes().startswith(start)
    with window.page.expect_download() as download:
        window.button("Python").click()
    lines = Path(download.value.path()).read_text()
    assert "order='components'" in lines
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    folder = files[0].parent
    subprocess.run([sys.executable, "-c", lines], cwd=folder, env=environment, check=True)
    assert (folder / "view.png").stat().st_size > 10_000
    # The address alone opens the same view in another viewer of the same files.
    query = urllib.parse.urlparse(window.page.url).query
    colleague = Window(browser, f"{serve(*files)}?{query}")
    colleague.see("Around events")
    assert colleague.page.get_by_label("neurons by").input_value() == "components"
    colleague.page.close()


@pytest.mark.long
def test_windows_do_not_disturb_each_other(window, browser):
    url = window.page.url
    other = Window(browser, url)
    other.see("Traces")
    window.see("Traces")
    other.button("zoom in").click()
    other.choose("nucleus or pathway", "dopamine")
    other.wait_asked(pick="dopamine", first=750)
    window.settle()
    assert window.asked() == {}
    assert len(window.source("trace dopamine", "x")["values"]) == 1000
    window.button("later").click()
    window.settle()
    assert other.asked()["first"] == "750"
    other.page.close()


@pytest.mark.long
def test_nothing_is_cut_off_in_a_narrow_window(browser, serve, files):
    """Nothing is wider than the window, and no text of a control is cut off."""
    narrow = Window(browser, serve(*files), width=400, height=800)
    narrow.see()
    wide = narrow.page.evaluate("document.documentElement.scrollWidth")
    assert wide <= 400
    narrow.choose("neurons by", "components")
    narrow.settle()
    narrow.picture("narrow")
    assert narrow.errors == []
    narrow.page.close()


@pytest.mark.long
def test_a_lesion_is_marked_where_it_begins(browser, serve, files):
    query = urllib.parse.urlencode(
        {"first": 770, "last": 840, "traces": '["dopamine", "value", "cortex", "cortex[2]"]'}
    )
    opened = Window(browser, f"{serve(files[1])}?{query}")
    opened.see("Traces")
    shaded = opened.page.evaluate(
        """() => Bokeh.documents[0].get_model_by_name('trace dopamine').center
        .filter(m => m.type === 'BoxAnnotation').map(m => [m.left, m.right])"""
    )
    assert shaded == [[800, 1200]]
    with open_runs(files[1]) as data:
        cortex = data["traces"]["cortex"].values[0, 769:840, 2]
    opened.wait_source("trace cortex[2]", "low", cortex)
    opened.picture("traces", "Traces")
    assert opened.errors == []
    opened.page.close()


LIVE = """
import sys
from pathlib import Path
from bgrl import Record, simulate, write
from tests.test_view_browser import agent, long_run
write(simulate(agent(), long_run(steps=int(sys.argv[3])), work=sys.argv[1]), sys.argv[2])
"""
#: Steps of the run that is steered.
LONG = 6000


def agent():
    return models.agent("rtrrl", tasks.make("memory_chain", length=3), units=4, replicates=2)


def long_run(*done, steps=LONG):
    return Run(
        steps,
        backend="numpy",
        evaluations=3,
        evaluation_steps=100,
        record=Record(("dopamine", "reward", "done", "cortex")),
        interventions=tuple(map(Intervention.parse, done)),
    )


def wait_until(true, seconds=60):
    """Wait until a function says so."""
    for _ in range(10 * seconds):
        if true():
            return
        time.sleep(0.1)
    raise AssertionError("it did not come to that")


@contextlib.contextmanager
def going_on(folder, file, steps):
    """A run that is paused, so that it waits for the browser."""
    words = [sys.executable, "-c", LIVE, str(folder), str(file), str(steps)]
    with subprocess.Popen(words, cwd=ROOT) as running, contextlib.ExitStack() as stack:
        stack.callback(running.kill)
        wait_until((folder / "progress.json").exists)
        steer(folder, "step 50")
        wait_until(lambda: steering(folder)["paused"])
        yield running


@pytest.mark.long
def test_a_lesion_made_in_the_browser_is_in_the_file(browser, serve, tmp_path):
    folder, file = tmp_path / "run.nc.partial", tmp_path / "run.nc"
    with going_on(folder, file, LONG) as running:
        live = Window(browser, serve("--live", folder))
        live.page.get_by_text(", paused").wait_for()
        live.see()
        live.button("go these steps").click()
        live.page.get_by_text("step 100: from step").wait_for()
        live.page.locator("select").filter(has_text="cortex->cortex").last.select_option(
            "cortex->cortex"
        )
        live.button("inactivate").click()
        text = live.page.get_by_text(re.compile("in force or past: inactivate cortex->cortex from"))
        text.wait_for()
        first = int(re.search(r"from (\d+)", text.inner_text())[1])
        live.button("go these steps").click()
        live.page.get_by_text("shaded: inactivate cortex->cortex").first.wait_for()
        live.settle()
        live.picture("live", "Live")
        live.button("go on").click()
        assert running.wait(300) == 0
        # A look is followed by a hundred times its processor time without one.
        live.page.get_by_text("step 6,000 of 6,000").wait_for(timeout=120_000)
        shutil.rmtree(folder)  # as commands do when they are done
        live.page.get_by_text(f"the run has ended; what is shown is of {file.name}").wait_for()
        live.button("zoom in").click()
        live.settle()
        assert live.errors == []
        live.page.close()
    told = simulate(agent(), long_run(f"inactivate cortex->cortex from {first}"))
    with open_runs(file) as steered:
        done = json.loads(steered.attrs["configuration"])["run"]["interventions"]
        assert [(d["kind"], d["target"], d["start"]) for d in done] == [
            ("inactivate", "cortex->cortex", first)
        ]
        for name in ("dopamine", "cortex"):
            np.testing.assert_array_equal(steered["traces"][name], told["traces"][name])
        for name in ("cortex->cortex", "cortex.tau"):
            np.testing.assert_array_equal(steered["weights"][name], told["weights"][name])
    untouched = simulate(agent(), long_run())
    assert not np.array_equal(untouched["traces"]["cortex"], told["traces"]["cortex"])


@pytest.mark.long
def test_the_keyboard_reaches_every_control(browser, serve, tmp_path):
    """And is enough to steer a run."""
    folder = tmp_path / "run.nc.partial"
    with going_on(folder, tmp_path / "run.nc", 10**6):
        window = Window(browser, serve("--live", folder))
        window.page.get_by_text(", paused").wait_for()
        window.see()
        missed = missed_by_tab(window.page)
        steered_by_keys(window, folder)
        assert window.errors == []
        window.page.close()
    assert missed == []


def missed_by_tab(page):
    """Controls that are shown and that the key Tab does not come to."""
    everything = """() => {
      const found = []
      const walk = (root) => {
        for (const e of root.querySelectorAll('*')) {
          if (e.shadowRoot) walk(e.shadowRoot)
          const box = e.getBoundingClientRect()
          const shown = box.width > 0 && getComputedStyle(e).visibility !== 'hidden'
          const link = e.tagName !== 'A' || e.href
          if (e.tabIndex >= 0 && !e.disabled && shown && link) found.push(e)
        }
      }
      walk(document)
      window.everything = found
      return found.length
    }"""
    current = """() => {
      let e = document.activeElement
      while (e && e.shadowRoot && e.shadowRoot.activeElement) e = e.shadowRoot.activeElement
      return window.everything.indexOf(e)
    }"""
    count = page.evaluate(everything)
    assert count > 60
    reached = set()
    for _ in range(2 * count):
        page.keyboard.press("Tab")
        reached.add(page.evaluate(current))
        if len(reached - {-1}) == count:
            break
    return page.evaluate(
        """(reached) => window.everything
          .filter((e, k) => !reached.includes(k)).map(e => e.outerHTML.slice(0, 120))""",
        sorted(reached),
    )


def steered_by_keys(window, folder):
    """Go on, pause, step, lesion and clamp, and end both."""
    page = window.page

    def press(name, request):
        before = len(steering(folder)["answers"])
        window.button(name).focus()
        page.keyboard.press("Enter")
        wait_until(lambda: len(steering(folder)["answers"]) > before)
        answer = steering(folder)["answers"][-1]
        assert (answer["request"], answer["refused"]) == (request, "")
        page.get_by_text(f"{request}: from step {answer['step']:,}").first.wait_for()
        return answer["step"]

    def enter(label, text):
        page.get_by_label(label, exact=True).focus()
        page.keyboard.press("Control+A")
        page.keyboard.type(text)
        page.keyboard.press("Enter")

    press("go on", "go on")
    assert not steering(folder)["paused"]
    paused = press("pause", "pause")
    assert steering(folder)["paused"]
    enter("steps", "7")
    assert press("go these steps", "step 7") == paused
    wait_until(lambda: steering(folder)["step"] == paused + 7)
    target = page.locator("select").filter(has_text="cortex->cortex").last
    target.focus()
    page.keyboard.type("dors")  # a list goes to what is typed
    assert target.input_value() == "dorsal_striatum"
    press("inactivate", "inactivate dorsal_striatum")
    enter("dopamine (TD error)", "0.5")
    press("clamp", "clamp dopamine 0.5")
    press("go these steps", "step 7")
    wait_until(lambda: steering(folder)["step"] == paused + 14)
    press("let go", "end inactivate dorsal_striatum")
    press("unclamp", "end clamp dopamine 0.5")
    assert steering(folder)["interventions"] == [
        f"inactivate dorsal_striatum from {paused + 8} for 7",
        f"clamp dopamine 0.5 from {paused + 8} for 7",
    ]
    page.get_by_text("shaded: clamp dopamine 0.5").first.wait_for()
