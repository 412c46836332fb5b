"""Circuit diagrams: what is drawn, how thick, where, and what is refused."""

import json
import resource
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import xarray as xr
from matplotlib.backends.backend_agg import FigureCanvasAgg

import models
from analysis import anatomy, plot
from analysis.circuit import plot_circuit
from analysis.pathways import read_circuit
from analysis.style import new_figure, save_figure
from bgrl import dataset, tasks
from bgrl.circuit import Distribution, Population
from bgrl.cli import run_command
from bgrl.errors import InputError, RunError
from bgrl.experiment import write_figure
from bgrl.simulation import Run, simulate
from experiments import draw

SIZES = {"cortex": 20, "d1": 8, "d2": 8, "stn": 4, "gpe": 4, "gpi": 4, "thalamus": 6}
#: Source, target, weight, sign.
LOOP = (
    ("cortex", "d1", 0.2, 1),
    ("cortex", "d2", 0.2, 1),
    ("cortex", "stn", 0.1, 1),
    ("cortex", "thalamus", 0.02, 1),
    ("d1", "gpi", 0.5, -1),
    ("d2", "gpe", 0.5, -1),
    ("gpe", "gpe", 0.1, -1),
    ("gpe", "stn", 0.2, -1),
    ("gpe", "gpi", 0.2, -1),
    ("stn", "gpe", 0.3, 1),
    ("stn", "gpi", 0.4, 1),
    ("gpi", "thalamus", 0.6, -1),
    ("thalamus", "cortex", 0.1, 1),
    # Without a sign of their own: that of their weights.
    ("dopamine", "d1", 0.5, None),
    ("dopamine", "d2", -0.5, None),
    ("observation", "cortex", {"truncated_normal": [0.0, 0.2]}, None),
    ("action", "cortex", {"uniform": [-0.1, 0.1]}, None),
    ("reward", "cortex", {"normal": [1.0, 0.1]}, None),
    ("cortex", "cortex", {"truncated_normal": [0.0, 0.2]}, None),
)
PLASTIC = {"cortex->d1", "cortex->d2", "cortex->cortex", "observation->cortex"}


def basal_ganglia():
    """A whole loop as a description; made anew, so that a test may change it."""

    def readout(name):
        weights = {"truncated_normal": [0.0, 0.25]}
        return {"name": name, "reads": "cortex", "variables": ["rate"], "weights": weights}

    return {
        "dt": 20.0,
        "substeps": 1,
        "populations": {name: {"size": size} for name, size in SIZES.items()},
        "projections": {
            f"{source}->{target}": {
                "source": source,
                "target": target,
                "weights": weights,
                "mask": None,
                "sign": sign,
                "plastic": f"{source}->{target}" in PLASTIC,
            }
            for source, target, weights, sign in LOOP
        },
        "inputs": {"observation": 4, "action": 3, "reward": 1, "dopamine": 1},
        "actor": readout("dorsal_striatum"),
        "critic": readout("ventral_striatum"),
    }


def lesion(circuit, name, share=1.0):
    """Take the last `share` of a population's neurons, or of a projection's sources, by masks."""
    size = circuit["inputs"] | SIZES
    for key, p in circuit["projections"].items():
        if name in (key, p["source"], p["target"]):
            mask = np.ones((size[p["target"]], size[p["source"]]), int)
            if name != p["target"]:
                mask[:, round((1 - share) * mask.shape[1]) :] = 0
            if name == p["target"]:
                mask[round((1 - share) * mask.shape[0]) :] = 0
            p["mask"] = mask.tolist()
    return circuit


def artists(ax):
    """What was drawn, by name; no name twice."""
    named = [a for a in ax.get_children() if a.get_gid()]
    found = {a.get_gid(): a for a in named}
    assert len(found) == len(named)
    return found


def kinds(ax):
    """Arrow to the kind of its head."""
    heads = [name.split(":") for name in artists(ax)]
    heads = [h for h in heads if h[0] in ("excitatory", "inhibitory", "mixed")]
    return {name: kind for kind, name in heads if not name.startswith("legend")}


def texts(ax):
    return {name: a.get_text() for name, a in artists(ax).items() if hasattr(a, "get_text")}


def extents(ax):
    """Bounding box of everything drawn, in pixels, by name."""
    renderer = FigureCanvasAgg(ax.figure).get_renderer()
    ax.figure.draw(renderer)
    return {name: a.get_window_extent(renderer) for name, a in artists(ax).items()}


def check_layout(ax):
    """Nothing is cut, no nucleus or label covers another, and names fit their boxes."""
    found = extents(ax)
    page = ax.figure.bbox.padded(0.5)
    for name, box in found.items():
        assert page.x0 <= box.x0 and box.x1 <= page.x1, name
        assert page.y0 <= box.y0 and box.y1 <= page.y1, name
    boxes = {k: b for k, b in found.items() if k.startswith(("node:", "lesion:", "text:", "note:"))}
    for name, box in boxes.items():
        for other, another in boxes.items():
            assert name == other or not box.overlaps(another), (name, other)
    for name, box in found.items():
        kind, _, node = name.partition(":")
        if kind in ("name", "detail"):
            around = found[f"node:{node}"]
            assert around.x0 <= box.x0 and box.x1 <= around.x1, name
            assert around.y0 <= box.y0 and box.y1 <= around.y1, name
    assert max(b.y1 for k, b in found.items() if k.startswith("text:legend")) < min(
        b.y0 for k, b in found.items() if k.startswith("node:")
    )


def test_delays_dynamics_and_modulators_are_shown():
    circuit = models.circuit("basal_ganglia", tasks.make("bernoulli_bandit"), 8)
    plain = texts(plot_circuit(circuit.to_dict()))
    assert not any(name.startswith("note:") for name in plain)
    assert not any("modulates" in text or "delay" in text for text in plain.values())
    circuit = circuit.set("stn->gpe.delay", 5).set("gpe->stn.delay", 10)
    circuit = circuit.set("cortex->stn.dynamics", "tsodyks_markram(0.4, 300, 200)")
    circuit = circuit.set("cortex->stn.delay", 5)
    circuit = circuit.set("cortex->cortex.dynamics", "nmda()")
    circuit = circuit.add_population("acetylcholine", Population(1, map={"rate": "drive"}))
    circuit = circuit.connect("reward", "acetylcholine", weights=1.0, plastic=False)
    circuit = circuit.modulate("acetylcholine", "cortex->d1", "gain", 0.5)
    circuit = circuit.modulate("acetylcholine", "cortex", "plasticity", 1.0)
    circuit = circuit.modulate("dopamine", "stn", "gain", 0.5)
    ax = plot_circuit(circuit.to_dict())
    found = texts(ax)
    notes = {name.removeprefix("note:"): t for name, t in found.items() if name[:5] == "note:"}
    assert notes == {
        "stn->gpe": "5 ms",
        "gpe->stn": "10 ms",
        "cortex->stn": "5 ms (u, x)",
        "cortex->cortex": "(s)",
    }
    shown = artists(ax)
    heads = {name for name in shown if name.split(":")[0] in ("gain", "plasticity")}
    assert heads == {
        "gain:acetylcholine->d1",
        "plasticity:acetylcholine->cortex",
        "gain:dopamine->stn",
        "gain:legend-gain",
        "plasticity:legend-plasticity",
    }
    # The modulator of a pathway ends at its line, that of a nucleus at its border.
    line = anatomy.points(shown["line:cortex->d1"].get_path().vertices, 200)
    (tip,) = shown["gain:acetylcholine->d1"].get_path().vertices[:-1].mean(0)[None]
    assert np.hypot(*(line - tip).T).min() < 0.15
    check_layout(ax)


def test_every_projection_is_an_arrow_with_the_head_of_its_sign():
    found = kinds(plot_circuit(basal_ganglia()))
    expected = {f"{s}->{t}": {1: "excitatory", -1: "inhibitory"}.get(n) for s, t, _, n in LOOP}
    expected |= {
        "dopamine->d1": "excitatory",
        "dopamine->d2": "inhibitory",
        "observation->cortex": "mixed",
        "action->cortex": "mixed",
        "reward->cortex": "excitatory",
        "cortex->cortex": "mixed",
        "cortex->dorsal_striatum": "mixed",
        "cortex->ventral_striatum": "mixed",
        "dopamine->dorsal_striatum": "mixed",
        "dopamine->ventral_striatum": "mixed",
        "ventral_striatum->dopamine": "mixed",
    }
    assert found == expected


def test_sign_follows_nine_tenths_of_the_weights():
    circuit = basal_ganglia()
    weights = np.ones((20, 1))
    for negative, sign in ((2, 1), (3, 0), (17, 0), (18, -1)):
        circuit["projections"]["reward->cortex"]["weights"] = np.where(
            np.arange(20)[:, None] < negative, -weights, weights
        ).tolist()
        found = {arrow.name: arrow.sign for arrow in read_circuit(circuit)[1]}
        assert found["reward->cortex"] == sign


def test_width_is_the_summed_weight_onto_a_neuron():
    circuit = basal_ganglia()
    strength = {a.name: a.strength for a in read_circuit(circuit)[1]}
    assert strength["cortex->d1"] == pytest.approx(20 * 0.2)
    assert strength["gpi->thalamus"] == pytest.approx(4 * 0.6)
    assert strength["action->cortex"] == pytest.approx(3 * 0.05)
    # A standard deviation of b has a mean |weight| of 0.8 b if normal, 0.82 b if cut at two.
    draws = Distribution("truncated_normal", 0.0, 0.2).sample(np.random.default_rng(0), 100_000)
    assert strength["cortex->cortex"] == pytest.approx(20 * np.abs(draws).mean(), rel=0.01)
    assert strength["dopamine->dorsal_striatum"] is None
    ax = plot_circuit(circuit)
    width = {k: artists(ax)[f"line:{k}"].get_linewidth() for k, s in strength.items() if s}
    order = sorted(width, key=strength.get)
    assert all(
        width[a] < width[b] or strength[a] == pytest.approx(strength[b]) for a, b in pairwise(order)
    )
    assert width[order[-1]] > 4 * width[order[0]]


def test_plastic_ones_have_a_dot_and_dopamine_is_dashed():
    found = artists(plot_circuit(basal_ganglia()))
    dots = {name.removeprefix("plastic:") for name in found if name.startswith("plastic:")}
    readouts = {"cortex->dorsal_striatum", "cortex->ventral_striatum"}
    assert dots == PLASTIC | readouts | {"legend-plastic"}
    lines = {k.removeprefix("line:"): a for k, a in found.items() if k.startswith("line:")}
    dashed = {name for name, line in lines.items() if line.get_linestyle() not in ("-", "solid")}
    assert dashed == {name for name in lines if "dopamine" in name}


def test_arrows_end_at_the_borders_of_their_nuclei():
    circuit = basal_ganglia()
    nodes, arrows = read_circuit(circuit)
    pairs = [(a.source, a.target) for a in arrows]
    inputs = [n.name for n in nodes if n.kind == "input"]
    boxes = anatomy.place([n.name for n in nodes if n.kind != "input"], inputs, pairs)
    for (source, target), curve in zip(pairs, anatomy.route(pairs, boxes), strict=True):
        for end, box in ((curve[0], boxes[source]), (curve[-1], boxes[target])):
            assert box.holds(end, 0.05) and not box.holds(end, 0.005), (source, target)
        between = anatomy.points(curve)[1:-1]
        others = [box for name, box in boxes.items() if name not in (source, target)]
        assert not any(box.holds(between).any() for box in others), (source, target)


def test_nuclei_are_where_anatomy_has_them():
    names = [*SIZES, "dorsal_striatum", "ventral_striatum", "dopamine"]
    boxes = anatomy.place(names, ["observation"], [("observation", "cortex")])
    above = ("cortex", "d2", "gpe", "stn", "gpi")
    assert [boxes[name].y for name in above] == sorted((boxes[n].y for n in above), reverse=True)
    assert boxes["observation"].x < min(box.x for k, box in boxes.items() if k != "observation")
    assert boxes["thalamus"].x == max(box.x for box in boxes.values())
    assert boxes["dopamine"].y == min(box.y for box in boxes.values())
    # What is not known comes beside what it is connected to.
    near = anatomy.place([*names, "zona"], [], [("stn", "zona")])
    away = abs(near["zona"].x - near["stn"].x), abs(near["zona"].y - near["stn"].y)
    assert sorted(np.divide(away, anatomy.PITCH)) == pytest.approx([0, 1])


def test_lesions_are_struck_through_and_say_how_much():
    circuit = lesion(lesion(lesion(basal_ganglia(), "stn"), "cortex->d1", 0.25), "d2->gpe")
    ax = plot_circuit(circuit)
    found = texts(ax)
    percentages = {k: v for k, v in found.items() if k.startswith("lesion:")}
    # Lines of the nucleus that is gone need none.
    assert percentages == {"lesion:cortex->d1": "25%", "lesion:d2->gpe": "100%"}
    assert found["detail:stn"] == "n = 4, lesioned" and found["detail:d2"] == "n = 8"
    struck = {k.partition(":")[2] for k in artists(ax) if k.startswith("struck")}
    of_stn = {"cortex->stn", "gpe->stn", "stn->gpe", "stn->gpi", "stn"}
    assert struck == {*of_stn, "cortex->d1", "d2->gpe", "legend-part", "legend-all"}
    colour = {k: artists(ax)[f"line:{k}"].get_edgecolor() for k in ("stn->gpi", "d2->gpe")}
    assert colour["stn->gpi"] == colour["d2->gpe"] != artists(ax)["line:d1->gpi"].get_edgecolor()
    assert kinds(ax)["stn->gpi"] == "excitatory"
    assert {a.name: a.strength for a in read_circuit(circuit)[1]}["cortex->d1"] == 15 * 0.2


def test_a_part_of_a_nucleus():
    ax = plot_circuit(lesion(basal_ganglia(), "d2", 0.5))
    found = texts(ax)
    assert found["detail:d2"] == "n = 8, 50% lesioned"
    assert found["lesion:d2->gpe"] == found["lesion:cortex->d2"] == "50%"
    check_layout(ax)


def test_wiring_is_no_lesion_where_lesions_are_told():
    circuit = lesion(basal_ganglia(), "cortex->d1", 0.5)
    sparse = circuit["projections"]["cortex->d1"]
    sparse["lesioned"] = None
    assert "lesion:cortex->d1" not in texts(plot_circuit(circuit))
    # Half is wired, and half of that is lesioned.
    lesioned = np.zeros((8, 20), int)
    lesioned[:4, :10] = 1
    sparse["lesioned"] = lesioned.tolist()
    assert texts(plot_circuit(circuit))["lesion:cortex->d1"] == "50%"
    circuit["populations"]["gpe"]["lesioned"] = [1, 0, 0, 0]
    assert texts(plot_circuit(circuit))["detail:gpe"] == "n = 4, 25% lesioned"


def test_little_is_not_nothing():
    circuit = basal_ganglia()
    mask = np.ones((20, 20), int)
    mask[0, 0] = 0
    circuit["projections"]["cortex->cortex"]["mask"] = mask.tolist()
    assert texts(plot_circuit(circuit))["lesion:cortex->cortex"] == "<1%"


def test_legend_explains_what_occurs_and_nothing_else():
    def legend(circuit):
        found = texts(plot_circuit(circuit))
        return [v for k, v in found.items() if k.startswith("text:legend")]

    plain = legend(basal_ganglia())
    assert plain[:5] == [
        "excitatory",
        "inhibitory",
        "mixed signs",
        "dopamine (TD error)",
        "plastic (no dot: fixed)",
    ]
    # 20 neurons of a mean |weight| of 0.25 x 0.82; a quarter of it.
    assert plain[5:] == ["Σ|w| per target neuron: 4.1", "Σ|w| per target neuron: 1"]
    assert legend(lesion(basal_ganglia(), "d2", 0.5))[7:] == ["% of synapses lesioned"]
    model = models.circuit("rtrrl", tasks.make("memory_chain")).to_dict()
    assert legend(model)[:2] == ["mixed signs", "dopamine (TD error)"]


@pytest.mark.parametrize("model", models.names())
def test_models(model):
    circuit = models.circuit(model, tasks.make("memory_chain"))
    ax = plot_circuit(circuit.to_dict())
    check_layout(ax)
    nodes = {*circuit.populations, *circuit.inputs, circuit.actor.name, circuit.critic.name}
    drawn = {k.removeprefix("node:") for k in artists(ax) if k.startswith("node:")}
    assert drawn == nodes | {"dopamine"}
    # Of the LRU, real and imaginary part share a line.
    for p in circuit.projections.values():
        pair = f"{p.source}->{p.target}"
        assert f"{p.modulates}:{pair}" in artists(ax) if p.modulates else pair in kinds(ax), pair


@pytest.mark.parametrize("count", [1, 2, 5, 9, 14])
def test_any_circuit_has_room(count):
    """Nuclei known and unknown, connected at random, lesioned at random."""
    generator = np.random.default_rng(count)
    known = [n for n in anatomy.PLACES if n not in ("dopamine", "dorsal_striatum")]
    strange = ["a", "pedunculopontine_nucleus", "the_other_nucleus_with_a_long_name", "b2"]
    names = list(generator.permutation(known + strange)[:count])
    circuit = {"populations": {n: {"size": 3} for n in names}, "inputs": {"observation": 100}}
    pairs = [(s, t) for s in [*names, "observation"] for t in names if generator.random() < 0.25]
    circuit["projections"] = {
        f"{s}->{t}": {
            "source": s,
            "target": t,
            "weights": float(generator.normal()),
            "mask": (generator.random((3, 3 if s in names else 100)) < 0.8).astype(int).tolist()
            if generator.random() < 0.3
            else None,
        }
        for s, t in pairs
    }
    ax = plot_circuit(circuit)
    assert len(kinds(ax)) == len(pairs)
    found = extents(ax)
    nodes = [b for k, b in found.items() if k.startswith("node:")]
    assert len(nodes) == count + 1
    assert not any(a.overlaps(b) for k, a in enumerate(nodes) for b in nodes[:k])
    page = ax.figure.bbox.padded(0.5)
    assert all(page.x0 <= b.x0 and b.x1 <= page.x1 for b in found.values())
    assert all(page.y0 <= b.y0 and b.y1 <= page.y1 for b in found.values())


def test_axes_of_another_size_are_filled():
    figure = new_figure(5, 3, layout="none")
    ax = figure.add_subplot()
    assert plot_circuit(basal_ganglia(), ax=ax) is ax
    check_layout(ax)


def test_a_crowded_layout_would_be_seen():
    ax = plot_circuit(basal_ganglia())
    name = artists(ax)["name:stn"]
    name.set_fontsize(5 * name.get_fontsize())
    with pytest.raises(AssertionError, match="name:stn"):
        check_layout(ax)


def test_svg_keeps_text_and_equal_circuits_give_equal_files(tmp_path):
    paths = [tmp_path / f"{k}.svg" for k in range(3)]
    circuits = basal_ganglia(), json.loads(json.dumps(basal_ganglia())), basal_ganglia()
    circuits[2]["projections"]["d1->gpi"]["sign"] = 1
    for path, circuit in zip(paths, circuits, strict=True):
        save_figure(plot_circuit(circuit).figure, path)
    assert paths[0].read_bytes() == paths[1].read_bytes() != paths[2].read_bytes()
    assert sorted(tmp_path.iterdir()) == paths
    root = ElementTree.parse(paths[0]).getroot()
    words = {"".join(e.itertext()).strip() for e in root.iter("{http://www.w3.org/2000/svg}text")}
    assert {"STN", "GPe", "dorsal striatum", "actor", "n = 20", "excitatory"} <= words
    names = {e.get("id") for e in root.iter() if e.get("id")}
    assert {"inhibitory:gpi->thalamus", "node:cortex"} <= names


def learner(replicates=2):
    """An agent whose weights are known before it learns."""
    agent = models.agent("rtrrl", tasks.make("memory_chain", length=3), 4, replicates)
    generator, circuit = np.random.default_rng(0), agent.circuit.to_dict()
    for p in circuit["projections"].values():
        sources = 4 if p["source"] == "cortex" else circuit["inputs"][p["source"]]
        p["weights"] = generator.normal(size=(4, sources)).tolist()
    for kind, channels in (("actor", 2), ("critic", 1)):
        circuit[kind]["weights"] = generator.normal(size=(channels, 4)).tolist()
    return type(agent)(
        type(agent.circuit).from_dict(circuit), agent.task, agent.learning, replicates, "float64"
    )


def test_a_dataset_is_drawn_with_what_was_learned(tmp_path, capsys):
    agent = learner()
    data = simulate(agent, Run(300, 0, "numpy", evaluations=2))
    nodes, arrows = read_circuit(agent.circuit.to_dict())
    before, after = read_circuit(data, 0), read_circuit(data)
    assert before[0] == after[0] == nodes
    strength = [np.array([a.strength or 0.0 for a in found]) for _, found in (before, after)]
    assert strength[0] == pytest.approx([a.strength or 0.0 for a in arrows], rel=1e-12)
    assert [(a.name, a.sign) for a in before[1]] == [(a.name, a.sign) for a in arrows]
    learned = np.abs(data["weights"]["cortex->cortex"].values[:, -1]).sum(-1).mean()
    assert after[1][[a.name for a in arrows].index("cortex->cortex")].strength == learned
    assert np.abs(strength[1] - strength[0]).max() > 1e-3

    path, target = tmp_path / "run.nc", tmp_path / "run.svg"
    dataset.write(data, path)
    assert plot.main([str(path), "--kind", "circuit", "--figure", str(target)]) == 0
    assert target.read_text().startswith("<?xml")
    assert plot.main([str(path), "--kind", "circuit", "--figure", str(tmp_path / "run.txt")]) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["run.nc", "run.svg"]
    with pytest.raises(ValueError, match="checkpoint 7 of"):
        plot_circuit(data, checkpoint=7)


def test_a_reservoir_is_fixed():
    circuit = basal_ganglia()
    rule = circuit["projections"]["cortex->d2"]
    rule["rule"] = {"weight": "0"}
    configuration = {"agent": {"circuit": circuit, "learning": {"sensitivity": "none"}}}
    data = xr.DataTree(xr.Dataset(attrs={"configuration": json.dumps(configuration)}))
    plastic = {a.name for a in read_circuit(data)[1] if a.plastic}
    assert plastic == {"cortex->d2", "cortex->dorsal_striatum", "cortex->ventral_striatum"}


def test_a_circuit_is_drawn_as_its_description(tmp_path):
    circuit = models.circuit("basal_ganglia", tasks.make("bernoulli_bandit"), units=4)
    assert read_circuit(circuit) == read_circuit(circuit.to_dict())
    files = tmp_path / "one.svg", tmp_path / "other.svg"
    for path, what in zip(files, (circuit, circuit.to_dict()), strict=True):
        save_figure(plot_circuit(what).figure, path)
    assert files[0].read_bytes() == files[1].read_bytes()
    assert read_circuit(circuit.lesion("gpe->stn")) != read_circuit(circuit)


def test_what_is_no_circuit_is_refused(tmp_path, capsys):
    configuration = json.dumps({"names": ["memory_chain"]})
    data = xr.DataTree(xr.Dataset(attrs={"configuration": configuration, "schema_version": 1}))
    data.to_netcdf(tmp_path / "other.nc")
    assert plot.main([str(tmp_path / "other.nc"), "--kind", "circuit"]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.endswith(
        "other.nc: the data hold no circuit: their configuration has no agent.circuit"
    )
    assert [p.name for p in tmp_path.iterdir()] == ["other.nc"]
    for what in ({"populations": {}}, [basal_ganglia()], xr.Dataset()):
        with pytest.raises(ValueError, match="populations, projections and inputs"):
            plot_circuit(what)
    broken = basal_ganglia()
    del broken["populations"]["d1"]["size"]
    with pytest.raises(ValueError, match="lacks 'size'"):
        plot_circuit(broken)
    broken = basal_ganglia()
    broken["projections"]["d1->gpi"]["weights"] = float("nan")
    with pytest.raises(ValueError, match="weights of d1->gpi are not finite"):
        plot_circuit(broken)


def test_command_draws_a_model(tmp_path, capsys):
    path = tmp_path / "new" / "lru.svg"
    draw.main(["lru", "--units", "7", "--output", str(path)])
    assert capsys.readouterr().out == f"wrote {path}\n"
    assert ">n = 7<" in path.read_text()
    for words, part in (
        (["gpt"], "unknown model 'gpt'"),
        (["lru", "--task", "chess"], "unknown task 'chess'"),
        (["lru", "--output", "circuit.doc"], "circuit.doc: the name must end in"),
        (["lru", "--output", "/proc/none/a.svg"], "cannot write /proc/none/a.svg"),
    ):
        with pytest.raises(ValueError, match=part):
            draw.main(words)


def test_command_draws_what_edits_leave(tmp_path):
    path = tmp_path / "edited.svg"
    words = ["basal_ganglia", "--lesion", "stn", "--set", "cortex.size=40", "--output", str(path)]
    draw.main(words)
    text = path.read_text()
    assert "n = 8, lesioned" in text and "n = 40" in text
    with pytest.raises(InputError, match="unknown population or projection 'snr'; valid: action->"):
        draw.main(["basal_ganglia", "--lesion", "snr"])


def test_a_figure_of_that_name_is_kept_unless_asked(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "mine.svg"
    words = ["lru", "--units", "2", "--output", str(path)]
    draw.main(words)
    path.write_text("mine now")
    with pytest.raises(InputError, match=r"mine\.svg exists; .*--overwrite"):
        draw.main(words)
    assert path.read_text() == "mine now"
    draw.main([*words, "--overwrite"])
    assert path.read_text().startswith("<?xml")
    # What has the name that the command gives it is drawn anew.
    for units in ("2", "3"):
        draw.main(["lru", "--units", units])
    assert (tmp_path / "results" / "lru.svg").read_text().startswith("<?xml")


def test_a_full_disk_is_not_the_fault_of_what_was_given(tmp_path, capsys, monkeypatch):
    """Exit code 1, from a model and from a file; nothing is left of the figure."""
    monkeypatch.chdir(tmp_path)
    data = xr.Dataset(attrs={"configuration": json.dumps({"agent": {"circuit": basal_ganglia()}})})
    data.to_netcdf("run.nc", engine="netcdf4")
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        assert run_command(lambda: draw.main(["lru", "--output", "a.svg"])) == 1
        assert plot.main(["run.nc", "--kind", "circuit"]) == 1
        with pytest.raises(RunError, match=r"cannot write b\.png: File too large"):
            write_figure(plot_circuit(basal_ganglia()).figure, Path("b.png"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "error: cannot write a.svg: File too large",
        "error: cannot write run-circuit.png: File too large",
    ]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["run.nc"]
