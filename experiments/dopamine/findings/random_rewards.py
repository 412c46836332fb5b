"""Rewards at random times: the response to them grows, and grows with the time since the last one.

Jeong et al. 2022, Science 378:eabq6740: sucrose at random, 12 s apart in the mean, to naive mice. They
take it as evidence against errors of value, by which a reward that comes as often as before is predicted
ever better, whatever the time since the last one. The animals' side is disputed, so this is not in the
score.
"""

import numpy as np

from bgrl.analysis.alignment import trial_mean
from bgrl.analysis.statistics import line
from bgrl.experiments.dopamine.finding import Arm, Criterion, Finding, Panel, shared_blocks
from bgrl.tasks.pavlovian import Trials, exponential, fixed

TRIALS, EDGE = 600, 50
ARM = Arm(
    phases=((100_000, (Trials("", delay=fixed(200.0)),)), (None, (Trials("A"),))),
    learning=TRIALS,
    iti=exponential(12_000.0, 400.0, 60_000.0),
    after=200.0,
    discount=0.95,
    trace=0.0,
    unbroken=True,
)


def measure(sessions):
    """Measures and panel, see `Finding`."""
    session = sessions["naive"]
    response = session.response("dopamine", "reward", 0, session.step, baseline=0.0)
    reward = session.events["reward"]
    interval = np.full(reward.shape, np.nan)
    interval[:, 1:] = np.diff(reward, axis=1) * session.step / 1000
    late = np.arange(reward.shape[1]) >= TRIALS // 2
    blocks = shared_blocks(response, 8)
    course = np.array([trial_mean(response[:, b]) for b in blocks]).T
    measures = {
        "growth": trial_mean(response, last=EDGE) - trial_mean(response, first=EDGE),
        "interval": line(np.where(late, interval, np.nan), response)[2],
    }
    x = [float(np.mean(b)) for b in blocks]
    return measures, Panel("reward", "TD error at reward", x, {"random rewards": course})


FINDING = Finding(
    name="random_rewards",
    title="The response to random rewards grows",
    reference="Jeong et al. 2022, Science 378:eabq6740",
    arms={"naive": ARM},
    measure=measure,
    criteria=(
        Criterion("growth", "last rewards excite more than first", low=0.0, published="grows"),
        Criterion("interval", "and correlate with the interval", low=0.0, published="positive"),
    ),
    expected="disputed",
    note="program for ANCCR and a summary; eligibility and discount the authors'",
)
