"""Statistics in which the replicate is the unit: trends, regressions, intervals, permutations.

Functions of arrays whose first axis are replicates (agents, as animals are in recordings); NaN is what
was not measured. `analysis.trials.bootstrap_interval` gives an interval over replicates of any of them.
"""

import numpy as np


def mean_and_error(values):
    """Mean and standard error of the mean over replicates.

    Parameters
    ----------
    values : array (replicate, ...)

    Returns
    -------
    (mean, error) : arrays (...)
        The error is NaN where fewer than two replicates are known.
    """
    values = np.asarray(values, float)
    count = (~np.isnan(values)).sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(count > 0, np.nansum(values, axis=0) / count, np.nan)
        square = np.nansum((values - mean) ** 2, axis=0)
        return mean, np.where(count > 1, np.sqrt(square / (count - 1) / count), np.nan)


def _known(x, y):
    """Points of each replicate of which both coordinates are known."""
    y = np.asarray(y, float)
    for a, b in zip(np.broadcast_to(np.asarray(x, float), y.shape), y, strict=True):
        known = ~(np.isnan(a) | np.isnan(b))
        yield a[known], b[known]


def line(x, y):
    """Least-squares line of each replicate.

    Parameters
    ----------
    x : array (points,) or (replicate, points)
    y : array (replicate, points)

    Returns
    -------
    slope, intercept, correlation : arrays (replicate,)
        NaN where fewer than two different x are known; the correlation also where y does not vary.
    """
    found = []
    for a, b in _known(x, y):
        if len(a) < 2 or np.ptp(a) == 0:
            found.append((np.nan, np.nan, np.nan))
            continue
        da, db = a - a.mean(), b - b.mean()
        slope = da @ db / (da @ da)
        norm = np.sqrt((da @ da) * (db @ db))
        found.append((slope, b.mean() - slope * a.mean(), da @ db / norm if norm else np.nan))
    return tuple(np.array(found).T)


def exponential(x, y, rates=None):
    """Least-squares exponential of each replicate, y = end + change*exp(-rate*x).

    Parameters
    ----------
    x : array (points,) or (replicate, points)
    y : array (replicate, points)
    rates : array, optional
        Rates to choose from; 200 from one over ten times the range of x to ten over its mean spacing if
        nothing is said, the same ratio apart.

    Returns
    -------
    end, change, rate : arrays (replicate,)
        NaN where fewer than four points are known.
    """
    found = []
    for a, b in _known(x, y):
        if len(a) < 4 or np.ptp(a) == 0:
            found.append((np.nan, np.nan, np.nan))
            continue
        tried = np.geomspace(0.1, 10 * (len(a) - 1), 200) / np.ptp(a) if rates is None else rates
        fits = []
        for rate in tried:
            columns = np.column_stack([np.ones(len(a)), np.exp(-rate * a)])
            (end, change), *_ = np.linalg.lstsq(columns, b, rcond=None)
            error = b - columns @ (end, change)
            fits.append((error @ error, end, change, rate))
        found.append(min(fits)[1:])
    return tuple(np.array(found).T)


def logistic(x, choice, ridge=1e-3, iterations=50):
    """Logistic regression by Newton's method.

    Parameters
    ----------
    x : array (trials, regressors)
        A constant is added as the first coefficient.
    choice : array (trials,)
        0 or 1.
    ridge : float
        Penalty of the squared coefficients (but the constant), so that they stay finite where the
        choices are perfectly separated.

    Returns
    -------
    array (1 + regressors,)
    """
    x = np.column_stack([np.ones(len(x)), np.asarray(x, float)])
    penalty = np.diag([1e-9, *[ridge] * (x.shape[1] - 1)])
    weights = np.zeros(x.shape[1])
    for _ in range(iterations):
        chance = 1 / (1 + np.exp(-np.clip(x @ weights, -30, 30)))
        gradient = x.T @ (choice - chance) - penalty @ weights
        curvature = (x.T * (chance * (1 - chance) + 1e-9)) @ x + penalty
        step = np.linalg.solve(curvature, gradient)
        weights = weights + step * min(1, 5 / max(abs(step).max(), 1e-12))
        if abs(step).max() < 1e-8:
            break
    return weights


def psychometric(stimulus, choice):
    """Point of indifference and slope of a logistic psychometric function.

    Parameters
    ----------
    stimulus : array (trials,)
    choice : array (trials,)
        0 or 1.

    Returns
    -------
    (indifference, slope) : tuple of float
        The stimulus at which both choices are as likely, and the change of log odds per unit there.
    """
    stimulus = np.asarray(stimulus, float)
    centre, spread = stimulus.mean(), stimulus.std() or 1.0
    constant, slope = logistic((stimulus - centre)[:, None] / spread, np.asarray(choice))
    return centre - spread * constant / slope, slope / spread


def stay(choice, rewarded, rare, goes_on=None):
    """How reward and transition of the trial before decide whether a first choice is repeated.

    The analysis of the two-step task (Daw et al. 2011, Neuron 69:1204): log odds of staying on reward,
    on transition, and on their product, all coded -1 and 1. Model-free agents show the first, planners
    the last.

    Parameters
    ----------
    choice, rewarded, rare : arrays (trials,)
        0 or 1, in the order of the trials.
    goes_on : array (trials,) of bool, optional
        Whether a trial follows on the one before; the first of a session does not.

    Returns
    -------
    dict of str to float
        Coefficients `stay`, `reward`, `common` and `interaction`.
    """
    choice = np.asarray(choice)
    reward = 2 * np.asarray(rewarded, float)[:-1] - 1
    common = 1 - 2 * np.asarray(rare, float)[:-1]
    x = np.column_stack([reward, common, reward * common])
    stays = (choice[1:] == choice[:-1]).astype(float)
    kept = slice(None) if goes_on is None else np.asarray(goes_on, bool)[1:]
    weights = logistic(x[kept], stays[kept])
    return dict(zip(("stay", "reward", "common", "interaction"), map(float, weights), strict=True))


def reversal_points(responses, amounts):
    """Amount of reward at which responses change sign, and how steep they are on its two sides.

    Two straight lines that meet at zero are fitted (least squares) to all amounts. To interpolate
    between two amounts would be wrong, since the slope of a distributional error changes at the very
    point looked for.

    Parameters
    ----------
    responses : array (..., amount)
        NaN for amounts that did not occur.
    amounts : array (amount,)
        Increasing.

    Returns
    -------
    reversal_point : array (...)
        To a two-thousandth of the range of amounts; NaN where all responses have the same sign.
    asymmetry : array (...)
        Slope above, divided by the sum of the slopes.
    """
    responses, amounts = np.asarray(responses, float), np.asarray(amounts, float)
    places = np.linspace(amounts[0], amounts[-1], 2001)
    known = ~np.isnan(responses)
    filled = np.where(known, responses, 0.0)
    distance = amounts - places[:, None]
    error, slopes = 0.0, []
    for side in (distance > 0, distance <= 0):
        x = np.where(side, distance, 0.0)
        product, square = filled @ x.T, known @ (x**2).T
        slope = product / np.maximum(square, 1e-12)
        error = error + (filled**2) @ side.T - slope * product
        slopes.append(slope)
    best = np.argmin(error, axis=-1)[..., None]
    above, below = (np.take_along_axis(slope, best, -1)[..., 0] for slope in slopes)
    reverses = (filled < 0).any(-1) & (filled > 0).any(-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        asymmetry = above / (above + below)
    return tuple(np.where(reverses, v, np.nan) for v in (places[best[..., 0]], asymmetry))


def sign_flip(values, resamples=9999):
    """Probability of a mean as far from 0 if the sign of each replicate were chance (two-sided).

    Needs SciPy (extra ``reproduction``).

    Parameters
    ----------
    values : array (replicate,)
        Contrasts; NaN are left out.
    resamples : int
        Random sign patterns; all patterns are counted where there are no more than this.

    Returns
    -------
    float
        NaN where fewer than two replicates are known.
    """
    return _resampled([values], lambda a, axis: a.mean(axis), "samples", resamples)


def permutation(first, second, resamples=9999):
    """Probability of a difference of means as large between two groups dealt at random (two-sided).

    Needs SciPy (extra ``reproduction``).

    Parameters
    ----------
    first, second : arrays (replicate,)
        Two groups of independent replicates; NaN are left out.
    resamples : int
        Random deals; all are counted where there are no more than this (Ernst 2004, Statist. Sci.
        19:676).

    Returns
    -------
    float
        NaN where a group has fewer than two replicates that are known.
    """

    def difference(a, b, axis):
        return a.mean(axis) - b.mean(axis)

    return _resampled([first, second], difference, "independent", resamples)


def _resampled(groups, statistic, kind, resamples):
    """Two-sided p-value of a permutation test, always of the same random numbers."""
    from scipy.stats import permutation_test

    groups = [np.asarray(values, float) for values in groups]
    groups = [values[~np.isnan(values)] for values in groups]
    if min(map(len, groups)) < 2:
        return float("nan")
    result = permutation_test(
        groups,
        statistic,
        permutation_type=kind,
        vectorized=True,
        n_resamples=resamples,
        rng=np.random.default_rng(0),
    )
    return float(result.pvalue)
