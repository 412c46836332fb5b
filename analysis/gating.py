"""A gate of working memory: what is reached with it and without, when it opens, and what is kept."""

import numpy as np

from .style import (
    COLOURS,
    PERIODS,
    axes_or_new,
    captioned,
    legend_beside,
    letter,
    median_and_quartiles,
    new_figure,
    quartiles_of,
    styled,
)
from .trials import aligned, bootstrap_interval, replicate_means

#: Condition to how it is called and drawn.
CONDITIONS = {
    "tags": ("gate learns by tags", COLOURS["blue"], "-"),
    "gradient": ("gate learns by rtrl", COLOURS["green"], "--"),
    "fixed": ("gate does not learn", COLOURS["orange"], "-."),
    "open": ("gate always open", COLOURS["vermillion"], ":"),
}
#: The same of what is done after learning.
LESIONS = {
    "open": ("opened after learning", COLOURS["vermillion"]),
    "shut": ("shut after learning", COLOURS["purple"]),
}
#: What is asked of the gate, and the event at which that is.
COMMANDS = {"store": "store", "ignore": "distractor", "recall": "recall"}
#: Steps around the command to store that are drawn, and the least that all trials have.
BEFORE, AFTER = 1, 4
#: Observations that are no letters come first.
LETTERS = 3
#: Returns that are drawn to compare with.
REFERENCES = ("chance_return", "best_return")
#: Share of the best return at which the task counts as learned.
LEARNED = 0.95


def final(data, condition):
    """Mean return of each replicate in the last evaluation, (replicate,)."""
    return data["gating"]["mean_return"].sel(condition=condition).values[:, -1]


def steps_to_learn(data, condition):
    """Steps of the first evaluation with `LEARNED` of the best return; (replicate,), infinite if none."""
    group = data["gating"]
    enough = (
        group["mean_return"].sel(condition=condition).values >= LEARNED * data.attrs["best_return"]
    )
    return np.where(enough.any(1), group["step"].values[enough.argmax(1)], np.inf)


def opening(data, command, period):
    """How far the gate is open at a command, from 0 to 1; (replicate,).

    Parameters
    ----------
    data : xarray.DataTree
    command : str
        One of `COMMANDS`; of the letters to ignore, the first after the one to store.
    period : {"early", "late"}
    """
    return 1 - replicate_means(aligned(data, "gpi", COMMANDS[command], 0, 0, period))[:, 0, 0]


def kept(data, period="late"):
    """Rates of pfc for the letter stored, and the mean for the others, around the command to store.

    Returns
    -------
    lag : array (lag,)
        In ms.
    stored, others : array (replicate, lag)
    """
    shown = aligned(data, "observation", "store", 0, 0, period).values[:, 0, LETTERS:]
    rates = aligned(data, "pfc", "store", BEFORE, AFTER, period)[:, :, LETTERS:]
    is_stored = (shown > 0)[:, None]
    count = shown.shape[-1]
    stored = rates.copy(data=np.where(is_stored, rates.values, 0)).sum(rates.dims[-1], skipna=False)
    others = (rates.sum(rates.dims[-1], skipna=False) - stored) / (count - 1)
    found = [replicate_means(part.assign_coords(rates.coords)) for part in (stored, others)]
    return rates["lag"].values, *found


def _median(values, digits=2):
    low, high = bootstrap_interval(values)
    return f"{np.median(values):.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def _reached(data, values):
    enough = LEARNED * data.attrs["best_return"]
    return f"{int((values >= enough).sum())} of {len(values)} at {enough:.2f} or more"


def summary(data):
    """The outcome as lines of text."""
    rows = [
        f"chance {data.attrs['chance_return']:.2f}, best {data.attrs['best_return']:.2f}; "
        "medians (95 % interval)"
    ]
    for condition, (label, *_) in CONDITIONS.items():
        values = final(data, condition)
        steps = np.median(steps_to_learn(data, condition))
        when = f", first after {steps:,.0f} steps (median)" if np.isfinite(steps) else ""
        rows.append(f"  {label:<22} {_median(values)}, {_reached(data, values)}{when}")
    for lesion, (label, _) in LESIONS.items():
        values = data["gating"]["lesioned"].sel(lesion=lesion).values
        rows.append(f"  {label:<22} {_median(values)}, {_reached(data, values)}")
    for period in PERIODS:
        parts = [f"{name} {_median(opening(data, name, period))}" for name in COMMANDS]
        rows.append(f"gate open (0 to 1) {period} in learning by tags: {', '.join(parts)}")
    return rows


@styled
def plot_curves(data, *, ax=None):
    """Return against steps in every condition: median and quartiles."""
    ax = axes_or_new(ax)
    group = data["gating"]
    steps = group["step"].values / 1000
    for condition, (label, colour, line) in CONDITIONS.items():
        values = group["mean_return"].sel(condition=condition).values
        median_and_quartiles(ax, steps, values, label, colour, linestyle=line)
    for name in REFERENCES:
        ax.axhline(data.attrs[name], color=COLOURS["grey"], linestyle=":", linewidth=1)
    ax.set(xlabel="steps learned (thousands)", ylabel="mean return", ylim=(0, 1.05))
    with_gate, without = (np.median(final(data, name)) for name in ("tags", "open"))
    captioned(
        ax,
        f"A gate that learns reaches {with_gate:.2f}, one always open {without:.2f}",
        f"plasticity and noise off; {quartiles_of(group.sizes['replicate'])}; grey: guessing, best",
    )
    legend_beside(ax)
    return ax


@styled
def plot_final(data, *, ax=None):
    """Return in the end, and with the gate cut off after learning: replicates, median, interval."""
    ax = axes_or_new(ax)
    group = data["gating"]
    parts = [(label, colour, final(data, name)) for name, (label, colour, _) in CONDITIONS.items()]
    parts += [
        (label, colour, group["lesioned"].sel(lesion=name).values)
        for name, (label, colour) in LESIONS.items()
    ]
    for k, (_, colour, values) in enumerate(parts):
        jitter = np.random.default_rng(0).uniform(-0.12, 0.12, len(values))
        ax.plot(values, k + jitter, "o", color=colour, markersize=3, alpha=0.5, mew=0)
        low, high = bootstrap_interval(values)
        middle = np.median(values)
        error = [[middle - low], [high - middle]]
        ax.errorbar(middle, k + 0.27, xerr=error, fmt="d", color=colour, capsize=3, markersize=5)
    for name in REFERENCES:
        ax.axvline(data.attrs[name], color=COLOURS["grey"], linestyle=":", linewidth=1)
    ax.set_yticks(range(len(parts)), [label for label, *_ in parts])
    ax.set(xlabel="mean return in the end", xlim=(0, 1.05), ylim=(len(parts) - 0.4, -0.5))
    lost = [np.median(group["lesioned"].sel(lesion=name)) for name in LESIONS]
    captioned(
        ax,
        f"With the gate cut off after learning: {lost[0]:.2f} (open), {lost[1]:.2f} (shut)",
        f"medians, 95 % intervals, n = {group.sizes['replicate']} replicates; grey: guessing, best",
    )
    return ax


@styled
def plot_gate(data, *, ax=None):
    """How far the gate is open around the command to store, early and late in learning."""
    ax = axes_or_new(ax)
    for period, colour in PERIODS.items():
        table = 1 - aligned(data, "gpi", "store", BEFORE, AFTER, period)[:, :, 0]
        means = replicate_means(table)
        style = {"marker": "o", "markersize": 4}
        median_and_quartiles(
            ax, table["lag"].values, means, f"{period} in learning", colour, **style
        )
    ax.axvline(0, color="black", linewidth=0.8, linestyle="--")
    ax.set(xlabel="time from the command to store (ms)", ylabel="gate open", ylim=(-0.03, 1.0))
    store, ignore = (np.median(opening(data, name, "late")) for name in ("store", "ignore"))
    title = f"The gate is open at store ({store:.2f}), shut at ignore ({ignore:.2f})"
    if not store > 0.5 > ignore:
        title = f"The gate is open by {store:.2f} at store, by {ignore:.2f} at ignore"
    captioned(
        ax,
        title,
        f"learning by tags, 1 - rate of gpi; {quartiles_of(data['gating'].sizes['replicate'])}",
    )
    legend_beside(ax)
    return ax


@styled
def plot_kept(data, *, ax=None):
    """What prefrontal cortex keeps after the command to store, late in learning."""
    ax = axes_or_new(ax)
    lag, stored, others = kept(data)
    for values, label, colour in (
        (stored, "the letter stored", COLOURS["blue"]),
        (others, "mean of the others", COLOURS["grey"]),
    ):
        median_and_quartiles(ax, lag, values, label, colour, marker="o", markersize=4)
    ax.axvline(0, color="black", linewidth=0.8, linestyle="--")
    ax.set(xlabel="time from the command to store (ms)", ylabel="rate in pfc")
    last = np.nanmedian(stored[:, -1]), np.nanmedian(others[:, -1])
    captioned(
        ax,
        f"After {lag[-1]:.0f} ms the letter stored is at {last[0]:.2f}, others at {last[1]:.2f}",
        f"late in learning by tags; {quartiles_of(data['gating'].sizes['replicate'])}",
    )
    legend_beside(ax)
    return ax


@styled
def figure(data):
    """Learning curves, final returns, the gate, and what is kept.

    Returns
    -------
    matplotlib Figure
    """
    result = new_figure(11.5, 7.0)
    panels = result.subplots(2, 2)
    for ax, plot in zip(panels.flat, (plot_curves, plot_final, plot_gate, plot_kept), strict=True):
        plot(data, ax=ax)
    for ax, text in zip(panels.flat, "ABCD", strict=True):
        letter(ax, text)
    return result
