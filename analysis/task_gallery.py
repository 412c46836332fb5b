"""A picture of a trial of each task."""

import numpy as np

from .style import COLOURS, axes_or_new, new_figure, styled

COLUMNS = 4


def summary(data):
    """One line for each task."""
    return [
        f"{name}: {group.sizes['step']} steps{'' if group.attrs['ended'] else ' and more'}, "
        f"return {float(group['reward'].sum()):.3g}; {group.attrs['summary']}"
        for name, group in data.children.items()
    ]


@styled
def plot_trial(data, name, *, ax=None):
    """Observations of a trial as an image, reward as markers above it.

    Parameters
    ----------
    data : xarray.DataTree
    name : str
        Of the task.
    """
    ax = axes_or_new(ax)
    trial = data[name]
    seen = trial["observation"].values
    largest = np.abs(seen).max(axis=0, keepdims=True)
    relative = seen / np.where(largest > 0, largest, 1)
    steps, channels = relative.shape
    ax.imshow(
        relative.T,
        aspect="auto",
        cmap="RdBu_r",
        vmin=-1,
        vmax=1,
        interpolation="nearest",
        extent=(-0.5, steps - 0.5, channels - 0.5, -0.5),
    )
    reward = trial["reward"].values
    height = -0.5 - 0.12 * channels
    for sign, marker, colour in ((1, "^", COLOURS["green"]), (-1, "v", COLOURS["vermillion"])):
        at = np.flatnonzero(sign * reward > 0)
        ax.plot(at, np.full(len(at), height), marker, color=colour, markersize=3.5, clip_on=False)
    ax.set_ylim(channels - 0.5, height - 0.12 * channels)
    names = [str(c).replace("_", " ") for c in trial["channel"].values]
    if channels <= 6:
        ax.set_yticks(range(channels), names, fontsize=6)
    else:
        ax.set_yticks([0, channels - 1], [names[0], names[-1]], fontsize=6)
    ax.tick_params(axis="x", labelsize=7)
    more = "" if trial.attrs["ended"] else ", cut"
    ax.set_title(f"{name} ({steps} steps{more})", fontsize=8)
    return ax


@styled
def figure(data):
    """All tasks, a panel each."""
    names = list(data.children)
    rows = -(-len(names) // COLUMNS)
    columns = min(COLUMNS, len(names))
    result = new_figure(3.2 * columns, 1.9 * rows + 0.8, layout="none")
    axes = result.subplots(rows, columns, squeeze=False)
    height = result.get_size_inches()[1]
    result.subplots_adjust(
        left=0.3 / columns,
        right=1 - 0.05 / columns,
        top=1 - 0.85 / height,
        bottom=0.45 / height,
        wspace=0.42,
        hspace=0.45,
    )
    for ax, name in zip(axes.flat, names, strict=False):
        plot_trial(data, name, ax=ax)
    for ax in axes.flat[len(names) :]:
        ax.set_axis_off()
    for ax in axes[-1]:
        ax.set_xlabel("step", fontsize=7)
    result.suptitle(
        "A trial of each task, acting at random. Observations: red positive, blue negative,\n"
        "relative to the largest of each channel. ▲ reward, ▼ loss",
        fontsize=9,
        y=1 - 0.12 / height,
    )
    return result
