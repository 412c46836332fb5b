"""Writes the C++ source of an agent's program; runs in a process of its own.

Brian2's device and preferences are global to a process, so generating in the user's would disturb
whatever else is there, and names (and with them the source) would depend on it.

``python -m bgrl.backends.generate DEVICE DIRECTORY`` reads ``structure.json`` there and writes
``program.cpp``, ``values`` and ``manifest.json``. Brian2 makes the code objects, which are functions on
arrays; everything around them is ours, so that one file without Brian2's own runtime is compiled. Its
``main`` takes a state file, runs the step table for as many steps as it is told, and writes a state file.
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
from brian2.codegen.generators.cpp_generator import CPPNodeRenderer, c_data_type
from brian2.core.functions import Function
from brian2.core.variables import ArrayVariable, Constant, DynamicArrayVariable

from bgrl.backends import dense
from bgrl.backends.brian import Network
from bgrl.backends.expressions import OWN_FUNCTIONS, TEMPLATES
from bgrl.backends.fusing import fused
from bgrl.backends.work import work
from bgrl.errors import InputError
from bgrl.recording import EVENT
from bgrl.step import exchange, operation
from bgrl.step.assemble import blueprint

#: Bytes of an array above which it is allocated when the program starts.
_LARGE = 1 << 20
#: Instead of those of the C library.
_USING = " ".join(f"using bgrl::{name};" for name in OWN_FUNCTIONS)
_PROGRAM = """
// This header has tanh and the like in single precision too; <cmath> alone has ::tanh(double).
#include <math.h>
#include <climits>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <limits>
#if __has_include(<sys/prctl.h>)
#include <sys/prctl.h>
#endif
{headers}

// Brian2's name for the whole part of a number.
template <typename T> static inline int int_(T value) {{ return (int)value; }}

// Arrays of the state and of what is constant; a vector may reach beyond the last element. Where the
// compiler knows the address, code is faster; large ones are allocated, for a program must stay small.
namespace brian {{
{declarations}
}}

{functions}

// Of the state: numbers in the order of a file, along three axes, and how many bytes they are apart.
struct Array {{ const char* name; void* data; size_t size, count[3], apart[3]; }};

// Call a function with what of an array lies together: first byte, bytes of a number, and how many.
template <typename F> static void parts(const Array& a, F function) {{
    const bool together = a.apart[2] == a.size;
    const size_t times = together ? 1 : a.count[2], numbers = together ? a.count[2] : 1;
    for (size_t i = 0; i < a.count[0]; i++)
        for (size_t j = 0; j < a.count[1]; j++)
            for (size_t k = 0; k < times; k++)
                function((char*)a.data + i*a.apart[0] + j*a.apart[1] + k*a.apart[2], a.size, numbers);
}}

static FILE* opened(const char* name, const char* mode) {{
    FILE* file = std::fopen(name, mode);
    if (!file) {{
        std::fprintf(stderr, "cannot open %s\\n", name);
        std::exit(mode[0] == 'r' ? 3 : 5);
    }}
    return file;
}}

template <typename T> static T* allocated(size_t bytes) {{
    void* found = std::aligned_alloc(64, bytes);
    if (!found) {{
        std::fprintf(stderr, "not enough memory for the state\\n");
        std::exit(8);
    }}
    return (T*)std::memset(found, 0, bytes);
}}

static void write(const Array& a, FILE* file) {{
    parts(a, [=](char* data, size_t size, size_t n) {{ std::fwrite(data, size, n, file); }});
}}

int main(int argc, char** argv) {{
    using namespace brian;
    // argv: state in, state out, first step, steps, learn (0, 1, or 2 to print what each slot takes),
    // record every, frames, trials, names...
#ifdef PR_SET_PDEATHSIG
    // Ends with the process that started it.
    prctl(PR_SET_PDEATHSIG, SIGKILL);
#endif
    if (argc < 9) {{
        std::fprintf(stderr, "usage: see bgrl.backends.generate\\n");
        return 2;
    }}
    FILE* values = opened("values", "rb");
{allocations}
    const Array state[] = {{
{state}
    }};
    bool whole = true;
{stored}
    FILE* state_in = opened(argv[1], "rb");
    for (auto& a : state)
        parts(a, [&](char* data, size_t size, size_t n) {{
            whole &= std::fread(data, size, n, state_in) == n;
        }});
    if (!whole || std::fgetc(state_in) != EOF) {{
        std::fprintf(stderr, "state file does not fit\\n");
        return 3;
    }}
    const int64_t first = std::atoll(argv[3]), steps = std::atoll(argv[4]);
    const bool learn = std::atoi(argv[5]), profile = std::atoi(argv[5]) == 2;
    double seconds[{slots}] = {{}};
    const int64_t every = std::atoll(argv[6]);
    const int names = argc - 9;
    const Array** recorded = (const Array**)std::calloc(names + 1, sizeof(Array*));
    for (int k = 0; k < names; k++) {{
        for (auto& a : state) if (!std::strcmp(a.name, argv[9 + k])) recorded[k] = &a;
        if (!recorded[k]) {{
            std::fprintf(stderr, "unknown array to record\\n");
            return 4;
        }}
    }}
    FILE *frames = opened(argv[7], "ab"), *trials = opened(argv[8], "ab");
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
            std::fwrite(&step, sizeof(step), 1, frames);
            for (int k = 0; k < names; k++) write(*recorded[k], frames);
        }}
        for (int r = 0; r < {replicates}; r++)
            if ({ended}[r] > 0 && {length}[r] > 0) {{
                struct {{ int64_t step, replicate; double numbers[{numbers}]; }} row = {{
                    step, {replicate}[r], {{{values}}}}};
                std::fwrite(&row, sizeof(row), 1, trials);
            }}
    }}
    for (double s : seconds) if (profile) std::printf("%.9g\\n", s);
    FILE* state_out = opened(argv[2], "wb");
    for (auto& a : state) write(a, state_out);
    FILE* written[] = {{frames, trials, state_out}};
    for (FILE* file : written)
        if (std::fflush(file) || std::ferror(file)) {{
            std::fprintf(stderr, "could not write the results\\n");
            return 5;
        }}
    return 0;
}}
"""


def generate(structure, device_name, directory):
    """Write the program of an agent.

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
        The manifest: `layout`, and `work`, see `bgrl.backends.work`.
    """
    b2.prefs.core.default_float_dtype = np.dtype(structure["dtype"]).type
    b2.set_device(device_name, build_on_run=False)
    device = b2.get_device()
    step = blueprint(structure)
    network = Network(fused(step) if device_name == dense.NAME else step)
    if device_name == dense.NAME:
        dense.arrange(network)
    network.brian.run(1 * b2.ms, namespace={})
    _Program(network, device).write(directory)
    return {
        "layout": {name: [dtype, list(shape)] for name, (dtype, shape) in network.layout.items()},
        "work": work(network, device),
    }


class _Program:
    """The source of a program, and the values that its constant arrays start with.

    Parameters
    ----------
    network : bgrl.backends.brian.Network
        That has run once, so that its code objects are made.
    device : brian2 device
        That made them.
    """

    def __init__(self, network, device):
        self.network, self.device = network, device
        self.values = _initial_values(network, device)
        self.functions = self._functions()

    def write(self, directory):
        """Write ``program.cpp`` and ``values``."""
        used = set(re.findall(r"\w+", "\n".join(self.functions)))
        clock = [self.network.clock.variables[name] for name in ("timestep", "t", "dt")]
        used |= {self._name(v) for v in [*self.network.variables.values(), *clock]}
        arrays = {name: self.values[name] for name in sorted(used & self.values.keys())}
        stored = {name: values for name, values in arrays.items() if values.any()}
        (directory / "values").write_bytes(b"".join(v.tobytes() for v in stored.values()))
        text = _PROGRAM.format(
            headers=self._headers(),
            declarations="\n".join(
                f"    {_declaration(name, values)}\n"
                f"    static const int _num_{name} = {values.size};"
                for name, values in arrays.items()
            ),
            functions="\n".join(self.functions),
            allocations="\n".join(
                f"    {name} = allocated<{c_data_type(values.dtype)}>({_bytes(values)});"
                for name, values in arrays.items()
                if values.nbytes > _LARGE
            ),
            stored="\n".join(
                f"    whole &= std::fread({name}, 1, {values.nbytes}, values) == {values.nbytes};"
                for name, values in stored.items()
            ),
            state="\n".join(
                f'        {{"{name}", {self._of(name)}, {self._axes(name)}}},'
                for name in self.network.layout
            ),
            **self._step(),
        )
        (directory / "program.cpp").write_text(text)

    def _name(self, variable):
        """The array of a variable."""
        return self.device.get_array_name(variable)

    def _of(self, name, *synapse):
        """The array of a variable of the blueprint, or an element of it: replicate, target, source."""
        variable = self.network.variables[name]
        index = f"[{variable.owner.dense_rows.element(*synapse)}]" if synapse else ""
        return self._name(variable) + index

    def _axes(self, name):
        """Of an array of the state: bytes of a number, numbers along three axes, and their distances."""
        variable = self.network.variables[name]
        elements = _elements(variable, self.values[self._name(variable)])
        elements = elements.reshape((1, 1, -1)) if elements.ndim == 1 else elements
        counts, apart = (", ".join(map(str, axes)) for axes in (elements.shape, elements.strides))
        return f"{elements.itemsize}, {{{counts}}}, {{{apart}}}"

    def _headers(self):
        """What code objects and operations share."""
        operations = self.network.blueprint.operations()
        headers = [(TEMPLATES / name).read_text() for name in ("functions.h", "sums.h")]
        if operations:
            real = c_data_type(np.dtype(self.network.blueprint.dtype))
            headers.append(operation.HEADER.replace("REAL", real, 1))
        if any(isinstance(item, exchange.Exchange) for item in operations):
            headers.append(exchange.HEADER)
        return "\n".join(text.replace("#pragma once", "") for text in headers)

    def _functions(self):
        """Code objects and operations; what code objects share stands once for each different text."""
        found, shared = [], {}
        for code_object in {call.name: call for call in self.network.calls()}.values():
            if isinstance(code_object, operation.Operation):
                body = code_object.cpp(self._of)
                found.append(
                    f"static void _run_{code_object.name}() {{\n"
                    f"using namespace brian;\nusing namespace bgrl;\n{body}\n}}"
                )
                continue
            _, _, text = code_object.code.cpp_file.partition("////// SUPPORT CODE ///////")
            support, _, text = text.partition("////// HASH DEFINES ///////")
            if support not in shared:
                shared[support] = f"shared_{len(shared)}"
                found.append(f"namespace {shared[support]} {{\n{_USING}\n{support}\n}}")
            text = text.replace("%CONSTANTS%", "\n".join(_constants(code_object)))
            text = text.replace(
                f"void _run_{code_object.name}()", f"static void _run_{code_object.name}()"
            )
            found.append(
                f"namespace {shared[support]} {{\n{text}\n}}\n"
                f"using {shared[support]}::_run_{code_object.name};"
            )
        return found

    def _step(self):
        """What `main` calls and writes."""
        network, of = self.network, self._of

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
        return {
            "learning_calls": calls(True),
            "profiled_calls": "\n".join(profiled),
            "slots": len(slots),
            "evaluation_calls": calls(False),
            "replicates": network.blueprint.replicates,
            "timestep": self._name(clock["timestep"]),
            "time": self._name(clock["t"]),
            "dt": self._name(clock["dt"]),
            "ended": of(network.ended),
            "length": of("task.trial_length"),
            "replicate": of("task.replicate"),
            "numbers": len(numbers),
            "values": ", ".join(f"{of(name)}[r]" for name in numbers),
        }


def _declaration(name, values):
    """C++ of an array, on a line of the cache and so always alike."""
    kind = c_data_type(values.dtype)
    if values.nbytes > _LARGE:
        return f"static {kind}* {name};"
    return f"alignas(64) static {kind} {name}[{_bytes(values) // values.itemsize}];"


def _bytes(values):
    """Bytes of an array in memory: whole lines of the cache, and at least one behind the last element."""
    return (values.nbytes + 127) // 64 * 64


def _constants(code_object):
    """Constants of a code object: sizes of its arrays, and numbers."""
    lines = {}
    for name, variable in code_object.variables.items():
        if isinstance(variable, ArrayVariable):
            lines[f"const size_t _num{name} = {_size(variable)};"] = None
        elif isinstance(variable, Constant):
            value = CPPNodeRenderer().render_expr(repr(variable.value))
            lines[f"const {c_data_type(variable.dtype)} {name} = {value};"] = None
    return lines


def _size(variable):
    """Elements of an array in memory; how many there are of synapses, Brian2 leaves open."""
    if not isinstance(variable, DynamicArrayVariable):
        return variable.size
    return variable.owner.dense_rows.size


def _elements(variable, values):
    """Those elements of an array that stand for something."""
    if not isinstance(variable, DynamicArrayVariable):
        return values
    return variable.owner.dense_rows.synapses(values)


def _initial_values(network, device):
    """Array name to its values before the first step, of all arrays that Brian2 knows.

    Brian2 would set them when the program starts; here that is done once, when it is written.
    """
    values, elements = {}, {}
    for variable, name in device.arrays.items():
        values[name] = np.zeros(_size(variable), variable.dtype)
        elements[name] = _elements(variable, values[name])
    for variable, _, start in device.arange_arrays:
        values[device.arrays[variable]][:] = start + np.arange(variable.size)
    for kind, arguments in device.main_queue:
        if kind == "set_by_array":
            name, source, _ = arguments
            elements[name][:] = device.static_arrays[source].reshape(elements[name].shape)
        elif kind == "set_by_constant":
            name, value, _ = arguments
            elements[name][:] = value
        elif kind == "set_by_single_value":
            name, item, value = arguments
            values[name][item] = float(value)
        elif kind not in ("run_code_object", "run_network"):  # synapses are created, see below
            raise ValueError(f"unknown statement of Brian2 before the first step: {kind!r}")
    for group in network.brian.objects:
        if hasattr(group, "dense_rows"):
            targets, sources = group.dense_rows.targets, group.dense_rows.sources
            index = np.arange(group.dense_rows.replicates * targets * sources)
            for name, start in {
                "N": index.size,
                "_synaptic_post": index // sources,
                "_synaptic_pre": index // (targets * sources) * sources + index % sources,
            }.items():
                found = elements[device.arrays[group.variables[name]]]
                found[:] = np.reshape(start, found.shape)
    for code_object in device.code_objects.values():
        for variable in code_object.variables.values():
            if isinstance(variable, Function):
                device._insert_func_namespace(variable, code_object, values)
    return values


#: What `bgrl.recording.TRIAL` holds of the task, besides step and replicate.
_TRIAL_ARRAYS = ("task.trial_return", "task.trial_length", "task.terminated")


def main(device_name, directory):
    """Generate from ``structure.json`` in a folder."""
    directory = Path(directory)
    try:
        description = json.loads((directory / "structure.json").read_text())
        manifest = generate(description, device_name, directory)
    except InputError as error:
        sys.exit(f"InputError: {error}")
    (directory / "manifest.json").write_text(json.dumps(manifest))


if __name__ == "__main__":
    main(*sys.argv[1:])
