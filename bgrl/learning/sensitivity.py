"""Which sensitivities a method carries forward in time, and what they cost.

The sensitivity of a state s_k to a parameter theta follows from the step s' = F(s, I, theta) of every
neuron (`bgrl.learning.derivatives`) and the weights w between neurons, I_q = sum over l of w_q[k,l] r_l:

    S_k <- dF/ds S_k + sum_q dF/dI_q sum_l w_q[k,l] S_l + [k owns theta] dF/dtheta

where for a weight from neuron i into drive p of neuron k, dF/dtheta = dF/dI_p r_i (Williams & Zipser
1989, Neural Comput. 1:270; with every population, variable, drive and sub-step of a circuit). A method
says which terms are kept:

======== ==========================================================================================
rtrl     all of them, through every population and loop: the exact derivative
nucleus  those inside a population
snap1    those of the neuron that owns the parameter, its self-connection included (Menick et al.
         2021, ICLR)
rflo     the owner's own dynamics only, no weight (Murray 2019, eLife 8:e43299)
none     none: nothing is learned
======== ==========================================================================================

Nothing here knows Brian2 or does symbolic work: that a state depends on a symbol is read off its
equation, so that memory and cost are known before anything is built.
"""

from dataclasses import dataclass
from math import prod

from bgrl.language import symbols


@dataclass(frozen=True)
class Block:
    """Parameters of a population that are learned alike: the weights into a drive, or one of its own.

    Attributes
    ----------
    owner : str
        The population whose neurons have these parameters.
    group, key : str
        Where they are in the network's state: the `weight` of the synapses `group`, or the parameter
        `key` of the population.
    drive : str or None
        The drive that weights feed.
    shape : tuple of int
        Parameters: (neurons,) or (neurons, afferents).
    method : str
    coupled : bool
        Whether sensitivities are kept of all neurons of a population, not only of the owner.
    states : tuple of (str, str)
        (population, variable) whose sensitivity is kept; empty if there is nothing to learn.
    exact : tuple of (str, str)
        The same of the oracle that rides along, empty where there is none.
    """

    owner: str
    group: str
    key: str
    drive: str | None
    shape: tuple
    method: str
    coupled: bool
    states: tuple
    exact: tuple = ()

    def array(self, population, variable, exact=False):
        """Name in the network's state of the sensitivity of a state to these parameters."""
        if exact and self.method != "rtrl":
            return f"{population}_by_{self.group}.exact_{variable}_{self.key}"
        group = f"{population}_by_{self.group}" if self.coupled else self.group
        return f"{group}.sensitivity_{variable}_{self.key}"

    def arrays(self, sizes):
        """Name to shape, without replicates, of every sensitivity that is kept."""
        found = {}
        for exact, states in ((False, self.states), (True, self.exact)):
            for population, variable in states:
                dense = exact or self.coupled
                shape = (sizes[population], *self.shape) if dense else self.shape
                found[self.array(population, variable, exact)] = shape
        return found


def sizes(structure):
    """Number of neurons of every population."""
    return {name: p["size"] for name, p in structure["populations"].items()}


def blocks(structure):
    """Everything that could be learned, and which sensitivities that takes.

    Parameters
    ----------
    structure : dict
        `Agent.structure()`.

    Returns
    -------
    list of Block
    """
    signals = {tuple(state) for state in structure["readout"]["states"]}
    oracle = structure["learning"]["oracle"]
    found = []
    for name, p in structure["populations"].items():
        for group, afferents in structure["afferents"].items():
            if afferents["target"] == name:
                width = max(last for _, last in afferents["projections"].values())
                shape = (p["size"], width)
                entry = group, "weight", afferents["drive"], shape, afferents["sensitivity"]
                found.append(_block(structure, signals, oracle, name, *entry))
        for key, parameter in p["parameters"].items():
            entry = name, key, None, (p["size"],), parameter["sensitivity"]
            found.append(_block(structure, signals, oracle, name, *entry))
    return found


def _block(structure, signals, oracle, owner, group, key, drive, shape, method):
    states = _kept(structure, method, owner, drive or key, signals)
    exact = ()
    if oracle and method != "none":
        exact = _kept(structure, "rtrl", owner, drive or key, signals)
    coupled = method != "none" and structure["learning"]["methods"][method]["coupled"]
    return Block(owner, group, key, drive, shape, method, coupled, states, exact)


def _kept(structure, method, owner, symbol, signals):
    """States that a parameter acts on and from which a learning signal is reached, in order."""
    if method == "none":
        return ()
    started = {
        (owner, variable)
        for variable, text in dynamics(structure["populations"][owner]).items()
        if symbol in symbols(text)
    }
    edges = [(a, b) for a, b, _ in kept_edges(structure, method, owner)]
    reached = _closure(started, edges)
    useful = _closure(signals, [(b, a) for a, b in edges])
    states = [(n, v) for n, p in structure["populations"].items() for v in dynamics(p)]
    return tuple(state for state in states if state in reached & useful)


def kept_edges(structure, method, owner):
    """Which state acts on which in one step, as far as a method follows it.

    Parameters
    ----------
    structure : dict
    method : str
    owner : str
        The population that has the parameters.

    Returns
    -------
    list of ((population, variable), (population, variable), projection or None)
        None where a neuron acts on itself without a synapse.
    """
    edges, reach = [], structure["learning"]["methods"][method]["reach"]
    for name, p in structure["populations"].items() if reach != "nothing" else ():
        if reach != "circuit" and name != owner:
            continue
        for variable, text in dynamics(p).items():
            used, end = symbols(text), (name, variable)
            leaks = "derivatives" in p and variable not in p.get("direct", ())
            own = [u for u in dynamics(p) if u in used or (u == variable and leaks)]
            edges += [((name, u), end, None) for u in own]
            for key, projection in structure["projections"].items():
                source = projection["source"]
                if (
                    projection["target"] == name
                    and projection["drive"] in used
                    and source in structure["populations"]
                    and (reach == "circuit" or (reach == "nucleus" and source == owner))
                ):
                    edges.append(((source, projection["reads"]), end, key))
    return edges


def _closure(states, edges):
    """The states and everything that can be reached from them."""
    found, left = set(states), set(states)
    while left:
        left = {b for a, b in edges if a in left} - found
        found |= left
    return found


def dynamics(population):
    """State variable to right-hand side, of a population in a structure."""
    return population["derivatives"] if "derivatives" in population else population["map"]


def parts(structure):
    """Every projection and neuron parameter, and where it is.

    Parameters
    ----------
    structure : dict
        `Agent.structure()`.

    Returns
    -------
    list of (str, Block, int, int)
        Name of a projection or "population.parameter", its block, and the first and last (not
        included) of the block's columns that it has.
    """
    found = []
    for block in blocks(structure):
        if block.drive is None:
            found.append((f"{block.group}.{block.key}", block, 0, 1))
            continue
        for key, (first, last) in structure["afferents"][block.group]["projections"].items():
            found.append((key, block, first, last))
    return found


def compared(structure):
    """Those of `parts` whose gradients the oracle compares."""
    return [part for part in parts(structure) if part[1].exact]


def count_weights(structure):
    """Number of weights of a program, existing synapses or not, all replicates together.

    Parameters
    ----------
    structure : dict
        `Agent.structure()`.

    Returns
    -------
    int
    """
    size = sizes(structure)
    found = sum(
        size[a["target"]] * max(last for _, last in a["projections"].values())
        for a in structure["afferents"].values()
    )
    read = sum(size[name] for name, _ in structure["readout"]["states"])
    rows = max(readout["rows"][1] for readout in structure["readout"]["readouts"].values())
    return structure["replicates"] * (found + rows * read)


@dataclass(frozen=True)
class Cost:
    """What the sensitivities of a program take.

    Attributes
    ----------
    values : int
        Numbers that are kept, all replicates together.
    memory : int
        Bytes of these.
    operations : int
        Multiplications and additions per task step.
    """

    values: int
    memory: int
    operations: int

    def __str__(self):
        size, unit = self.memory, "bytes"
        for larger in ("kB", "MB", "GB"):
            if size >= 1000:
                size, unit = size / 1000, larger
        return (
            f"{self.values:,} sensitivities ({size:,.0f} {unit}), "
            f"{self.operations:,} multiply-adds a step"
        )


def cost(structure):
    """Memory and work of the sensitivities of a program.

    Parameters
    ----------
    structure : dict
        `Agent.structure()`.

    Returns
    -------
    Cost
    """
    size = sizes(structure)
    values = operations = 0
    for block in blocks(structure):
        values += sum(prod(shape) for shape in block.arrays(size).values())
        kept = {block.method: block.states} if block.states else {}
        kept |= {"rtrl": block.exact} if block.exact else {}
        for method, states in kept.items():
            for source, target, projection in kept_edges(structure, method, block.owner):
                if source in states and target in states:
                    work = prod(block.shape)
                    if structure["learning"]["methods"][method]["coupled"]:
                        work *= size[target[0]] * (size[source[0]] if projection else 1)
                    operations += work
    scale = structure["replicates"]
    width = 8 if structure["dtype"] == "float64" else 4
    operations *= scale * structure["substeps"]
    return Cost(values * scale, values * scale * width, operations)
