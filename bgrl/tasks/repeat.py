"""Cards of which one must be remembered: the first one, or one some steps ago."""

from bgrl.circuit import Parameter
from bgrl.tasks.base import Task, level, one_hot

SUITS = ("clubs", "diamonds", "hearts", "spades")
#: Suit and remaining cards of each suit; a shuffled deck is dealt by drawing from what remains.
_VARIABLES = ("time", "suit", "left_0", "left_1", "left_2", "left_3")
_DEAL = """
    card = uniform(0)*(left_0 + left_1 + left_2 + left_3)
    suit = int(card >= left_0) + int(card >= left_0 + left_1) + int(card >= left_0 + left_1 + left_2)
    left_0 = left_0 - int(suit == 0)
    left_1 = left_1 - int(suit == 1)
    left_2 = left_2 - int(suit == 2)
    left_3 = left_3 - int(suit == 3)
    time = time + 1
    terminated = int(time >= cards)
"""
_SHUFFLE = """
    time = 0
    suit = floor(4*uniform(1))
    left_0 = cards/4 - int(suit == 0)
    left_1 = cards/4 - int(suit == 1)
    left_2 = cards/4 - int(suit == 2)
    left_3 = cards/4 - int(suit == 3)
"""


def repeat_first(difficulty: str = "easy") -> Task:
    """Name the suit of the first card on every step, while further cards are shown.

    Parameters
    ----------
    difficulty : str
        ``easy`` (52 cards), ``medium`` (8 decks of them) or ``hard`` (16 decks).

    Notes
    -----
    POPGym's RepeatFirst (Morad et al. 2023, ICLR) as in popjym: right and wrong answers give plus and
    minus 1/(cards - 1). Unlike POPGym's, a trial has as many steps as cards, one more, so that the
    best return is cards/(cards - 1). The deck is dealt by drawing from the cards that remain.
    """
    cards = 52 * level(difficulty, {"easy": 1, "medium": 8, "hard": 16})
    return Task(
        name="repeat_first",
        summary="remember the first card of a deck",
        reference="POPGym RepeatFirst (Morad et al. 2023) as in popjym",
        observations=one_hot("suit", "suit", 4),
        actions=SUITS,
        variables=(*_VARIABLES, "first"),
        parameters={"cards": Parameter(cards)},
        step="reward = (2*int(action == first) - 1)/(cards - 1)" + _DEAL,
        reset=_SHUFFLE + "first = suit",
        events={"cue": ("start", 0), "end": ("end", 0)},
        chance_return=-0.5 * cards / (cards - 1),
        best_return=cards / (cards - 1),
    )


def repeat_previous(difficulty: str = "easy") -> Task:
    """Name on every step the suit of the card that was shown k steps ago.

    Parameters
    ----------
    difficulty : str
        ``easy`` (k = 4, 52 cards), ``medium`` (k = 32, 2 decks) or ``hard`` (k = 64, 3 decks).

    Notes
    -----
    POPGym's RepeatPrevious (Morad et al. 2023, ICLR) as in popjym: right and wrong answers give plus
    and minus 1/(cards - k), the first k answers nothing. Unlike POPGym's, the card is that of k steps
    before the one in view, where POPGym counts the one in view as the first of k; and a trial has as
    many steps as cards, one more. The deck is dealt by drawing from the cards that remain.
    """
    decks, k = level(difficulty, {"easy": (1, 4), "medium": (2, 32), "hard": (3, 64)})
    back = ["suit", *(f"back_{j}" for j in range(1, k + 1))]
    shift = [f"{back[j]} = {back[j - 1]}" for j in range(k, 0, -1)]
    return Task(
        name="repeat_previous",
        summary=f"remember the card of {k} steps ago",
        reference="POPGym RepeatPrevious (Morad et al. 2023) as in popjym",
        observations=one_hot("suit", "suit", 4),
        actions=SUITS,
        variables=(*_VARIABLES, *back[1:]),
        parameters={"cards": Parameter(52 * decks)},
        step=f"""
            reward = int(time >= {k})*(2*int(action == {back[-1]}) - 1)/(cards - {k})
            """
        + "\n".join(shift)
        + _DEAL,
        reset=_SHUFFLE,
        events={"start": ("start", 0), "end": ("end", 0)},
        chance_return=-0.5,
        best_return=1.0,
    )
