"""What follows from the structure of an agent: who reads whom, what learns how, and where it is.

`Plan` answers what several parts of the step (`bgrl.step`) ask, so that each of these answers is given in
one place. It knows the structure only, no values.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from bgrl.circuit.modulators import Factor
from bgrl.circuit.synapse import key_of
from bgrl.language import symbols
from bgrl.learning.sensitivity import blocks, dynamics, sizes


@dataclass(frozen=True)
class Place:
    """Where weights or parameters are: rows and columns of an array of the state, in each replicate.

    Attributes
    ----------
    group, variable : str
        The array is ``group.variable``.
    rows, columns : (int, int)
        First and last, the latter not included. Columns are None where the array has none, as that of
        a parameter of neurons.
    """

    group: str
    variable: str
    rows: tuple
    columns: tuple | None = None

    @property
    def array(self):
        """Name of the array."""
        return f"{self.group}.{self.variable}"

    @property
    def index(self):
        """Index into the last axes of the array."""
        return tuple(slice(*part) for part in (self.rows, self.columns) if part)


class Plan:
    """What follows from a structure.

    Parameters
    ----------
    structure : dict
        `bgrl.agent.Agent.structure`.

    Attributes
    ----------
    sizes : dict of str to int
        Neurons of every population.
    blocks : list of bgrl.learning.sensitivity.Block
        Everything that could be learned by gradient, and the sensitivities that it takes.
    actions : int
        Number of actions.
    continuous : bool
        Whether actions are real numbers rather than a choice.
    rows : dict of str to (int, int)
        First and last row (not included) of the actor's and of the critic's part of the readout.
    actor_rows : int
        Rows of the actor; the critic is the one behind them.
    columns : dict of (str, str) to (int, int)
        First and last column (not included), among the afferents of the readout, of each state that
        readouts read or that their feedback reaches.
    signalled, chosen : list of (str, str)
        States (population, variable) to which learning signals return, and those that are told the
        weight from the action that was chosen.
    intervened : bool
        Whether the program accepts interventions.
    agent_starts : str
        Variable of the task that is 1 in a step in which the agent starts anew: with every trial, or
        with every session where trials are unbroken.
    """

    def __init__(self, structure):
        self.structure = structure
        self.populations = structure["populations"]
        self.projections = structure["projections"]
        self.afferents = structure["afferents"]
        self.inputs = structure["inputs"]
        self.task = structure["task"]
        self.learning = structure["learning"]
        self.intervened = structure["interventions"] is not None
        self.agent_starts = "session_ended" if self.task["unbroken"] else "done"
        self.actions = self.task["actions"]
        self.continuous = self.task["continuous"]
        self.readouts = structure["readout"]["readouts"]
        self.rows = {name: tuple(readout["rows"]) for name, readout in self.readouts.items()}
        self.actor_rows = min(last for _, last in self.rows.values())
        self.sizes = sizes(structure)
        self.blocks = blocks(structure)
        states = [tuple(state) for state in structure["readout"]["states"]]
        ends = np.cumsum([self.sizes[name] for name, _ in states]).tolist()
        self.columns = dict(zip(states, zip([0, *ends], ends, strict=False), strict=True))
        needed = {state for block in self.blocks for state in (*block.states, *block.exact)}
        self.signalled = [state for state in states if state in needed]
        asking = {
            a["target"]
            for group, a in self.afferents.items()
            if any("chosen" in symbols(e) for e in (self.rule(group) or {}).values())
        }
        self.chosen = [state for state in states if state[0] in asking]

    @cached_property
    def local_steps(self):
        """The step of each population and its derivatives, see `bgrl.learning.derivatives.LocalStep`."""
        from bgrl.learning.derivatives import population_step

        found = {}
        for name, population in self.populations.items():
            trained = [b.key for b in self.blocks if b.group == name and (b.states or b.exact)]
            needed = any(name == n for b in self.blocks for n, _ in (*b.states, *b.exact))
            found[name] = population_step(population, self.structure["dt"], trained, needed)
        return found

    @cached_property
    def places(self):
        """Where all weights and parameters are: everything else asks here.

        A projection is called by its name, a parameter ``population.parameter``, what a readout reads
        ``population->readout`` (a place for each of its states), and the bias of the critic
        ``critic.bias``.

        Returns
        -------
        dict of str to tuple of Place
        """
        found = {}
        for group, afferents in self.afferents.items():
            rows = 0, self.sizes[afferents["target"]]
            for key, columns in afferents["projections"].items():
                found[key] = (Place(group, "weight", rows, tuple(columns)),)
        for name, population in self.populations.items():
            for key in population["parameters"]:
                found[f"{name}.{key}"] = (Place(name, key, (0, self.sizes[name])),)
        for name, readout in self.readouts.items():
            states = [tuple(state) for state in readout["reads"]]
            found[f"{states[0][0]}->{name}"] = tuple(
                Place("readout_drive", "weight", self.rows[name], self.columns[state])
                for state in states
            )
        # Of the readouts only the critic, which is the last, has one.
        found[f"{name}.bias"] = (Place("readout", "bias", self.rows[name]),)
        return found

    @property
    def parameters(self):
        """Names in `places` of all parameters of populations."""
        return [f"{n}.{key}" for n, p in self.populations.items() for key in p["parameters"]]

    def sources(self, group):
        """What the afferents of a group of synapses are, in the order of its columns.

        Returns
        -------
        list of (str, str, int, int)
            Group, variable, first element and number of elements.
        """
        if group == "readout_drive":
            return [(name, variable, 0, self.sizes[name]) for name, variable in self.columns]
        first = dict(zip(self.inputs, np.cumsum([0, *self.inputs.values()]).tolist(), strict=False))
        found = []
        for key in self.afferents[group]["projections"]:
            source, reads = self.projections[key]["source"], self.projections[key]["reads"]
            if source in self.inputs:
                found.append(("input", "x", first[source], self.inputs[source]))
            else:
                found.append((source, reads, 0, self.sizes[source]))
        return found

    def width(self, group):
        """Number of afferents of a group of synapses."""
        return sum(size for *_, size in self.sources(group))

    def column(self, key):
        """Group of a projection's weights, their first column in it, and all its columns."""
        (place,) = self.places[key]
        return place.group, place.columns[0], self.width(place.group)

    def feeding(self, population, drive):
        """Groups of synapses that feed a drive."""
        return [
            group
            for group, a in self.afferents.items()
            if (a["target"], a["drive"]) == (population, drive)
        ]

    def rule(self, group):
        """The rule of a group of synapses of one projection, if that learns by a rule."""
        return self.projections[next(iter(self.afferents[group]["projections"]))]["rule"]

    def plasticity(self, group):
        """Drives of the neurons that have a group of parameters that modulate how fast these learn."""
        afferents = self.afferents.get(group, {"target": group, "projections": ()})
        target = afferents["target"]
        owners = target, *map(key_of, afferents["projections"])
        drives = self.populations.get(target, {"drives": ()})["drives"]
        names = [Factor("plasticity", owner).name for owner in owners]
        return [name for name in names if name in drives]

    def signed(self, group):
        """Whether signs of weights of a group of synapses are kept while it learns."""
        plastic = self.rule(group) or any(b.group == group and b.states for b in self.blocks)
        projections = self.afferents[group]["projections"]
        return bool(plastic) and any(self.projections[key]["signed"] for key in projections)

    def trains(self, population):
        """Whether parameters of a population, or weights into it, learn by gradient."""
        return any(b.owner == population and b.states for b in self.blocks)

    def targets(self):
        """Groups of neurons whose parameters, or weights into which, an optimizer moves."""
        return [*filter(self.trains, self.populations), "readout"]

    def taught(self):
        """Groups of neurons that dopamine reaches: targets, and those whose synapses have rules."""
        ruled = {a["target"] for group, a in self.afferents.items() if self.rule(group)}
        return [*(n for n in self.populations if self.trains(n) or n in ruled), "readout"]

    def returning(self):
        """Signals that return from the readouts to what they read."""
        found = ["learning_signal", "entropy_signal"] if self.signalled else []
        return found + (["chosen_signal"] if self.chosen else [])

    def fixed_feedback(self):
        """Whether signals return by weights of their own."""
        return bool(self.returning()) and self.structure["readout"]["fixed_feedback"]

    def symbols_of_task(self, *expressions):
        """Variables and parameters of the task in expressions, and how its trial ended."""
        names = set().union(*map(symbols, expressions))
        known = (*self.task["variables"], *self.task["parameters"], "terminated", "truncated")
        return [v for v in known if v in names]

    def dynamics(self, population):
        """State variable to right-hand side of a population."""
        return dynamics(self.populations[population])
