"""The command: ``python -m experiments.dopamine [FINDING ...] [options]``."""

import sys
from itertools import takewhile
from pathlib import Path

import bgrl.experiments.dopamine
from bgrl.cli import run_command
from bgrl.experiment import main


def arguments(words):
    """Names of findings in front as options, which also name the data file."""
    given = list(takewhile(lambda word: not word.startswith("-"), words))
    rest = words[len(given) :]
    if not given:
        return words
    for name in given:
        bgrl.experiments.dopamine.find(name)
    options = ["--findings", ",".join(given)]
    if "--output" not in rest:
        options += ["--output", f"results/dopamine_{'_'.join(Path(n).stem for n in given)}.nc"]
    return [*options, *rest]


if __name__ == "__main__":
    sys.exit(
        run_command(lambda: main("dopamine", bgrl.experiments.dopamine, arguments(sys.argv[1:])))
    )
