"""The value that a linear read-out could have learned from a network's activity, and its TD error.

The TD error that an agent used may be far from that of an ideal reader of its state: because the state
lacks what matters, or because the read-out has not learned it. Value fitted to the recorded activity by
least squares tells the two apart, as Hennig et al. 2023 do (PLoS Comput. Biol. 19:e1011067).
"""

import numpy as np


def refit_value(activity, reward, done, discount, ridge=1e-4, steps=slice(None)):
    """Value by least-squares TD(0), with a constant.

    Weights solve sum phi (phi - discount*phi')^T w = sum phi r', with phi the activity of a step, phi'
    and r' that and the reward of the next (Bradtke & Barto 1996, Machine Learning 22:33).

    Parameters
    ----------
    activity : array (time, unit)
    reward : array (time,)
        Of the step in which it arrives.
    done : array (time,) of bool
        Whether an episode ended in the step, after which there is no future.
    discount : float
    ridge : float
        Added to the diagonal, relative to its mean.
    steps : slice
        Consecutive steps to fit to; the value is that of all.

    Returns
    -------
    array (time,)
    """
    activity = np.column_stack([activity, np.ones(len(activity))]).astype(float)
    here, following = activity[steps][:-1], activity[steps][1:]
    goes_on = 1 - np.asarray(done, float)[steps][1:]
    matrix = here.T @ (here - discount * goes_on[:, None] * following)
    matrix += ridge * np.trace(here.T @ here) / len(matrix) * np.eye(len(matrix))
    return activity @ np.linalg.solve(matrix, here.T @ np.asarray(reward, float)[steps][1:])


def td_error(value, reward, done, discount):
    """TD error of each step: reward + discount*value - value of the step before.

    Where an episode ended the value of the step is that of the next one and does not count. The first
    step has none (NaN).
    """
    value, reward = np.asarray(value, float), np.asarray(reward, float)
    goes_on = 1 - np.asarray(done, float)
    error = reward + discount * goes_on * value - np.roll(value, 1, axis=-1)
    error[..., 0] = np.nan
    return error
