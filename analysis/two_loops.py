"""Two loops that choose a cue and its position: how often the better one, and when each loop decides.

Only trials count in which the motor loop decided. Intervals are bootstrap intervals (95 %) of the mean
over replicates.
"""

import warnings

import numpy as np

from .style import (
    COLOURS,
    captioned,
    letter,
    median_and_quartiles,
    new_figure,
    quartiles_of,
    styled,
)
from .verdicts import lines, verdict

#: Trials of a block, over which shares and times are means.
BLOCK = 20
CIRCUITS = {"learning": COLOURS["blue"], "no learning": COLOURS["grey"]}
LOOPS = {"cognitive": COLOURS["vermillion"], "motor": COLOURS["blue"]}
#: What a share or a difference must be for a verdict.
LEARNED, AGREED, CHANCE = 0.9, 0.95, (0.4, 0.6)
#: Above 0 is what is more than rounding.
ABOVE = 1e-9


def blocks(data, variable, circuit="learning", decided=True):
    """Means of a variable over blocks of trials, (replicate, block); NaN without a trial that counts."""
    trials = data["trials"].to_dataset().sel(circuit=circuit)
    values = trials[variable].values.astype(float)
    if decided:
        values = np.where(np.isnan(trials["motor_time"].values), np.nan, values)
    whole = values[:, : values.shape[1] // BLOCK * BLOCK]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # blocks without a decision
        return np.nanmean(whole.reshape(len(whole), -1, BLOCK), axis=-1)


def decided(data, circuit="learning"):
    """Share of trials in which the motor loop decided, (replicate, block)."""
    times = data["trials"].to_dataset().sel(circuit=circuit)["motor_time"].values
    whole = ~np.isnan(times[:, : times.shape[1] // BLOCK * BLOCK])
    return whole.reshape(len(whole), -1, BLOCK).mean(axis=-1)


def _verdict(values, lowest, highest, expected):
    # Replicates without a decision have no time of one.
    return verdict(values[~np.isnan(values)], lowest, highest, expected, np.mean)


def verdicts(data):
    """What is expected to its `analysis.verdicts.Verdict`."""
    best, fixed = blocks(data, "best"), blocks(data, "best", "no learning")
    cognitive, motor = (blocks(data, f"{loop}_time") for loop in LOOPS)
    return {
        "better cue in the last block": _verdict(best[:, -1], LEARNED, 1, f"{LEARNED:g} or more"),
        "... more than in the first": _verdict(best[:, -1] - best[:, 0], ABOVE, 1, "above 0"),
        "... without learning": _verdict(fixed[:, -1], *CHANCE, "0.4 to 0.6, chance"),
        "both loops on the same cue, last block": _verdict(
            blocks(data, "agreed")[:, -1], AGREED, 1, f"{AGREED:g} or more"
        ),
        "motor after cognitive decision (s)": _verdict(
            (motor - cognitive)[:, -1], ABOVE, np.inf, "above 0"
        ),
        "time of the motor decision, last - first (s)": _verdict(
            (motor[:, -1] - motor[:, 0]), -np.inf, -ABOVE, "below 0, faster"
        ),
    }


def summary(data):
    """Blocks and verdicts as lines of text."""
    rows = ["trials      decided   better cue   same cue   cognitive, motor decision (s)"]
    columns = [decided(data)] + [
        blocks(data, name) for name in ("best", "agreed", "cognitive_time", "motor_time")
    ]
    for k in range(columns[0].shape[1]):
        share, best, agreed, cognitive, motor = (np.nanmean(c[:, k]) for c in columns)
        rows.append(
            f"{k * BLOCK + 1:3d} to {(k + 1) * BLOCK:3d}{share:10.2f}{best:12.2f}{agreed:12.2f}"
            f"{cognitive:12.2f}, {motor:.2f}"
        )
    return [*rows, *lines(verdicts(data))]


@styled
def plot_trial(data, trial, *, ax):
    """Rates of both cortices in a trial."""
    rates = data["rates"].to_dataset().sel(shown=trial)
    for loop, colour in LOOPS.items():
        lines = ax.plot(1000 * rates["time"][:-1], rates[loop].values[:-1], color=colour)
        lines[0].set_label(loop)
    ax.axvline(0, color="black", linestyle=":", linewidth=0.8)
    ax.set(xlabel="time from the cues (ms)", ylabel="rate (spikes/s)", ylim=(0, 62))
    ax.set(xlim=(-250, 2600))
    return ax


@styled
def figure(data):
    """A trial before and after learning; choices and times of decisions over trials.

    Parameters
    ----------
    data : xarray.DataTree

    Returns
    -------
    matplotlib.figure.Figure
    """
    result = new_figure(9.5, 6.2)
    axes = result.subplots(2, 2)
    trials = data["rates"]["shown"].values.tolist()
    for ax, trial, when in zip(axes[0], trials, ("first", "last"), strict=True):
        plot_trial(data, trial, ax=ax)
        ax.set_title(f"The {when} trial of one replicate")
    axes[0, 0].legend(title="cortex", loc="upper left")
    count = data["trials"].sizes["replicate"]
    found = verdicts(data)
    ax = axes[1, 0]
    for circuit, colour in CIRCUITS.items():
        values = blocks(data, "best", circuit)
        middle = BLOCK * (np.arange(values.shape[1]) + 0.5)
        median_and_quartiles(ax, middle, values, circuit, colour)
    ax.axhline(0.5, color="black", linestyle=":", linewidth=0.8)
    ax.set(xlabel="trial", ylabel="better cue chosen", ylim=(0.2, 1.03))
    ax.legend(loc="lower right")
    best = found["better cue in the last block"]
    learns = "It learns" if best.shown else "It is NOT shown to learn"
    captioned(ax, f"{learns}: {100 * best.value:.0f} % in the end", quartiles_of(count))
    ax = axes[1, 1]
    for loop, colour in LOOPS.items():
        values = blocks(data, f"{loop}_time")
        median_and_quartiles(ax, middle, values, loop, colour)
    later = found["motor after cognitive decision (s)"]
    ax.set(xlabel="trial", ylabel="decision after the cues (s)", ylim=(0, None))
    ax.legend(title="loop", loc="upper right")
    title = f"The cue is decided {1000 * later.value:.0f} ms before the position"
    if not later.shown:
        title = "The cue is NOT shown to be decided before the position"
    captioned(ax, title, quartiles_of(count))
    for ax, name in zip(axes.ravel(), "ABCD", strict=True):
        letter(ax, name)
    return result
