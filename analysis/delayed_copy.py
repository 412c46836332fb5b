"""Who learns to send a bit through a delay: returns, and what the input weights let through of it.

Below the returns is the return that the best linear answer could have, of what the input weights of the
cortex let through; where synapses stay as they are, it stays too.
"""

import numpy as np

from .style import (
    COLOURS,
    captioned,
    legend_below,
    letter,
    median_and_quartiles,
    new_figure,
    quartiles_of,
    styled,
)
from .trials import bootstrap_interval

#: Mean return from which the bit counts as learned.
LEARNED = 0.9
#: How the time is bridged, in words.
BRIDGES = {
    "delay": "a delay of {delay:g} ms",
    "slow neurons": "time constants of {delay:g} ms",
    "no time": "nothing: asked at once",
}
METHODS = {
    "rtrl": COLOURS["blue"],
    "snap1": COLOURS["sky"],
    "rflo": COLOURS["vermillion"],
    "none": COLOURS["grey"],
}
#: What is expected: whether each method learns through each bridge.
EXPECTED = {
    ("delay", "rtrl"): True,
    ("delay", "rflo"): False,
    ("slow neurons", "rtrl"): True,
    ("slow neurons", "rflo"): True,
    ("no time", "rtrl"): True,
    ("no time", "rflo"): True,
}


def final(data, bridge, method):
    """Mean return of each replicate in the last evaluation."""
    found = data["learning"].to_dataset()["mean_return"]
    return found.loc[{"bridge": bridge, "sensitivity": method}].values[:, -1]


def ceiling(data, bridge):
    """Return that the input weights with which each replicate began allow."""
    found = data["learning"].to_dataset()["allowed"].loc[{"bridge": bridge}]
    return found.isel(sensitivity=0, checkpoint=0).values  # the same for all methods


def learned(data, bridge, method):
    """Whether the bit is learned: True or False if the whole interval says so, else None."""
    values = final(data, bridge, method)
    low, high = bootstrap_interval(values)
    return True if low >= LEARNED else False if high < LEARNED else None


def verdicts(data):
    """(bridge, method) of `EXPECTED` to whether it was found so."""
    return {case: learned(data, *case) is expected for case, expected in EXPECTED.items()}


def summary(data):
    """Final returns as lines of text."""
    found, shown = data["learning"].to_dataset(), verdicts(data)
    words = {True: "learned", False: "not learned", None: "undecided"}
    rows = [
        "bridge          method   learned    final return: median (95 %), range         expected"
    ]
    for bridge in found["bridge"].values:
        for method in found["sensitivity"].values:
            values = final(data, bridge, method)
            low, high = bootstrap_interval(values)
            count = f"{(values >= LEARNED).sum()} of {len(values)}"
            told = f"{np.median(values):.2f} ({low:.2f} to {high:.2f}), "
            told += f"{values.min():.2f} to {values.max():.2f}"
            case = bridge, method
            verdict = ""
            if case in EXPECTED:
                verdict = words[EXPECTED[case]] + (": shown" if shown[case] else ": NOT SHOWN")
            rows.append(f"{bridge:<15} {method:<8} {count:<10} {told:<42} {verdict}".rstrip())
        limit = ceiling(data, bridge)
        rows.append(f"{'':<15} what the first input weights allow: {np.median(limit):.2f}")
    rows.append(f"{sum(shown.values())} of {len(shown)} shown")
    return rows


@styled
def plot_learning(data, bridge, variable, *, ax):
    """Return, or the return that input weights allow, of every method over the trials learned."""
    found = data["learning"].to_dataset()[variable].loc[{"bridge": bridge}]
    for method, colour in METHODS.items():
        if method in found["sensitivity"].values:
            values = found.loc[{"sensitivity": method}].values
            style = "--" if method == "rflo" else "-"  # it may lie on the others
            median_and_quartiles(ax, found["trial"].values, values, method, colour, linestyle=style)
    ax.set(xlabel="trials learned", ylim=(-0.15, 1.05))
    return ax


@styled
def figure(data):
    """Returns above, what the input weights let through below, for each way to bridge the time.

    Parameters
    ----------
    data : xarray.DataTree

    Returns
    -------
    matplotlib.figure.Figure
    """
    bridges = data["learning"]["bridge"].values
    result = new_figure(9.5, 6.0)
    axes = result.subplots(2, len(bridges), sharex=True)
    for k, bridge in enumerate(bridges):
        above, below = axes[:, k]
        plot_learning(data, bridge, "mean_return", ax=above)
        plot_learning(data, bridge, "allowed", ax=below)
        limit = float(np.median(ceiling(data, bridge)))
        style = {"color": "black", "linestyle": ":", "linewidth": 1}
        above.axhline(limit, label="what the first input weights allow", **style)
        above.set_xlabel("")
        counts = [f"{m} {(final(data, bridge, m) >= LEARNED).sum()}" for m in ("rtrl", "rflo")]
        total = data["learning"].sizes["replicate"]
        words = BRIDGES[bridge].format(delay=float(data.attrs["delay_ms"]))
        title = f"Bridged by {words}\nlearned: {', '.join(counts)} of {total}"
        captioned(above, title, quartiles_of(total))
        letter(above, "ABC"[k])
        letter(below, "DEF"[k])
    axes[0, 0].set_ylabel("mean return (1: always right)")
    axes[1, 0].set_ylabel("return that input weights allow")
    legend_below(result)
    return result
