"""What dopamine neurons with graded optimism know of the distribution of reward.

Expectiles are to the mean what quantiles are to the median (Newey & Powell 1987, Econometrica 55:819):
the expectile tau of a distribution is the value from which errors above, weighted by tau, and errors
below, weighted by 1 - tau, balance.
"""

import matplotlib
import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize

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
from .trials import median_and_interval

#: Population of dopamine neurons to its colour, marker and line.
POPULATIONS = {
    "graded": (COLOURS["blue"], "o", "-"),
    "alike": (COLOURS["orange"], "s", "--"),
}
#: Points that a decoded distribution is made of.
SAMPLES = 100
#: Colours of neurons by their expectile.
SHADES = "viridis"


def expectiles(values, probabilities, taus):
    """Expectiles of a discrete distribution.

    Parameters
    ----------
    values, probabilities : array (n,)
    taus : array (neurons,)
        Between 0 and 1.

    Returns
    -------
    array (neurons,)
    """
    taus = np.asarray(taus, float)
    low, high = np.full((2, len(taus)), np.min(values), float)
    high[:] = np.max(values)
    for _ in range(100):
        middle = (low + high) / 2
        balance = _weighted_errors(np.asarray(values), middle, taus)[0] @ probabilities
        low, high = np.where(balance > 0, middle, low), np.where(balance > 0, high, middle)
    return middle


def _weighted_errors(samples, values, taus):
    """Errors of values, and their weights, (value, sample)."""
    errors = samples - values[:, None]
    weights = np.where(errors > 0, taus[:, None], 1 - taus[:, None])
    return weights * errors, weights


def decode(values, taus, samples=SAMPLES, iterations=200):
    """A distribution, as equally probable samples, that has given expectiles.

    Dabney et al. 2020 look for samples for which the weighted errors of all values balance. Many sets
    do; found is one near the values themselves, by the method of Levenberg and Marquardt.

    Parameters
    ----------
    values : array (neurons,)
    taus : array (neurons,)
        Which expectile each value is.
    samples, iterations : int

    Returns
    -------
    array (samples,), sorted
    """
    values, taus = np.asarray(values, float), np.asarray(taus, float)
    scale = np.ptp(values) or 1.0
    found = np.quantile(values, np.linspace(0, 1, samples))
    error, slope = _imbalance(found, values, taus)
    damping = 1e-3
    for _ in range(iterations):
        normal = slope @ slope.T + damping * np.eye(len(values))
        tried = found - slope.T @ np.linalg.solve(normal, error)
        new, new_slope = _imbalance(tried, values, taus)
        if new @ new < error @ error:
            found, error, slope, damping = tried, new, new_slope, max(damping / 3, 1e-12)
        elif damping < 1e6:
            damping *= 4
        if np.abs(error).max() < 1e-9 * scale:
            break
    return np.sort(found)


def _imbalance(samples, values, taus):
    """Mean weighted error of each value, and its derivative to the samples."""
    errors, weights = _weighted_errors(samples, values, taus)
    return errors.mean(axis=1), weights / len(samples)


def wasserstein(samples, values, probabilities):
    """Wasserstein distance of samples to a discrete distribution: the area between their CDFs.

    Parameters
    ----------
    samples : array (m,)
    values, probabilities : array (n,)

    Returns
    -------
    float
        In units of the values.
    """
    points = np.sort(np.concatenate([samples, values]))
    decoded = np.searchsorted(np.sort(samples), points, "right") / len(samples)
    order = np.argsort(values)
    cumulated = np.concatenate([[0.0], np.cumsum(np.asarray(probabilities)[order])])
    true = cumulated[np.searchsorted(np.asarray(values)[order], points, "right")]
    return float(np.sum(np.abs(decoded - true)[:-1] * np.diff(points)))


def distances(data, population, variable="reversal_point"):
    """Distance of the decoded distribution to that of the rewards.

    Parameters
    ----------
    data : xarray.DataTree
    population : {"graded", "alike"}
    variable : {"reversal_point", "value"}
        What is decoded.

    Returns
    -------
    array (replicate,) or, of values, (replicate, checkpoint)
        In µl, from the neurons whose value is known; NaN if none is.
    """
    neurons = data["neurons"].to_dataset().sel(population=population)
    taus = neurons["expectile"].values
    truth = neurons["magnitude"].values, neurons["probability"].values

    def distance(values):
        known = ~np.isnan(values)
        if not known.any():
            return np.nan
        return wasserstein(decode(values[known], taus[known]), *truth)

    return np.apply_along_axis(distance, -1, neurons[variable].values)


def theory(data, taus):
    """Expectiles of the rewards of the task."""
    neurons = data["neurons"]
    return expectiles(neurons["magnitude"].values, neurons["probability"].values, taus)


def spread(data, population):
    """Range of the reversal points of each replicate, in µl; NaN where no neuron has one."""
    points = data["neurons"]["reversal_point"].sel(population=population)
    return (points.max("neuron") - points.min("neuron")).values


def summary(data):
    """The outcome as lines of text."""
    neurons = data["neurons"]
    replicates, count = neurons.sizes["replicate"], neurons.sizes["neuron"]
    rows = [
        f"{count} dopamine neurons, {replicates} replicates: median (95 % interval over replicates)"
    ]
    for name in POPULATIONS:
        points = neurons["reversal_point"].sel(population=name)
        taus = neurons["expectile"].sel(population=name).values
        reversing = int(points.notnull().sum())
        rows.append(f"  {name}: {reversing} of {points.size} neurons have a reversal point")
        for text, values in (
            ("range of reversal points", spread(data, name)),
            ("reversal points from expectiles, mean", _away(points, theory(data, taus))),
            ("decoded distribution from true one", distances(data, name)),
        ):
            middle, low, high = median_and_interval(values)
            if not np.isnan(middle):
                rows.append(f"    {text:<38} {middle:6.2f} µl ({low:.2f} to {high:.2f})")
    return rows


def _away(points, expected):
    """Mean distance of the reversal points of each replicate from what is expected."""
    return abs(points - expected).mean("neuron", skipna=True).values


def _medians(values, digits):
    """Population and median over replicates, as text; only those that are known."""
    known = {k: v[~np.isnan(v)] for k, v in values.items()}
    return ", ".join(f"{k} {np.median(v):.{digits}f}" for k, v in known.items() if len(v))


def _shades(taus):
    return matplotlib.colormaps[SHADES](np.asarray(taus))


@styled
def plot_responses(data, *, ax=None):
    """Response of each graded neuron to each amount, mean over replicates, and its reversal point."""
    ax = axes_or_new(ax)
    neurons = data["neurons"].to_dataset().sel(population="graded")
    amounts, taus = neurons["magnitude"].values, neurons["expectile"].values
    responses = neurons["response"].mean("replicate", skipna=True).values
    points = neurons["reversal_point"].mean("replicate", skipna=True).values
    for response, point, colour in zip(responses, points, _shades(taus), strict=True):
        # The slope changes at the reversal point, so lines bend there.
        line = np.array(sorted([*zip(amounts, response, strict=True), (point, 0.0)]))
        ax.plot(*line.T, color=colour, linewidth=1)
        ax.plot(amounts, response, ".", color=colour, markersize=4)
        ax.plot(point, 0, "o", color=colour, markersize=4, markeredgecolor="white", zorder=3)
    ax.axhline(0, color=COLOURS["grey"], linestyle=":", linewidth=1)
    ax.set(xlabel="amount of reward (µl)", ylabel="response (µl of scaled error)")
    known = points[~np.isnan(points)]
    if len(known):
        ax.set_title(f"Responses reverse at {known.min():.1f} to {known.max():.1f} µl")
    bar = ax.figure.colorbar(ScalarMappable(Normalize(0, 1), SHADES), ax=ax, pad=0.02)
    bar.set_label("expectile of the neuron (1: optimist)")
    return ax


@styled
def plot_reversal_points(data, *, ax=None):
    """Reversal point of each neuron against its asymmetry as its responses show it, and theory."""
    ax = axes_or_new(ax)
    line = np.linspace(0.01, 0.99, 99)
    ax.plot(line, theory(data, line), color=COLOURS["grey"], linewidth=1, label="expectiles")
    for name, (colour, marker, _) in POPULATIONS.items():
        neurons = data["neurons"].to_dataset().sel(population=name)
        x, y = (neurons[k].values.ravel() for k in ("asymmetry", "reversal_point"))
        ax.plot(x, y, marker, color=colour, markersize=2.5, alpha=0.6, label=name)
    ranges = _medians({k: spread(data, k) for k in POPULATIONS}, 1)
    ax.set(xlabel="slope above / sum of slopes", ylabel="reversal point (µl)")
    ax.set_title(f"Range of reversal points (µl): {ranges}")
    legend_beside(ax)
    return ax


@styled
def plot_decoded(data, *, ax=None):
    """Cumulative distributions decoded from each replicate's reversal points, and the true one."""
    ax = axes_or_new(ax)
    neurons = data["neurons"].to_dataset()
    amounts, probabilities = neurons["magnitude"].values, neurons["probability"].values
    for name, (colour, _, line) in POPULATIONS.items():
        chosen = neurons.sel(population=name)
        label = name
        for points in chosen["reversal_point"].values:
            known = ~np.isnan(points)
            if not known.any():
                continue
            decoded = decode(points[known], chosen["expectile"].values[known])
            height = np.arange(len(decoded) + 1) / len(decoded)
            x = np.concatenate([decoded[:1], decoded])
            style = {"color": colour, "alpha": 0.5, "linewidth": 1, "linestyle": line}
            ax.step(x, height, where="post", label=label, **style)
            label = None
    low, high = -2.0, 1.2 * amounts[-1]
    x = np.concatenate([[low], amounts, [high]])
    height = np.concatenate([[0.0], np.cumsum(probabilities), [1.0]])
    ax.step(x, height, where="post", color="black", linewidth=1.6, label="rewards")
    away = _medians({k: distances(data, k) for k in POPULATIONS}, 2)
    ax.set(xlabel="amount of reward (µl)", ylabel="cumulative probability", xlim=(low, high))
    ax.set_title(f"Decoded, distance to the rewards (µl): {away}")
    legend_beside(ax)
    return ax


@styled
def plot_distance(data, *, ax=None):
    """Distance of the decoded distribution to the true one while values are learned."""
    ax = axes_or_new(ax)
    neurons = data["neurons"]
    steps = neurons["step"].values
    first, last = {}, {}
    for name, (colour, marker, line) in POPULATIONS.items():
        values = distances(data, name, "value")
        style = {"linestyle": line, "marker": marker, "markersize": 3}
        median_and_quartiles(ax, steps, values, name, colour, **style)
        first[name], last[name] = values[:, 0], values[:, -1]
    ax.set(xscale="log", xlabel="steps learned", ylabel="distance to the rewards (µl)")
    ax.set_ylim(bottom=0)
    ax.set_title(f"Early {_medians(first, 1)}; late {_medians(last, 1)}")
    legend_beside(ax)
    return ax


@styled
def figure(data):
    """Responses, reversal points, the decoded distribution, and its distance through learning."""
    result = new_figure(10.5, 7.0)
    axes = result.subplots(2, 2)
    plots = (plot_responses, plot_reversal_points, plot_decoded, plot_distance)
    for k, (plot, ax) in enumerate(zip(plots, axes.flat, strict=True)):
        plot(data, ax=ax)
        letter(ax, "ABCD"[k])
    legend_below(result)
    return result
