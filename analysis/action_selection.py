"""What the basal ganglia select: output of GPi over time, for pairs of saliences, against dopamine.

GPi inhibits every channel, so a channel is selected where its GPi neuron falls below what it does at
rest. The efficiency of a selection is 1 - output/output at rest, after Prescott et al. 2006, Neural
Netw. 19:31, where this model steers a robot: 1 if nothing inhibits the channel, 0 at rest and above.
"""

from itertools import groupby

import numpy as np
from matplotlib.colors import ListedColormap
from matplotlib.patches import Patch

from .style import COLOURS, axes_or_new, letter, new_figure, styled

#: Efficiency from which a channel counts as selected.
SELECTED = 0.05
LEVELS = ("low", "normal", "high")
EPOCHS = ("rest", "first salience", "both saliences")
CHANNELS = {1: COLOURS["blue"], 2: COLOURS["vermillion"]}
OTHERS = COLOURS["grey"]
#: What comes of a pair of saliences, and its colour.
OUTCOMES = {
    "none": "#ECECEC",
    "1 only": COLOURS["sky"],
    "2 only": COLOURS["orange"],
    "switch from 1 to 2": COLOURS["vermillion"],
    "both": COLOURS["purple"],
    "1 until 2 comes on, then none": COLOURS["grey"],
}


def efficiency(gpi, rest):
    """How far channels are released from inhibition, 0 to 1.

    Parameters
    ----------
    gpi : array (..., channel)
        Output of GPi.
    rest : array
        The same without salience; broadcast against `gpi`.
    """
    return np.clip(1 - gpi / rest, 0, 1)


def epoch_output(data):
    """Output of GPi at the end of each epoch, (dopamine, epoch, channel)."""
    ends = np.append(np.searchsorted(data["traces"]["time"].values, onsets(data)), 0) - 1
    return data["traces"]["gpi"].isel(time=ends).rename(time="epoch").drop_vars("epoch")


def onsets(data):
    """When the saliences come on, in s."""
    return np.atleast_1d(data.attrs["onsets_s"])


def selected(output):
    """Whether each channel is selected at the end of each epoch.

    Parameters
    ----------
    output : DataArray (..., epoch, channel)
        Output of GPi at the end of each epoch, the first of them rest.
    """
    return efficiency(output, output.isel(epoch=0)) > SELECTED


def outcomes(data):
    """Number in `OUTCOMES` of every pair of saliences, (dopamine, first, second)."""
    chosen = selected(data["pairs"]["gpi"])
    before = chosen.sel(channel=1).isel(epoch=1).values
    first, second = (chosen.sel(channel=k).isel(epoch=2).values for k in (1, 2))
    names = list(OUTCOMES)
    cases = {
        "both": first & second,
        "switch from 1 to 2": before & second,
        "2 only": second,
        "1 only": first,
        "1 until 2 comes on, then none": before,
    }
    return np.select(list(cases.values()), [names.index(name) for name in cases], 0)


def named(chosen):
    """The selected channels in words; `chosen` (channel,)."""
    names = [str(k) for k in chosen["channel"].values[chosen.values]]
    return " and ".join(names) or "none"


def shown(data):
    """Low, normal and high dopamine."""
    return dict(zip(LEVELS, data["pairs"]["dopamine"].values.tolist(), strict=True))


def by_level(data):
    """What is selected at last: ((channels in words, lowest, highest level of dopamine), ...)."""
    last = selected(epoch_output(data)).isel(epoch=-1)
    found = [(named(row), float(row["dopamine"])) for row in last]
    groups = [(name, [level for _, level in rows]) for name, rows in groupby(found, lambda f: f[0])]
    return [(name, levels[0], levels[-1]) for name, levels in groups]


def summary(data):
    """The outcome as lines of text."""
    output = epoch_output(data)
    chosen, release = selected(output), efficiency(output, output.isel(epoch=0))
    rows = [
        "dopamine         epoch            selected   GPi of 1, 2, others      efficiency of 1, 2"
    ]
    for level, dopamine in shown(data).items():
        for k, epoch in enumerate(EPOCHS):
            at = {"dopamine": dopamine}
            gpi = output.sel(at).isel(epoch=k).values
            percent = release.sel(at).isel(epoch=k).values
            others = f"{gpi[2:].mean():.3f}" if len(gpi) > 2 else "-"
            rows.append(
                f"{level:<7}{dopamine:>5g}     {epoch:<16} {named(chosen.sel(at).isel(epoch=k)):<10} "
                f"{gpi[0]:.3f}, {gpi[1]:.3f}, {others:<8} {percent[0]:.2f}, {percent[1]:.2f}"
            )
    rows += [
        f"with both saliences, dopamine {low:g} to {high:g}: {name} selected"
        for name, low, high in by_level(data)
    ]
    return rows


def _mark_onsets(ax, data):
    for onset in onsets(data):
        ax.axvline(onset, color="black", linestyle=":", linewidth=0.8)


@styled
def plot_saliences(data, *, ax=None):
    """Salience of the channels over time."""
    ax = axes_or_new(ax)
    traces = data["traces"]
    time = traces["time"].values
    for channel, colour in CHANNELS.items():
        values = traces["salience"].sel(channel=channel).values
        ax.plot(time, values, color=colour, drawstyle="steps-post", label=f"channel {channel}")
    _mark_onsets(ax, data)
    ax.set(ylim=(-0.05, 1.05), ylabel="salience", yticks=[0, 0.5, 1])
    return ax


@styled
def plot_selection(data, level, *, ax=None):
    """Output of GPi at a level of dopamine; bars below say when which channel is selected.

    Parameters
    ----------
    data : xarray.DataTree
    level : {"low", "normal", "high"}
    """
    ax = axes_or_new(ax)
    dopamine = shown(data)[level]
    gpi = data["traces"]["gpi"].sel(dopamine=dopamine)
    time, output = gpi["time"].values, epoch_output(data).sel(dopamine=dopamine)
    rest = output.isel(epoch=0)
    ax.plot(time, gpi.values[:, 2:], color=OTHERS, label="others")
    release = efficiency(gpi, rest).values > SELECTED
    for (channel, colour), height in zip(CHANNELS.items(), (-0.05, -0.1), strict=True):
        ax.plot(time, gpi.sel(channel=channel).values, color=colour, label=f"channel {channel}")
        bar = np.where(release[:, channel - 1], height, np.nan)
        ax.plot(time, bar, color=colour, linewidth=4, solid_capstyle="butt")
    threshold = (1 - SELECTED) * float(rest.sel(channel=1))
    ax.axhline(threshold, color="black", linestyle="--", linewidth=0.8)
    _mark_onsets(ax, data)
    ax.set(ylim=(-0.13, 0.62), xlabel="time (s)", ylabel="output of GPi")
    ax.set_yticks([-0.075, 0, 0.2, 0.4, 0.6], ["selected", "0", "0.2", "0.4", "0.6"])
    chosen = selected(output)
    then = [named(chosen.isel(epoch=k)) for k in (1, 2)]
    ax.set_title(
        f"{level.capitalize()} dopamine, {dopamine:g}:\nselected {then[0]}, then {then[1]}"
    )
    return ax


@styled
def plot_pairs(data, level, *, ax=None):
    """What comes of every pair of saliences at a level of dopamine."""
    ax = axes_or_new(ax)
    pairs = data["pairs"]
    found = outcomes(data)[LEVELS.index(level)]
    first, second = pairs["first"].values, pairs["second"].values
    colours = ListedColormap(list(OUTCOMES.values()))
    limits = {"vmin": -0.5, "vmax": len(OUTCOMES) - 0.5}
    ax.pcolormesh(first, second, found.T, cmap=colours, shading="nearest", **limits)
    saliences = data["traces"]["salience"].isel(time=-1).values
    ax.plot(*saliences[:2], "o", color="white", markeredgecolor="black", markersize=6)
    shares = {name: np.mean(found == k) for k, name in enumerate(OUTCOMES)}
    told = {"none": "none", "switch": "switch from 1 to 2", "both": "both"}
    parts = [f"{short}: {100 * shares[name]:.0f} %" for short, name in told.items()]
    ax.set_title(f"{level.capitalize()} dopamine:\n" + ", ".join(parts))
    ax.set(xlabel="salience of channel 1", ylabel="salience of channel 2", aspect="equal")
    ax.set(xticks=[0, 0.5, 1], yticks=[0, 0.5, 1])
    return ax


@styled
def plot_dopamine(data, *, ax=None):
    """Output of GPi with both saliences, against dopamine."""
    ax = axes_or_new(ax)
    output = epoch_output(data)
    last, dopamine = output.isel(epoch=-1), output["dopamine"].values
    ax.plot(dopamine, last.values[:, 2:], color=OTHERS)
    for (channel, colour), marker in zip(CHANNELS.items(), "os", strict=True):
        ax.plot(dopamine, last.sel(channel=channel).values, color=colour, marker=marker, ms=4)
    threshold = (1 - SELECTED) * float(output.isel(epoch=0, dopamine=0).sel(channel=1))
    ax.axhline(threshold, color="black", linestyle="--", linewidth=0.8)
    ax.annotate("selected below", (1, threshold), ha="right", va="bottom", fontsize=7.5)
    parts = [f"{name} up to {high:g}" for name, _, high in by_level(data)]
    ax.set_title(f"Selected: {parts[0]},\n" + ", ".join(parts[1:]))
    ax.set(xlabel="tonic dopamine", ylabel="output of GPi", ylim=(-0.02, 0.62))
    return ax


@styled
def figure(data):
    """Saliences and GPi over time, and the outcome for all pairs, at three levels of dopamine.

    Returns
    -------
    matplotlib Figure
    """
    result = new_figure(12.5, 7.0)
    grid = result.add_gridspec(3, 4, height_ratios=(0.35, 1, 1))
    for k, level in enumerate(LEVELS):
        upper = result.add_subplot(grid[0, k])
        middle = result.add_subplot(grid[1, k], sharex=upper)
        plot_saliences(data, ax=upper)
        plot_selection(data, level, ax=middle)
        # Before, the neurons settle from nothing.
        middle.set(xlim=(0.5, data["traces"]["time"].values[-1]), xticks=[1, 1.5, 2, 2.5])
        upper.tick_params(labelbottom=False)
        lower = plot_pairs(data, level, ax=result.add_subplot(grid[2, k]))
        if k:
            for ax in (upper, middle, lower):
                ax.set_ylabel("")
        letter(middle, "ABC"[k])
        letter(lower, "EFG"[k])
    letter(plot_dopamine(data, ax=result.add_subplot(grid[1, 3])), "D")
    key = result.add_subplot(grid[0, 3])
    key.set_axis_off()
    lines = {**{f"channel {k}": colour for k, colour in CHANNELS.items()}, "others": OTHERS}
    key.legend(
        [key.plot([], [], color=colour)[0] for colour in lines.values()], lines, loc="center left"
    )
    key = result.add_subplot(grid[2, 3])
    key.set_axis_off()
    patches = [
        Patch(facecolor=colour, edgecolor="black", linewidth=0.5) for colour in OUTCOMES.values()
    ]
    key.legend(patches, OUTCOMES, loc="center left", title="selected, 1 coming on first")
    return result
