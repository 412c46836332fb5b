"""Oscillations of STN and GPe: spectra, where they set in and how fast they are, against linear theory.

Frequency and power without dopamine are compared with what others published of STN and globus pallidus,
in ``analysis/data/beta_oscillations.csv``. Intervals are bootstrap intervals (95 %) of the median over
replicates, which differ in their noise.
"""

from pathlib import Path

import numpy as np

from .style import COLOURS, letter, median_and_quartiles, new_figure, styled
from .verdicts import lines, published, verdict

PUBLISHED = Path(__file__).parent / "data" / "beta_oscillations.csv"

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
#: What is compared with published values, and what it is called.
QUANTITIES = {
    "frequency": "peak (Hz)",
    "frequency_change": "peak with dopamine less without (Hz)",
    "stn_power": "beta power of STN, of that with dopamine",
    "gpe_power": "beta power of GP, of that with dopamine",
    "gpe_rate": "rate of GP, of that with dopamine",
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
        if name != "dopamine":
            health = 1 / float(sweep["onset_health"])
            text = f"above 1; in health {health:.2f}, linear theory"
            found[f"   {name}, of what it needs"] = verdict(1 / onsets(sweep), 1, np.inf, text)
    return found


def quantities(data, sweep="dopamine", value=0.0):
    """What is compared with published values, of every replicate.

    Parameters
    ----------
    data : xarray.DataTree
    sweep : str
        One of `SWEEPS`.
    value : float
        A value of it; without dopamine by default.

    Returns
    -------
    dict of str to array (replicate,)
        As in `QUANTITIES`. A loop that does not oscillate has no frequency (NaN). The frequency with
        dopamine is that at the highest level with which it still oscillates.
    """
    level, health = data[sweep].to_dataset().sel(value=value), at(data, 1.0)
    levels = data["dopamine"].to_dataset().sortby("value")
    oscillates = levels["deviation"].values > OSCILLATING
    last = len(oscillates) - 1 - oscillates[::-1].argmax(axis=0)
    young = levels["peak_frequency"].values[last, np.arange(len(last))]
    peaks = np.where(level["deviation"] > OSCILLATING, level["peak_frequency"], np.nan)
    return {
        "frequency": peaks,
        "frequency_change": young - peaks,
        "stn_power": (level["beta_power"] / health["beta_power"]).values,
        "gpe_power": (level["beta_power_gpe"] / health["beta_power_gpe"]).values,
        "gpe_rate": (level["rate_gpe"] / health["rate_gpe"]).values,
    }


def comparisons(data, sweep="dopamine", value=0.0):
    """Frequency and power beside what was published.

    Parameters
    ----------
    data, sweep, value
        As in `quantities`.

    Returns
    -------
    dict of (str, str) to analysis.verdicts.Verdict
        Quantity, and what was published of what; `shown` is whether the whole interval is in the range.
    """
    ours, found = quantities(data, sweep, value), {}
    for row in published(PUBLISHED):
        low, high, text = _range(row)
        key = row["quantity"], row["what"]
        found[key] = verdict(ours[row["quantity"]], low, high, f"{text}, {row['source']}")
    return found


def _range(row):
    """Ends of a published range and its words; an open range does not hold its one end."""
    low, high = row["low"], row["high"]
    if low and high:
        return float(low), float(high), f"{low} to {high}"
    if low:
        return np.nextafter(float(low), np.inf), np.inf, f"above {low}"
    return -np.inf, np.nextafter(float(high), -np.inf), f"below {high}"


def at_rest(data):
    """Published values that loops which do not oscillate meet too.

    Returns
    -------
    dict of str to list of str
        Loop to quantities with what was published of what.
    """
    loops = {"health": ("dopamine", 1.0)}
    loops |= {
        f"least {k}": (k, float(data[k]["value"][0])) for k in ("coupling", "delay", "cortex")
    }
    return {
        loop: [f"{QUANTITIES[k]}: {what}" for (k, what), v in found.items() if v.shown]
        for loop, found in ((loop, comparisons(data, *where)) for loop, where in loops.items())
    }


def summary(data):
    """The verdicts as lines of text, those about published values apart."""
    count = data["dopamine"].sizes["replicate"]
    compared = {f"{QUANTITIES[k]}: {what}": v for (k, what), v in comparisons(data).items()}
    rest = [f"   {name}: {'; '.join(met) or 'none'}" for name, met in at_rest(data).items()]
    return [
        f"median and 95 % interval over {count} replicates",
        *lines(verdicts(data)),
        "without dopamine, beside published values",
        *lines(compared, "met"),
        "of these met by loops that are at rest",
        *rest,
    ]


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
def plot_published(data, names, *, ax):
    """Published ranges of some quantities as bars, and the loop without dopamine; open is not met.

    Parameters
    ----------
    data : xarray.DataTree
    names : sequence of str
        Of `QUANTITIES`. Ranges that are open go to the edge of the axes, which must be set before.
    ax : matplotlib.axes.Axes
    """
    rows = [row for row in published(PUBLISHED) if row["quantity"] in names]
    found = comparisons(data)
    left, right = ax.get_xlim()
    for y, row in enumerate(rows):
        low, high = float(row["low"] or left), float(row["high"] or right)
        ax.barh(y, high - low, left=low, height=0.6, color="#D9D9D9")
        if row["value"]:
            ax.plot([float(row["value"])] * 2, [y - 0.3, y + 0.3], color="#555555", linewidth=1)
        v = found[row["quantity"], row["what"]]
        ax.errorbar(
            *(v.value, y),
            xerr=[[v.value - v.low], [v.high - v.value]],
            fmt="o",
            markersize=5,
            color=COLOURS["vermillion"],
            markerfacecolor=COLOURS["vermillion"] if v.shown else "white",
        )
    ax.set_yticks(range(len(rows)), [f"{row['what']} ({_work(row)})" for row in rows], fontsize=8)
    ax.set(ylim=(len(rows) - 0.5, -0.5), xlim=(left, right))
    return ax


def _work(row):
    """First author and year of a published value."""
    author, year = row["source"].split("_")
    return f"{author.capitalize()} {year}"


@styled
def figure(data):
    """Traces and spectra above, then spectra and amplitude against what was varied, and published values.

    Parameters
    ----------
    data : xarray.DataTree

    Returns
    -------
    matplotlib.figure.Figure
    """
    whole = new_figure(11.5, 10.4)
    result, lowest = whole.subfigures(2, 1, height_ratios=(8.2, 2.2))
    grid = result.add_gridspec(3, 12)
    found = verdicts(data)
    peak = found["peak without dopamine (Hz)"]
    rests = found["beta power in health, of what the noise makes"].shown
    titles = (
        f"Health: the loop is {'' if rests else 'NOT shown to be '}at rest",
        f"No dopamine: it oscillates, {peak.value:.1f} Hz"
        if peak.shown
        else "No dopamine: beta is NOT shown",
    )
    for k, (dopamine, title) in enumerate(zip((1.0, 0.0), titles, strict=True)):
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
        begins = "Does not begin" if np.isnan(begin.value) else f"Begins at {begin.value:.2f}"
        below.set_title(f"{begins}, predicted {expected:.2f}")
        letter(ax, "DEFG"[k])
        letter(below, "HIJK"[k])
        upper.append(ax)
        if k:
            ax.set_ylabel("")
            below.set_ylabel("")
    upper[1].legend(loc="upper left", labelcolor="white", fontsize=7)
    bar = result.colorbar(mesh, ax=upper, pad=0.01)
    bar.set_label("density (dB)")
    for ax, names, title, limits, scale, name in zip(
        lowest.subplots(1, 2),
        (["frequency"], ["stn_power", "gpe_power"]),
        ("Peak without dopamine; bars: published", "Beta power; open: not met"),
        ((8, 32), (0.5, 2e4)),
        ("linear", "log"),
        "LM",
        strict=True,
    ):
        ax.set(xlim=limits, xscale=scale, xlabel="frequency (Hz)")
        plot_published(data, names, ax=ax)
        ax.set_title(title)
        letter(ax, name)
    ax.set_xlabel("power, of that with dopamine")
    return whole
