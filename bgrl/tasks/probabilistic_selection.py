"""Choosing between symbols that were rewarded more or less often, in pairs old and new."""

from bgrl.circuit import Parameter
from bgrl.errors import InputError, check_integer
from bgrl.tasks.base import Task, pick
from bgrl.tasks.common import check_number, numbered, period_starts

SYMBOLS = "ABCDEF"
#: Of A to F.
PROBABILITIES = (0.8, 0.2, 0.7, 0.3, 0.6, 0.4)


def probabilistic_selection(
    probabilities: tuple[float, ...] = PROBABILITIES,
    training: int = 360,
    fixation: float = 200.0,
    stimulus: float = 500.0,
    loss: float = -1.0,
    step: float = 20.0,
) -> Task:
    """Choose one of two symbols; which rewards teach, choosing A or avoiding B, new pairs tell.

    A trial is: fixation (nothing is seen), a pair of symbols, one left and one right. The action in
    the last step of the pair is the choice; it ends the trial, and feedback comes with the end. In
    training the pairs are AB, CD and EF; then follows transfer, for good, with the twelve pairs of
    symbols that were never seen together, and without feedback (a reward of 0).

    Parameters
    ----------
    probabilities : tuple of float
        Of positive feedback for choosing A to F.
    training : int
        Number of training trials; 0 for transfer only. Trials are counted over the whole run, so an
        evaluation goes on where training is.
    fixation, stimulus : float
        Durations (ms).
    loss : float
        Reward of negative feedback; that of positive feedback is 1.
    step : float
        Duration of a step (ms).

    Notes
    -----
    Frank, Seeberger & O'Reilly (2004), Science 306:1940. People train in blocks of 60 trials until
    they reach criteria, 360 trials at the most; here the number is fixed. Transfer has new pairs
    only, theirs the old ones among them. Feedback is drawn for the symbol that was chosen only, and
    response times are left out. An agent that goes on learning learns in transfer, too, that nothing
    is rewarded: transfer is for evaluations or for a run without plasticity. The variables
    `left` and `right` are the symbols (A is 0), `chosen` and `other` those of the last choice,
    `transfer` is 1 in trials of that phase.
    """
    if not isinstance(probabilities, tuple | list) or len(probabilities) != len(SYMBOLS):
        raise InputError(f"probabilities is {probabilities!r}; one for each of A to F is needed")
    for symbol, probability in zip(SYMBOLS, probabilities, strict=True):
        check_number(f"probability of {symbol}", probability, 0, 1)
    check_integer("training", training, 0)
    _, on, off = period_starts(step, fixation=fixation, stimulus=stimulus)
    chances = [f"chance_{k}" for k in range(len(SYMBOLS))]
    return Task(
        name="probabilistic_selection",
        summary="choose symbols by how often they were rewarded",
        reference="Frank, Seeberger & O'Reilly 2004, Science 306:1940; fixed number of trials",
        observations={
            f"{side}_{symbol}": f"int(time >= stimulus_start)*int({side} == {k})"
            for side in ("left", "right")
            for k, symbol in enumerate(SYMBOLS)
        },
        actions=("left", "right"),
        variables=("time", "trial", "transfer", "left", "right", "chosen", "other"),
        parameters={
            "training": Parameter(training),
            "stimulus_start": Parameter(on),
            "stimulus_end": Parameter(off),
            "loss": Parameter(check_number("loss", loss)),
        }
        | numbered("chance", probabilities),
        step=f"""
            terminated = int(time >= stimulus_end - 1)
            picked = left + action*(right - left)
            chosen = chosen + terminated*(picked - chosen)
            other = other + terminated*(left + right - picked - other)
            win = int(uniform(0) < {pick("picked", chances)})
            reward = terminated*(1 - transfer)*(win + (1 - win)*loss)
            time = time + 1
        """,
        reset="""
            time = 0
            transfer = int(trial >= training)
            trial = trial + 1
            one = floor(6*uniform(1))
            pair = floor(one/2)
            partner = 4*pair + 1 - one
            pick = floor(4*uniform(2))
            upper = int(pick >= 2)
            new_pair = pair + 1 + upper
            new_pair = new_pair - 3*int(new_pair >= 3)
            stranger = 2*new_pair + pick - 2*upper
            left = one
            right = transfer*stranger + (1 - transfer)*partner
        """,
        events={"stimulus": ("start", on), "choice": ("end", -1), "feedback": ("end", 0)},
        step_duration=step,
    )
