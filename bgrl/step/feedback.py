"""Learning signals return from the readouts to what they read, through their weights or fixed ones.

What returns is, for every state that the readouts read, the sum over rows of signal times weight:
``learning`` (the gradient of value and log policy), ``entropy`` (of the policy's entropy), and ``chosen``
(the weight from the action just chosen), where a rule of plasticity asks for it.
"""

import numpy as np

from bgrl.step.nucleus import replicated
from bgrl.step.readout import spread


def write(b, plan):
    """Sums over ``readout_drive`` to its afferents, and what each nucleus gets; slot striatum."""
    if plan.fixed_feedback():
        b.variables("readout_drive", "feedback")
    paths = [] if plan.learning["feedback"] == "random" else ["mask*weight"]
    paths += ["feedback"] if plan.fixed_feedback() else []
    for signal in plan.returning():
        b.variables("readout_drive_afferents", signal)
        expression = f"({' + '.join(paths)})*{signal}_post"
        b.sum("striatum", "readout_drive", "pre", signal, expression)
    lines, told = {}, {}
    for (name, variable), columns in plan.columns.items():
        if (name, variable) in plan.signalled:
            for kind in ("learning", "entropy"):
                own = f"{kind}_signal_{variable}"
                source = "readout_drive_afferents", f"{kind}_signal"
                b.variables(name, own)
                b.link(name, f"sent_{kind}_{variable}", *source, np.arange(*columns))
                lines.setdefault(name, []).append(f"{own} = sent_{kind}_{variable}")
    for name, variable in plan.chosen:
        index, sent = np.arange(*plan.columns[name, variable]), f"sent_chosen_{variable}"
        b.link(name, sent, "readout_drive_afferents", "chosen_signal", index)
        told.setdefault(name, []).append(sent)
    for name, sent in told.items():
        b.variables(name, "chosen")
        lines.setdefault(name, []).append(f"chosen = {' + '.join(sent)}")
    for name, code in lines.items():
        b.code("striatum", name, "\n".join(code))


def start(agent, plan, seed):
    """Fixed weights of the feedback."""
    if not plan.fixed_feedback():
        return {}
    rows = []
    for readout, channels in agent.readouts():
        shape = channels, len(readout.variables) * plan.sizes[readout.reads]
        if agent.learning.feedback == "symmetric":
            drawn = np.zeros((agent.replicates, *shape))
        else:
            drawn = replicated(agent, readout.feedback, shape, seed, f"{readout.name}.feedback")
        row = spread(plan, readout, drawn if readout.mask is None else drawn * readout.mask)
        for (population, variable), columns in plan.columns.items():
            state = f"{population}.{variable}"
            if state in readout.feedback_to:
                name = f"{readout.name}.feedback.{state}"
                shape = channels, plan.sizes[population]
                to = replicated(agent, readout.feedback_to[state], shape, seed, name)
                lesioned = agent.circuit.populations[population].lesioned
                row[..., slice(*columns)] = to if lesioned is None else to * (1 - lesioned)
        rows.append(row)
    return {"readout_drive.feedback": np.concatenate(rows, axis=1)}
