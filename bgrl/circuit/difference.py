"""What makes one circuit another, in words."""

import numpy as np

from bgrl.circuit.fields import DISTRIBUTIONS
from bgrl.circuit.values import Distribution


def difference(before, after):
    """A line for each difference of two circuits as JSON values, none if they are equal."""
    before, after = _described(before), _described(after)
    lines = []
    for owner in dict.fromkeys((*before, *after)):
        if owner not in before or owner not in after:
            lines.append(f"{'+' if owner in after else '-'} {owner}")
            continue
        old, new = before[owner], after[owner]
        for name in dict.fromkeys((*old, *new)):
            values = old.get(name), new.get(name)
            if "." in name and (name not in old or name not in new):
                continue  # of a parameter that has a line of its own
            if values[0] != values[1] and not (name == "mask" and _only_lesion(old, new)):
                path = ".".join(filter(None, (owner.split(" ")[-1], name)))
                lines.append(f"{path}: {_change(name, *values)}")
    return "\n".join(lines)


def _described(d):
    """Owner to name to JSON value of all that a circuit is, named as `Editing.set` names it."""
    found = {f" {k}": {"": d[k]} for k in ("dt", "substeps")}
    found |= {f"input {name}": {"": channels} for name, channels in d["inputs"].items()}
    for name, p in d["populations"].items():
        fields = {k: v for k, v in p.items() if k not in ("parameters", "initial")}
        found[f"population {name}"] = fields | _parameters(p) | p["initial"]
    for name, fields in d["projections"].items():
        synapse = fields["dynamics"]
        if synapse is not None:
            fields |= {"dynamics": synapse["equations"], "output": synapse["output"]}
            fields |= _parameters(synapse) | synapse["initial"]
        found[f"projection {name}"] = fields
    found |= {f"readout {k}": d[k] for k in ("actor", "critic") if k in d}
    return found | {" dopamine": d["dopamine"]}


def _parameters(description):
    """Parameters of a population or synapse, each field by its name."""
    return {
        f"{key}.{k}".removesuffix(".value"): v
        for key, parameter in description["parameters"].items()
        for k, v in parameter.items()
    }


def _only_lesion(old, new):
    """Whether two different masks are the same wiring with different lesions, a line of their own."""
    if old.get("lesioned") == new.get("lesioned"):
        return False
    wirings = [
        np.ones(()) if fields["mask"] is None else np.add(fields["mask"], fields["lesioned"] or 0)
        for fields in (old, new)
    ]
    shapes = {wiring.shape for wiring in wirings} - {()}
    return len(shapes) < 2 and bool(np.all(wirings[0] == wirings[1]))


def _change(name, old, new):
    """Two different JSON values of a field, as text."""
    if name in ("mask", "lesioned"):
        size = max(np.size(v) for v in (old, new) if v is not None)
        nothing = size if name == "mask" else 0
        counts = [nothing if v is None else int(np.sum(v)) for v in (old, new)]
        if counts[0] != counts[1]:
            return f"{counts[0]} -> {counts[1]} of {size}"
        return f"{counts[0]} of {size}, others"
    if isinstance(old, list) and isinstance(new, list) and np.shape(old) == np.shape(new):
        return f"{np.sum(np.not_equal(old, new))} of {np.size(old)} differ"
    return f"{_short(old)} -> {_short(new)}"


def _short(value):
    if isinstance(value, list):
        return f"array of {np.size(value)}"
    if isinstance(value, dict):
        if len(value) == 1 and (kind := next(iter(value))) in DISTRIBUTIONS:
            return str(Distribution(kind, *value[kind]))
        return ", ".join(f"{k} {_short(v)}" for k, v in value.items()) or "none"
    return " ".join(str(value).split())
