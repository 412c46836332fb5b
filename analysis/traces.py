"""Any stretch of any recorded curve: its name, its values in as many points as are drawn, its marks."""

import json

import numpy as np

from .envelope import Envelopes
from .stretches import window as window_of_trials
from .style import COLOURS, axes_or_new, captioned, legend_beside, styled, unbroken
from .trials import events

#: Points of a curve that are drawn; more recorded steps than these are told by their extremes.
POINTS = 1000
#: Trials in view beyond which their ends and events are not marked.
MARKS = 60


def curves(data):
    """Names of everything that can be drawn against time.

    Parameters
    ----------
    data : xarray.DataTree

    Returns
    -------
    dict of str to (str, int or None)
        Name to the variable of ``traces`` and the place in it: ``dopamine``, ``policy[report_0]``,
        ``cortex[3]``; None for a variable of one value, and for all values of one that has several.
    """
    if "traces" not in data.children:
        return {}
    traces, found = data["traces"].to_dataset(), {}
    for name, variable in traces.data_vars.items():
        if variable.dims[:2] != ("replicate", "time") or variable.ndim > 3:
            continue
        found[name] = name, None
        if variable.ndim == 3:
            own = variable.dims[2]
            labels = traces[own].values if own in traces.coords else range(variable.shape[2])
            found |= {f"{name}[{label}]": (name, k) for k, label in enumerate(labels)}
    return found


def intervals(data):
    """Interventions that have a time of the run: what was done, first step, step after the last.

    Parameters
    ----------
    data : xarray.DataTree

    Returns
    -------
    list of (str, int, int)
    """
    run = json.loads(data.attrs.get("configuration", "{}")).get("run", {})
    found = []
    for done in run.get("interventions", ()):
        if isinstance(done["start"], int):
            first = done["start"] + done["delay"]
            last = run["steps"] + 1 if done["duration"] is None else first + done["duration"]
            words = (done[k] for k in ("kind", "target", "value"))
            found.append((" ".join(str(w) for w in words if w is not None), first, last))
    return found


def marks(data, replicate, first, last):
    """Steps at which trials end and events happen.

    Parameters
    ----------
    data : xarray.DataTree
    replicate : int
    first, last : int
        Steps to look at.

    Returns
    -------
    found : dict of str to ndarray of int
        `trial end`, and the events of the task, each with its steps; nothing if they are too many.
    trials : int
        How many end in view.
    """
    if "trials" not in data.children:
        return {}, 0
    trials = data["trials"].to_dataset().isel(replicate=replicate)
    seen = window_of_trials(trials["end_step"].variable, first, last)
    count = seen.stop - seen.start
    if count > MARKS:
        return {}, count
    # A trial that ends later may have an event in view, one that ends earlier has none.
    trials = trials.isel(trial=slice(seen.start, seen.stop + 1))
    ends, lengths = trials["end_step"].values, trials["length"].values
    found = {"trial end": ends}
    for name, place in events(data).items():
        if not isinstance(place, str):
            anchor, offset = place
            starts = ends - lengths
            at = (starts if anchor == "start" else ends) + offset
            found[name] = at[(at >= starts) & (at <= ends)]  # a trial may be too short for it
        elif "event_step" in trials:
            found[name] = trials["event_step"].sel(event=name).values
    return {k: v[(v >= first) & (v <= last)].astype(int) for k, v in found.items()}, count


def label(data, name):
    """What a curve is, with its unit."""
    variable, place = curves(data)[name]
    known = data["traces"][variable].attrs
    units = known.get("units", "1")
    text = known.get("long_name", variable)
    text += f" ({units})" if units != "1" else ""
    return text if place is None else f"{name}: {text}"


def window(envelopes, data, name, replicate, first, last, points=POINTS):
    """A curve between two steps, in no more than so many points.

    Parameters
    ----------
    envelopes : analysis.envelope.Envelopes
        Of the run.
    data : xarray.DataTree
    name : str
        Of `curves`.
    replicate : int
    first, last : int
        Steps, both included.
    points : int

    Returns
    -------
    analysis.envelope.Window

    Raises
    ------
    ValueError
        If nothing of that name was recorded, with what was.
    """
    found = curves(data)
    if name not in found:
        raise ValueError(f"{name!r} was not recorded; recorded: {', '.join(found) or 'nothing'}")
    variable, place = found[name]
    own = {} if place is None else {data["traces"][variable].dims[2]: place}
    return envelopes.window(variable, first, last + 1, points, replicate=replicate, **own)


def extremes(seen):
    """Of each bin of a window the value that is farther from 0; the value itself of a bin of one step."""
    return np.where(np.abs(seen.high) >= np.abs(seen.low), seen.high, seen.low)


@styled
def plot_trace(data, name, *, replicate=0, first=0, last=None, ax=None):
    """A curve between two steps, with interventions, events and ends of trials.

    Of more recorded steps than are drawn there is a band between their extremes. A variable of many
    values is a heat map, of the value farther from 0 where a column stands for many steps.

    Parameters
    ----------
    data : xarray.DataTree
    name : str
        Of `curves`.
    replicate : int
    first, last : int
        Steps, both included; to the end of the recording if nothing is said.
    ax : matplotlib Axes, optional

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    ValueError
        If nothing of that name was recorded, with what was.
    """
    ax = axes_or_new(ax)
    last = int(data["traces"]["step"][-1]) if last is None else last
    seen = window(Envelopes(data), data, name, replicate, first, last)
    ax.set(xlabel="step", xlim=(first, last))
    captioned(ax, label(data, name), f"replicate {replicate}, steps {first:,} to {last:,}")
    if seen.low.ndim == 2:
        values = extremes(seen)
        limit = max(float(np.nanmax(np.abs(values), initial=0.0)), 1e-9)
        style = {"cmap": "RdBu_r", "vmin": -limit, "vmax": limit, "shading": "nearest"}
        image = ax.pcolormesh(seen.first, np.arange(values.shape[1]), values.T, **style)
        ax.figure.colorbar(image, ax=ax, label="value")
        ax.set(ylabel="place")
        return ax
    if (seen.high > seen.low).any():
        ax.fill_between(seen.first, seen.low, seen.high, color=COLOURS["blue"], linewidth=0.6)
    else:
        ax.plot(*unbroken(seen.first, seen.low, seen.first), color=COLOURS["blue"], linewidth=1.1)
    ax.set(ylabel=name)
    for k, (text, start, end) in enumerate(intervals(data)):
        if start <= last and end >= first:
            colour = (COLOURS["grey"], COLOURS["sky"], COLOURS["purple"])[k % 3]
            ax.axvspan(start, end, color=colour, alpha=0.2, linewidth=0, label=text)
    for event, at in marks(data, replicate, first, last)[0].items():
        if len(at):
            colour, _, dash = mark_style(data, event)
            line = "solid" if dash is None else dash
            style = {"colors": colour, "linestyles": [line], "linewidth": 0.8, "alpha": 0.7}
            ax.vlines(at, 0, 1, transform=ax.get_xaxis_transform(), label=event, **style)
    legend_beside(ax)
    return ax


def mark_style(data, event):
    """Colour of the marks of an event, what their line is called, and its dashes.

    Events of the same step are all seen: each leaves room for the dashes of the others. Ends of trials
    are grey and whole, below them.

    Returns
    -------
    colour : str
    look : str
        solid, dashed or dotted.
    dashes : (float, (float, float)) or None
        Offset, length of a dash and of the gap behind it.
    """
    if event == "trial end":
        return COLOURS["grey"], "solid", None
    known = list(events(data))
    k, period = known.index(event), 5 * max(2, len(known))
    colours = [COLOURS[c] for c in ("green", "orange", "purple", "vermillion", "sky")]
    look, length = (("dashed", 5), ("dotted", 2))[k // 5 % 2]
    return colours[k % 5], look, (5 * k, (length, period - length))
