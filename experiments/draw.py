"""Draws the circuit of a model as it is before any run: ``python -m experiments.draw MODEL``.

Nuclei in their anatomical places, projections by sign, strength, plasticity and lesion. What a run
learned is drawn from its file: ``python -m analysis.plot FILE.nc --kind circuit``.

What is at --output is kept unless --overwrite is given; results/MODEL.svg is this command's own and
drawn anew.
"""

import argparse
import os
import sys
from pathlib import Path

from bgrl import models, tasks
from bgrl.cli import Parser, run_command, typed
from bgrl.errors import InputError
from bgrl.experiment import add_edits, check_matplotlib, check_writable, named_values, write_figure
from bgrl.settings import edit


def main(arguments=None):
    """The command."""
    parser = Parser(
        prog=typed("experiments.draw"),
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("model", metavar="MODEL", help=f"one of {', '.join(models.names())}, or FILE.py")
    add(
        "--task",
        default="memory_chain",
        help="task, whose observations and actions size the inputs (default memory_chain)",
    )
    add("--units", type=int, default=32, help="neurons in the cortex (default 32)")
    add(
        "--output",
        metavar="FILE.svg",
        help="where to write, SVG, PNG or PDF by its suffix; results/MODEL.svg by default",
    )
    add("--overwrite", action="store_true", help="replace what is at --output")
    add(
        "--set",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        help="of the circuit: cortex.size=64, gpi.bias=2; may be given again",
    )
    add_edits(parser)
    options = parser.parse_args(arguments)
    circuit = models.circuit(options.model, tasks.make(options.task), options.units)
    values, scales = map(named_values, (options.set, options.scale))
    circuit = edit(circuit, values, scales, options.lesion)
    given = options.output is not None
    path = Path(options.output if given else f"results/{Path(options.model).stem}.svg")
    check_writable(path, (".svg", ".png", ".pdf"))
    if given and os.path.lexists(path) and not options.overwrite:
        raise InputError(f"{path} exists; choose another --output, or replace it with --overwrite")
    check_matplotlib()
    # Matplotlib takes a while to import; what is refused is refused at once.
    from bgrl.analysis.circuit import plot_circuit

    write_figure(plot_circuit(circuit).figure, path)
    print(f"wrote {path}")


if __name__ == "__main__":
    sys.exit(run_command(main))
