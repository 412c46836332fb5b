"""Every kind of figure of any file: drawn, or refused in one line."""

import pytest

import models
from analysis import plot
from analysis.event_aligned import plot_event_aligned
from bgrl import dataset, tasks
from bgrl.recording import Record
from bgrl.simulation import Run, simulate
from experiments import train

NAMES = ("dopamine", "value", "reward", "done", "action", "policy", "observation", "cortex")


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Name to file and dataset: a memory task, one of the laboratory, one without traces."""
    folder, found = tmp_path_factory.mktemp("kinds"), {}
    for name, task, record in (
        ("memory", tasks.make("memory_chain", length=3), Record(NAMES)),
        ("dots", tasks.make("random_dots", stimulus=100), Record(NAMES)),
        ("bare", tasks.make("memory_chain", length=3), Record()),
        ("short", tasks.make("memory_chain", length=60), Record(NAMES)),
    ):
        agent = models.agent("rtrrl", task, 3, replicates=1)
        data = simulate(agent, Run(30, 0, "numpy", 1, 1, 1, record, evaluation_steps=20))
        dataset.write(data, folder / f"{name}.nc")
        found[name] = folder / f"{name}.nc", data
    return found


@pytest.mark.parametrize("kind", plot.KINDS)
@pytest.mark.parametrize("name", ["memory", "dots", "bare", "short"])
def test_every_kind_of_figure_is_drawn_or_refused(kind, name, runs, tmp_path, capsys):
    path = runs[name][0]
    code = plot.main([str(path), "--kind", kind, "--figure", str(tmp_path / "a.png")])
    errors = capsys.readouterr().err.splitlines()
    assert (code, len(errors)) in ((0, 0), (2, 1)) and (tmp_path / "a.png").exists() == (code == 0)
    if name == "memory" and kind in ("train", "learning_curve", "policy_at_query", "circuit"):
        assert code == 0
    if errors:
        assert errors[0].startswith("error: ") and str(path) in errors[0]


@pytest.mark.parametrize(
    ("name", "variable", "event", "message"),
    [
        ("memory", "dopamine", "lunch", "no event 'lunch'; valid: .*cue"),
        ("memory", "cortex", "cue", "'cortex' has a value for each cortex_unit; plot_activity"),
        ("memory", "stn", "cue", "'stn' was not recorded; recorded: dopamine"),
        ("bare", "dopamine", "cue", "'dopamine' was not recorded; recorded: nothing"),
        ("dots", "dopamine", "query", "task 'random_dots' has no event 'query'"),
    ],
)
def test_what_cannot_be_aligned_is_refused(name, variable, event, message, runs):
    with pytest.raises(ValueError, match=message):
        plot_event_aligned(runs[name][1], variable, event, before=1, after=1)


def test_a_circuit_without_cortex_is_recorded_as_it_is():
    circuit = models.circuit("gpr", tasks.make("stateless_cartpole"))
    recording = train.Config(model="gpr").recording(circuit)
    assert "gpi" in recording.variables and "cortex" not in recording.variables
    other = models.circuit("rtrrl", tasks.make("stateless_cartpole"), 3)
    assert train.Config().recording(other).variables == NAMES
