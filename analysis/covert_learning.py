"""What a cortex chooses with and without the output of the basal ganglia, beside published simulations.

Intervals are bootstrap intervals (95 %) of the mean over replicates.
"""

from pathlib import Path

import numpy as np

from .style import COLOURS, captioned, letter, new_figure, styled
from .trials import bootstrap_interval
from .verdicts import Verdict, lines, published, verdict

PUBLISHED = Path(__file__).parent / "data" / "topalidou_2016.csv"
#: Of the published simulations.
SESSIONS = 12
#: Trials at the beginning and end of a day, as published; and of a point of a curve.
PART, BLOCK = 10, 10
PARTS = {"first": slice(0, PART), "last": slice(-PART, None)}
#: Share of trials in which something is decided, and of the better cue where nothing is known.
DECIDED, CHANCE = 0.95, (0.35, 0.65)
#: Above 0 is what is more than rounding.
ABOVE = 1e-9
TITLES = {
    "on-on": "GPi active on both days",
    "off-on": "GPi silent on day 1",
    "on-off": "GPi silent on day 2",
}


def share(data, protocol, day, part):
    """Share of trials with the better cue, of every replicate."""
    trials = data["trials"].to_dataset().sel(protocol=protocol, day=day)
    return trials["best"].values[:, PARTS[part]].astype(float).mean(axis=1)


def decided(data, protocol, day):
    """Share of trials of a day in which the motor cortex decided, of every replicate."""
    trials = data["trials"].to_dataset().sel(protocol=protocol, day=day)
    return 1 - np.isnan(trials["motor_time"].values).mean(axis=1)


def verdicts(data):
    """What is expected to its `analysis.verdicts.Verdict`."""

    def found(values, low, high, expected):
        return verdict(values, low, high, expected, np.mean)

    gained = {
        name: share(data, name, 1, "last") - share(data, name, 1, "first")
        for name in ("on-on", "off-on")
    }
    covert = share(data, "off-on", 2, "first") - share(data, "off-on", 1, "last")
    kept = share(data, "on-off", 2, "first")
    return {
        "decided without GPi": found(decided(data, "off-on", 1), DECIDED, 1, f"{DECIDED} or more"),
        "better cue without GPi, end of day 1": found(
            share(data, "off-on", 1, "last"), *CHANCE, "{} to {}, chance".format(*CHANCE)
        ),
        "... learned on day 1 with GPi": found(gained["on-on"], ABOVE, 1, "above 0"),
        "... more than without": found(
            gained["on-on"] - gained["off-on"], ABOVE, 1, "above 0, cortex alone learns less"
        ),
        "with GPi again, more than the day before": found(
            covert, ABOVE, 1, "above 0, learned covertly"
        ),
        "taught, then without GPi: better cue": found(
            kept, 0.5 + ABOVE, 1, "above 0.5, cortex knows"
        ),
    }


def comparisons(data):
    """Shares less the published ones: (protocol, day, part) to `analysis.verdicts.Verdict`.

    Intervals are of the difference of two means; `shown` is whether 0 is in it.
    """
    found = {}
    for row in published(PUBLISHED):
        key = row["protocol"], int(row["day"]), row["part"]
        ours, theirs = share(data, *key), float(row["mean"])
        difference = ours.mean() - theirs
        # Published deviations divide by the number of sessions.
        published_error = float(row["sd"]) / (SESSIONS - 1) ** 0.5
        error = np.hypot(ours.std(ddof=1) / len(ours) ** 0.5, published_error)
        low, high = difference - 1.96 * error, difference + 1.96 * error
        text = f"0: {ours.mean():.2f} here, {theirs:.2f} published"
        found[key] = Verdict(difference, low, high, text, bool(low <= 0 <= high))
    return found


def summary(data):
    """Verdicts as lines of text, those about published values apart."""
    count = data["trials"].sizes["replicate"]
    compared = {f"{p}, day {d}, {part} 10": v for (p, d, part), v in comparisons(data).items()}
    return [
        f"mean and 95 % interval over {count} replicates",
        *lines(verdicts(data)),
        f"better cue, less that of {SESSIONS} published sessions; met: 0 is in the interval",
        *lines(compared, "met"),
    ]


@styled
def figure(data):
    """Share of the better cue over both days by each protocol, with published shares.

    Parameters
    ----------
    data : xarray.DataTree

    Returns
    -------
    matplotlib.figure.Figure
    """
    trials, rows = data["trials"].to_dataset(), published(PUBLISHED)
    length, count = trials.sizes["trial"], trials.sizes["replicate"]
    whole = length // BLOCK * BLOCK
    result = new_figure(11, 3.4)
    axes = result.subplots(1, 3, sharey=True)
    for ax, (protocol, title), name in zip(axes, TITLES.items(), "ABC", strict=True):
        for day in (1, 2):
            best = trials["best"].sel(protocol=protocol, day=day).values[:, :whole].astype(float)
            blocks = best.reshape(count, -1, BLOCK).mean(axis=2)
            middle = BLOCK * (np.arange(blocks.shape[1]) + 0.5) + (day - 1) * length
            label = "here: mean, 95 %" if day == 1 else None
            mean = blocks.mean(axis=0)
            ends = np.array([bootstrap_interval(column, np.mean) for column in blocks.T])
            ax.plot(middle, mean, color=COLOURS["blue"], label=label)
            ax.fill_between(middle, *ends.T, color=COLOURS["blue"], alpha=0.25, linewidth=0)
            off = protocol.split("-")[day - 1] == "off"
            if off:
                ax.axvspan((day - 1) * length, day * length, color="#EEEEEE", zorder=0)
            ax.text((day - 0.5) * length, 1.06, f"day {day}", ha="center", fontsize=8)
        mine = [row for row in rows if row["protocol"] == protocol]
        x = [
            (int(r["day"]) - 1) * length + (5 if r["part"] == "first" else length - 5) for r in mine
        ]
        mean = np.array([float(r["mean"]) for r in mine])
        ends = np.array([[float(r["low"]), float(r["high"])] for r in mine]).T
        style = {"fmt": "o", "color": COLOURS["vermillion"], "markersize": 4}
        ax.errorbar(x, mean, np.abs(ends - mean), label="published, 95 %", **style)
        ax.axvline(length, color="black", linewidth=0.8)
        ax.axhline(0.5, color="black", linestyle=":", linewidth=0.8)
        ax.set(
            xlabel="trial", ylim=(0.2, 1.12), xlim=(0, 2 * length), yticks=np.arange(0.2, 1.1, 0.2)
        )
        captioned(ax, title, f"n = {count} replicates; grey: GPi silent")
        letter(ax, name)
    axes[0].set_ylabel("better cue chosen")
    axes[0].legend(loc="lower right", fontsize=7)
    return result
