"""Choose-A against avoid-B with dopamine on and off, and the weights of both pathways.

The interaction of drug and valence is (choose A - avoid B) on medication minus the same off it, for each
replicate; positive in Frank, Seeberger & O'Reilly 2004, Science 306:1940.
"""

import numpy as np

from .style import COLOURS, axes_or_new, legend_beside, letter, new_figure, styled
from .trials import bootstrap_interval

MEASURES = {
    "choose_a": ("choose A", COLOURS["blue"]),
    "avoid_b": ("avoid B", COLOURS["vermillion"]),
}
CONDITIONS = {"on": COLOURS["green"], "control": COLOURS["grey"], "off": COLOURS["purple"]}
PATHWAYS = {"g": "G, cortex to d1", "n": "N, cortex to d2"}


def bias(data, condition):
    """Choose-A minus avoid-B, (replicate,)."""
    choices = data["choices"].to_dataset().sel(condition=condition)
    return (choices["choose_a"] - choices["avoid_b"]).values


def interaction(data):
    """How much larger choose-A minus avoid-B is on medication than off it, (replicate,)."""
    return bias(data, "on") - bias(data, "off")


def mean_interval(values):
    """Mean over replicates with its 95 % bootstrap interval."""
    return float(np.mean(values)), *bootstrap_interval(values, np.mean)


def effect(values):
    """Mean and interval as text."""
    mean, low, high = mean_interval(values)
    return f"{mean:+.3f} (95 % interval {low:+.3f} to {high:+.3f})"


def verdict(data):
    """Whether the interaction has the published sign, in words."""
    _, low, high = mean_interval(interaction(data))
    if low > 0:
        return "published sign"
    return "opposite sign" if high < 0 else "no certain sign"


def summary(data):
    """The outcome as lines of text."""
    choices = data["choices"].to_dataset()
    rows = [
        f"{choices.sizes['replicate']} replicates in each condition, medians (quartiles) of the test",
        "             rho   choose A            avoid B             choose A - avoid B, mean",
    ]
    for condition in CONDITIONS:
        here = choices.sel(condition=condition)
        shares = []
        for name in MEASURES:
            low, middle, high = np.percentile(here[name].values, [25, 50, 75])
            shares.append(f"{middle:.3f} ({low:.3f}-{high:.3f})")
        rho = float(here["rho"])
        rows.append(
            f"  {condition:<8} {rho:>+5.2f}   {'   '.join(shares)}   {effect(bias(data, condition))}"
        )
    for name, (text, _) in MEASURES.items():
        change = choices[name].sel(condition="on") - choices[name].sel(condition="off")
        rows.append(f"  {text}, on - off: {effect(change.values)}")
    rows.append(f"  interaction: {effect(interaction(data))}, {verdict(data)}")
    return rows


def _spread(ax, x, values, colour, label=None, singles=True):
    """Replicates as dots, median and quartiles beside them."""
    if singles:
        jitter = np.random.default_rng(0).uniform(-0.07, 0.07, len(values))
        ax.plot(x + jitter, values, "o", color=colour, markersize=2.5, alpha=0.35, mew=0)
    low, middle, high = np.percentile(values, [25, 50, 75])
    ax.plot([x, x], [low, high], color=colour, linewidth=3, alpha=0.8, solid_capstyle="butt")
    ax.plot(x, middle, "o", color=colour, mec="black", mew=0.8, ms=6, label=label, zorder=3)


@styled
def plot_choices(data, *, ax=None):
    """Choose-A and avoid-B in each condition."""
    ax = axes_or_new(ax)
    choices = data["choices"].to_dataset()
    for k, condition in enumerate(CONDITIONS):
        here = choices.sel(condition=condition)
        for j, (name, (text, colour)) in enumerate(MEASURES.items()):
            label = text if k == 0 else None
            _spread(ax, k + 0.3 * (j - 0.5), here[name].values, colour, label)
    ax.axhline(0.5, color=COLOURS["grey"], linestyle=":", linewidth=1)
    rho = choices["rho"].values
    names = [f"{name}\n$\\rho$ = {level:g}" for name, level in zip(CONDITIONS, rho, strict=True)]
    ax.set_xticks(range(len(CONDITIONS)), names)
    differences = {name: np.mean(bias(data, name)) for name in CONDITIONS}
    parts = ", ".join(f"{value:+.2f} {name}" for name, value in differences.items())
    lowest = min(float(choices[name].min()) for name in MEASURES)
    ax.set(xlim=(-0.5, len(CONDITIONS) - 0.5), ylim=(min(lowest, 0.5) - 0.03, 1.03))
    ax.set_ylabel("share of test choices")
    ax.set_title(f"Choose A - avoid B:\n{parts}")
    legend_beside(ax)
    return ax


@styled
def plot_interaction(data, *, ax=None):
    """The interaction of drug and valence, with its interval."""
    ax = axes_or_new(ax)
    values = interaction(data)
    mean, low, high = mean_interval(values)
    jitter = np.random.default_rng(0).uniform(-0.12, 0.12, len(values))
    ax.plot(jitter, values, "o", color=COLOURS["grey"], markersize=3, alpha=0.6, mew=0)
    ax.errorbar(0.3, mean, [[mean - low], [high - mean]], fmt="o", color="black", capsize=4)
    ax.axhline(0, color=COLOURS["grey"], linestyle=":", linewidth=1)
    ax.set_xticks([0, 0.3], ["replicates", "mean,\n95 % int."])
    ax.set(xlim=(-0.2, 0.45), ylabel="(choose A - avoid B), on - off")
    ax.set_title(f"Interaction {mean:+.2f}\n({low:+.2f} to {high:+.2f})")
    return ax


@styled
def plot_weights(data, pathway, *, ax=None):
    """Learned weights of each symbol in one pathway, mean of both sides.

    Parameters
    ----------
    data : xarray.DataTree
    pathway : {"g", "n"}
    """
    ax = axes_or_new(ax)
    weights = data["weights"].to_dataset()[pathway].mean("side")
    symbols = weights["symbol"].values
    for k, (condition, colour) in enumerate(CONDITIONS.items()):
        for j, symbol in enumerate(symbols):
            values = weights.sel(condition=condition, symbol=symbol).values
            label = condition if j == 0 else None
            _spread(ax, j + 0.24 * (k - 1), values, colour, label, singles=False)
    ax.axhline(1, color=COLOURS["grey"], linestyle=":", linewidth=1)
    ax.set_xticks(range(len(symbols)), symbols)
    better, worse = (float(weights.isel(symbol=slice(k, None, 2)).median()) for k in (0, 1))
    ax.set(xlabel="symbol; A, C, E are the better ones of their pairs", ylabel="weight")
    ax.set_title(f"{PATHWAYS[pathway]}: {better:.2f} of better, {worse:.2f} of worse symbols")
    legend_beside(ax)
    return ax


@styled
def figure(data):
    """Choices in the test, the interaction, and the learned weights.

    Returns
    -------
    matplotlib Figure
    """
    result = new_figure(10.5, 7.0)
    grid = result.add_gridspec(2, 6)
    panels = (
        plot_choices(data, ax=result.add_subplot(grid[0, :4])),
        plot_interaction(data, ax=result.add_subplot(grid[0, 4:])),
        plot_weights(data, "g", ax=result.add_subplot(grid[1, :3])),
        plot_weights(data, "n", ax=result.add_subplot(grid[1, 3:])),
    )
    for ax, text in zip(panels, "ABCD", strict=True):
        letter(ax, text)
    top = max(ax.get_ylim()[1] for ax in panels[2:])
    for ax in panels[2:]:
        ax.set_ylim(-0.04 * top, 1.1 * top)
    panels[2].get_legend().remove()  # the same as beside the last
    count = data["choices"].sizes["replicate"]
    result.suptitle(
        f"Choosing A against avoiding B with dopamine on and off: {verdict(data)} of the interaction, "
        f"{count} replicates",
        fontsize=11,
    )
    return result
