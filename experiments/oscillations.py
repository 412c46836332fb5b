"""STN and GPe begin to oscillate in the beta band when dopamine is lost; delays set the frequency.

The loop of Nevado Holgado, Terry & Bogacz 2010 (J. Neurosci. 30:12340; `models.holgado_2010`) at rest:
the spectrum of STN against dopamine, and without dopamine against the coupling of the two nuclei, their
delays, and the cortex, the three conditions of the paper. Where oscillations set in, and how fast they
are, is compared with the roots of the linearised equations, which nothing simulated enters. Nothing is
learned.
"""

import tempfile
from dataclasses import asdict, dataclass, replace

import numpy as np
import xarray as xr
from tqdm import tqdm

from bgrl.agent import Agent, describe
from bgrl.backends import load
from bgrl.dataset import SCHEMA_VERSION
from bgrl.errors import InputError, check_count
from bgrl.experiment import command
from bgrl.experiments._loop_theory import Loop, leading_root, noise_spectrum, onset
from bgrl.learning import Learning
from bgrl.models import holgado_2010 as model
from bgrl.recording import Sink
from bgrl.settings import Basics, option
from bgrl.step.assemble import initial_state
from bgrl.tasks.stimulus import stimulus

#: Where `figure` and `summary` of the dataset are; imported once the run is done.
ANALYSIS = "bgrl.analysis.oscillations"
QUICK = {"seconds": 8, "replicates": 4}
#: What is varied: values, and between which two of them the loop begins to oscillate. All but dopamine
#: are factors of what the loop is without dopamine. Delays stay multiples of an Euler step.
SWEEPS = {
    "dopamine": (np.linspace(0, 1, 21).round(2), (1.0, 0.0)),
    "coupling": (np.linspace(0, 1.5, 31)[2:].round(2), (0.1, 1.0)),
    "delay": (np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0, 1.2, 1.5, 2.0]), (0.2, 1.0)),
    "cortex": (np.linspace(0, 1.5, 31)[2:].round(2), (0.2, 1.0)),
}
#: Factor with which the loop oscillates in health too, whatever it multiplies.
HEALTHY = 4.0
#: Steps of 1 ms before what is looked at, and in a segment of a spectrum: a resolution of 0.5 Hz.
SETTLING, SEGMENT = 1000, 2000
#: Highest frequency that is kept, in Hz; and steps of the traces that are kept.
HIGHEST, SHOWN = 80.0, 300


@dataclass(frozen=True, kw_only=True)
class Config(Basics):
    """Settings of the experiment."""

    seconds: int = option(20, "seconds of each simulation, besides one before")
    replicates: int = option(8, "loops with noise of their own")
    seed: int = option(0, "seed of all randomness")


def agent(loop, replicates):
    """The circuit as the numbers of a `Loop` say.

    Parameters
    ----------
    loop : Loop
    replicates : int

    Returns
    -------
    bgrl.agent.Agent
    """
    task = stimulus([0.0], step=model.STEP, channels=["nothing"])
    circuit = model.circuit(task)
    for name, factor in loop.factors.items():
        circuit = circuit.scale(name, factor)
    for name, delay in loop.delays.items():
        circuit = circuit.set(f"{name}.delay", delay)
    circuit = replace(circuit, dopamine=replace(circuit.dopamine, tonic=loop.dopamine))
    return Agent(circuit, task, Learning(sensitivity="none"), replicates, "float64")


def play(program, player, steps, seed):
    """Rates over time.

    Returns
    -------
    array (nucleus, replicate, time)
        Of STN and GPe at the end of each ms, in spikes/s, after `SETTLING`.
    """
    names = [f"{name}.rate" for name in model.TAU]
    with tempfile.TemporaryDirectory(prefix="bgrl-") as folder:
        sink = Sink(folder, names, program.layout)
        state = initial_state(player, program.layout, seed)
        program.advance(state, 0, SETTLING + steps, learn=False, sink=sink)
        frames = sink.read_frames()
        rates = np.array([np.array(frames[name])[SETTLING:, :, 0] for name in names])
    return rates.transpose(0, 2, 1)


def spectrum(rates):
    """Spectral density by Welch's method: Hann windows that overlap by half, without their means.

    Parameters
    ----------
    rates : array (replicate, time)
        At every `model.STEP`, a segment or more.

    Returns
    -------
    frequency : array (frequency,)
        In Hz.
    density : array (replicate, frequency)
        One-sided, (spikes/s)^2/Hz.
    """
    window = np.hanning(SEGMENT + 1)[:-1]
    starts = range(0, rates.shape[1] - SEGMENT + 1, SEGMENT // 2)
    parts = np.stack([rates[:, start : start + SEGMENT] for start in starts], axis=1)
    parts = (parts - parts.mean(axis=-1, keepdims=True)) * window
    power = np.mean(np.abs(np.fft.rfft(parts)) ** 2, axis=1)
    rate = 1000 / model.STEP
    density = power / (rate * np.sum(window**2))
    density[:, 1:-1] *= 2
    return np.fft.rfftfreq(SEGMENT, 1 / rate), density


def measure(stn, gpe):
    """What is kept of the rates, (replicate, time): density, peak, deviation, power, means."""
    frequency, density = spectrum(stn)
    kept = frequency <= HIGHEST
    beta = (frequency >= 13) & (frequency <= 30)
    return {
        "density": density[:, kept],
        "peak_frequency": np.array([peak(frequency[kept], row[kept]) for row in density]),
        "beta_power": density[:, beta].sum(axis=1) * frequency[1],
        "beta_power_gpe": spectrum(gpe)[1][:, beta].sum(axis=1) * frequency[1],
        "deviation": stn.std(axis=1),
        "rate": stn.mean(axis=1),
        "rate_gpe": gpe.mean(axis=1),
    }


def peak(frequency, density):
    """Frequency of the highest density, by a parabola through the logarithms around it."""
    k = int(np.clip(density.argmax(), 1, len(density) - 2))
    left, middle, right = np.log(density[k - 1 : k + 2])
    shift = (left - right) / (2 * (left - 2 * middle + right))
    return frequency[k] + np.clip(shift, -0.5, 0.5) * (frequency[1] - frequency[0])


def run(config):
    """Simulate the loop at every value of each of the four numbers.

    Parameters
    ----------
    config : Config

    Returns
    -------
    xarray.DataTree
        A group for each of `SWEEPS` (value, replicate, frequency): spectral `density` of the rate of STN,
        `peak_frequency`, `beta_power` (13 to 30 Hz), `deviation` and mean `rate`, the same power and mean
        of GPe; and of the linearised Euler steps `growth`, `frequency_predicted` and `onset`,
        `onset_frequency`, with those of the equations themselves (`onset_equations`) and, of what is
        not dopamine, the onset in health (`onset_health`). Group ``noise`` is the spectrum in health that
        the linearised steps predict; ``traces`` are rates with and without dopamine.

    Raises
    ------
    InputError
        For simulations shorter than a segment of a spectrum.
    """
    check_count("replicates", config.replicates)
    if config.seconds * 1000 < SEGMENT:
        raise InputError(f"seconds is {config.seconds}; {SEGMENT // 1000} or more is needed")
    say = tqdm.write if config.progress else None
    programs, found, traces = {}, {}, {}
    jobs = [(name, value) for name, (values, _) in SWEEPS.items() for value in values]
    for name, value in tqdm(jobs, unit="level", disable=None if config.progress else True):
        loop = Loop(**({"dopamine": 0.0} | {name: float(value)}))
        player = agent(loop, config.replicates)
        key = loop.delay  # all else is a run-time value
        if key not in programs:
            # Said once, of the first.
            programs[key] = load(config.backend, player.structure(), None if programs else say)
        rates = play(programs[key], player, config.seconds * 1000, config.seed)
        found.setdefault(name, []).append(measure(*rates))
        if name == "dopamine" and value in (0, 1):
            traces[float(value)] = rates[:, 0, :SHOWN]
    groups = {f"/{name}": _sweep(name, rows) for name, rows in found.items()}
    frequency = groups["/dopamine"]["frequency"].values
    noise = noise_spectrum(Loop(), frequency, model.DT)
    groups["/noise"] = xr.Dataset(
        {"density": ("frequency", noise, _units("density by the noise", "(spikes/s)^2/Hz"))},
        {"frequency": ("frequency", frequency, _units("frequency", "Hz"))},
    )
    groups["/traces"] = xr.Dataset(
        {"rate": (("dopamine", "nucleus", "time"), np.array(list(traces.values())))},
        {
            "dopamine": ("dopamine", list(traces), _units("dopamine")),
            "nucleus": list(model.TAU),
            "time": ("time", np.arange(SHOWN) * model.STEP / 1000, _units("time", "s")),
        },
    )
    groups["/traces"]["rate"].attrs = _units("rate", "spikes/s")
    attributes = {
        "title": "bgrl: oscillations of STN and GPe",
        "experiment": "oscillations",
        "task": "stimulus",
        "seed": config.seed,
        "configuration": describe({k: v for k, v in asdict(config).items() if k != "progress"}),
        "schema_version": SCHEMA_VERSION,
    }
    return xr.DataTree.from_dict({"/": xr.Dataset(attrs=attributes), **groups})


def _sweep(name, rows):
    """The group of a number that was varied."""
    values, (low, high) = SWEEPS[name]

    def make(value):
        return Loop(**({"dopamine": 0.0} | {name: float(value)}))

    roots = np.array([leading_root(make(value), model.DT) for value in values])
    begin, frequency = onset(make, low, high, model.DT)
    kinds = {
        "density": ("spectral density of the rate of STN", "(spikes/s)^2/Hz"),
        "peak_frequency": ("frequency of the highest density", "Hz"),
        "beta_power": ("power from 13 to 30 Hz", "(spikes/s)^2"),
        "beta_power_gpe": ("power of GPe from 13 to 30 Hz", "(spikes/s)^2"),
        "deviation": ("standard deviation of the rate of STN", "spikes/s"),
        "rate": ("mean rate of STN", "spikes/s"),
        "rate_gpe": ("mean rate of GPe", "spikes/s"),
    }
    dims = ("value", "replicate", "frequency")
    variables = {
        key: (dims[: rows[0][key].ndim + 1], np.array([row[key] for row in rows]), _units(*kind))
        for key, kind in kinds.items()
    }
    predicted = {
        "growth": ("value", roots[:, 0], _units("predicted growth of small deviations", "1/s")),
        "frequency_predicted": ("value", roots[:, 1], _units("predicted frequency", "Hz")),
        "onset": ((), begin, _units("where oscillations are predicted to begin")),
        "onset_frequency": ((), frequency, _units("predicted frequency there", "Hz")),
        "onset_equations": ((), onset(make, low, high)[0], _units("the same without Euler steps")),
    }
    if name != "dopamine":
        health = onset(lambda value: Loop(**{name: value}), 1.0, HEALTHY, model.DT)[0]
        predicted["onset_health"] = ((), health, _units("where they would begin in health"))
    frequencies = np.arange(rows[0]["density"].shape[1]) * 1000 / model.STEP / SEGMENT
    return xr.Dataset(
        variables | predicted,
        {
            "value": ("value", values, _units(name if name == "dopamine" else f"factor of {name}")),
            "frequency": ("frequency", frequencies, _units("frequency", "Hz")),
        },
    )


def _units(long_name, units="1"):
    return {"long_name": long_name, "units": units}


if __name__ == "__main__":
    import bgrl.experiments.oscillations

    command("oscillations", bgrl.experiments.oscillations)
