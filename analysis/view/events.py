"""Dopamine and activity around an event: early against late, trial by trial, neurons and components."""

import numpy as np
import panel as pn
from bokeh.models import ColumnDataSource

from ..event_aligned import plot_event_aligned
from ..population import by_peak, components, mean_activity, plot_population
from ..statistics import mean_and_error
from ..stretches import is_long, stretches
from ..style import COLOURS, PERIODS
from ..trial_map import plot_trial_map, trial_rows
from ..trials import aligned, replicate_means
from . import draw
from .share import Call

TITLE = "Around events"
OUTCOMES = ("all", "rewarded", "unrewarded", "apart")
#: What the spread of curves is of: replicates, or the trials of the one that is looked at.
OVER = ("replicates", "trials")
ORDERS = ("peak", "stored", "components")

#: Parameters of the state that are in the figures.
LOOKED_AT = (
    *("replicate", "step", "signal", "event", "before", "after"),
    *("trials", "over", "population", "order"),
)


def panel(state):
    """Signal, event, window, trials and order to choose; curves, map of trials, population."""
    content, drawn = pn.FlexBox(gap="6px", **draw.STRETCH), []
    signals, populations = state.opened.signals()
    controls = [
        draw.select(state, "signal", "signal", signals),
        draw.select(state, "event", "event", state.opened.events),
        draw.integer(state, "before", "steps before"),
        draw.integer(state, "after", "steps after"),
        draw.select(state, "trials", "trials", list(OUTCOMES)),
        draw.select(state, "over", "spread over", list(OVER)),
        draw.select(state, "population", "population", populations),
        draw.select(state, "order", "neurons by", list(ORDERS)),
    ]

    def renew(*_):
        signals, populations = state.opened.signals()
        for k, (name, options) in {
            0: ("signal", signals),
            1: ("event", state.opened.events),
            6: ("population", populations),
        }.items():
            controls[k].param.update(options=options, value=state.choice(name, options))
        redraw()

    def redraw(*_):
        """Draw it, unless that is what is there: a look at a run that goes on may move the step too."""
        key = [state.opened, state.opened.looks, *(getattr(state, name) for name in LOOKED_AT)]
        if key == drawn:
            return
        drawn[:] = key
        try:
            content[:] = [draw.part(one) for one in _figures(state)]
        except ValueError as error:
            content[:] = [draw.said(str(error), "alert")]

    state.param.watch(renew, "run")
    state.param.watch(redraw, [*LOOKED_AT, "looks"])
    redraw()
    return pn.Column(draw.row(*controls), content, **draw.STRETCH)


def drawing(state):
    """The calls that draw it."""
    signals, populations = state.opened.signals()
    event = state.choice("event", state.opened.events)
    window = {"before": state.before, "after": state.after}
    found = []
    cut = None
    if signals and is_long(state.data):
        cut = needed(state, signals, populations), state.step
    if signals:
        around = state.choice("signal", signals), event
        apart = {"by_outcome": True} if state.trials != "all" else {}
        apart |= {"replicate": state.replicate} if state.over == "trials" else {}
        found.append(Call(plot_event_aligned, around, window | apart, cut=cut))
        found.append(Call(plot_trial_map, around, window | {"replicate": state.replicate}, cut=cut))
    if populations:
        own = {"replicate": state.replicate, "order": state.order}
        population = state.choice("population", populations)
        found.append(Call(plot_population, (population, event), window | own, cut=cut))
    return found


def needed(state, signals, populations):
    """Variables of the traces that are looked at."""
    names = state.choice("signal", signals), state.choice("population", populations)
    return [*filter(None, names), "done", "reward"]


def kept(table, outcome):
    """(name, line, trials) of the outcomes that are chosen."""
    rewarded = table["trial_return"].values > 0
    parts = {"rewarded": ("solid", rewarded), "unrewarded": ("dotted", ~rewarded)}
    if outcome == "all":
        return [("", "solid", table)]
    names = parts if outcome == "apart" else [outcome]
    return [(f", {name}", parts[name][0], table[parts[name][1]]) for name in names]


def _figures(state):
    signals, populations = state.opened.signals()
    event = state.choice("event", state.opened.events)
    if not signals or not event:
        return [draw.said("no signal was recorded" if not signals else "the task has no events")]
    signal, population = state.choice("signal", signals), state.choice("population", populations)
    seen = stretches(state.data, needed(state, signals, populations), at=state.step)
    table = aligned(seen, signal, event, state.before, state.after)
    if not table.sizes["trial"]:
        return [draw.said("no whole trial was recorded")]
    found = [_curves(state, seen, signal, event, table), _map(state, signal, event, table)]
    if populations:
        found.append(_population(state, seen, population, event))
    if seen is not state.data:
        share = seen["traces"].sizes["time"] / state.data["traces"].sizes["time"]
        text = f"Of this long run some stretches are looked at, {share:.1%} of what was recorded."
        found.append(draw.said(text))
    return found


def _curves(state, seen, signal, event, table):
    """Early, late and near the step."""
    name = table.attrs.get("long_name", signal)
    made = draw.axes(f"{name} around {event}", f"time from {event} (ms)", name, height=300)
    _reach(made, table["lag"].values, table.values)
    if state.over == "trials":
        table = table[table["replicate"].values == state.replicate]
    start = seen["traces"]["step"].values[table["start"].values]
    half = state.opened.steps / 2
    near = np.zeros(len(start), bool)
    for r in np.unique(
        table["replicate"].values
    ):  # the fifty of each replicate nearest to the step
        own = np.flatnonzero(table["replicate"].values == r)
        near[own[np.argsort(np.abs(start[own] - state.step), kind="stable")[:50]]] = True
    periods = {
        "early": (start <= half, PERIODS["early"]),
        "late": (start > half, PERIODS["late"]),
        f"50 trials nearest to step {state.step:,}": (near, COLOURS["green"]),
    }
    for period, (rows, colour) in periods.items():
        for outcome, dash, part in kept(table[rows], state.trials):
            if not part.sizes["trial"]:
                continue
            middle, low, high, count = _spread(state, part)
            known = ~np.isnan(middle)
            middle, low, high = middle[known], low[known], high[known]
            text = f"{period}{outcome}: {part.sizes['trial']:,} trials{count}"
            draw.line_with_band(
                made,
                part["lag"].values[known],
                colour,
                text,
                middle=middle,
                low=low,
                high=high,
                dash=dash,
            )
    made.add_layout(draw.vertical(0, line_dash="dashed"))
    draw.legend_below(made)
    return made


def _reach(made, lag, values):
    """See the lags that some row has a value at, and the event; returns the width of a lag.

    Trials may end at the event, and nothing is known of the lags after it.
    """
    width = float(lag[1] - lag[0]) if len(lag) > 1 else 1.0
    known = [0.0, *lag[~np.isnan(values).all(axis=0)].tolist()]
    made.x_range.update(start=min(known) - width / 2, end=max(known) + width / 2)
    return width


def _spread(state, part):
    """Middle, low and high of a curve, and how many it is of."""
    if state.over == "trials":
        mean, error = mean_and_error(part.values)
        return mean, mean - error, mean + error, ", mean and s.e."
    means = replicate_means(part)
    low, middle, high = np.full((3, means.shape[1]), np.nan)
    known = ~np.isnan(means).all(axis=0)
    low[known], middle[known], high[known] = np.nanpercentile(means[:, known], [25, 50, 75], axis=0)
    return middle, low, high, f", n = {len(means)}"


def _map(state, signal, event, table):
    own = table[table["replicate"].values == state.replicate]
    (_, _, own), *_ = kept(own, "all" if state.trials == "apart" else state.trials)
    rows, lag, count = trial_rows(own), own["lag"].values, own.sizes["trial"]
    title = f"{count:,} trials, replicate {state.replicate}"
    made = draw.axes(
        title,
        f"time from {event} (ms)",
        "trial, the first on top" if count == len(rows) else f"trial, in {len(rows)} rows",
        height=300,
    )
    if count:
        width = _reach(made, lag, rows)
        made.y_range.update(start=count, end=0)
        limit = float(np.nanmax(np.abs(rows), initial=0.0)) or 1.0
        box = draw.image_data(rows, (lag[0] - width / 2, lag[-1] + width / 2), (0, count))
        draw.image(made, ColumnDataSource(box), signal, limit=limit)
    made.add_layout(draw.vertical(0, line_dash="dashed"))
    return made


def _population(state, seen, population, event):
    lag, mean, count = mean_activity(
        seen, population, event, state.before, state.after, state.replicate
    )
    time = f"time from {event} (ms)"
    if state.order == "components":
        scores, share = components(mean)
        title = f"{population}: {share.sum():.0%} of variance in {len(share)} components"
        made = draw.axes(title, time, "component (rate)", height=300)
        _reach(made, lag, mean.T)
        dashes = ("solid", "dashed", "dotdash")
        for k, curve in enumerate(scores.T):
            style = {
                "line_color": list(COLOURS.values())[k],
                "line_dash": dashes[k],
                "line_width": 2,
            }
            made.line(lag, curve, legend_label=f"component {k + 1}: {share[k]:.0%}", **style)
        draw.legend_below(made)
    else:
        rows = by_peak(mean) if state.order == "peak" else np.arange(mean.shape[1])
        title = f"{population}, mean of {count:,} trials of replicate {state.replicate}"
        label = "neuron, sorted by its peak" if state.order == "peak" else "neuron"
        made = draw.axes(title, time, label, height=300)
        width = _reach(made, lag, mean.T)
        edges = lag[0] - width / 2, lag[-1] + width / 2
        made.y_range.update(start=-0.5, end=len(rows) - 0.5)
        if state.order == "peak":  # places are ranks, the label names the neuron
            made.yaxis.ticker = list(range(len(rows)))[:: max(1, len(rows) // 16)]
            made.yaxis.major_label_overrides = {k: str(n) for k, n in enumerate(rows)}
        else:
            draw.count_places(made.yaxis, len(rows))
        limit = float(np.nanmax(np.abs(mean), initial=0.0)) or 1.0
        box = draw.image_data(mean[:, rows].T, edges, (-0.5, len(rows) - 0.5))
        draw.image(made, ColumnDataSource(box), "rate", limit=limit)
    made.add_layout(draw.vertical(0, line_dash="dashed"))
    return made
