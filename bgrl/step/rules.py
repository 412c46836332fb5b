"""Projections that learn by a rule of their own instead of the gradient, see `bgrl.circuit.Rule`."""

from bgrl.circuit.modulators import factor
from bgrl.language import canonical
from bgrl.step.synapses import keep_sign


def write(b, plan):
    """Slots plasticity and eligibility of synapses with a rule."""
    # An intervention multiplies masks by the gain of what is transmitted, which is none of learning.
    there = "int(mask != 0)" if plan.intervened else "mask"
    for group in filter(plan.rule, plan.afferents):
        rule = plan.rule(group)
        b.variables(group, "eligibility_weight", kept_for=f"{group}.weight")
        # Missing synapses keep their weights.
        share = "".join(f"{factor(f'{drive}_post')}*" for drive in plan.plasticity(group))
        change = f"{share}{there}*({_in_synapses(plan, group, rule['weight'])} - weight)"
        lines = [f"weight = weight + {change}", *keep_sign(plan, group)]
        b.code("plasticity", group, "\n".join(lines))
        eligibility = _in_synapses(plan, group, rule["eligibility"])
        b.code("eligibility", group, f"eligibility_weight = {there}*({eligibility})")


def _in_synapses(plan, group, expression):
    """A rule's expression with the names that its symbols have in synapses."""
    own = {"weight": "weight", "eligibility": "eligibility_weight", "pre": "x_pre"}
    p = plan.populations[plan.afferents[group]["target"]]
    states = plan.dynamics(plan.afferents[group]["target"])
    post = (*states, *p["parameters"], *p["drives"], "dopamine", "chosen", "trace_decay")
    own |= {symbol: f"{symbol}_post" for symbol in post}
    own |= {drive: canonical(text, own) for drive, text in p.get("arriving", {}).items()}
    return canonical(expression, own)
