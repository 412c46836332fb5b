"""Eligibility: what a parameter did to value and policy, decaying, for a TD error that is yet to come."""

from bgrl.step.gradient import gradients


def write(b, plan):
    """An eligibility for every parameter that an optimizer moves; slot eligibility."""
    for name in plan.targets():
        for group, parameters in gradients(plan, name).items():
            lines = []
            for key, gradient in parameters.items():
                b.variables(group, f"eligibility_{key}", kept_for=f"{group}.{key}")
                decayed = f"trace_decay{gradient.suffix}*eligibility_{key}"
                lines.append(f"eligibility_{key} = {decayed} + {gradient.learning}")
            b.code("eligibility", group, "\n".join(lines))
