"""Several runs as one tree, labelled by what differs between them, and any analysis of them together."""

import glob
import inspect
import json
import math
from pathlib import Path

import numpy as np
import xarray as xr

from .learning_curve import plot_learning_curve
from .style import COLOURS, LINES, captioned, legend_below, new_figure, styled

#: Bytes of what several runs hold together, beyond which they are to be opened one by one.
LARGEST = 4e9
#: What stands before the name of a setting in the configuration of a run.
_PREFIXES = ("agent.learning.", "agent.circuit.", "agent.", "run.")
#: Settings of a command that hold several, to what their names begin with; see `bgrl.settings`.
_HOLDERS = {
    "learning_options": "",
    "circuit_options": "",
    "task_options": "task.",
    "scales": "scale ",
}
#: Length of a value in a label, beyond which it is told in short; of a label, beyond which the legend
#: is below the axes.
_LONG, _WIDE = 60, 25
#: Values of a setting that a run does not have.
_NOTHING = (None, "", [], {})


def read(path):
    """Open a data file, of which what is looked at is read; to be closed.

    The times of a long recording are not read either: it has no index of `time`, which
    ``data["traces"].to_dataset().set_xindex("time")`` makes.

    Parameters
    ----------
    path : path

    Returns
    -------
    xarray.DataTree

    Raises
    ------
    ValueError
        If it is missing, truncated, or of something else.
    """
    if not Path(path).is_file():
        raise ValueError(f"{path}: no such file")
    try:
        data = xr.open_datatree(path, engine="netcdf4", create_default_indexes=False)
        json.loads(data.attrs.get("configuration") or data.attrs["settings"])
    except Exception as error:  # the readers raise whatever their C libraries think of
        raise ValueError(f"{path}: not a bgrl data file ({type(error).__name__})") from None
    groups = {node.path: _indexed(node.to_dataset(inherit=False)) for node in data.subtree}
    indexed = xr.DataTree.from_dict(groups)
    indexed.set_close(data.close)
    return indexed


def _indexed(group):
    """A group with an index of each dimension but the time."""
    for dim in group.dims:
        group = group.set_xindex(dim) if dim != "time" and dim in group.coords else group
    return group


def open(paths):
    """Open a data file, or several as one tree.

    Parameters
    ----------
    paths : path or sequence of path
        A file: its dataset, of which what is looked at is read. A pattern (``results/*.nc``) or a
        list of files: all of them in memory.

    Returns
    -------
    xarray.DataTree
        Of several runs: their groups, with a first dimension `run`, where a coordinate names each
        setting that differs; NaN where a run has no such place. The coordinate `run` is a label made
        of what differs. What is the same in all, as ``step`` where all were evaluated after the same
        steps, has no dimension `run`. `select` gives a single run back.

    Raises
    ------
    ValueError
        If there is no such file, one is not a data file, or they are too large for one tree.

    Examples
    --------
    >>> runs = open("results/*.nc")  # doctest: +SKIP
    >>> runs["evaluation"]["mean_return"].median("replicate")  # doctest: +SKIP
    """
    single = isinstance(paths, str | Path)
    if not single and not np.iterable(paths):
        raise ValueError(f"paths is {paths!r}; a path or a list of paths is needed")
    if single and not glob.has_magic(str(paths)):
        return read(paths)
    files = sorted(glob.glob(str(paths))) if single else list(map(str, paths))
    if not files:
        raise ValueError(f"no file is like {paths}" if single else "no file is given")
    opened = [read(file) for file in files]
    try:
        return join(opened, files)
    finally:
        for data in opened:
            data.close()


def join(datasets, files):
    """Several datasets as one tree, see `open`.

    Parameters
    ----------
    datasets : list of xarray.DataTree
    files : list of str
        A name for each.

    Raises
    ------
    ValueError
        If they are too large for one tree.
    """
    datasets = [data.drop_nodes("envelope", errors="ignore") for data in datasets]
    size = sum(group.nbytes for data in datasets for group in data.subtree)
    if size > LARGEST:
        raise ValueError(
            f"{len(datasets)} runs hold {size / 1e9:.3g} GB together, at most {LARGEST / 1e9:g} are "
            "opened as one; open them one by one, or record less often"
        )
    differing = differences(datasets)
    labels = labels_of(differing, files)
    sizes = [{g.path: dict(g.sizes) for g in data.subtree} for data in datasets]
    own = [{k: _plain(v) for k, v in data.attrs.items()} for data in datasets]
    varied = {name: ("run", _column(values)) for name, values in differing.items()}
    root = xr.Dataset(
        {
            "file": _text("run", files, "data file"),
            "attributes": _text("run", map(json.dumps, own), "root attributes of the run, as JSON"),
            "sizes": _text("run", map(json.dumps, sizes), "sizes of the run's dimensions, as JSON"),
        },
        {"run": ("run", labels), **varied},
        {k: v for k, v in own[0].items() if all(k in o and o[k] == v for o in own)},
    )
    paths = dict.fromkeys(g.path for data in datasets for g in data.subtree if g.path != "/")
    groups = {
        path: _joined([_group(data, path) for data in datasets]).assign_coords(varied)
        for path in paths
    }
    return xr.DataTree.from_dict({"/": root, **groups})


def select(runs, run):
    """One of several runs, as its own file has it.

    Parameters
    ----------
    runs : xarray.DataTree
        Of `open`.
    run : int
        Which one.

    Returns
    -------
    xarray.DataTree
    """
    root = runs.to_dataset().isel(run=run)
    labels = [name for name, values in runs.coords.items() if values.dims == ("run",)]
    sizes = json.loads(root["sizes"].item())
    groups = {"/": xr.Dataset(attrs=json.loads(root["attributes"].item()))}
    for path, own in sizes.items():
        if path != "/":
            group = runs[path].to_dataset(inherit=False)
            group = group.isel(run=run) if "run" in group.dims else group
            others = [name for name, v in group.variables.items() if not set(v.dims) <= set(own)]
            group = group.drop_vars(others)
            group = group.isel({dim: slice(n) for dim, n in own.items() if dim in group.dims})
            groups[path] = group.drop_vars(labels, errors="ignore")
    return xr.DataTree.from_dict(groups)


def settings(data):
    """What a run was made with, name to value: the options of its command, or else its configuration.

    Parameters
    ----------
    data : xarray.DataTree

    Returns
    -------
    dict of str to object
    """
    if "settings" not in data.attrs:
        return _configured(data)
    found = {}
    for name, value in json.loads(data.attrs["settings"]).items():
        if name in _HOLDERS:
            found |= {f"{_HOLDERS[name]}{key}": v for key, v in value.items()}
        else:
            found[name] = value
    return found | ({"intervene": data.attrs["steered"]} if "steered" in data.attrs else {})


def differences(datasets):
    """Name to the values of each setting that differs between runs; None where a run has none.

    Parameters
    ----------
    datasets : sequence of xarray.DataTree

    Returns
    -------
    dict of str to list
    """
    read = settings if all("settings" in data.attrs for data in datasets) else _configured
    found = [read(data) for data in datasets]
    names = dict.fromkeys(name for own in found for name in own)
    columns = {name: [own.get(name) for own in found] for name in names}
    found = {k: v for k, v in columns.items() if any(value != v[0] for value in v)}
    # A lesion is told by what it took, not by what it left as well.
    return {k: v for k, v in found.items() if f"{k.removesuffix('.mask')}.lesioned" not in found}


def _configured(data):
    """The configuration of a run as one level: `learning_rate`, `task.length`, `cortex.tau`."""
    found = {}

    def walk(path, value):
        if isinstance(value, dict) and value:
            for key, inner in value.items():
                walk(f"{path}.{key}" if path else key, inner)
        else:
            found[path] = value

    walk("", json.loads(data.attrs["configuration"]))
    named = {}
    for path, value in found.items():
        for long, short in (
            (".parameters.", "."),
            ("circuit.populations.", ""),
            ("circuit.projections.", ""),
        ):
            path = path.replace(long, short)
        prefix = next((p for p in _PREFIXES if path.startswith(p)), "")
        named[path.removeprefix(prefix).removesuffix(".value")] = value
    return {k: v for k, v in named.items() if k not in ("version", "task.summary")}


def labels_of(differing, files):
    """A name for each run: what differs and is there, or its file where that does not tell runs apart."""
    labels = [
        ", ".join(
            f"{name} {shown(values[k])}"
            for name, values in differing.items()
            if values[k] not in _NOTHING
        )
        or f"no {' and no '.join(differing)}"
        for k in range(len(files))
    ]
    if len(set(labels)) < len(labels) or max(map(len, labels)) > 2 * _LONG:
        labels = [Path(file).stem for file in files]
    return labels if len(set(labels)) == len(labels) else list(files)


def shown(value):
    """A value of a setting in a label."""
    if value in _NOTHING:
        return "none"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list):
        try:
            numbers = np.asarray(value, float)
        except (TypeError, ValueError):
            text = "; ".join(map(shown, value))
        else:
            text = ", ".join(f"{v:g}" for v in numbers.flat)
            if len(text) > _LONG:
                text = f"mean {numbers.mean():.3g}"
    elif isinstance(value, dict):
        # An intervention by what is done; anything else by its values.
        kept = [value[k] for k in ("kind", "target", "value") if k in value] or value.values()
        text = " ".join(str(v) for v in kept if v is not None)
    else:
        text = str(value)
    return text if len(text) <= _LONG else f"{text[: _LONG - 3]}..."


def _column(values):
    """Values of a coordinate: numbers, or else texts."""
    if all(isinstance(v, int | float) and not isinstance(v, bool) for v in values):
        return np.array(values)
    return np.array(list(map(shown, values)))


def _plain(value):
    return value.item() if isinstance(value, np.generic) else value


def _text(dim, values, long_name):
    return xr.Variable(dim, np.array(list(values)), {"long_name": long_name, "units": "1"})


def _group(data, path):
    return data[path].to_dataset(inherit=False) if path in data.groups else xr.Dataset()


def _joined(parts):
    """Datasets of one group as one, with a first dimension for the runs."""
    names = dict.fromkeys(name for part in parts for name in part.variables)
    coordinates = {name for part in parts for name in part.coords}
    sizes = {}
    for dim, n in (item for part in parts for item in part.sizes.items()):
        sizes[dim] = max(n, sizes.get(dim, 0))
    found = {name: _stacked([part.variables.get(name) for part in parts], sizes) for name in names}
    # Labels of an axis that differ between runs are no index of it.
    found = {k: v for k, v in found.items() if k not in v.dims[1:] or v.dims == (k,)}
    return xr.Dataset(
        {k: v for k, v in found.items() if k not in coordinates},
        {k: v for k, v in found.items() if k in coordinates},
    )


def _stacked(variables, sizes):
    """A variable of several runs; without a dimension `run` if it is a coordinate of one axis in all.

    Dimensions are as long as in the run in which they are longest, whether that has the variable or not.
    """
    known = [v for v in variables if v is not None]
    first = known[0]
    if len(known) == len(variables) and first.ndim == 1 and all(v.identical(first) for v in known):
        return first.load()
    shape = tuple(sizes[dim] for dim in first.dims)
    numeric = all(v.dtype.kind in "fiub" for v in known)
    whole = numeric and len(known) == len(variables) and all(v.shape == shape for v in known)
    dtype = np.result_type(*(v.dtype for v in known)) if numeric else object
    if numeric and not whole and dtype.kind != "f":
        dtype = float
    missing = np.nan if np.dtype(dtype).kind == "f" else np.zeros((), dtype).item()
    values = np.full((len(variables), *shape), missing if numeric else "", dtype)
    for k, variable in enumerate(variables):
        if variable is not None:
            values[(k, *map(slice, variable.shape))] = variable.values
    return xr.Variable(("run", *first.dims), values, first.attrs)


@styled
def plot_compare(runs, plot=plot_learning_curve, **options):
    """An analysis of several runs side by side.

    In one pair of axes where the analysis takes a colour and a label, so that curves are compared;
    otherwise a panel for each run, all with the same axes.

    Parameters
    ----------
    runs : xarray.DataTree
        Of `open`, with a dimension `run`.
    plot : callable
        ``plot(data, *, ax, **options)``, any of `analysis`: `plot_learning_curve`, `plot_trials`,
        `plot_event_aligned`, `plot_policy_at_query`, ...
    **options
        Of `plot`.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If there is no dimension `run`.
    """
    if "run" not in runs.dims:
        raise ValueError(
            "a tree with a dimension 'run' is needed; bgrl.open makes one of a list of files"
        )
    labels = runs["run"].values.tolist()
    own = [name for name in runs.coords if name != "run"]
    title = f"{len(labels)} runs" + (f" that differ in {', '.join(own)}" if own else "")
    if {"colour", "label"} <= set(inspect.signature(plot).parameters):
        wide = max(map(len, labels)) > _WIDE
        figure, captions = new_figure(7.2, 3.8 + 0.3 * wide * len(labels)), []
        ax = figure.add_subplot()
        for k, label in enumerate(labels):
            lines = len(ax.lines)
            colour = list(COLOURS.values())[k % len(COLOURS)]
            plot(select(runs, k), ax=ax, colour=colour, label=label, **options)
            found = ax.get_title(loc="left")
            told = [text.get_text() for text in ax.texts if text.get_gid() == "caption"]
            captions += [line for text in told for line in text.split("\n")]
            for line in ax.lines[lines:]:
                if line.get_label() == label:
                    line.set_linestyle(LINES[k // len(COLOURS) % len(LINES)])
                    line.set_label(f"{label}\n{found}" if found else label)
        captioned(ax, title, "\n".join(dict.fromkeys(captions)))
        if wide:
            legend_below(figure, ncols=1)
        else:
            figure.legend(loc="outside right upper")
        return figure
    columns = min(3, len(labels))
    rows = math.ceil(len(labels) / columns)
    figure = new_figure(4.2 * columns, 3.2 * rows + 0.4)
    axes = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).flat
    for k, label in enumerate(labels):
        plot(select(runs, k), ax=axes[k], **options)
        found = axes[k].get_title(loc="left")
        axes[k].set_title(f"{label}\n{found}" if found else label)
    for ax in axes[len(labels) :]:
        ax.set_axis_off()
    figure.suptitle(title)
    return figure
