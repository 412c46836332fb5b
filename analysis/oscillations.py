"""Oscillations of STN and GPe: spectra, where they set in and how fast they are, against linear theory.

Intervals are bootstrap intervals (95 %) of the median over replicates, which differ in their noise.
"""

import numpy as np

from .style import COLOURS, letter, median_and_quartiles, new_figure, styled
from .verdicts import lines, verdict

#: The beta band in Hz, as the paper has it.
BETA = (13.0, 30.0)
#: Standard deviation of the rate of STN, in spikes/s, from which the loop counts as oscillating: four
#: times that of the noise alone.
OSCILLATING = 2.0
#: What was varied to what it is called, and the condition of the paper that it tests.
SWEEPS = {
    "dopamine": ("dopamine (1: health)", "little dopamine"),
    "coupling": ("factor of STN-GPe coupling", "(1) coupling"),
    "delay": ("factor of all delays", "(2) delay"),
    "cortex": ("factor of cortex to STN", "(3) cortex"),
}
NUCLEI = {"stn": ("STN", COLOURS["vermillion"]), "gpe": ("GPe", COLOURS["blue"])}


def onsets(sweep):
    """Where oscillations set in, of every replicate.

    The square of the amplitude of a young oscillation grows in proportion to the distance from its onset,
    so the variance at the first two values that oscillate is drawn on to zero.

    Parameters
    ----------
    sweep : xarray.Dataset

    Returns
    -------
    array (replicate,)
        NaN where fewer than two values oscillate, or the first does.
    """
    value, variance = sweep["value"].values, sweep["deviation"].values ** 2
    if float(sweep["growth"][0]) > 0:  # it oscillates at the low end
        value, variance = value[::-1], variance[::-1]
    found = []
    for column in variance.T:
        above = column > OSCILLATING**2
        first = int(np.argmax(above))
        if above[0] or not above[first : first + 2].all() or first + 1 >= len(value):
            found.append(np.nan)
            continue
        (a, b), (x, y) = value[first : first + 2], column[first : first + 2]
        found.append(a - x * (b - a) / (y - x))
    return np.array(found)


def at(data, dopamine):
    """The sweep of dopamine at one of its values."""
    return data["dopamine"].to_dataset().sel(value=dopamine)


def verdicts(data):
    """What the simulations show, as numbers.

    Parameters
    ----------
    data : xarray.DataTree
        Of `experiments.oscillations`.

    Returns
    -------
    dict of str to analysis.verdicts.Verdict
    """
    health, lost = at(data, 1.0), at(data, 0.0)
    noise = data["noise"]["density"].values
    band = (health["frequency"].values >= BETA[0]) & (health["frequency"].values <= BETA[1])
    predicted = noise[band].sum() * float(health["frequency"][1])
    found = {
        "peak without dopamine (Hz)": verdict(
            lost["peak_frequency"].values, *BETA, "13 to 30, beta"
        ),
        "beta power without dopamine, of that in health": verdict(
            lost["beta_power"].values / health["beta_power"].values, 100, np.inf, "above 100"
        ),
        "beta power in health, of what the noise makes": verdict(
            health["beta_power"].values / predicted, 0.9, 1.1, "0.9 to 1.1, linear theory"
        ),
    }
    for name in SWEEPS:
        sweep = data[name].to_dataset()
        expected, step = float(sweep["onset"]), float(np.diff(sweep["value"].values).min())
        text = f"{expected:.3f}, within {step:.2g}, linear theory"
        limits = expected - step, expected + step
        found[f"{name} at which it begins"] = verdict(onsets(sweep), *limits, text)
        frequency = float(sweep["onset_frequency"])
        nearest = int(np.argmin(abs(sweep["value"].values - expected)))
        peaks = sweep["peak_frequency"].values[nearest]
        text = f"{frequency:.1f}, within a tenth, linear theory"
        limits = 0.9 * frequency, 1.1 * frequency
        found[f"   frequency there, {name} (Hz)"] = verdict(peaks, *limits, text)
    return found


def summary(data):
    """The verdicts as lines of text."""
    count = data["dopamine"].sizes["replicate"]
    return [f"median and 95 % interval over {count} replicates", *lines(verdicts(data))]


@styled
def plot_traces(data, dopamine, *, ax):
    """Rates of both nuclei at a level of dopamine."""
    traces = data["traces"].to_dataset().sel(dopamine=dopamine)
    for name, (label, colour) in NUCLEI.items():
        ax.plot(1000 * traces["time"], traces["rate"].sel(nucleus=name), color=colour, label=label)
    ax.set(xlabel="time (ms)", ylabel="rate (spikes/s)", ylim=(0, 130))
    return ax


@styled
def plot_spectra(data, *, ax):
    """Spectra of STN in health and without dopamine, and what noise alone would make of the first."""
    for dopamine, label, colour in (
        (0.0, "no dopamine", COLOURS["vermillion"]),
        (1.0, "health", COLOURS["green"]),
    ):
        level = at(data, dopamine)
        frequency = level["frequency"].values[1:]
        median_and_quartiles(ax, frequency, level["density"].values[:, 1:], label, colour)
    noise = data["noise"]
    ax.plot(
        noise["frequency"][1:],
        noise["density"][1:],
        color="black",
        linestyle="--",
        linewidth=1,
        label="health, linear theory",
    )
    ax.axvspan(*BETA, color=COLOURS["grey"], alpha=0.15, linewidth=0)
    ax.set(yscale="log", xlabel="frequency (Hz)", ylabel="density ((spikes/s)²/Hz)")
    ax.set(xlim=(0, 80), ylim=(2e-4, 1e7))
    return ax


@styled
def plot_frequencies(data, name, *, ax):
    """Spectrum of STN against what was varied, with the frequency that linear theory predicts."""
    sweep = data[name].to_dataset()
    level = 10 * np.log10(sweep["density"].mean("replicate").values[:, 1:])
    value, frequency = sweep["value"].values, sweep["frequency"].values[1:]
    mesh = ax.pcolormesh(
        value, frequency, level.T, cmap="viridis", vmin=-40, vmax=30, shading="nearest"
    )
    ax.plot(
        value,
        sweep["frequency_predicted"],
        color="white",
        linestyle="--",
        linewidth=1.2,
        label="linear theory",
    )
    for edge in BETA:
        ax.axhline(edge, color="white", linestyle=":", linewidth=0.8)
    ax.axvline(float(sweep["onset"]), color="white", linewidth=1)
    ax.set(ylim=(0.5, 65), ylabel="frequency (Hz)")
    return mesh


@styled
def plot_deviation(data, name, *, ax):
    """How much the rate of STN varies against what was varied, and where that is predicted to begin."""
    sweep = data[name].to_dataset()
    values = sweep["deviation"].values.T
    ax.plot(sweep["value"], np.median(values, axis=0), ".-", color=COLOURS["vermillion"])
    ax.axvline(float(sweep["onset"]), color="black", linewidth=1, linestyle="--")
    ax.set(xlabel=SWEEPS[name][0], ylabel="s.d. of STN (spikes/s)", ylim=(0, None))
    limits = sweep["value"].values[[0, -1]]
    ax.set_xlim(*(limits[::-1] if name == "dopamine" else limits))
    return ax


@styled
def figure(data):
    """Traces and spectra above, spectra and amplitude against what was varied below.

    Parameters
    ----------
    data : xarray.DataTree

    Returns
    -------
    matplotlib.figure.Figure
    """
    result = new_figure(11.5, 8.2)
    grid = result.add_gridspec(3, 12)
    found = verdicts(data)
    peak = found["peak without dopamine (Hz)"].value
    for k, (dopamine, title) in enumerate(
        ((1.0, "Health: the loop is at rest"), (0.0, f"No dopamine: it oscillates, {peak:.1f} Hz"))
    ):
        ax = plot_traces(data, dopamine, ax=result.add_subplot(grid[0, 4 * k : 4 * k + 4]))
        ax.set_title(title)
        letter(ax, "AB"[k])
        if k == 0:
            ax.legend(loc="upper right", ncols=2)
    ax = plot_spectra(data, ax=result.add_subplot(grid[0, 8:12]))
    count = data["dopamine"].sizes["replicate"]
    ax.set_title(f"Spectrum of STN, n = {count}")
    ax.legend(loc="upper right", fontsize=7)
    letter(ax, "C")
    upper = []
    for k, (name, (_, title)) in enumerate(SWEEPS.items()):
        columns = slice(3 * k, 3 * k + 3)
        below = plot_deviation(data, name, ax=result.add_subplot(grid[2, columns]))
        ax = result.add_subplot(grid[1, columns], sharex=below)
        mesh = plot_frequencies(data, name, ax=ax)
        ax.set_title(f"Oscillates with {title}")
        ax.tick_params(labelbottom=False)
        begin = found[f"{name} at which it begins"]
        expected = float(data[name]["onset"])
        below.set_title(f"Begins at {begin.value:.2f}, predicted {expected:.2f}")
        letter(ax, "DEFG"[k])
        letter(below, "HIJK"[k])
        upper.append(ax)
        if k:
            ax.set_ylabel("")
            below.set_ylabel("")
    upper[1].legend(loc="upper left", labelcolor="white", fontsize=7)
    bar = result.colorbar(mesh, ax=upper, pad=0.01)
    bar.set_label("density (dB)")
    return result
