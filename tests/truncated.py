"""Sensitivities of any circuit by numerical differentiation, an oracle of the tests.

One Euler step is evaluated from the text of the equations with NumPy, and differentiated by the
complex step (Squire & Trapp 1998, SIAM Rev. 40:110), which is exact to rounding. What a method leaves
out is set to zero in the Jacobian of the whole circuit. Nothing of `bgrl` is used but the description
and what draws its numbers.
"""

from dataclasses import replace
from functools import cache
from zlib import crc32

import numpy as np

from bgrl.circuit.values import Parameter, sample
from bgrl.random import STREAMS, counter_uniform

FUNCTIONS = {name: getattr(np, name) for name in ("tanh", "exp", "log", "sqrt", "sin", "cos")}
#: By their real part, where the complex step is that of a number.
FUNCTIONS["clip"] = lambda x, low, high: np.where(
    np.real(x) < low, low, np.where(np.real(x) > high, high, x)
)
FUNCTIONS["inf"] = np.inf


def with_arrays(circuit, seed=0):
    """The same circuit with numbers drawn for all distributions, and with all synapses plastic."""

    def drawn(value, shape, name):
        return np.array(sample(value, shape, seed, 0, name))

    populations = {
        name: replace(
            p,
            parameters={
                key: replace(v, value=drawn(v.value, (p.size,), f"{name}.{key}"))
                for key, v in p.parameters.items()
            },
        )
        for name, p in circuit.populations.items()
    }
    projections = {}
    for name, p in circuit.projections.items():
        shape = circuit.shape(p)
        mask = np.ones(shape) if p.mask is None else np.asarray(p.mask, float)
        projections[name] = replace(
            p, weights=drawn(p.weights, shape, name) * mask, mask=mask, plastic=not p.electrical
        )
    return replace(circuit, populations=populations, projections=projections)


def evaluated(text, known):
    """Value of an expression."""
    return eval(_compiled(text), {"__builtins__": {}, **FUNCTIONS}, known)


@cache
def _compiled(text):
    return compile(text.strip(), "equation", "eval")


class Oracle:
    """A circuit as one function of one vector of states and one of parameters.

    Parameters
    ----------
    circuit : bgrl.circuit.Circuit
        With arrays for all weights and parameters.
    """

    def __init__(self, circuit):
        self.circuit = circuit
        populations = circuit.populations
        self.states = {(name, v): p.size for name, p in populations.items() for v in p.dynamics}
        self.values = {key: np.array(p.weights, float) for key, p in circuit.projections.items()}
        #: What nothing is learned of.
        self.fixed = {key for key, p in circuit.projections.items() if p.electrical}
        for name, p in populations.items():
            for key, parameter in p.parameters.items():
                self.values[f"{name}.{key}"] = np.array(parameter.value, float)
            for _, q, end in self.synapses(name):
                for key, parameter in q.dynamics.parameters.items():
                    value = np.broadcast_to(np.array(parameter.value, float), (p.size,))
                    self.values[f"{name}.{key}{end}"] = value.copy()
                    if not parameter.trainable:
                        self.fixed.add(f"{name}.{key}{end}")

    def synapses(self, population):
        """Projections with dynamics from a population, and how the names of their variables end."""
        return [
            (name, q, "_at_" + name.replace("->", "_to_").replace(".", "_"))
            for name, q in self.circuit.projections.items()
            if q.source == population and q.dynamics is not None
        ]

    def start(self):
        """The state in which the circuit starts, as one vector."""
        found = {}
        for name, p in self.circuit.populations.items():
            known = {v: np.broadcast_to(p.initial.get(v, 0.0), p.size) for v in p.described}
            for _, q, end in self.synapses(name):
                own = {k: self.values[f"{name}.{k}{end}"] for k in q.dynamics.parameters}
                start = {v: q.dynamics.initial.get(v, 0.0) for v in q.dynamics.derivatives}
                start = {
                    v: evaluated(x, own) if isinstance(x, str) else x for v, x in start.items()
                }
                known |= {f"{v}{end}": np.broadcast_to(x, p.size) for v, x in start.items()}
                own["released"] = 1 - own.get("failure", 0.0)
                sent = evaluated(q.dynamics.output, own | start | {"source": known[q.reads]})
                known[f"output{end}"] = np.broadcast_to(sent, p.size)
            for line in p.lines:
                known[line] = known[line.split("_delayed_")[0]]
            found |= {(name, v): x for v, x in known.items()}
        return np.concatenate([found[state] for state in self.states]).astype(float)

    def parts(self, vector, shapes):
        """Split a vector into named arrays."""
        found, start = {}, 0
        for key, shape in shapes.items():
            size = int(np.prod(shape))
            found[key] = vector[start : start + size].reshape(shape)
            start += size
        return found

    def drawn(self, step, substep):
        """Population and noise to the normal numbers of an Euler step, of seed 0 and replicate 0."""
        found = {}
        for name, p in self.circuit.populations.items():
            for noise in p.noises:
                stream = STREAMS["noise"] + 8 * (crc32(f"{name}.{noise}".encode()) % 2**27)
                index = 2 * (np.arange(p.size) + substep * p.size)
                radius, angle = (counter_uniform(0, 0, stream, step, index + k) for k in range(2))
                found[name, noise] = np.sqrt(-2 * np.log(radius)) * np.cos(2 * np.pi * angle)
            for _, q, end in self.synapses(name):
                release = f"drawn_release{end}"
                stream = STREAMS["noise"] + 8 * (crc32(f"{name}.{release}".encode()) % 2**27)
                draw = counter_uniform(0, 0, stream, step, np.arange(p.size) + substep * p.size)
                failure = q.dynamics.parameters.get("failure", Parameter()).value
                found[name, f"released{end}"] = (draw >= failure).astype(float)
        return found

    def step(self, vector, parameters, inputs, frozen=None, drawn=None):
        """One Euler step; with `frozen`, drives are computed from that state instead."""
        circuit = self.circuit
        state = self.parts(vector, self.states)
        sources = self.parts(vector if frozen is None else frozen, self.states)
        value = self.parts(parameters, {k: v.shape for k, v in self.values.items()})
        new = []
        for name, p in circuit.populations.items():
            known = {v: state[name, v] for v in p.dynamics}
            known |= {k: value[f"{name}.{k}"] for k in p.parameters}
            known |= self.arriving(name, value, inputs, sources, known)
            known |= {noise: drawn[name, noise] / np.sqrt(circuit.dt) for noise in p.noises}
            after = {}
            for v, text in p.described.items():
                result = evaluated(text, known) + np.zeros(p.size)
                following = p.derivatives is None
                after[v] = result if following else state[name, v] + circuit.dt * result
            for _, q, end in self.synapses(name):
                own = {k: value[f"{name}.{k}{end}"] for k in q.dynamics.parameters}
                own |= {k: drawn[name, f"{k}{end}"] / circuit.dt**0.5 for k in q.dynamics.noises}
                now = {v: state[name, f"{v}{end}"] for v in q.dynamics.derivatives}
                now |= own | {"source": state[name, q.reads]}
                now["released"] = drawn[name, f"released{end}"]
                for v, text in q.dynamics.derivatives.items():
                    after[v + end] = now[v] + circuit.dt * evaluated(text, now)
                now |= {v: after[v + end] for v in q.dynamics.derivatives}
                sent = evaluated(q.dynamics.output, now | {"source": after[q.reads]})
                after[f"output{end}"] = sent + np.zeros(p.size)
            after |= {v: state[name, before] for v, before in p.lines.items()}
            new += [after[v] for v in p.dynamics]
        return np.concatenate(new)

    def arriving(self, name, value, inputs, sources, own):
        """Drives of a population, multiplied by what modulates them, and currents of gap junctions."""
        brought, modulated = {}, {}
        for key, q in self.circuit.projections.items():
            if q.target == name:
                mask = 1.0 if q.mask is None else np.asarray(q.mask)
                read = self.circuit.read_by(key)
                x = inputs[q.source] if q.source in inputs else sources[q.source, read]
                found = (value[key] * mask) @ x
                if q.electrical:
                    found = ((value[key] * mask) * (x - own[q.reads][:, None])).sum(axis=1)
                if q.modulates == "gain":
                    whose = q.pathway or ("drive", q.drive)
                    modulated[whose] = modulated.get(whose, 0.0) + found
                elif q.modulates is None:
                    brought[key] = found
        factors = {whose: FUNCTIONS["clip"](1 + m, 0, np.inf) for whose, m in modulated.items()}
        known = {}
        for drive in self.circuit.populations[name].drives:
            total = np.zeros(self.circuit.size(name), complex)
            currents = total
            for key, found in brought.items():
                q = self.circuit.projections[key]
                if q.drive == drive and q.electrical:
                    currents = currents + factors.get(key, 1.0) * found
                elif q.drive == drive:
                    total = total + factors.get(key, 1.0) * found
            known[drive] = factors.get(("drive", drive), 1.0) * total + currents
        return known

    def owners(self):
        """Of each state its population and neuron; of each parameter the same of its owner."""
        of_state = [(name, k) for (name, _), n in self.states.items() for k in range(n)]
        of_parameter = []
        for key, value in self.values.items():
            projection = self.circuit.projections.get(key)
            name = projection.target if projection else key.split(".")[0]
            neuron = np.arange(len(value)).reshape(-1, *[1] * (value.ndim - 1))
            neuron = np.broadcast_to(neuron, value.shape)
            of_parameter += [(name, int(k)) for k in neuron.ravel()]
        return of_state, of_parameter

    def run(self, inputs, method):
        """States and sensitivities after every row of the input.

        Parameters
        ----------
        inputs : dict of str to array (steps, channels)
        method : str

        Returns
        -------
        dict of str to array
            Named as in the recorded circuits.
        """
        of_state, of_parameter = self.owners()
        neuron_s, neuron_p = ([f"{a}.{k}" for a, k in pairs] for pairs in (of_state, of_parameter))
        nucleus_s, nucleus_p = ([a for a, _ in pairs] for pairs in (of_state, of_parameter))
        same_neuron = np.equal.outer(neuron_s, neuron_s)
        same_nucleus = np.equal.outer(nucleus_s, nucleus_s)
        rows = {
            "rtrl": np.ones((len(of_state), len(of_parameter))),
            "nucleus": np.equal.outer(nucleus_s, nucleus_p),
            "snap1": np.equal.outer(neuron_s, neuron_p),
            "rflo": np.equal.outer(neuron_s, neuron_p),
        }[method]
        kept = {"rtrl": 1.0, "nucleus": same_nucleus, "snap1": same_neuron, "rflo": same_neuron}
        theta = np.concatenate([v.ravel() for v in self.values.values()])
        state = self.start()
        sensitivity = np.zeros((len(state), len(theta)))
        found = {}
        for t in range(len(next(iter(inputs.values())))):
            row = {name: values[t] for name, values in inputs.items()}
            for k in range(self.circuit.substeps):
                frozen = state if method == "rflo" else None
                # Step 0 of a run is not among those of the input.
                now = {"inputs": row, "drawn": self.drawn(t + 1, k)}
                jacobian = _slope(
                    lambda s, f=frozen, a=now: self.step(s, theta, frozen=f, **a), state
                )
                direct = _slope(lambda p, s=state, a=now: self.step(s, p, **a), theta)
                sensitivity = rows * ((kept[method] * jacobian) @ sensitivity + direct)
                state = self.step(state, theta, **now).real
            self._store(found, state, sensitivity)
        return {key: np.array(values) for key, values in found.items()}

    def _store(self, found, state, sensitivity):
        shapes = {k: v.shape for k, v in self.values.items()}
        for (name, v), values in self.parts(state, self.states).items():
            found.setdefault(f"state:{name}.{v}", []).append(values)
        start = 0
        for (name, v), size in self.states.items():
            block, start = sensitivity[start : start + size], start + size
            offset = 0
            for key, shape in shapes.items():
                width = int(np.prod(shape))
                if key in self.fixed:
                    offset += width
                    continue
                part = block[:, offset : offset + width].reshape(size, *shape)
                found.setdefault(f"sensitivity:{name}.{v}:{key}", []).append(part)
                offset += width


def _slope(function, at):
    """Jacobian by the complex step."""
    columns = []
    for k in range(len(at)):
        shifted = at.astype(complex)
        shifted[k] += 1e-30j
        columns.append(function(shifted).imag / 1e-30)
    return np.array(columns).T
