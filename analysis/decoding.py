"""What can be read from activity: linear decoding, cross-validated.

It needs scikit-learn, ``pip install -e .[analysis]``.
"""

import numpy as np


def decode(activity, target, groups, folds=5, ridge=1.0):
    """How well a linear read-out of activity predicts a number, in trials it was not fitted to.

    Parameters
    ----------
    activity : array (samples, units)
    target : array (samples,) or (samples, targets)
        Belief state, time since the cue, values of arms.
    groups : array (samples,)
        Trial of each sample: a trial is either fitted or predicted.
    folds : int
    ridge : float
        Penalty, for activity with unit variance.

    Returns
    -------
    float
        Coefficient of determination, mean over targets; 1 is perfect, 0 no better than the mean.

    Raises
    ------
    ImportError
        Without scikit-learn, saying how to get it.
    """
    try:
        from sklearn.linear_model import Ridge
        from sklearn.metrics import r2_score
        from sklearn.model_selection import GroupKFold, cross_val_predict
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler
    except ImportError:
        raise ImportError("decoding needs scikit-learn: pip install -e .[analysis]") from None
    reader = make_pipeline(StandardScaler(), Ridge(ridge))
    cuts = GroupKFold(min(folds, len(np.unique(groups))))
    found = cross_val_predict(reader, activity, target, groups=groups, cv=cuts)
    return float(r2_score(target, found))
