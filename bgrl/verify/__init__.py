"""Replay recorded numbers through the network that users train.

``python -m bgrl.verify FILE.npz [...] [--backend B]`` prints the largest error per quantity and exits
with 1 if one is above tolerance. The kinds of files are described in `tests/fixtures/README.md`.
"""

import json
import zipfile
from dataclasses import dataclass, replace

import numpy as np

from bgrl.agent import Agent
from bgrl.agent.equations import watched
from bgrl.backends import load
from bgrl.circuit import Circuit
from bgrl.circuit.ctrnn import ctrnn_circuit
from bgrl.errors import InputError, check_count, choose
from bgrl.learning import Learning
from bgrl.learning.sensitivity import parts, sizes
from bgrl.step.assemble import initial_state
from bgrl.tasks.scripted import scripted
from bgrl.verify.tasks import TASK_TOLERANCE, replay_trajectory, trajectory_agent

#: Largest absolute error of a trace, in float64.
TRACE_TOLERANCE = 1e-10
#: Largest absolute error of a circuit's states and sensitivities, in float64.
CIRCUIT_TOLERANCE = 1e-9


@dataclass(frozen=True)
class Fixture:
    """A recorded file: its `meta`, and its arrays by name."""

    path: str
    meta: dict
    arrays: dict


def read_fixture(path):
    """Read a recorded file.

    Raises
    ------
    InputError
        If it is missing, truncated, not such a file, or lacks something.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
            meta = json.loads(str(arrays.pop("meta")))
            choose("kind of recorded file", meta["kind"], KINDS)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    except (
        OSError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        zipfile.BadZipFile,
        EOFError,
    ) as error:
        raise InputError(f"{path}: not a recorded file ({type(error).__name__}: {error})") from None
    for name, array in arrays.items():
        if array.dtype.kind not in "biuf":
            raise InputError(f"{path}: {name} is of type {array.dtype}; numbers are needed")
        if not np.isfinite(array).all():
            raise InputError(f"{path}: {name} contains NaN or infinity")
    return Fixture(str(path), meta, arrays)


def _check_shape(name, array, shape):
    if array.shape != shape:
        raise InputError(f"{name} has shape {array.shape}; {shape} is needed")


# rtrrl_trace --------------------------------------------------------------------------------


def _check_trace(meta, arrays):
    """Refuse arrays whose shapes are not those that `meta` says, see `tests/fixtures/README.md`."""
    steps, n, d, m = (check_count(k, meta[k]) for k in ("steps", "n", "d_obs", "n_actions"))
    rows = dict.fromkeys(("reward", "done", "action", "v", "b_critic", "e_b_critic"), ())
    rows |= {"observation": (d,), "W": (n, d + m + n + 2), "tau": (n,), "h": (n,)}
    rows |= {"W_actor": (m, n), "W_critic": (n,), "e_actor": (m, n), "e_critic": (n,)}
    first = (n,) if meta["mode"] == "rtrl" else ()
    for name in ("W", "tau"):
        rows |= {f"e_{name}": rows[name], f"J_{name}": (*first, *rows[name])}
    shapes = {name: (steps + 1, *row) for name, row in rows.items()}
    shapes |= {"delta": (steps,), "mask": rows["W"]}
    if meta["feedback_alignment"]:
        shapes |= {"B_actor": (n, m), "B_critic": (n,)}
    for name, shape in shapes.items():
        _check_shape(name, arrays[name], shape)


def trace_agent(fixture):
    """The agent of an ``rtrrl_trace``, in a task that follows its script."""
    meta, arrays = fixture.meta, fixture.arrays
    _check_trace(meta, arrays)
    task = scripted(
        *(arrays[k] for k in ("observation", "reward", "done", "action")), actions=meta["n_actions"]
    )
    circuit = ctrnn_circuit(
        inputs={"observation": meta["d_obs"], "action": meta["n_actions"], "reward": 1},
        actor_channels=meta["n_actions"],
        units=meta["n"],
        step=1.0,
        substeps=1,
        tau=1.0,
        weights=0.0,
        readout=lambda channels: 0.0,
    )
    learning = Learning(
        sensitivity=meta["mode"],
        feedback="random" if meta["feedback_alignment"] else "symmetric",
        optimizer=meta["optimizer"],
        discount=meta["gamma"],
        trace_actor=meta["lambda_actor"],
        trace_critic=meta["lambda_critic"],
        trace_network=meta["lambda_rnn"],
        rate_actor=meta["lr_td"],
        rate_critic=meta["lr_td"],
        rate_network=meta["lr_rnn"],
        actor_weight=meta["eta_actor"],
        entropy_weight=meta["entropy_rate"],
        first_input="action_0",
    )
    return Agent(circuit, task, learning, replicates=1, dtype="float64")


_BIAS = "sensitivity_rate_bias"


def _columns(weights, bias):
    """Weights and biases as the recorded matrix, whose last column is the bias."""
    return np.concatenate([weights, bias[..., None]], axis=-1)


def trace_views(state, n_actions):
    """The quantities of a trace as views of a state, named as in the recorded file."""
    exact = "cortex_by_" if f"cortex_by_cortex.{_BIAS}" in state else ""
    neuron = {"W": "cortex.bias", "J_W": f"{exact}cortex.{_BIAS}", "e_W": "cortex.eligibility_bias"}
    synapse = {
        "W": "cortex_drive.weight",
        "J_W": f"{exact}cortex_drive.sensitivity_rate_weight",
        "e_W": "cortex_drive.eligibility_weight",
    }
    views = {key: (state[synapse[key]][0], state[neuron[key]][0]) for key in synapse}
    readout, trace = state["readout_drive.weight"][0], state["readout_drive.eligibility_weight"][0]
    views |= {
        "h": state["cortex.rate"][0],
        "tau": state["cortex.tau"][0],
        "J_tau": state[f"{exact}cortex.sensitivity_rate_tau"][0],
        "e_tau": state["cortex.eligibility_tau"][0],
        "W_actor": readout[:n_actions],
        "W_critic": readout[n_actions],
        "e_actor": trace[:n_actions],
        "e_critic": trace[n_actions],
        "b_critic": state["readout.bias"][0, n_actions:],
        "e_b_critic": state["readout.eligibility_bias"][0, n_actions:],
        "v": state["dopamine.value"],
    }
    return views


def trace_state(fixture, agent, layout):
    """The state in which a trace begins.

    Raises
    ------
    InputError
        If the mask of the trace removes a bias.
    """
    arrays, m = fixture.arrays, fixture.meta["n_actions"]
    state = initial_state(agent, layout, seed=0)
    state["task.restart"][...] = 0
    for key, view in trace_views(state, m).items():
        value = arrays[key][0]
        if isinstance(view, tuple):
            view[0][...], view[1][...] = value[..., :-1], value[..., -1]
        else:
            view[...] = value
    mask = arrays["mask"]
    state["cortex_drive.mask"][0] = mask[:, :-1]
    if not mask[:, -1].all():
        raise InputError(f"{fixture.path}: the mask removes biases, which the circuit cannot")
    if fixture.meta["feedback_alignment"]:
        state["readout_drive.feedback"][0, :m] = arrays["B_actor"].T
        state["readout_drive.feedback"][0, m] = arrays["B_critic"]
    state["policy.action"][...] = arrays["action"][0]
    return state


def replay_trace(fixture, program, state):
    """Replay a trace step by step.

    Returns
    -------
    dict of str to float
        Largest absolute error of each recorded quantity.
    """
    arrays, m = fixture.arrays, fixture.meta["n_actions"]
    errors = {}
    for t in range(fixture.meta["steps"]):
        state = program.advance(state, t + 1, 1)
        found = {
            key: _columns(*view) if isinstance(view, tuple) else view
            for key, view in trace_views(state, m).items()
        }
        expected = {key: arrays[key][t + 1] for key in found}
        found["delta"], expected["delta"] = state["dopamine.td_error"], arrays["delta"][t]
        for key, value in found.items():
            error = np.abs(value - expected[key]).max()
            errors[key] = max(errors.get(key, 0.0), float(error) if error == error else np.inf)
    return errors


def verify_trace(fixture, backend, _=None):
    """Errors of an ``rtrrl_trace`` and the tolerance they must meet."""
    agent = trace_agent(fixture)
    program = load(backend, agent.structure())
    return replay_trace(
        fixture, program, trace_state(fixture, agent, program.layout)
    ), TRACE_TOLERANCE


# circuit_sensitivity ------------------------------------------------------------------------


def circuit_agent(fixture, method="rtrl"):
    """The circuit of a ``circuit_sensitivity``, in a task that plays its inputs.

    Its readouts have no weights, and a learning signal that makes it carry all sensitivities.

    Parameters
    ----------
    fixture : Fixture
    method : str
        What is kept of them, see `bgrl.learning.sensitivity`.

    Raises
    ------
    InputError
        If its steps are no positive integer, an input has another shape than is said, or the
        circuit cannot be.
    """
    arrays = fixture.arrays
    circuit = Circuit.from_dict({k: fixture.meta[k] for k in _CIRCUIT_KEYS})
    populations = {
        name: replace(
            p,
            parameters={
                key: replace(parameter, value=arrays[f"value:{name}.{key}"], trainable=True)
                for key, parameter in p.parameters.items()
            },
        )
        for name, p in circuit.populations.items()
    }
    # Inputs of an agent called action and reward would be its own.
    renamed = {name: f"{name}_input" for name in circuit.inputs}
    projections = {
        name: replace(
            p,
            source=renamed.get(p.source, p.source),
            weights=arrays[f"value:{name}"],
            mask=arrays.get(f"mask:{name}"),
        )
        for name, p in circuit.projections.items()
    }
    circuit = replace(
        circuit,
        populations=populations,
        projections=projections,
        inputs={renamed[k]: v for k, v in circuit.inputs.items()} or {"nothing": 1},
    )
    steps = check_count("steps", fixture.meta["steps"])
    for name, channels in fixture.meta["inputs"].items():
        _check_shape(f"input:{name}", arrays[f"input:{name}"], (steps, channels))
    rows = [arrays[f"input:{name}"] for name in fixture.meta["inputs"]] or [np.zeros((steps, 1))]
    rows = np.column_stack(rows)
    # Step 0 belongs to the start of a run.
    rows = np.vstack([np.zeros_like(rows[:1]), rows])
    nothing = np.zeros(len(rows))
    task = scripted(rows, nothing, nothing, nothing, actions=2)
    still = Learning(sensitivity=method, rate_actor=0.0, rate_critic=0.0, rate_network=0.0)
    return Agent(watched(circuit), task, still, dtype="float64")


_CIRCUIT_KEYS = ("dt", "substeps", "populations", "projections", "inputs")


def replay_circuit(fixture, agent, program):
    """Drive a circuit by its recorded input.

    With a method that keeps only the owner's entries, the others are taken to be zero.

    Returns
    -------
    dict of str to float
        Largest absolute error of each recorded quantity.

    Raises
    ------
    InputError
        If something is recorded that the circuit does not have, or in another shape.
    """
    size = sizes(agent.structure())
    state = initial_state(agent, program.layout, 0)
    state["task.restart"][...] = 0
    errors, steps = {}, fixture.meta["steps"]
    for t in range(steps):
        state = program.advance(state, t + 1, 1)
        found = {
            f"state:{name}.{v}": state[f"{name}.{v}"][0]
            for name, p in agent.circuit.populations.items()
            for v in p.dynamics
        }
        for name, block, first, last in parts(agent.structure()):
            columns = (slice(first, last),) if block.drive else ()
            for of, p in agent.circuit.populations.items():
                for v in p.dynamics:
                    full = np.zeros((size[of], *block.shape))
                    if (of, v) in block.states:
                        own = np.arange(block.shape[0])
                        kept = ... if block.coupled else (own, own)
                        full[kept] = state[block.array(of, v)][0]
                    key = f"sensitivity:{of}.{v}:{name}"
                    found[key] = full[(slice(None), slice(None), *columns)]
        for key in fixture.arrays:
            if key.startswith(("state:", "sensitivity:")):
                if key not in found:
                    raise InputError(f"{key} is recorded, which the circuit does not have")
                _check_shape(key, fixture.arrays[key], (steps, *found[key].shape))
                error = np.abs(found[key] - fixture.arrays[key][t]).max(initial=0.0)
                errors[key] = max(errors.get(key, 0.0), float(error) if error == error else np.inf)
    return errors


def verify_circuit(fixture, backend, method):
    """Errors of a ``circuit_sensitivity`` and the tolerance they must meet."""
    agent = circuit_agent(fixture, method or "rtrl")
    program = load(backend, agent.structure())
    return replay_circuit(fixture, agent, program), CIRCUIT_TOLERANCE


# task_trajectory ----------------------------------------------------------------------------


def verify_trajectory(fixture, backend, _=None):
    """Errors of a ``task_trajectory`` and the tolerance they must meet."""
    agent = trajectory_agent(fixture)
    program = load(backend, agent.structure())
    return replay_trajectory(fixture, agent, program), TASK_TOLERANCE


#: Kind of file to what verifies it.
KINDS = {
    "rtrrl_trace": verify_trace,
    "circuit_sensitivity": verify_circuit,
    "task_trajectory": verify_trajectory,
}


def verify(path, backend="cpp", method=None):
    """Replay one recorded file.

    Parameters
    ----------
    path : path
    backend : str
    method : str, optional
        What is kept of the sensitivities of a circuit, ``rtrl`` if nothing is said; the other kinds
        of files say it themselves.

    Returns
    -------
    errors : dict of str to float
    tolerance : float

    Raises
    ------
    InputError
        If the file is not such a file, or needs what there is not.
    """
    fixture = read_fixture(path)
    try:
        errors, tolerance = KINDS[fixture.meta["kind"]](fixture, backend, method)
        if not errors:
            raise InputError("nothing is recorded that could be compared")
        return errors, tolerance
    except KeyError as error:
        raise InputError(f"{path}: the recorded file lacks {error}") from None
    except InputError as error:
        raise InputError(str(error) if str(path) in str(error) else f"{path}: {error}") from None
    except (ValueError, TypeError, AttributeError, IndexError) as error:
        why = " ".join(str(error).split())
        raise InputError(f"{path}: what it says does not fit together ({why})") from error
