"""Before an uncertain reward activity ramps up, most where the probability is one half.

Fiorillo, Tobler & Schultz 2003, Science 299:1898. The mean TD error of converged learning is flat (Niv,
Duff & Dayan 2005, Behav. Brain Funct. 1:6): a ramp comes only of averaging compressed errors during
learning. So the error itself, with plasticity off, is expected not to show it.
"""

import numpy as np

from bgrl.analysis.statistics import line
from bgrl.experiments.dopamine.finding import (
    Criterion,
    Finding,
    Panel,
    courses,
    free_response,
    numbers,
)
from bgrl.experiments.dopamine.findings.probability import ARM, CHANCES, CUES


def measure(sessions):
    """Measures and panel, see `Finding`."""
    session = sessions["trained"]
    free = free_response(session, ARM)
    curves, slopes = {}, []
    for cue, chance in zip(CUES, CHANCES, strict=True):
        course, lags = courses(session, numbers(ARM, cue, phase=1), before=1000, after=1800)
        part = (lags > 0.5) & (lags < 1.9)
        slopes.append(line(lags[part], course[:, part] / free[:, None])[0])
        curves[f"{chance:g}"] = course / free[:, None]
    slopes = np.array(slopes).T
    measures = {
        "ramp": slopes[:, 2],
        "excess": slopes[:, 2] - (slopes[:, 0] + slopes[:, 4]) / 2,
    }
    return measures, Panel("time from cue (s)", "TD error (free rewards)", lags, curves)


FINDING = Finding(
    name="uncertainty_ramp",
    title="A ramp before uncertain rewards",
    reference="Fiorillo, Tobler & Schultz 2003, Science 299:1898",
    arms={"trained": ARM},
    measure=measure,
    criteria=(
        Criterion(
            "ramp", "δ rises before a reward of probability 0.5 (per s)", low=0.05, published="rise"
        ),
        Criterion(
            "excess", "more than before a certain one or none", low=0.05, published="largest at 0.5"
        ),
    ),
    expected="fails",
    note="the bound of 0.05 of a free reward per s is ours",
)
