"""Writes the C++ sources of an agent's program; runs in a process of its own.

Brian2's device and preferences are global to a process, so generating in the user's would disturb
whatever else is there, and names (and with them the sources) would depend on it.

``python -m bgrl.backends.generate DEVICE DIRECTORY`` reads ``structure.json`` there and writes the Brian2
project and ``manifest.json``. The generated ``main`` differs from Brian2's own: it takes a state
file, runs the step table for as many steps as it is told, and writes a state file.
"""

import json
import re
import sys
from pathlib import Path

if __name__ == "__main__":
    # Brian2 imports these where they are installed; here that would only take time.
    sys.modules |= dict.fromkeys(("matplotlib", "Cython", "pytest"))

import brian2 as b2
import numpy as np

from bgrl.backends import dense  # noqa: F401 (makes its device known)
from bgrl.backends.brian import Network
from bgrl.backends.work import work
from bgrl.errors import InputError
from bgrl.recording import EVENT
from bgrl.step import exchange, operation
from bgrl.step.assemble import blueprint

_LOOP = """
    // argv: state in, state out, first step, steps, learn (0, 1, or 2 to print what each slot takes),
    // record every, frames, trials, names...
#ifdef PR_SET_PDEATHSIG
    prctl(PR_SET_PDEATHSIG, SIGKILL);
#endif
    if (argc < 9) {{
        std::cerr << "usage: see bgrl.backends.generate" << std::endl;
        return 2;
    }}
{operations}
    struct Array {{ std::string name; char* data; size_t bytes; }};
    std::vector<Array> arrays = {{
{arrays}
    }};
    std::ifstream state_in(argv[1], std::ios::binary);
    for (auto& a : arrays) state_in.read(a.data, a.bytes);
    if (!state_in || state_in.peek() != EOF) {{
        std::cerr << "state file does not fit" << std::endl;
        return 3;
    }}
    const int64_t first = std::atoll(argv[3]), steps = std::atoll(argv[4]);
    const bool learn = std::atoi(argv[5]), profile = std::atoi(argv[5]) == 2;
    double seconds[{slots}] = {{}};
    const int64_t every = std::atoll(argv[6]);
    std::vector<Array> recorded;
    for (int k = 9; k < argc; k++)
        for (auto& a : arrays) if (a.name == argv[k]) recorded.push_back(a);
    if ((int)recorded.size() != argc - 9) {{
        std::cerr << "unknown array to record" << std::endl;
        return 4;
    }}
    std::ofstream frames(argv[7], std::ios::binary | std::ios::app);
    std::ofstream trials(argv[8], std::ios::binary | std::ios::app);
    for (int64_t step = first; step < first + steps; step++)
    {{
        {timestep}[0] = step;
        {time}[0] = step * {dt}[0];
        if (profile) {{
            timespec mark, now;
            clock_gettime(CLOCK_MONOTONIC, &mark);
{profiled_calls}
        }} else if (learn) {{
{learning_calls}
        }} else {{
{evaluation_calls}
        }}
        if (every && step % every == 0) {{
            frames.write(reinterpret_cast<const char*>(&step), sizeof(step));
            for (auto& a : recorded) frames.write(a.data, a.bytes);
        }}
        for (int r = 0; r < {replicates}; r++)
            if ({ended}[r] > 0 && {length}[r] > 0) {{
                struct {{ int64_t step, replicate; double numbers[{numbers}]; }} row = {{
                    step, {replicate}[r], {{{values}}}}};
                trials.write(reinterpret_cast<const char*>(&row), sizeof(row));
            }}
    }}
    for (double s : seconds) if (profile) std::cout << s << std::endl;
    frames.flush();
    trials.flush();
    std::ofstream state_out(argv[2], std::ios::binary);
    for (auto& a : arrays) state_out.write(a.data, a.bytes);
    state_out.flush();
    if (!frames || !trials || !state_out) {{
        std::cerr << "could not write the results" << std::endl;
        return 5;
    }}
    return 0;
"""


#: Functions of Brian2 that a program with a main of its own never calls, and that take long to compile.
_UNUSED = re.compile(
    r"^(void (?:_write_arrays|_dealloc_arrays|set_variable_by_name)\([^)]*\)\s*\{).*?^\}",
    re.MULTILINE | re.DOTALL,
)


def generate(structure, device_name, directory):
    """Write the Brian2 project of an agent.

    Parameters
    ----------
    structure : dict
        `Agent.structure()`.
    device_name : str
        Of the Brian2 device, see `bgrl.backends.cpp.DEVICES`.
    directory : Path

    Returns
    -------
    dict
        The manifest: `layout`, and `step_sources`, the files that run every step.
    """
    b2.prefs.core.default_float_dtype = np.dtype(structure["dtype"]).type
    b2.prefs.codegen.cpp.extra_compile_args = []  # else the compiler is asked about each of Brian2's
    b2.set_device(device_name, build_on_run=False)
    device = b2.get_device()
    network = Network(blueprint(structure))
    network.brian.run(1 * b2.ms, namespace={})
    device.main_queue = [item for item in device.main_queue if item[0] != "run_network"]
    device.insert_code("main", _loop(network, device))
    device.build(str(directory), compile=False, run=False)
    objects = directory / "objects.cpp"
    objects.write_text(_UNUSED.sub(r"\1}", objects.read_text()))
    _write_operations(network, device, structure["dtype"], directory)
    return {
        "layout": {name: [dtype, list(shape)] for name, (dtype, shape) in network.layout.items()},
        "work": work(network, device),
        "step_sources": sorted({f"code_objects/{c.name}.cpp" for c in network.calls()}),
    }


def _write_operations(network, device, dtype, directory):
    """Put the operations beside Brian2's code objects, as functions of the same form."""
    (directory / "matrices.h").write_text(operation.HEADER.replace("REAL", _C_TYPES[dtype], 1))
    (directory / "bridge.h").write_text(exchange.HEADER)

    def pointer(name):
        return _pointer(device, network.variables[name])

    for item in network.blueprint.operations():
        source = f"""
            #include "objects.h"
            #include "matrices.h"
            #include "bridge.h"
            void _run_{item.name}() {{
            using namespace brian;
            using namespace bgrl;
            {item.cpp(pointer)}
            }}
        """
        (directory / "code_objects" / f"{item.name}.cpp").write_text(source)


def _pointer(device, variable):
    name = device.get_array_name(variable, access_data=False)
    return f"{name}.data()" if name in device.dynamic_arrays.values() else name


def _loop(network, device):
    def pointer(variable):
        return _pointer(device, variable)

    arrays = [
        f'        {{"{name}", reinterpret_cast<char*>({pointer(network.variables[name])}), '
        f"{int(np.prod(shape, dtype=int)) * np.dtype(dtype).itemsize}}},"
        for name, (dtype, shape) in network.layout.items()
    ]

    def calls(learn):
        return "\n".join(f"            _run_{c.name}();" for c in network.calls(learn))

    slots = network.blueprint.structure["slots"]
    profiled = []
    for slot, calls_of_slot in network.schedule():
        profiled += [f"_run_{c.name}();" for c in calls_of_slot]
        profiled += [
            "clock_gettime(CLOCK_MONOTONIC, &now);",
            f"seconds[{slots.index(slot)}] += now.tv_sec - mark.tv_sec",
            "    + 1e-9*(now.tv_nsec - mark.tv_nsec);",
            "mark = now;",
        ]
    clock = network.clock.variables
    numbers = [*_TRIAL_ARRAYS, *(name for name in network.layout if name.startswith(EVENT))]
    values = ", ".join(f"{pointer(network.variables[name])}[r]" for name in numbers)
    return _LOOP.format(
        arrays="\n".join(arrays),
        operations="\n".join(f"    void _run_{o.name}();" for o in network.blueprint.operations()),
        learning_calls=calls(True),
        profiled_calls="\n".join(profiled),
        slots=len(slots),
        evaluation_calls=calls(False),
        replicates=network.blueprint.replicates,
        timestep=pointer(clock["timestep"]),
        time=pointer(clock["t"]),
        dt=pointer(clock["dt"]),
        ended=pointer(network.variables[network.ended]),
        length=pointer(network.variables["task.trial_length"]),
        replicate=pointer(network.variables["task.replicate"]),
        numbers=len(numbers),
        values=values,
    )


_C_TYPES = {"float32": "float", "float64": "double"}
#: What `bgrl.recording.TRIAL` holds of the task, besides step and replicate.
_TRIAL_ARRAYS = ("task.trial_return", "task.trial_length", "task.terminated")


if __name__ == "__main__":
    device_name, target = sys.argv[1], Path(sys.argv[2])
    try:
        description = json.loads((target / "structure.json").read_text())
        manifest = generate(description, device_name, target)
    except InputError as error:
        sys.exit(f"InputError: {error}")
    (target / "manifest.json").write_text(json.dumps(manifest))
