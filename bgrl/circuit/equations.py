"""The text of equations: what its lines declare, white noise, and the names that the network keeps."""

import re
from dataclasses import replace

from bgrl.errors import InputError
from bgrl.quantities import UNITS

#: Names that the network uses for itself in every population.
RESERVED = re.compile(
    r"(done|dopamine|chosen|pre|eligibility|learning_rate|rate_factor|discount|trace_decay|square|"
    r"clip_scale|youth|td_error|task_done|task_seed|task_replicate|xi(_\w*)?|"
    r"correction_[12]|weight|weight_sign|mask|feedback|i|j|N|t|dt|t_in_timesteps|lastspike|source|start|stop|name|pi|e|inf|"
    r"(learning|entropy|drawn|exact|sensitivity|eligibility|moment|jacobian|gain|slope|own|self|sum|initial|"
    r"sent|from|next|shared|flag|square|gradient|update|modulation|held)_.*|.*_(pre|post)|.*_delayed_\d+)\Z"
)

DIFFERENTIAL = re.compile(r"d(\w+)/dt\s*=\s*(.+?)\s*:\s*(\w+)\Z")

#: A subexpression of Brian2.
NAMED = re.compile(r"\w+\s*=[^=]+:\s*\w+\Z")


#: White noise in equations: ``xi``, or ``xi_name`` where there are several independent ones.
NOISE = re.compile(r"(?<![\w.])xi(?:_\w+)?(?!\w)")


#: Unit as equations declare it, to that of a description.
_DECLARED = {declared: unit for unit, (_, declared) in UNITS.items()}

DECLARATION = re.compile(r"(\w+)\s*:\s*(\w+)\s*(?:\(constant\))?\Z")


def noises(dynamics):
    """Names of the noises in right-hand sides, each once, in alphabetical order."""
    return tuple(sorted({name for text in dynamics.values() for name in NOISE.findall(text)}))


def parse_equations(text):
    """Split Brian2 rate equations into derivatives and the units of what they declare."""
    if not isinstance(text, str):
        raise InputError(f"equations is {text!r}; text is needed, 'dx/dt = ... : 1'")
    derivatives, units = {}, {}
    for line in filter(None, (part.split("#")[0].strip() for part in text.splitlines())):
        if match := DIFFERENTIAL.match(line):
            name, found, value = match[1], derivatives, match[2]
            if match[3] != "1":
                raise InputError(f"{line!r}: state variables are dimensionless, write ': 1'")
        elif match := DECLARATION.match(line):
            if match[2] not in _DECLARED:
                raise InputError(f"{line!r}: unit {match[2]}; valid: {', '.join(_DECLARED)}")
            name, found, value = match[1], units, _DECLARED[match[2]]
        else:
            named = (
                "; an expression has no name, write it where it is used"
                if NAMED.match(line)
                else ""
            )
            raise InputError(
                f"not an equation: {line!r}; write 'dx/dt = ... : 1' or 'tau : second'{named}"
            )
        if name in found:
            raise InputError(f"{line!r}: {name!r} has a line already")
        found[name] = value
    if not derivatives:
        raise InputError(
            f"equations {text!r} have no line 'dx/dt = ... : 1'; one is needed at least"
        )
    return derivatives, units


def with_units(parameters, units):
    """Parameters with the units that equations declare for them.

    Parameters
    ----------
    parameters : dict of str to Parameter
    units : dict of str to str
        Of `bgrl.quantities.UNITS`, of what is declared.

    Raises
    ------
    InputError
        For a parameter with a unit that is declared to have another.
    """
    for name, p in parameters.items():
        if p.unit != "1" and units.get(name, p.unit) != p.unit:
            what = "a time" if p.unit == "ms" else "a frequency"
            raise InputError(
                f"parameter {name!r} is {what}, but the equations declare "
                f"'{name} : {UNITS[units[name]][1]}'; write '{name} : {UNITS[p.unit][1]}'"
            )
    return {name: replace(p, unit=units.get(name, p.unit)) for name, p in parameters.items()}
