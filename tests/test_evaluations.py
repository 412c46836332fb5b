"""What evaluations cost, and what becomes of trials that last longer."""

import dataclasses

import numpy as np
import pytest

import models
from analysis.trials import summary_table
from bgrl import dataset
from bgrl.errors import InputError
from bgrl.simulation import Run, simulate
from bgrl.tasks import Task
from experiments import gradient_quality, memory_chain, train


def paying(trial_steps):
    """An agent whose trials pay 1 a step and last `trial_steps` (an expression of `count`)."""
    task = Task(
        name="paying",
        summary="pays 1 a step",
        reference="none",
        observations={"one": "1"},
        actions=("wait", "wait_too"),
        variables=("n", "count"),
        step=f"n = n + 1\nreward = 1\nterminated = int(n >= ({trial_steps}))\ncount = count + terminated",
        reset="n = 0",
    )
    return models.agent("rtrrl", task, 2, 2, sensitivity="none")


def steps_evaluated(agent, run, monkeypatch):
    """The dataset of a run, and the steps of each evaluation, each replicate."""
    from bgrl import simulation

    found, load = [], simulation.load

    def counted(*args, **kwargs):
        program = load(*args, **kwargs)
        advance = program.advance

        def count(state, first, steps, learn=True, sink=None):
            if not learn and sink is not None:
                if first == 0:
                    found.append(0)
                found[-1] += steps
            return advance(state, first, steps, learn=learn, sink=sink)

        program.advance = count
        return program

    monkeypatch.setattr(simulation, "load", counted)
    return simulate(agent, run), found


def test_a_trial_that_never_ends_counts_as_far_as_it_came_and_is_marked(monkeypatch):
    run = Run(30, backend="numpy", evaluations=2, evaluation_trials=3, final_trials=6)
    run = dataclasses.replace(run, evaluation_steps=240)
    data, steps = steps_evaluated(paying("1e6"), run, monkeypatch)
    # 240 steps for 3, 3 and 6 trials; the first step of each only starts the first trial.
    assert steps == [61, 61, 121]
    evaluation = data["evaluation"]
    assert evaluation["mean_return"].values.tolist() == [[60, 60, 120]] * 2
    assert evaluation["episodes"].values.tolist() == [[1, 1, 1]] * 2
    assert evaluation["unfinished"].values.tolist() == [[1, 1, 1]] * 2
    assert evaluation["unfinished"].attrs["units"] == "1"
    assert "6 of 6 evaluations hold a trial" in "\n".join(summary_table(data))


@pytest.mark.parametrize(
    ("trial_steps", "mean", "episodes", "unfinished"),
    [
        # As many as wanted.
        ("10", 10, 4, 0),
        # Three end; a fourth of the same length that is not over tells nothing.
        ("13", 13, 3, 0),
        # One ends after 10 steps, the next has come to 30: it must not be hidden.
        ("10 + 1e6*count", (10 + 30) / 2, 2, 1),
    ],
)
def test_trials_within_the_steps_of_an_evaluation(trial_steps, mean, episodes, unfinished, caplog):
    caplog.set_level("INFO", "bgrl")
    run = Run(10, 0, "numpy", 1, 4, 4, evaluation_steps=80)
    evaluation = simulate(paying(trial_steps), run)["evaluation"].isel(checkpoint=0)
    assert evaluation["mean_return"].values.tolist() == [mean] * 2
    assert evaluation["episodes"].values.tolist() == [episodes] * 2
    assert evaluation["unfinished"].values.tolist() == [unfinished] * 2
    told = f"step 0 of 10: median return {mean:g}"
    told += f", of {episodes} trials of 4, as evaluation_steps were used up" if episodes < 4 else ""
    assert told in caplog.messages


@pytest.mark.parametrize(("steps", "most"), [(3000, 10_000), (200_000, 200_000), (1, 10_000)])
def test_evaluations_cost_no_more_than_learning(steps, most):
    run = Run(steps, evaluations=20)
    share = [run.evaluation_steps_at(step) for step in run.checkpoints()]
    assert 0.95 * most <= sum(share) <= most and min(share) >= 1
    # In proportion to trials.
    assert share[-1] // share[0] == run.final_trials // run.evaluation_trials


def test_the_cost_is_said_before_the_run(small_agent, capsys):
    run = Run(20, 0, "numpy", 1, 2, 3, evaluation_steps=50)
    simulate(small_agent(), run, progress=True)
    said = capsys.readouterr().out
    assert "2 evaluations of 2 trials, the last of 3, take 50 steps at most, learning 20" in said


def test_settings_of_commands_reach_the_run():
    settings = {
        "evaluations": 3,
        "evaluation_trials": 4,
        "final_trials": 5,
        "evaluation_steps": 600,
    }
    for config in (train.Config(**settings), gradient_quality.Config(**settings)):
        run = config.evaluated_run(train.TRACES)
        assert {name: getattr(run, name) for name in settings} == settings
    config = memory_chain.Config().with_settings([(k, str(v)) for k, v in settings.items()])
    assert {name: getattr(config, name) for name in settings} == settings
    assert memory_chain.Config().evaluated_run(train.TRACES).evaluations == 20


@pytest.mark.parametrize("value", [0, -5, 2.5, True, "many"])
def test_steps_of_evaluations_that_cannot_be_are_refused(value):
    with pytest.raises(InputError, match="evaluation_steps is .*; (a positive|an) integer"):
        Run(10, evaluation_steps=value)


def test_the_mark_goes_through_a_file(tmp_path):
    run = Run(10, 0, "numpy", 1, 1, 1, evaluation_steps=20)
    dataset.write(simulate(paying("1e6"), run), tmp_path / "a.nc")
    found = dataset.read(tmp_path / "a.nc")["evaluation"]["unfinished"]
    assert np.issubdtype(found.dtype, np.integer) and found.values.min() == 1
