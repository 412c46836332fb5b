"""An experiment at every combination of some settings, over processes or machines, as one dataset.

``python -m experiments.sweep EXPERIMENT --vary NAME=VALUE,VALUE,... [--vary ...]`` varies any setting
of the experiment, of the learning rule (discount, rate_critic, ...; learning_rate for all three rates)
or of the task (task.NAME), and takes all options of the experiment, which may be a FILE.py of one's
own. A point of a sweep is a run of the experiment, all with the same seed. Points are spread over the
cores of this machine by dask, each in one process if --processes says nothing else, or over the workers
of a scheduler that runs already, which must see the same files. Finished points are kept, so that a
sweep that was stopped or killed goes on when the same command is given again, and one with further
values computes only what is new. A point that fails is reported; the others finish.
"""

import contextlib
import functools
import hashlib
import importlib
import itertools
import logging
import pkgutil
import shutil
import signal
import sys
import threading
import types
from dataclasses import replace
from pathlib import Path

import numpy as np
import xarray as xr
from tqdm import tqdm

from bgrl import __version__, experiments
from bgrl.agent import describe
from bgrl.assembly import UNFINISHED, variable
from bgrl.backends import BACKENDS, load
from bgrl.backends.groups import cores
from bgrl.backends.joint import Joint, LaunchFailed
from bgrl.checkpoints import Work, has_learned
from bgrl.cli import run_command, typed
from bgrl.dataset import read_attributes, write
from bgrl.errors import InputError, RunError, check_count, choose
from bgrl.estimate import MEASURED, CostUnknown, DryRun, duration, size
from bgrl.experiment import (
    check_figure,
    check_matplotlib,
    configure,
    described,
    finished_settings,
    keep_log,
    load_own,
    make_parser,
    name_and_value,
    refuse_other,
    report,
    save,
    show,
    tried_again,
    typed_command,
)
from bgrl.own import NamesOrFile, is_file
from bgrl.settings import AgentSettings
from bgrl.simulation import check_cost

#: Where `figure` and `summary` of the dataset are; imported once the sweep is done.
ANALYSIS = "bgrl.analysis.sweep"
#: Seconds to wait for a scheduler to answer.
TIMEOUT = 10
#: Points that run side by side at most: each is a thread, and keeps a file open.
SIDE_BY_SIDE = 256


def sweepable():
    """Name to module of the experiments in which one kind of agent learns one task."""
    names = [module.name for module in pkgutil.iter_modules(experiments.__path__)]
    modules = {
        name: importlib.import_module(f"bgrl.experiments.{name}")
        for name in names
        if not name.startswith("_") and name != "sweep"
    }
    return {
        name: module
        for name, module in modules.items()
        if issubclass(getattr(module, "Config", object), AgentSettings)
    }


def module_of(experiment):
    """The module of an experiment: one of `sweepable` by its name, or a file of the user's own."""
    if is_file(experiment):
        return load_own(experiment)
    return importlib.import_module(f"bgrl.experiments.{experiment}")


def read_variations(texts):
    """Varied settings as text, name to list of values, from what ``--vary`` was given.

    Raises
    ------
    InputError
        If nothing varies, or a name is given twice.
    """
    found = {}
    for name, values in map(name_and_value, texts):
        if name in found:
            raise InputError(f"{name} is varied twice; give all its values at once")
        found[name] = values.split(",")
    if not found:
        raise InputError("nothing varies; give --vary NAME=VALUE,VALUE,...")
    return found


def expand(config, variations, folder):
    """The points of a sweep.

    Parameters
    ----------
    config : AgentSettings
        What does not vary.
    variations : dict of str to list of str
        Name to values, as text.
    folder : Path
        Where the points' files go.

    Returns
    -------
    dict of str to list
        The varied settings with their values.
    list of AgentSettings
        Of each point, in the order of the values, the last setting changing first. Its output is
        the point's own file, which exists once the point is finished.

    Raises
    ------
    InputError
        For an unknown name, a value of the wrong type or one given twice.
    """
    points, coordinates = [], {name: [] for name in variations}
    for texts in itertools.product(*variations.values()):
        varied = list(zip(variations, texts, strict=True))
        found = config.with_settings(varied)
        values = {name: found.value(name, text) for name, text in varied}
        path = Path(folder, f"{_digest(found)}.nc").absolute()
        # The cores are shared among points, not among a point's replicates.
        own = {"output": str(path), "progress": False, "processes": config.processes or 1}
        points.append(replace(found, **own))
        for name, value in values.items():
            if value not in coordinates[name]:
                coordinates[name].append(value)
    for name, texts in variations.items():
        if len(coordinates[name]) < len(texts):
            raise InputError(f"a value of {name} is given twice: {', '.join(texts)}")
    return coordinates, points


def _digest(config):
    settings = {"experiment": type(config).__module__, **described(config), "version": __version__}
    return hashlib.sha256(describe(settings).encode()).hexdigest()[:16]


def build(backend, structure, processes):
    """Compile the program of an agent; returns nothing, or why that failed. Runs in a worker."""
    try:
        check_cost(structure)
        load(backend, structure, processes=processes)
    except (InputError, RunError) as error:
        return str(error)
    return None


def run_point(experiment, config, failure=None):
    """Run a point and write its file; returns nothing, or why that failed. Runs in a worker.

    Parameters
    ----------
    experiment : str
    config : AgentSettings
    failure : str, optional
        Why its program could not be built.
    """
    if failure:
        return failure
    try:
        data = module_of(experiment).run(config)
        save(data, config.output, config.work())
    except (InputError, RunError) as error:
        return str(error)
    return None


def run_together(experiment, points, failure=None):
    """Run points side by side (`bgrl.backends.joint`) and write their files. Runs in a worker.

    Parameters
    ----------
    experiment : str
    points : list of AgentSettings
    failure : str, optional
        Why their program could not be built.

    Returns
    -------
    dict of str to str
        File of each point that failed to why.
    """
    if failure or len(points) == 1:
        outcomes = [run_point(experiment, point, failure) for point in points]
    else:
        if BACKENDS[points[0].backend].imports_brian2:  # not in the thread of a point
            importlib.import_module("brian2")
        joint = Joint(len(points), sum(point.replicates for point in points))
        runs = [functools.partial(run_point, experiment, point) for point in points]
        outcomes = joint.run(runs)
        for k, (point, outcome) in enumerate(zip(points, outcomes, strict=True)):
            if isinstance(outcome, LaunchFailed):  # each goes on alone from its last checkpoint
                outcomes[k] = run_point(experiment, point)
            elif isinstance(outcome, Exception):
                outcomes[k] = _told(outcome)
    return {p.output: why for p, why in zip(points, outcomes, strict=True) if why}


def _told(error):
    """An unexpected exception in a line."""
    first = (str(error).splitlines() or [""])[0]
    return f"{type(error).__name__}: {first}"


def group(points, structures, parts):
    """Points in groups that run side by side, as replicates of one program.

    Parameters
    ----------
    points : list of AgentSettings
    structures : list of dict
        Of their agents.
    parts : int
        Processes among which points that could be in one group are shared.

    Returns
    -------
    list of (list of AgentSettings, dict)
        The points of each group, and the structure of the first. A group is a single point where the
        backend runs no others beside it, and no larger than fits in memory.
    """
    alike, found = {}, []
    for point, structure in zip(points, structures, strict=True):
        key = point.backend, describe(structure | {"replicates": 1})
        alike.setdefault(key, []).append((point, structure))
    for (backend, _), members in alike.items():
        structure, size = members[0][1], 1
        if BACKENDS[backend].joint and not structure["task"]["external"]:
            size = min(-(-len(members) // parts), SIDE_BY_SIDE)
        most = max(structure["replicates"] for _, structure in members)
        while size > 1 and not _fits(structure | {"replicates": size * most}):
            size = -(-size // 2)
        for first in range(0, len(members), size):
            part = members[first : first + size]
            found.append(([point for point, _ in part], part[0][1]))
    return found


def _fits(structure):
    try:
        check_cost(structure)
    except InputError:
        return False
    return True


def _possible(experiment, points):
    """Points whose agents can be made, their structures, and file of each other one to why not."""
    module = module_of(experiment)
    possible, structures, failures = [], [], {}
    for point in points:
        try:
            structures.append(module.agent(point).structure())
            possible.append(point)
        except InputError as error:
            failures[point.output] = str(error)
    return possible, structures, failures


def _prepare(client, imports_brian2, experiment):
    """Let scheduler and workers find checkout and experiment; import Brian2 where it is to run."""
    from distributed import WorkerPlugin

    root, own = str(Path(__file__).parents[1]), client.cluster is not None

    def find_checkout():
        if root not in sys.path:
            sys.path.insert(0, root)
        if experiment.endswith(".py"):  # whose settings are sent
            importlib.import_module("bgrl.own").load(experiment)

    class Preparation(WorkerPlugin):
        def setup(self, worker):
            find_checkout()
            if imports_brian2:
                # It can only be imported in the main thread of a process; tasks run in another.
                importlib.import_module("brian2")
            if own:
                # An interrupt reaches all processes of a terminal; who started the workers stops them.
                signal.signal(signal.SIGINT, signal.SIG_IGN)
                # The default is a lock between processes, of which a killed worker leaves a rest.
                tqdm.set_lock(threading.RLock())

    client.run_on_scheduler(find_checkout)
    client.register_plugin(Preparation())


def run_points(experiment, points, client, bar):
    """Run points in the workers of a dask client, each program being compiled once and before.

    Parameters
    ----------
    experiment : str
    points : list of AgentSettings
    client : distributed.Client
    bar : tqdm
        Told of every point that has ended.

    Returns
    -------
    dict of str to str
        File of each point that failed to why.
    """
    from distributed import as_completed

    _prepare(client, any(BACKENDS[point.backend].imports_brian2 for point in points), experiment)
    possible, structures, failures = _possible(experiment, points)
    bar.update(len(failures))
    programs, futures = {}, {}
    for together, structure in group(possible, structures, len(client.nthreads())):
        backend, program = together[0].backend, None
        if backend != "numpy":  # it compiles nothing
            key = (backend, describe(structure))
            if key not in programs:
                work = (build, backend, structure, together[0].processes)
                programs[key] = client.submit(*work, pure=False)
            program = programs[key]
        future = client.submit(run_together, experiment, together, program, pure=False)
        futures[future] = together
    ended = as_completed(futures, loop=client.loop)
    for future in ended:
        together, failure = futures[future], _failure(future)
        if failure and len(together) > 1:  # whichever of them it was for
            for point in together:
                alone = client.submit(run_together, experiment, [point], pure=False)
                futures[alone] = [point]
                ended.add(alone)
            continue
        failures |= {together[0].output: failure} if failure else future.result()
        bar.update(len(together))
    return failures


def run_points_here(experiment, points, bar):
    """Run points in this process, without dask; see `run_points`."""
    possible, structures, failures = _possible(experiment, points)
    bar.update(len(failures))
    for together, _ in group(possible, structures, 1):
        failures |= run_together(experiment, together)
        bar.update(len(together))
    return failures


def _failure(future):
    """Why a worker could not run its points to their ends, or None."""
    from distributed import KilledWorker

    if future.status == "finished":
        return None
    if future.status != "error":
        raise RunError(
            "the connection to the scheduler is lost; given again, the command goes on with the "
            "points that are not finished"
        )
    error = future.exception()
    if isinstance(error, KilledWorker):
        return "its worker died every time that it was tried"
    return _told(error)


@contextlib.contextmanager
def connect(workers=None, scheduler=None):
    """A dask client: of a scheduler, or of worker processes of its own with one thread each.

    Parameters
    ----------
    workers : int, optional
        Processes, one for each core by default.
    scheduler : str, optional
        Address of a scheduler that runs already.

    Raises
    ------
    InputError
        If dask is not installed, or nothing answers at the address.
    """
    try:
        from distributed import Client, LocalCluster
    except ImportError:
        raise InputError(
            "a sweep needs dask; install the extra sweep: pip install -e .[sweep]"
        ) from None
    # Datasets that are written here need no lock of the scheduler's, as with the client of the process.
    # What it would say of a lost connection is said by `run_points`, in one line.
    logging.getLogger("distributed.client").setLevel("CRITICAL")
    if scheduler:
        try:
            client = Client(scheduler, timeout=TIMEOUT, set_as_default=False)
        except (OSError, ValueError):
            raise InputError(f"no dask scheduler answers at {scheduler!r}") from None
        with client:
            yield client
        return
    with (
        LocalCluster(
            n_workers=workers or cores(),
            threads_per_worker=1,
            processes=True,
            memory_limit=None,
            dashboard_address=":0",  # any port that is free, which another sweep may need too
            silence_logs="CRITICAL",
        ) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        yield client


def combine(experiment, coordinates, points, failures):
    """The dataset of a sweep, from the files of its points.

    Parameters
    ----------
    experiment : str
    coordinates : dict of str to list
        The varied settings with their values.
    points : list of AgentSettings
    failures : dict of str to str
        File of each point that failed to why.

    Returns
    -------
    xarray.DataTree
        Groups ``evaluation`` and ``points``, the varied settings being their first dimensions; NaN
        where a point failed or has no such replicate or evaluation.
    """
    evaluations, attributes = {}, []
    for point in points:
        if point.output not in failures:
            with xr.open_datatree(point.output, engine="netcdf4") as data:
                evaluations[point.output] = data["evaluation"].to_dataset().load()
                attributes.append(data.attrs)
    if not evaluations:
        raise RunError(f"all points failed, the first as {failures[points[0].output]}")
    shape = tuple(map(len, coordinates.values()))
    varied = {
        name: (name, _as_kept(values), _explained(experiment, points, name))
        for name, values in coordinates.items()
    }
    found = [evaluations.get(point.output) for point in points]
    evaluation = _evaluation(shape, tuple(coordinates), found).assign_coords(varied)
    text = {
        "failure": [failures.get(point.output, "") for point in points],
        "file": ["" if p.output in failures else Path(p.output).name for p in points],
    }
    explained = {"failure": "why it failed", "file": "file of the whole run"}
    rows = {
        name: variable(tuple(coordinates), np.array(values, object).reshape(shape), explained[name])
        for name, values in text.items()
    }
    root = xr.Dataset(attrs=_shared(attributes))
    return xr.DataTree.from_dict(
        {"/": root, "/evaluation": evaluation, "/points": xr.Dataset(rows, varied)}
    )


def _as_kept(values):
    """Values of a setting as a file can hold them: as text, if not all are numbers, or True and False."""
    flags = [isinstance(value, bool) for value in values]
    numbers = all(isinstance(value, int | float) for value in values)
    return values if numbers and len(set(flags)) == 1 else list(map(str, values))


def _evaluation(shape, dims, found):
    """Evaluations of all points, (setting, ..., replicate, checkpoint), with NaN where there are none.

    Parameters
    ----------
    shape : tuple of int
        Of the grid of points.
    dims : tuple of str
        Its dimensions.
    found : list of (xarray.Dataset or None)
        Of each point; None of one that failed.
    """
    own = [evaluation for evaluation in found if evaluation is not None]
    sizes = {dim: max(e.sizes[dim] for e in own) for dim in ("replicate", "checkpoint")}
    tables = {}

    def put(name, place, values, *axes):
        empty = np.full((*shape, *(sizes[axis] for axis in axes)), np.nan)
        table = tables.setdefault(name, ((*dims, *axes), empty))[1]
        table[place][tuple(map(slice, values.shape))] = values

    for place, evaluation in zip(np.ndindex(shape), found, strict=True):
        if evaluation is None:
            continue
        for name in ("mean_return", "episodes", "unfinished"):
            put(name, place, evaluation[name].values, "replicate", "checkpoint")
        returns = evaluation["mean_return"].values
        put("final_return", place, returns[:, -1], "replicate")
        put("best_return", place, np.fmax.reduce(returns, axis=1), "replicate")
        put("step", place, evaluation["step"].values, "checkpoint")
    if len(steps := {tuple(evaluation["step"].values) for evaluation in own}) == 1:
        tables["step"] = "checkpoint", np.array(steps.pop(), np.int64)
    texts = {
        "mean_return": ("mean return, plasticity off",),
        "episodes": ("trials evaluated",),
        "unfinished": (UNFINISHED,),
        "final_return": ("mean return of the last evaluation",),
        "best_return": ("mean return of the best evaluation",),
        "step": ("steps learned; NaN where there was no evaluation", "steps"),
    }
    made = {name: variable(*tables[name], *text) for name, text in texts.items()}
    replicate = variable("replicate", np.arange(sizes["replicate"]), "replicate")
    return xr.Dataset(made, {"replicate": replicate}).set_coords("step")


def _shared(attributes):
    """What the attributes of all points agree in."""
    first, *others = attributes
    return {k: v for k, v in first.items() if all(k in o and o[k] == v for o in others)}


def _explained(experiment, points, name):
    """Name for people and unit of a varied setting."""
    config = points[0]
    fields = type(config).__dataclass_fields__
    if name in fields:
        return {
            "long_name": fields[name].metadata["help"],
            "units": "steps" if name == "steps" else "1",
        }
    units = "1"
    if name.startswith("task."):
        module = module_of(experiment)
        for point in points:
            with contextlib.suppress(InputError):
                parameters = module.agent(point).task.parameters
                parameter = parameters.get(name.removeprefix("task."))
                units = parameter.unit if parameter else "1"
                break
    return {"long_name": name.removeprefix("task.").replace("_", " "), "units": units}


def sweep(
    experiment, config, variations, workers=None, scheduler=None, overwrite=False, command=""
):
    """Run all points that are not finished yet, and combine them.

    Points are kept in ``OUTPUT.points``, also those of earlier sweeps, and while the sweep runs in
    ``OUTPUT.partial/points``.

    Parameters
    ----------
    experiment : str
        One of `sweepable`.
    config : AgentSettings
        What does not vary, and where the dataset goes.
    variations : dict of str to list of str
        Name to values, as text.
    workers : int, optional
        Processes, one for each core by default.
    scheduler : str, optional
        Address of a dask scheduler to use instead.
    overwrite : bool
        Compute also the points that earlier sweeps have finished.
    command : str
        What was typed, for the file.

    Returns
    -------
    xarray.DataTree
        See `combine`.

    Raises
    ------
    InputError
        If the sweep cannot be, or something else is unfinished at this place.
    RunError
        If every point failed.
    """
    coordinates, points = unfinished(config, variations, overwrite)
    # Whatever other points are there, each has a name of its own.
    with Work(config.work(), {"experiment": "sweep"}, "command.json"):
        failures = finish(experiment, points, config.progress, workers, scheduler)
        data = combine(experiment, coordinates, points, failures)
        settings = settings_of(experiment, config, coordinates)
        data.attrs |= {
            "title": f"bgrl: sweep of {Path(experiment).stem}",
            "experiment": "sweep",
            "configuration": describe(settings),
            "settings": describe(settings),
            **({"command": command} if command else {}),
        }
        data.attrs.setdefault("task", "several")
        if failures:
            data.attrs["stopped"] = f"{len(failures)} of {len(points)} points failed"
        write(data, config.output)
        keep(points, config)
    return data


def unfinished(config, variations, overwrite=False):
    """Varied settings and points of a sweep, see `expand`.

    The output of a point that an earlier sweep has finished is its file in ``OUTPUT.points``, unless
    all are to be computed anew; of others it is in ``OUTPUT.partial/points``.
    """
    coordinates, points = expand(config, variations, config.work() / "points")
    if not overwrite:
        points = [_where_finished(point, kept_in(config)) for point in points]
    return coordinates, points


def kept_in(config):
    """Folder in which the points of a sweep stay."""
    return Path(f"{config.output}.points").absolute()


def finish(experiment, points, progress=False, workers=None, scheduler=None, here=False):
    """Run the points whose files do not exist yet.

    Parameters
    ----------
    experiment : str
    points : list of AgentSettings
    progress : bool
    workers, scheduler
        As in `sweep`.
    here : bool
        Run them one after the other in this process, without dask.

    Returns
    -------
    dict of str to str
        File of each point that failed to why.

    Raises
    ------
    InputError
        If this machine, where it runs the points, lacks what their backend needs.
    """
    todo = [point for point in points if not Path(point.output).exists()]
    for point in points:
        if point not in todo:
            read_attributes(point.output)  # one that is damaged is refused before others are run
    if not todo:
        return {}
    if scheduler is None:  # whose workers are on other machines
        for backend in dict.fromkeys(point.backend for point in todo):
            BACKENDS[backend].check()
    shown = {"total": len(points), "initial": len(points) - len(todo), "unit": "point"}
    with tqdm(**shown, disable=None if progress else True) as bar:
        if here:
            return run_points_here(experiment, todo, bar)
        with connect(_workers(todo, workers), scheduler) as client:
            return run_points(experiment, todo, client, bar)


def _workers(points, wanted=None):
    """How many processes run points, if a number was wanted: one, where they share a card."""
    shared = all(BACKENDS[point.backend].card for point in points)
    return min(wanted or (1 if shared else cores()), max(len(points), 1))


def settings_of(experiment, config, coordinates):
    """What a sweep depends on, as it is read back from its file.

    Parameters
    ----------
    experiment : str
    config : AgentSettings
    coordinates : dict of str to list
        The varied settings with their values.

    Returns
    -------
    dict of str to object
    """
    settings = {k: v for k, v in described(config).items() if k not in coordinates}
    return {"experiment": f"sweep {experiment}", **settings, "vary": coordinates}


def _where_finished(point, kept):
    """A point whose output is the file of an earlier sweep, if there is one."""
    path = kept / Path(point.output).name
    return replace(point, output=str(path)) if path.exists() else point


def keep(points, config):
    """Move the files of finished points to where they stay; remove the folder of the sweep if empty."""
    kept, work = kept_in(config), config.work()
    kept.mkdir(exist_ok=True)
    for point in points:
        output = Path(point.output)
        if output.exists():
            # What is left if a process was killed between writing the file and removing this.
            shutil.rmtree(work / "points" / f"{output.name}.partial", ignore_errors=True)
            output.replace(kept / output.name)
    if not has_learned(work):
        keep_log(config)
        shutil.rmtree(work)


def main(arguments=None):
    """The command."""
    words = sys.argv[1:] if arguments is None else arguments
    valid = sweepable()
    if not words or words[0].startswith("-"):
        _parser_of_all(valid).parse_args(words)
    experiment = words[0]
    if is_file(experiment):
        experiment = str(Path(experiment).absolute())  # workers may be in another folder
    else:
        choose("experiment to sweep", experiment, valid, NamesOrFile.also)
    module = module_of(experiment)
    if not (issubclass(module.Config, AgentSettings) and hasattr(module, "agent")):
        raise InputError(
            f"{words[0]}: a sweep needs a Config of AgentSettings, and a function agent(config)"
        )
    parser = make_parser(f"sweep {words[0]}", module, __doc__)
    _add_own(parser)
    options = vars(parser.parse_args(words[1:]))
    vary, workers, scheduler = (options.pop(k) for k in ("vary", "workers", "scheduler"))
    if workers is not None:
        check_count("workers", workers)
    variations = read_variations(vary)
    config, figure_path = configure("sweep", module, options, variations)
    if options["dry_run"]:
        print("\n".join(cost(experiment, config, variations, workers)))
        return 0
    check_matplotlib()
    coordinates, points = expand(config, variations, "")
    settings = settings_of(experiment, config, coordinates)
    before = finished_settings(config.output, options["overwrite"])
    if before == settings:
        return show(ANALYSIS, config.output, figure_path, options)
    if before is not None and not _has_all_of(config.output, points):
        refuse_other(config.output, before, settings)
    check_figure(figure_path, config.output, options)
    # The module is called __main__ where it is run as a program.
    command = typed_command(importlib.import_module("bgrl.experiments.sweep"), words)
    data = sweep(experiment, config, variations, workers, scheduler, options["overwrite"], command)
    report(importlib.import_module(ANALYSIS), data, config.output, figure_path)
    if "stopped" in data.attrs:
        raise tried_again(data)
    return 0


def _add_own(parser):
    """Add the options of a sweep to those of the experiment."""
    parser.add_argument(
        "--vary",
        metavar="NAME=VALUE,VALUE,...",
        action="append",
        default=[],
        help="a setting and the values it takes; may be given again, for all combinations",
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--workers", type=int, help="processes (default: one for each core)")
    where.add_argument("--scheduler", metavar="ADDRESS", help="a dask scheduler that runs already")


def _parser_of_all(valid):
    """The parser of what any sweep takes; an experiment's own options are in the help of its sweep."""
    common = types.SimpleNamespace(Config=AgentSettings, QUICK={}, __doc__=__doc__)
    parser = make_parser("sweep", common)
    own = f"{typed('experiments.sweep')} EXPERIMENT --help"
    parser.epilog = f"{own} shows the experiment's own options as well."
    parser.usage = "%(prog)s EXPERIMENT --vary NAME=VALUE,VALUE,... [options]"
    parser.add_argument("EXPERIMENT", help=f"one of {', '.join(valid)}; or FILE.py")
    _add_own(parser)
    return parser


def cost(experiment, config, variations, workers=None):
    """What a sweep would cost, by a measured second for each of its programs.

    Parameters
    ----------
    experiment, config, variations, workers
        As of `sweep`.

    Returns
    -------
    list of str
        Lines for people; the last ones name what is not counted, since its cost is not known.

    Raises
    ------
    bgrl.estimate.CostUnknown
        If that is all there is.
    """
    module = module_of(experiment)
    _, points = unfinished(config, variations)
    todo = [point for point in points if not Path(point.output).exists()]
    measured, total, counted, unknown = {}, 0.0, 0, {}
    together = _workers(todo, workers)
    groups = group(todo, [module.agent(point).structure() for point in todo], together)
    groups = [(beside, sum(p.replicates for p in beside), s) for beside, s in groups]
    # The largest group of a program first, which is measured; smaller ones take no longer.
    groups.sort(key=lambda found: -found[1])
    for beside, replicates, structure in tqdm(
        groups, unit="point", disable=None if config.progress else True
    ):
        program, longest = describe(structure), max(beside, key=lambda point: point.steps)
        if program not in measured:
            try:
                module.run(replace(longest, dry_run=True, replicates=replicates))
            except DryRun as found:
                measured[program] = found.estimate
            except CostUnknown as error:
                unknown[str(error)] = unknown.get(str(error), 0) + len(beside)
                continue
        own, counted = measured[program], counted + 1
        total += longest.steps / own.rate + own.evaluation_steps / own.evaluation_rate
    if unknown and not measured:
        raise CostUnknown(next(iter(unknown)))
    together = min(together, max(counted, 1))
    built = sum(own.build_seconds > MEASURED for own in measured.values())
    disk = max((own.file_bytes for own in measured.values()), default=0) * counted
    return [
        f"points   {len(points)}, of which {len(points) - len(todo)} are finished",
        f"programs {len(measured)}, of which {built} were built now and are kept",
        f"time     {duration(total / together)} at most with {together} "
        f"worker{'s' if together > 1 else ''}",
        f"disk     {size(disk)} at most",
        *(f"without  {count} of them: {why}" for why, count in unknown.items()),
    ]


def _has_all_of(output, points):
    """Whether all points of the sweep in a file are among `points`, so that it can be replaced."""
    with xr.open_datatree(output, engine="netcdf4") as data:
        found = set(data["points"]["file"].values.flat) if "points" in data else {None}
    return found <= {Path(point.output).name for point in points}


if __name__ == "__main__":
    import bgrl.experiments.sweep

    sys.exit(run_command(bgrl.experiments.sweep.main))
