"""Letters of which one is to be stored and the others ignored, until it is to be recalled."""

from bgrl.circuit import Parameter
from bgrl.errors import check_count
from bgrl.tasks.base import Task, one_hot
from bgrl.tasks.common import check_several


def store_ignore_recall(letters: int = 4, ignores: int = 3) -> Task:
    """Recall the letter that was shown with the command to store, not those to ignore.

    A trial is: some letters to ignore, one to store, some to ignore, and the command to recall, at
    which nothing else is shown. The action that answers it is rewarded with 1 if it names the letter
    stored, and ends the trial; other actions do nothing. What is shown lasts one step.

    Parameters
    ----------
    letters : int
        How many there are, 2 or more. Each one shown is drawn anew.
    ignores : int
        How many are to be ignored at the most, before the one to store and again after it; at least
        one each time.

    Notes
    -----
    After the store-ignore-recall task of the PBWM model as in emergent (github.com/emer/leabra,
    examples/sir2), where commands are drawn one by one: there a recall may follow a store at once, and
    the letter shown is to be named in other steps too.
    """
    check_several("letters", letters)
    check_count("ignores", ignores)
    return Task(
        name="store_ignore_recall",
        summary="keep one letter, ignore others",
        reference="store-ignore-recall of PBWM (O'Reilly & Frank 2006) as in emergent's sir2",
        observations={
            "store": "int(time == store_time)",
            "ignore": "int(time != store_time)*int(time < recall_time)",
            "recall": "int(time == recall_time)",
        }
        | one_hot("letter", "shown", letters),
        actions=tuple(f"name_{k}" for k in range(letters)),
        variables=("time", "store_time", "recall_time", "stored", "shown"),
        parameters={"ignores": Parameter(ignores)},
        step=f"""
            terminated = int(time == recall_time)
            reward = terminated*int(action == stored)
            time = time + 1
            drawn = floor({letters}*uniform(0))
            stores = int(time == store_time)
            shown = stores*stored + (1 - stores)*drawn
            shown = shown - int(time == recall_time)*(1 + shown)
        """,
        reset=f"""
            time = 0
            store_time = 1 + floor(ignores*uniform(1))
            recall_time = store_time + 2 + floor(ignores*uniform(2))
            stored = floor({letters}*uniform(3))
            shown = floor({letters}*uniform(4))
        """,
        events={
            "store": "int(time == store_time)",
            "distractor": "int(time == store_time + 1)",
            "recall": ("end", -1),
            "outcome": ("end", 0),
        },
        chance_return=1 / letters,
        best_return=1.0,
    )
