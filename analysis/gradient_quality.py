"""How near approximate gradients are to exact ones, through learning and by pathway."""

import numpy as np

from .style import (
    COLOURS,
    axes_or_new,
    legend_below,
    legend_beside,
    letter,
    median_and_quartiles,
    new_figure,
    styled,
)

#: Method to colour, marker and line: told apart without colour too.
METHODS = {
    "rflo": (COLOURS["orange"], "o", "-"),
    "snap1": (COLOURS["sky"], "s", "--"),
    "nucleus": (COLOURS["green"], "^", "-."),
    "rtrl": (COLOURS["blue"], "D", "-"),
}
#: Windows into which learning is divided.
WINDOWS = 20


def cosines(data, length, method, windows=WINDOWS):
    """Cosine of all parameters' gradient and the exact one, in windows of learning.

    Scalar products are summed over parameters and over the steps of a window.

    Returns
    -------
    steps : array (windows,)
        Middle of each window.
    cosine : array (replicate, windows)
        NaN where there was no gradient.
    """
    parts = _parts(data, length, method)
    step = parts["step"].values
    edges = np.linspace(step[0], step[-1] + 1, windows + 1)
    window = np.searchsorted(edges, step, "right") - 1
    products = parts[list(_PRODUCTS)].astype(float).sum("parameter").transpose("replicate", "time")
    found = [
        _cosine(*(products[name].values[:, window == k].sum(1) for name in _PRODUCTS))
        for k in range(windows)
    ]
    return (edges[1:] + edges[:-1]) / 2, np.stack(found, axis=-1)


def pathway_cosines(data, length, method):
    """Cosine for each projection and parameter over the whole of learning, (replicate, parameter)."""
    return _total(_parts(data, length, method), "time")


def _parts(data, length, method):
    return data["gradients"].to_dataset().sel({"length": length, "method": method})


#: Sums over what a gradient consists of: its scalar product with the exact one, and both their squares.
_PRODUCTS = ("gradient_product", "gradient_square", "exact_gradient_square")


def _cosine(dot, square, exact):
    with np.errstate(invalid="ignore", divide="ignore"):
        cosine = dot / np.sqrt(square) / np.sqrt(exact)
    return np.where(np.isfinite(cosine), cosine, np.nan)


def _total(parts, *dims):
    return _cosine(*(parts[name].astype(float).sum(dims).values for name in _PRODUCTS))


def _names(data):
    group = data["gradients"]
    return group["length"].values.tolist(), group["method"].values.tolist()


def summary(data):
    """The outcome as lines of text."""
    lengths, methods = _names(data)
    rows = ["length  method    final return (quartiles)   cosine to exact RTRL (quartiles)"]
    for length in lengths:
        for method in methods:
            final = _returns(data, length, method)[:, -1]
            cosine = _overall(data, length, method)
            numbers = [np.nanpercentile(v, [50, 25, 75]) for v in (final, cosine)]
            texts = ["{:6.3f} ({:.3f} to {:.3f})".format(*n) for n in numbers]
            rows.append(f"{length:6d}  {method:<8}  {texts[0]:<26} {texts[1]}")
    return rows


def _returns(data, length, method):
    selected = data["evaluation"].to_dataset().sel({"length": length, "method": method})
    return selected["mean_return"].values


def _overall(data, length, method):
    return _total(_parts(data, length, method), "time", "parameter")


@styled
def plot_returns(data, length, *, ax=None):
    """Learning curves of the methods, median and quartiles."""
    ax = axes_or_new(ax)
    _, methods = _names(data)
    for method in methods:
        colour, _, line = METHODS[method]
        steps = data["evaluation"]["step"].values / 1000
        steps = steps.reshape(-1, steps.shape[-1])[0]
        values = _returns(data, length, method)
        median_and_quartiles(ax, steps, values, method, colour, linestyle=line)
    ends = ", ".join(f"{m} {np.median(_returns(data, length, m)[:, -1]):.2f}" for m in methods)
    ax.set(xlabel="steps learned (thousands)", ylabel="return per trial", ylim=(-0.55, 1.08))
    ax.axhline(0, color=COLOURS["grey"], linestyle=":", linewidth=1)
    ax.set_title(f"Length {length}, final: {ends}", fontsize=8.5)
    legend_beside(ax, title="learns by")
    return ax


@styled
def plot_cosines(data, length, *, ax=None):
    """Cosine to the exact gradient through learning, median and quartiles over replicates."""
    ax = axes_or_new(ax)
    _, methods = _names(data)
    for method in methods:
        colour, marker, line = METHODS[method]
        steps, values = cosines(data, length, method)
        style = {"linestyle": line, "marker": marker, "markersize": 3}
        median_and_quartiles(ax, steps / 1000, values, method, colour, **style)
    approximate = [m for m in methods if m != "rtrl"]
    ends = ", ".join(f"{m} {np.nanmedian(_overall(data, length, m)):.2f}" for m in approximate)
    low = min(np.nanmin(cosines(data, length, m)[1]) for m in methods)
    ax.set(xlabel="steps learned (thousands)", ylabel="cosine to exact gradient")
    ax.set_ylim(min(-0.05, low - 0.05), 1.06)
    ax.axhline(0, color=COLOURS["grey"], linestyle=":", linewidth=1)
    title = f"Length {length}, all steps: {ends}" if ends else f"Length {length}"
    ax.set_title(title, fontsize=8.5)
    legend_beside(ax, title="learns by")
    return ax


@styled
def plot_pathways(data, length, *, ax=None):
    """Cosine for each pathway and parameter; a marker is the median, a line the quartiles."""
    ax = axes_or_new(ax)
    _, methods = _names(data)
    methods = [m for m in methods if m != "rtrl"]
    names = data["gradients"]["parameter"].values.tolist()
    worst = []
    for k, method in enumerate(methods):
        colour, marker, _ = METHODS[method]
        values = pathway_cosines(data, length, method)
        known = ~np.isnan(values).all(axis=0)
        low, middle, high = np.full((3, len(names)), np.nan)
        if known.any():
            low[known], middle[known], high[known] = np.nanpercentile(
                values[:, known], [25, 50, 75], axis=0
            )
            worst.append(
                (middle[known].min(), names[np.flatnonzero(known)[middle[known].argmin()]])
            )
        y = np.arange(len(names)) + 0.22 * (k - (len(methods) - 1) / 2)
        ax.hlines(y, low, high, color=colour, linewidth=1.4)
        ax.plot(middle, y, marker, color=colour, markersize=4.5, label=method)
        for position in y[~known]:
            ax.annotate("no gradient", (0.02, position), color=colour, fontsize=6.5, va="center")
    ax.set(yticks=range(len(names)), yticklabels=names, xlabel="cosine to exact gradient")
    ax.invert_yaxis()
    ax.set_xlim(min(-0.05, ax.get_xlim()[0]), 1.05)
    ax.axvline(0, color=COLOURS["grey"], linestyle=":", linewidth=1)
    if worst:
        ax.set_title("Farthest: {1}, {0:.2f}".format(*min(worst)), fontsize=8.5)
    return ax


@styled
def figure(data):
    """One row for each memory length: learning, cosine through learning, cosine by pathway."""
    lengths, _ = _names(data)
    result = new_figure(11.5, 3.3 * len(lengths))
    axes = result.subplots(len(lengths), 3, squeeze=False)
    for row, length in zip(axes, lengths, strict=True):
        for plot, ax in zip((plot_returns, plot_cosines, plot_pathways), row, strict=True):
            plot(data, length, ax=ax)
    for k, ax in enumerate(axes.flat):
        letter(ax, "abcdefghijklmnopqrstuvwxyz"[k])
    legend_below(result, title="learns by")
    return result
