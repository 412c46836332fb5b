"""Bandits: which arm pays has to be found out anew in every trial."""

from bgrl.circuit import Parameter
from bgrl.tasks.base import OBSERVED_TIME, Task, level, one_hot, pick

_EVENTS = {"start": ("start", 0), "end": ("end", 0)}


def bernoulli_bandit() -> Task:
    """Two arms, one pays 1 with probability 0.9 and the other with 0.1.

    Notes
    -----
    Follows gymnax 0.0.8, after the dependent bandits of Wang et al. (2017), Learning to reinforcement
    learn: 100 pulls a trial. The last reward and action and the time are observed; the first
    observation of a trial shows arm 0 as if it had been pulled.
    """
    time = "(max_lim - min_lim)*time/t_max + min_lim"
    return Task(
        name="bernoulli_bandit",
        summary="find out which of two arms pays",
        reference="Wang et al. 2017 as in gymnax 0.0.8",
        observations={
            "last_reward": "last_reward",
            **one_hot("last_action", "last_action", 2),
            "time": f"normalize_time*({time}) + (1 - normalize_time)*time",
        },
        actions=("arm_0", "arm_1"),
        variables=("time", "last_action", "last_reward", "reward_probs_0"),
        parameters={
            "reward_prob": Parameter(0.1),
            "max_steps": Parameter(100),
            "normalize_time": Parameter(1),
            "min_lim": Parameter(-1.0),
            "max_lim": Parameter(1.0),
            "t_max": Parameter(100),
        },
        step="""
            chance = reward_probs_0 + action*(1 - 2*reward_probs_0)
            reward = int(uniform(0) < chance)
            last_reward = reward
            last_action = action
            time = time + 1
            terminated = int(time >= max_steps)
        """,
        reset="""
            time = 0
            last_action = 0
            last_reward = 0
            swap = int(uniform(1) < 0.5)
            reward_probs_0 = reward_prob + swap*(1 - 2*reward_prob)
        """,
        events=_EVENTS,
        chance_return=50.0,
    )


def gaussian_bandit() -> Task:
    """One arm pays nothing, the other a normal number whose mean is drawn for each trial.

    Notes
    -----
    Lange & Sprekeler (2022), AAAI, as in gymnax 0.0.8: the mean is normal with mean -1 and standard
    deviation 1, a pull adds 0.1, 100 pulls a trial. The last reward and action and the time are
    observed; the first observation of a trial shows arm 0 as if it had been pulled.
    """
    return Task(
        name="gaussian_bandit",
        summary="find out whether an arm pays more than nothing",
        reference="Lange & Sprekeler 2022 as in gymnax 0.0.8",
        observations={
            "last_reward": "last_reward",
            **one_hot("last_action", "last_action", 2),
            "time": OBSERVED_TIME,
        },
        actions=("nothing", "pull"),
        variables=("time", "last_action", "last_reward", "mu"),
        parameters={
            "mean_mu": Parameter(-1.0),
            "sigma_p": Parameter(1.0),
            "sigma_l": Parameter(0.1),
            "max_steps": Parameter(100),
            "normalize_time": Parameter(1),
        },
        step="""
            reward = action*(mu + sigma_l*normal(0))
            last_reward = reward
            last_action = action
            time = time + 1
            terminated = int(time >= max_steps)
        """,
        reset="""
            time = 0
            last_action = 0
            last_reward = 0
            mu = mean_mu + sigma_p*normal(1)
        """,
        events=_EVENTS,
        chance_return=-50.0,
    )


def multi_armed_bandit(difficulty: str = "easy") -> Task:
    """Ten or more arms, each of which wins with a probability that is drawn for each trial.

    Parameters
    ----------
    difficulty : str
        ``easy`` (10 arms, 200 pulls), ``medium`` (20, 400) or ``hard`` (30, 600).

    Notes
    -----
    POPGym's MultiarmedBandit (Morad et al. 2023, ICLR) as in popjym: a pull pays 1 or -1, divided by
    the number of pulls. Unlike POPGym's, the observation is only whether the last pull won, without
    the arm, and nothing is pulled before the first action.
    """
    arms, pulls = level(difficulty, {"easy": (10, 200), "medium": (20, 400), "hard": (30, 600)})
    payouts = [f"payouts_{k}" for k in range(arms)]
    draws = [f"{name} = uniform({k})" for k, name in enumerate(payouts, 1)]
    return Task(
        name="multi_armed_bandit",
        summary=f"find out which of {arms} arms pays most",
        reference="POPGym MultiarmedBandit (Morad et al. 2023) as in popjym",
        observations={"won": "won"},
        actions=tuple(f"arm_{k}" for k in range(arms)),
        variables=("time", "won", *payouts),
        parameters={"pulls": Parameter(pulls)},
        step=f"""
            chance = {pick("action", payouts)}
            won = int(uniform(0) < chance)
            reward = (2*won - 1)/pulls
            time = time + 1
            terminated = int(time >= pulls)
        """,
        reset="""
            time = 0
            won = 0
            """
        + "\n".join(draws),
        events=_EVENTS,
        chance_return=0.0,
    )
