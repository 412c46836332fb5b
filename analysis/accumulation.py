"""Psychometric and chronometric curves of accumulators, beside a diffusion process and a monkey.

Intervals are bootstrap intervals (95 %) of the mean over replicates, which differ in their noise.
"""

import numpy as np

from .style import COLOURS, letter, new_figure, styled
from .trials import bootstrap_interval
from .verdicts import lines, verdict

#: How far accuracy may be from that of the diffusion process, and time as a share of it.
ACCURACY, TIME = 0.01, 0.02
#: How far accuracy and reaction time (s) may be from the monkey's, at any coherence.
MONKEY_ACCURACY, MONKEY_TIME = 0.03, 0.015
#: Inhibition, of what balances the leak, to what it is called.
BALANCES = {
    0.5: ("half of the leak", COLOURS["sky"]),
    1.0: ("balances the leak", COLOURS["vermillion"]),
    1.5: ("one and a half of it", COLOURS["purple"]),
}
#: Where coherence 0 is drawn on the logarithmic axis.
ZERO = 0.016


def curves(data, balance):
    """Everything at one balance of inhibition and leak."""
    return data["curves"].to_dataset().sel(balance=balance)


def deviations(data, balance):
    """How far each replicate is from the diffusion process, whichever side a coherence is on.

    The sign of each coherence is that of the mean over replicates, so that the mean over them is the mean
    of absolute differences: those of opposite signs do not cancel.

    Returns
    -------
    accuracy, time : arrays (replicate,)
        Difference of accuracy, and of time as a share of the predicted.
    """
    found = curves(data, balance)
    accuracy = found["accuracy"] - found["accuracy_predicted"]
    time = found["decision_time"] / found["time_predicted"] - 1
    return tuple(
        (np.sign(apart.mean("replicate")) * apart).mean("coherence").values
        for apart in (accuracy, time)
    )


def verdicts(data):
    """What is compared to its `analysis.verdicts.Verdict`."""
    found = {}
    for balance in data["curves"]["balance"].values.tolist():
        named = f"inhibition {balance:g} of the leak: "
        for what, values, limit in zip(
            ("accuracy", "time"), deviations(data, balance), (ACCURACY, TIME), strict=True
        ):
            text = f"within {limit:g} of the diffusion process"
            found[f"{named}{what}"] = verdict(values, -limit, limit, text, np.mean)
    balanced, monkey = curves(data, 1.0), data["monkey"].to_dataset()
    # At coherence 0 no choice is right.
    accuracy = (balanced["accuracy"] - monkey["accuracy"])[1:]
    time = balanced["decision_time"] + float(data.attrs["non_decision_s"]) - monkey["reaction_time"]
    for what, apart, limit in (
        ("accuracy", accuracy, MONKEY_ACCURACY),
        ("reaction time (s)", time, MONKEY_TIME),
    ):
        worst = abs(apart.mean("replicate")).argmax("coherence")
        values = abs(apart.isel(coherence=int(worst))).values
        text = f"at most {limit:g} from the monkey"
        found[f"largest difference, {what}"] = verdict(values, 0, limit, text, np.mean)
    return found


def summary(data):
    """Curves and verdicts as lines of text."""
    balanced, monkey = curves(data, 1.0), data["monkey"].to_dataset()
    extra = float(data.attrs["non_decision_s"])
    rows = ["coherence   right: model  diffusion  monkey    time (s): model  diffusion  monkey"]
    for c in balanced["coherence"].values:
        at = balanced.sel(coherence=c).mean("replicate")
        other = monkey.sel(coherence=c)
        rows.append(
            f"{100 * c:6.1f} %   {float(at['accuracy']):12.3f}  {float(at['accuracy_predicted']):9.3f}  "
            f"{float(other['accuracy']):6.3f}    {float(at['decision_time']) + extra:15.3f}  "
            f"{float(at['time_predicted']) + extra:9.3f}  {float(other['reaction_time']):6.3f}"
        )
    return [*rows, *lines(verdicts(data))]


def _grows(data, name):
    """Whether something is more with the least inhibition than with the most, over replicates."""
    balances = data["curves"]["balance"].values.tolist()
    least, most = (curves(data, f(balances))[name].mean("coherence") for f in (min, max))
    return verdict((least - most).values, 0, np.inf, "above 0", np.mean).shown


def _axis(coherence):
    """Coherence on a logarithmic axis that has a place for 0."""
    return 100 * np.where(np.asarray(coherence) == 0, ZERO, coherence)


def _coherence_axis(ax):
    ax.set_xscale("log")
    ax.set_xticks(
        [100 * ZERO, 3.2, 6.4, 12.8, 25.6, 51.2], ["0", "3.2", "6.4", "12.8", "25.6", "51.2"]
    )
    ax.minorticks_off()
    ax.set_xlabel("coherence (%)")


@styled
def plot_curve(data, variable, balances, *, ax, extra=0.0):
    """Accuracy or time against coherence, with what the diffusion process predicts.

    Parameters
    ----------
    data : xarray.DataTree
    variable : {"accuracy", "decision_time"}
    balances : sequence of float
    extra : float
        Added to times, in s.
    """
    for balance in balances:
        found = curves(data, balance)
        label, colour = BALANCES[balance]
        x, values = _axis(found["coherence"]), found[variable].values + extra
        limits = np.array([bootstrap_interval(row, np.mean) for row in values])
        mean = values.mean(axis=1)
        errors = np.abs(limits.T - mean)
        ax.errorbar(x, mean, errors, fmt="o", color=colour, markersize=4, label=label)
        predicted = found["accuracy_predicted" if variable == "accuracy" else "time_predicted"]
        ax.plot(x, predicted.values + extra, color=colour, linewidth=1)
    _coherence_axis(ax)
    return ax


@styled
def figure(data):
    """Accumulators over time, curves beside the monkey's, and curves with other inhibition.

    Parameters
    ----------
    data : xarray.DataTree

    Returns
    -------
    matplotlib.figure.Figure
    """
    result = new_figure(10.0, 6.4)
    grid = result.add_gridspec(2, 6)
    bound, extra = float(data.attrs["bound"]), float(data.attrs["non_decision_s"])
    ax = result.add_subplot(grid[0, :2])
    traces = data["traces"].to_dataset()
    ax.plot(traces["time"], traces["difference"], color=COLOURS["blue"], linewidth=0.8)
    for edge in (-bound, bound):
        ax.axhline(edge, color="black", linestyle="--", linewidth=0.8)
    ax.set(xlabel="time (s)", ylabel="LIP, left - right", ylim=(-1.25 * bound, 1.25 * bound))
    ax.set_title(f"A choice ends at a bound, {100 * data.attrs['traced']:g} %")
    letter(ax, "A")
    monkey = data["monkey"].to_dataset()
    count, x = data["curves"].sizes["replicate"], _axis(monkey["coherence"])
    square = {"fmt": "s", "color": "black", "markersize": 4, "markerfacecolor": "none"}
    ax = plot_curve(data, "accuracy", (1.0,), ax=result.add_subplot(grid[0, 2:4]))
    share, trials = monkey["accuracy"].values, monkey["trials"].values
    ax.errorbar(x, share, 1.96 * np.sqrt(share * (1 - share) / trials), **square)
    ax.set(ylabel="share of right choices", ylim=(0.4, 1.03))
    shown = {k: v.shown for k, v in verdicts(data).items()}
    alike = [shown[f"inhibition 1 of the leak: {k}"] for k in ("accuracy", "time")]
    is_it = "is" if alike[0] else "is NOT shown to be"
    ax.set_title(f"Accuracy {is_it} that of a diffusion process")
    letter(ax, "B")
    ax = plot_curve(data, "decision_time", (1.0,), ax=result.add_subplot(grid[0, 4:]), extra=extra)
    ax.errorbar(
        x, monkey["reaction_time"], 1.96 * monkey["reaction_time_error"], label="monkey 1", **square
    )
    ax.set(ylabel="mean reaction time (s)", ylim=(0.4, 0.85))
    ax.set_title(f"The time {'is, too' if alike[1] else 'is NOT shown to be'}")
    handles, _ = ax.get_legend_handles_labels()
    names = [f"model, n = {count}, and theory", "monkey 1 (fitted to), 436 trials each"]
    ax.legend(handles, names, loc="lower left", fontsize=7)
    letter(ax, "C")
    balances = data["curves"]["balance"].values.tolist()
    ax = plot_curve(data, "accuracy", balances, ax=result.add_subplot(grid[1, :3]))
    ax.set(ylabel="share of right choices", ylim=(0.4, 1.03))
    right, slow = (_grows(data, name) for name in ("accuracy", "decision_time"))
    ax.set_title(f"Less inhibition: {'more' if right else 'NOT more'} often right ...")
    ax.legend(title="inhibition", loc="lower right")
    letter(ax, "D")
    ax = plot_curve(data, "decision_time", balances, ax=result.add_subplot(grid[1, 3:]))
    ax.set(ylabel="mean decision time (s)", ylim=(0, None))
    ax.set_title(f"... and {'' if slow else 'NOT '}slower; theory: lines")
    letter(ax, "E")
    return result
