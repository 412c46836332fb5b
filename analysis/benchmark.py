"""What a step takes, the time that it cannot go below on the machine, and where the time goes.

The limit is the larger of two times: operations of a step / those of the fastest matrix product, and
bytes of a step / bandwidth of memory at the size of the program's state. It neglects that a hyperbolic
tangent, a square root or a division takes longer than an addition, that multiplications and additions
of a matrix product are fused (the programs' are not, to give the same numbers everywhere), and what it
costs to begin a short loop, of which a step of a small network has many. It counts an array once for
each piece of code that reads or writes it, and the whole state as the working set, so that a program
whose arrays stay in registers or in a nearer cache from one piece to the next can be faster than the
limit: fractions above 1 are possible.

Pieces that run as one loop count in the slot where that loop is: exact sensitivities, contracted with
learning signals as they are made, in ``plasticity``.
"""

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator

from .gradient_quality import METHODS as GRADIENTS
from .style import COLOURS, axes_or_new, letter, new_figure, styled

#: Method to colour and marker.
METHODS = {name: style[:2] for name, style in GRADIENTS.items()} | {
    "none": (COLOURS["grey"], "v"),
    "lru": (COLOURS["purple"], "P"),
}
#: Slot to colour; the others, which hardly take time, are drawn as one.
SLOTS = {
    "drive": COLOURS["blue"],
    "cortex": COLOURS["orange"],
    "sensitivity": COLOURS["green"],
    "striatum": COLOURS["vermillion"],
    "plasticity": COLOURS["purple"],
    "eligibility": COLOURS["sky"],
}
_OTHERS = "#D0D0D0"
#: Backend that `cpp` is compared with to its line, and whether its markers are filled.
BACKENDS = {"cuda": ("--", True), "cuda-emulated": (":", False)}
_TITLE = 8.5
#: How a limit is drawn, and the size of the state.
_DASHED = {"linestyle": (0, (4, 2)), "linewidth": 0.9}


def limit(data):
    """Time that a step cannot go below.

    Parameters
    ----------
    data : xarray.DataTree
        Of the benchmark's suite.

    Returns
    -------
    xarray.DataArray
        In s, (method, units, replicates); NaN where nothing was measured.
    """
    measured, machine = data["benchmark"].to_dataset(), data["machine"].to_dataset()
    # Between the sizes that were measured, on logarithmic axes; beyond them, the last one.
    bandwidth = np.exp(
        np.interp(
            np.log(measured["state_size"]),
            np.log(machine["working_set"]),
            np.log(machine["bandwidth"]),
        )
    )
    moving = measured["slot_bytes"].sum("slot", skipna=False) / bandwidth
    computing = measured["slot_operations"].sum("slot", skipna=False) / machine["sgemm"]
    found = np.maximum(moving, computing).rename("limit")
    return found.assign_attrs(units="s", long_name="time that a step cannot go below")


def limit_rate(data):
    """Task steps per second at the limit, all replicates together."""
    return data["benchmark"]["replicates"] / limit(data)


def fraction(data):
    """Fraction of the limit that is reached, the median over repeats; above 1 see the module."""
    return _rate(data).median("repeat") / limit_rate(data)


def _rate(data):
    return data["benchmark"]["steps_per_second"]


def _sweeps(data):
    """The number of replicates with which sizes vary, and that of neurons with which replicates do."""
    measured = _rate(data).median("repeat").notnull()
    most = measured.sum(("method", "replicates"))
    return int(measured["replicates"][0]), int(measured["units"][np.argmax(most.values)])


def _entries(values):
    """What is not NaN: (value, coordinate of each dimension, ...)."""
    return [
        (value, *(values[d].values.tolist()[k] for d, k in zip(values.dims, at, strict=True)))
        for at, value in np.ndenumerate(values.values)
        if not np.isnan(value)
    ]


def summary(data):
    """The outcome as lines of text."""
    attributes, sgemm = data["machine"].attrs, float(data["machine"]["sgemm"])
    bandwidth = data["machine"]["bandwidth"].values / 1e9
    loads = "{load_average_before:.1f} before, {load_average_after:.1f} after".format(**attributes)
    lines = [
        "{processor}, {cores} cores, {compiler}".format(**attributes),
        f"one core: {sgemm / 1e9:.0f} billion operations/s in a matrix product, "
        f"{bandwidth[0]:.0f} GB/s in the nearest cache, {bandwidth[-1]:.1f} GB/s in memory; "
        f"load {loads}",
        "method  neurons  replicates       steps/s (range)             of limit  build (s)  "
        "memory (MB)  most time in",
    ]
    measured = data["benchmark"].to_dataset().assign(fraction=fraction(data))
    for _, method, units, replicates in _entries(measured["fraction"]):
        row = measured.sel({"method": method, "units": units, "replicates": replicates})
        low, middle, high = np.percentile(row["steps_per_second"], [0, 50, 100])
        spread = f"({low:,.0f} to {high:,.0f})"
        share = (row["slot_seconds"] / row["slot_seconds"].sum()).values
        lines.append(
            f"{method:<6} {units:8d} {replicates:11d} {middle:13,.0f} {spread:<26}"
            f"{float(row['fraction']):9.3f} {float(row['build_seconds']):10.1f} "
            f"{float(row['peak_memory']) / 1e6:12.0f}  "
            f"{row['slot'].values[share.argmax()]} ({share.max():.0%})"
        )
    if "compared" in data.children:
        lines.append("compared with  method  neurons  replicates       steps/s  of cpp in float32")
        rates = data["compared"]["steps_per_second"].median("repeat")
        for rate, program, method, units, replicates in _entries(rates):
            at = {"method": method, "units": units, "replicates": replicates}
            ratio = rate / float(_rate(data).median("repeat").sel(at))
            lines.append(
                f"{program:<14} {method:<6} {units:8d} {replicates:11d} {rate:13,.0f} {ratio:18.3f}"
            )
    if skipped := data.attrs["skipped"]:
        lines.append(f"skipped: {skipped}")
    return lines


def _plot_lines(values, dimension, ax, low=None, high=None):
    """A line for each method, with the range of repeats if given."""
    for method in values["method"].values:
        colour, marker = METHODS[method]
        row = values.sel({"method": method}).dropna(dimension)
        errors = None
        if low is not None:
            ends = [e.sel({"method": method, dimension: row[dimension]}) for e in (low, high)]
            errors = [(row - ends[0]).values, (ends[1] - row).values]
        ax.errorbar(
            row[dimension].values,
            row.values,
            yerr=errors,
            label=method,
            color=colour,
            marker=marker,
            markersize=4,
            elinewidth=1,
        )
    sizes = values[dimension].values
    ax.set_xscale("log", base=2)
    ax.set_xticks(sizes, [str(n) for n in sizes])
    ax.xaxis.set_minor_locator(NullLocator())
    label = {"units": "neurons in the cortex", "replicates": "replicates in one program"}
    ax.set_xlabel(label[dimension])


def _compared(data, program):
    """Steps per second of what is compared, the median over repeats; None where it was not measured."""
    if "compared" not in data.children:
        return None
    rate = data["compared"]["steps_per_second"].median("repeat")
    return (
        rate.sel(program=program).dropna("method", how="all") if program in rate.program else None
    )


def _plot_dashed(values, dimension, ax):
    """What the lines are compared with, for each method."""
    for method in values["method"].values:
        row = values.sel({"method": method}).dropna(dimension)
        ax.plot(row[dimension], row, color=METHODS[method][0], **_DASHED)


def _selected(data, dimension):
    """Which configurations a sweep over a dimension is made of."""
    replicates, units = _sweeps(data)
    return {"replicates": replicates} if dimension == "units" else {"units": units}


@styled
def plot_rate(data, dimension, *, ax=None):
    """Steps per second against `dimension`, "units" or "replicates"; the limit is dashed."""
    ax = axes_or_new(ax)
    rates = _rate(data).sel(_selected(data, dimension))
    middle = rates.median("repeat")
    _plot_lines(middle, dimension, ax, rates.min("repeat"), rates.max("repeat"))
    _plot_dashed(limit_rate(data).sel(_selected(data, dimension)), dimension, ax)
    ax.set(yscale="log", ylabel="task steps per second")
    last = max(at for _, _, at in _entries(middle))
    if dimension == "units":
        (low, slowest), (high, fastest) = _extremes(middle, last)
        ends = f"{low:,.0f} ({slowest}) to {high:,.0f} ({fastest})"
        title = f"At {last} neurons: {ends} steps/s"
    else:
        first = middle["replicates"].values[0]
        (low, worst), (high, best) = _extremes(middle / middle.isel(replicates=0), last)
        title = f"Rate with {last} over {first}: {low:.2f} ({worst}) to {high:.2f} ({best})"
    ax.set_title(title, fontsize=_TITLE)
    return ax


def _extremes(values, last):
    """The smallest and the largest value at the end of a sweep, and their methods."""
    found = [(value, method) for value, method, at in _entries(values) if at == last]
    return min(found), max(found)


@styled
def plot_fraction(data, *, ax=None):
    """Fraction of the limit that is reached, against the number of neurons."""
    ax = axes_or_new(ax)
    values = fraction(data).sel(_selected(data, "units"))
    _plot_lines(values, "units", ax)
    ax.axhline(1, color="black", **_DASHED)
    ax.set(yscale="log", ylabel="fraction of the limit reached")
    low, high = ax.get_ylim()
    decades = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
    ticks = [m * 10.0**k for k in decades for m in (1, 2, 5) if low <= m * 10.0**k <= high]
    ax.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    ax.yaxis.set_minor_locator(NullLocator())
    ends = [f"{v:.2g} ({m} at {n})" for v, m, n in (min(_entries(values)), max(_entries(values)))]
    ax.set_title(f"Of the limit: {' to '.join(ends)}", fontsize=_TITLE)
    return ax


@styled
def plot_slots(data, *, ax=None):
    """Share of a step's time by slot, a bar for each method."""
    ax = axes_or_new(ax)
    replicates, units = _sweeps(data)
    seconds = data["benchmark"]["slot_seconds"].sel(units=units, replicates=replicates)
    seconds = seconds.dropna("method")
    share = seconds / seconds.sum("slot")
    others = [slot for slot in share["slot"].values if slot not in SLOTS]
    parts = [(slot, share.sel(slot=slot).values, colour) for slot, colour in SLOTS.items()]
    parts.append((", ".join(others), share.sel(slot=others).sum("slot").values, _OTHERS))
    methods, left = seconds["method"].values, np.zeros(seconds.sizes["method"])
    for name, width, colour in parts:
        ax.barh(methods, width, 0.65, left, color=colour, label=name, edgecolor="white")
        left = left + width
    rate = _rate(data).sel(units=units, replicates=replicates).median("repeat").dropna("method")
    for k, time in enumerate(replicates / rate.values):
        ax.text(1.01, k, f"{time * 1e6:,.3g} µs", va="center", fontsize=8)
    ax.set(xlim=(0, 1), xlabel=f"share of a step ({units} neurons, replicates: {replicates})")
    ax.invert_yaxis()
    largest = [max(_entries(share.sel({"method": m}))) + (m,) for m in methods]
    most, slot, method = max(largest)
    least, _, even = min(largest)
    title = f"{slot} is {most:.0%} of {method}"
    if even != method:
        title += f"; in {even} no slot is above {least:.0%}"
    ax.set_title(title, fontsize=_TITLE)
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.17), ncols=4, handlelength=1)
    return ax


@styled
def plot_build(data, *, ax=None):
    """Time to generate and compile the program, against the number of neurons."""
    ax = axes_or_new(ax)
    values = data["benchmark"]["build_seconds"].sel(_selected(data, "units"))
    _plot_lines(values, "units", ax)
    ax.set(ylabel="build from nothing (s)", ylim=(0, 1.1 * float(values.max())))
    title = f"A build takes {float(values.min()):.1f} to {float(values.max()):.1f} s"
    ax.set_title(title, fontsize=_TITLE)
    return ax


@styled
def plot_memory(data, *, ax=None):
    """Peak of memory against the number of neurons; the size of the state is dashed."""
    ax = axes_or_new(ax)
    group = data["benchmark"].to_dataset().sel(_selected(data, "units"))
    peak = group["peak_memory"] / 1e6
    _plot_lines(peak, "units", ax)
    _plot_dashed(group["state_size"] / 1e6, "units", ax)
    ax.set(yscale="log", ylabel="peak memory (MB)")
    most, method, n = max(_entries(peak))
    title = f"At most {most:.0f} MB, for {method} at {n} neurons"
    ax.set_title(title, fontsize=_TITLE)
    return ax


@styled
def plot_precision(data, *, ax=None):
    """How many times as fast single precision is as double, against the number of neurons."""
    ax = axes_or_new(ax)
    double, (replicates, _) = _compared(data, "float64"), _sweeps(data)
    ratio = _rate(data).median("repeat") / double
    ratio = ratio.sel(replicates=replicates).dropna("method", how="all")
    _plot_lines(ratio, "units", ax)
    ax.axhline(1, color="black", linewidth=0.8)
    ax.set(ylabel="rate in float32 / float64", ylim=(0, 1.1 * float(ratio.max())))
    ends = [f"{v:.2f} ({m} at {n})" for v, m, n in (min(_entries(ratio)), max(_entries(ratio)))]
    ax.set_title(f"float32 is {' to '.join(ends)} times as fast", fontsize=_TITLE)
    return ax


@styled
def plot_backends(data, *, ax=None):
    """Steps per second of other backends and of `cpp`, against the number of replicates."""
    ax = axes_or_new(ax)
    _, units = _sweeps(data)
    own = _rate(data).median("repeat").sel(units=units)
    found = {name: _compared(data, name) for name in BACKENDS}
    found = {name: rate.sel(units=units) for name, rate in found.items() if rate is not None}
    rates = {"cpp": own.sel({"method": next(iter(found.values()))["method"].values})} | found
    for name, values in rates.items():
        line, filled = ("-", True) if name == "cpp" else BACKENDS[name]
        for method in values["method"].values:
            colour, marker = METHODS[method]
            row = values.sel({"method": method}).dropna("replicates")
            ax.plot(
                row["replicates"],
                row,
                linestyle=line,
                color=colour,
                marker=marker,
                markersize=4,
                markerfacecolor=colour if filled else "white",
            )
    ax.set(xscale="log", yscale="log", ylabel="task steps per second")
    sizes = own["replicates"].values
    ax.set_xscale("log", base=2)
    ax.set_xticks(sizes, [str(n) for n in sizes])
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_xlabel(f"replicates in one program ({units} neurons)")
    styles = {"cpp": "-"} | {name: BACKENDS[name][0] for name in found}
    handles = [Line2D([], [], color="black", linestyle=line) for line in styles.values()]
    legend = ax.legend(
        handles, styles, loc="upper left", bbox_to_anchor=(1.02, 1), handlelength=2.6
    )
    # In the figure there is no panel beside this one.
    legend.set_in_layout(ax.figure.axes == [ax])
    name, values = next(iter(found.items()))
    ratio = values / own
    last = max(at for _, _, at in _entries(ratio))
    (low, worst), (high, best) = _extremes(ratio, last)
    title = f"With {last} replicates {name} has {low:.2g} ({worst}) to {high:.2g} ({best}) of cpp"
    ax.set_title(title, fontsize=_TITLE)
    return ax


@styled
def figure(data):
    """Rates, fraction of the limit, where the time goes, build, memory, precision and backends."""
    more = [plot_precision] if _compared(data, "float64") is not None else []
    more += [plot_backends] if any(_compared(data, name) is not None for name in BACKENDS) else []
    result = new_figure(12.4, 10.2 if more else 6.8)
    axes = result.subplots(3 if more else 2, 3)
    for plot, ax in zip(more, axes[2] if more else (), strict=False):
        plot(data, ax=ax)
    for ax in axes[2, len(more) :] if more else ():
        ax.set_axis_off()
    plot_rate(data, "units", ax=axes[0, 0])
    plot_fraction(data, ax=axes[0, 1])
    plot_rate(data, "replicates", ax=axes[0, 2])
    plot_slots(data, ax=axes[1, 0])
    plot_build(data, ax=axes[1, 1])
    plot_memory(data, ax=axes[1, 2])
    for k, ax in enumerate([*axes[:2].flat, *(axes[2, : len(more)] if more else ())]):
        letter(ax, "abcdefgh"[k])
    handles, labels = axes[0, 0].get_legend_handles_labels()
    handles.append(Line2D([], [], color="black", **_DASHED))
    labels.append("limit (a, b, c), size of the state (f)")
    legend = axes[1, 1].legend(
        handles, labels, loc="upper center", bbox_to_anchor=(1.1, -0.17), ncols=len(labels)
    )
    # It stands below two panels, in the room that the legend of the slots makes.
    legend.set_in_layout(False)
    return result
