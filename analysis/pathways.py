"""What there is to draw of a circuit: nuclei and arrows, from a description or a dataset.

Nothing here knows where things go (`analysis.anatomy`) or how they look (`analysis.circuit`).
"""

import json
import re
from collections import Counter
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import xarray as xr

#: A projection is of one sign if this share of its summed absolute weights is.
ONE_SIGN = 0.9
#: What an arrow of gap junctions has in the place of a sign.
ELECTRICAL = 2


@dataclass(frozen=True)
class Node:
    """A nucleus or input: `kind` is population, input, readout or dopamine.

    `lesion` is the share of its neurons that have no synapse left.
    """

    name: str
    kind: str
    detail: str
    lesion: float = 0.0


@dataclass(frozen=True)
class Arrow:
    """Projections that share all that is drawn of them; `name` is that of no other arrow.

    `sign` is 1, -1, 0 where it is mixed, or `ELECTRICAL`. `strength` is the sum of absolute weights
    onto a neuron of the target, mean over these; none for the TD error, which has no weights.
    `synapses` counts what there is without lesion, `removed` what a lesion takes from it. `note` says
    its delay and the variables of its synapses; a modulator says what it `modulates`, and of which
    other arrow if not of the target.
    """

    name: str
    source: str
    target: str
    sign: int = 0
    strength: float | None = None
    plastic: bool = False
    synapses: int = 1
    removed: int = 0
    note: str = ""
    modulates: str = ""
    arrow: str = ""

    @property
    def dopamine(self):
        """Whether it makes or carries dopamine."""
        return "dopamine" in (self.source, self.target)

    @property
    def lesion(self):
        """Share of synapses removed."""
        return self.removed / self.synapses


def read_circuit(circuit_or_dataset, checkpoint=-1):
    """What there is to draw.

    Parameters
    ----------
    circuit_or_dataset : dict, object with a method `to_dict`, or xarray.DataTree
    checkpoint : int

    Returns
    -------
    nodes : list of Node
    arrows : list of Arrow

    Raises
    ------
    ValueError
        If there is no circuit or no such checkpoint, or a weight is not finite.
    """
    circuit, learning, learned = circuit_or_dataset, {}, {}
    if isinstance(circuit, xr.DataTree):
        agent = json.loads(circuit.attrs.get("configuration", "{}")).get("agent", {})
        if "circuit" not in agent:
            raise ValueError("the data hold no circuit: their configuration has no agent.circuit")
        learning, learned = agent.get("learning", {}), _learned(circuit, checkpoint)
        circuit = agent["circuit"]
    elif hasattr(circuit, "to_dict"):
        circuit = circuit.to_dict()
    if not isinstance(circuit, dict) or not {"populations", "projections", "inputs"} <= set(
        circuit
    ):
        raise ValueError(
            "no circuit: a circuit, or a dict with populations, projections and inputs, is needed"
        )
    if not circuit["populations"]:
        raise ValueError("the circuit has no population")
    try:
        pathways = [*_projections(circuit, learning, learned), *_readouts(circuit, learned)]
        return _nodes(circuit, pathways), _merged(circuit, pathways)
    except KeyError as error:
        raise ValueError(f"the description of the circuit lacks {error}") from None


def _learned(data, checkpoint):
    """Weights of a checkpoint by name, (replicate, target, source)."""
    weights = data["weights"] if "weights" in data.children else xr.DataTree()
    count = weights.sizes.get("checkpoint", 0)
    if not -max(count, 1) <= checkpoint < max(count, 1):
        raise ValueError(f"checkpoint {checkpoint} of {count}; valid: {-count} to {count - 1}")
    return {
        name: variable.isel(checkpoint=checkpoint).values
        for name, variable in weights.data_vars.items()
        if variable.ndim == 4
    }


@dataclass(frozen=True, eq=False)
class _Pathway:
    """A projection or what a readout reads, before any is joined to another.

    `mask` and `lesioned` are (target, source), true where there is a synapse and where a lesion took
    one; `strength` is the sum of absolute weights onto a neuron of the target. `pathway` is the name of
    the projection that a modulator acts on.
    """

    name: str
    source: str
    target: str
    plastic: bool
    sign: int
    strength: float
    mask: np.ndarray
    lesioned: np.ndarray
    note: str = ""
    modulates: str = ""
    pathway: str = ""


def _projections(circuit, learning, learned):
    sizes = circuit["inputs"] | {k: p["size"] for k, p in circuit["populations"].items()}
    for name, p in circuit["projections"].items():
        method = learning.get("overrides", {}).get(name, learning.get("sensitivity"))
        shape = sizes[p["target"]], sizes[p["source"]]
        mask, lesioned = _masks(p, shape)
        learns = method != "none" or p.get("rule") is not None  # a rule needs no gradient
        plastic = p.get("plastic", True) and learns
        sign, strength = _sign_and_strength(name, learned.get(name, p.get("weights", 0.0)), mask)
        sign = ELECTRICAL if p.get("electrical") else p.get("sign") or sign
        ends, modulates = (p["source"], p["target"]), p.get("modulates") or ""
        more = _note(p), modulates, p.get("pathway") or ""
        yield _Pathway(name, *ends, plastic, sign, strength, mask, lesioned, *more)


def _note(projection):
    """Delay and variables of the synapses of a projection, in a few signs."""
    delay, synapse = projection.get("delay"), projection.get("dynamics")
    parts = [f"{delay:g} ms"] if delay else []
    if synapse:
        variables = re.findall(r"d(\w+)/dt", synapse["equations"])
        variables += re.findall("released", synapse["equations"] + synapse["output"])[:1]
        parts.append(f"({', '.join(variables)})")
    return " ".join(parts)


def _masks(description, shape):
    """Which synapses there are, and which a lesion took, of (target, source)."""
    mask, lesioned = description.get("mask"), description.get("lesioned")
    mask = np.broadcast_to(np.asarray(True if mask is None else mask, bool), shape)
    if "lesioned" not in description or not mask.any():
        return mask, ~mask
    lesioned = np.broadcast_to(np.asarray(False if lesioned is None else lesioned, bool), shape)
    return mask & ~lesioned, lesioned


def _readouts(circuit, learned):
    for kind in ("actor", "critic"):
        if readout := circuit.get(kind):
            name, source = readout["name"], readout["reads"]
            variables, size = readout["variables"], circuit["populations"][source]["size"]
            names = [source] if len(variables) == 1 else [f"{source}.{v}" for v in variables]
            weights = readout["weights"]
            if f"{names[0]}->{name}" in learned:
                weights = np.concatenate([learned[f"{n}->{name}"] for n in names], axis=-1)
            listed = not isinstance(weights, dict) and np.ndim(weights) > 1
            channels = np.shape(weights)[-2] if listed else 1
            mask, lesioned = _masks(readout, (channels, size * len(variables)))
            sign, strength = _sign_and_strength(name, weights, mask)
            plastic = readout.get("plastic", True)
            full = f"{source}->{name}"
            yield _Pathway(full, source, name, plastic, sign, strength, mask, lesioned)


def _sign_and_strength(name, weights, mask):
    """1, -1 or 0 (mixed), and absolute weights summed for each neuron of the target, their mean."""
    if isinstance(weights, dict):
        values = _quantiles(weights)
        strength = mask.sum(axis=1).mean() * np.abs(values).mean()
    else:
        values = np.asarray(weights, float)
        left = values * mask
        strength = np.abs(left).sum(axis=-1).mean()
        values = left if strength else values  # what is lesioned altogether keeps its sign
    if not np.isfinite(strength):
        raise ValueError(f"weights of {name} are not finite")
    net, total = values.sum(), np.abs(values).sum()
    one_sign = total > 0 and abs(net) >= (2 * ONE_SIGN - 1) * total
    return int(np.sign(net)) if one_sign else 0, float(strength)


def _quantiles(distribution):
    """A thousand equally likely values of a distribution of the circuit."""
    ((kind, (a, b)),) = distribution.items()
    share = (np.arange(1000) + 0.5) / 1000
    if kind == "uniform":
        return a + (b - a) * share
    unit = NormalDist()
    if kind == "truncated_normal":  # at two standard deviations; b is that of what is left
        low = unit.cdf(-2)
        share = low + (1 - 2 * low) * share
    values = np.array([unit.inv_cdf(s) for s in share])
    return a + b * (values / values.std() if kind == "truncated_normal" else values)


def _merged(circuit, pathways):
    """Arrows of all pathways, and of the TD error."""
    sums, members = {}, {}
    for p in pathways:
        removed = int(p.lesioned.sum())
        key = p.source, p.target, p.sign, bool(p.plastic), p.note, p.modulates, p.pathway
        more = p.strength, int(p.mask.sum()) + removed, removed
        sums[key] = np.add(sums.get(key, (0, 0, 0)), more)
        members.setdefault(key, []).append(p.name)
    count, names = Counter(), {}
    for key in sums:
        name = f"{key[0]}->{key[1]}"
        count[name] += 1
        name += f"-{count[name]}" if count[name] > 1 else ""
        names |= dict.fromkeys(members[key], name)
    found = []
    for key, (strength, synapses, removed) in sums.items():
        source, target, sign, plastic, note, modulates, pathway = key
        totals = float(strength), plastic, int(synapses), int(removed)
        more = note, modulates, names.get(pathway, "")
        found.append(Arrow(names[members[key][0]], source, target, sign, *totals, *more))
    if circuit.get("critic"):
        readouts = [circuit[kind] for kind in ("actor", "critic") if circuit.get(kind)]
        pairs = [("dopamine", r["name"]) for r in readouts if r.get("plastic", True)]
        pairs.append((circuit["critic"]["name"], "dopamine"))
        found += [Arrow(f"{source}->{target}", source, target) for source, target in pairs]
    return found


def _nodes(circuit, pathways):
    nodes = {}
    for name, channels in circuit["inputs"].items():
        if name != "dopamine":
            detail = f"{channels} channel{'s' if channels > 1 else ''}"
            nodes[name] = Node(name, "input", detail)
    for name, p in circuit["populations"].items():
        nodes[name] = Node(name, "population", f"n = {p['size']}", _lesion(name, p, pathways))
    for kind in ("actor", "critic"):
        if readout := circuit.get(kind):
            name = readout["name"]
            detail = f"{nodes[name].detail}, {kind}" if name in nodes else kind
            nodes[name] = Node(name, "readout", detail)
    if circuit.get("critic") or "dopamine" in circuit["inputs"]:
        nodes["dopamine"] = Node("dopamine", "dopamine", "TD error δ")
    return list(nodes.values())


def _lesion(name, population, pathways):
    """Share of the neurons of a population that a lesion took, or left no synapse."""
    size = population["size"]
    if "lesioned" in population:
        return float(np.mean(population["lesioned"] or 0))
    left, lost = np.zeros(size, bool), np.zeros(size, bool)
    for p in pathways:
        for synapses, found in ((p.mask, left), (p.lesioned, lost)):
            if p.source == name:  # several variables of a neuron may be read
                found |= synapses.any(axis=0).reshape(-1, size).any(axis=0)
            if p.target == name:
                found |= synapses.any(axis=1)
    return float(np.mean(lost & ~left))
