"""What is wrong in a manifest is named with its place and with what would be right."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_carbon.cli.yaml_text import loaded
from airflow_carbon.core.manifest.run import run_manifest
from airflow_carbon.exceptions import InvalidRequestError

VISITS = Path(__file__).parent.parent / "data" / "manifests" / "visits_counted_apart.yml"
Change = Callable[[Any], object]


def fault_of(change: Change) -> str:
    """Change a good manifest and give what is said of it."""
    document = loaded(VISITS.read_bytes(), VISITS.name)
    change(document)
    with pytest.raises(InvalidRequestError) as raised:
        run_manifest(document)
    return str(raised.value)


def plugins(document: Any) -> Any:
    return document["initialize"]["plugins"]


def back(document: Any) -> Any:
    return document["tree"]["children"]["back"]


def renamed(mapping: dict[str, Any], old: str, new: str) -> None:
    mapping[new] = mapping.pop(old)


WRONG: dict[str, tuple[Change, str, str]] = {
    "a misspelt parameter in a row": (
        lambda one: renamed(back(one)["inputs"][1], "carbon", "carbn"),
        "tree.children.back.inputs[1].carbon: ",
        "is missing; the row has 'carbn', is 'carbon' meant?",
    ),
    "a text for a number": (
        lambda one: back(one)["inputs"][1].update(carbon="4"),
        "tree.children.back.inputs[1].carbon: ",
        "'4' must be a finite number, at least 0; take the quotes away",
    ),
    "an expression": (
        lambda one: back(one)["inputs"][1].update(carbon="=2*visits"),
        "tree.children.back.inputs[1].carbon: ",
        "expressions are not supported",
    ),
    "a negative carbon": (
        lambda one: back(one)["inputs"][0].update(carbon=-1),
        "tree.children.back.inputs[0].carbon: ",
        "-1 must be a number, at least 0",
    ),
    "a negative count": (
        lambda one: back(one)["inputs"][0].update(visits=-1),
        "tree.children.back.inputs[0].visits: ",
        "at least 0",
    ),
    "a wrong default": (
        lambda one: (back(one)["inputs"][0].pop("carbon"), back(one).update(defaults={"carbon": "much"})),
        "tree.children.back.defaults.carbon: ",
        "'much' must be a finite number",
    ),
    "a run of less than a second": (
        lambda one: back(one)["inputs"][0].update(duration=0.5),
        "tree.children.back.inputs[0].duration: ",
        "at least 1",
    ),
    "a row without a time": (
        lambda one: back(one)["inputs"][0].pop("timestamp"),
        "tree.children.back.inputs[0].timestamp: ",
        "nothing must be when the row begins",
    ),
    "a misspelt time": (
        lambda one: renamed(back(one)["inputs"][0], "timestamp", "timestmp"),
        "tree.children.back.inputs[0].timestmp: ",
        "write 'timestamp'",
    ),
    "a row that is none": (lambda one: back(one).update(inputs=[3]), "tree.children.back.inputs[0]: ", "a row"),
    "no rows": (lambda one: back(one).update(inputs=[]), "tree.children.back.inputs: ", "at least one row"),
    "a misspelt key of a component": (
        lambda one: renamed(back(one), "inputs", "input"),
        "tree.children.back.input: ",
        "write 'inputs'",
    ),
    "a component that is none": (
        lambda one: one["tree"]["children"].update(back=None),
        "tree.children.back: ",
        "a component (inputs) or a group (children)",
    ),
    "a group of nothing": (lambda one: back(one).update(children={}), "tree.children.back.children: ", "at least one"),
    "no pipeline": (lambda one: back(one).pop("pipeline"), "tree.children.back.pipeline: ", "{compute: [plugin, ...]}"),
    "the old form of a pipeline": (
        lambda one: back(one).update(pipeline=["sci"]),
        "tree.children.back.pipeline: ",
        "write {compute: [plugin, ...]}",
    ),
    "a phase that is not supported": (
        lambda one: back(one)["pipeline"].update(observe=["mock"]),
        "tree.children.back.pipeline.observe: ",
        "supported is compute",
    ),
    "a misspelt plugin in a pipeline": (
        lambda one: back(one)["pipeline"].update(compute=["scii"]),
        "tree.children.back.pipeline.compute[0]: ",
        "is 'sci' meant?",
    ),
    "an unknown plugin in a pipeline": (
        lambda one: back(one)["pipeline"].update(compute=["teads"]),
        "tree.children.back.pipeline.compute[0]: ",
        "there are sci, doubled",
    ),
    "a plugin that is not supported": (
        lambda one: plugins(one)["sci"].update(method="TimeSync"),
        "initialize.plugins.sci.method: ",
        "supported are Coefficient, Copy, Divide, Multiply, Sci, SciEmbodied, Subtract, Sum, all with path: builtin",
    ),
    "a misspelt plugin": (
        lambda one: plugins(one)["sci"].update(method="SciEmbodid"),
        "initialize.plugins.sci.method: ",
        "is 'SciEmbodied' meant?",
    ),
    "a plugin from elsewhere": (
        lambda one: plugins(one)["sci"].update(path="@grnsft/if-plugins"),
        "initialize.plugins.sci.path: ",
        "all with path: builtin",
    ),
    "a mapping of names": (
        lambda one: plugins(one)["sci"].update(mapping={"carbon": "co2"}),
        "initialize.plugins.sci.mapping: ",
        "write the parameters' own names",
    ),
    "a misspelt setting": (
        lambda one: renamed(plugins(one)["doubled"]["config"], "input-parameters", "input-parameter"),
        "initialize.plugins.doubled.config.input-parameter: ",
        "write 'input-parameters'",
    ),
    "a setting that is missing": (
        lambda one: plugins(one)["doubled"].pop("config"),
        "initialize.plugins.doubled.config.input-parameters: ",
        "must be names of parameters, as a list",
    ),
    "an expression for a functional unit": (
        lambda one: plugins(one)["sci"]["config"].update({"functional-unit": "=visits/2"}),
        "initialize.plugins.sci.config.functional-unit: ",
        "compute it with a plugin before",
    ),
    "a method that is none": (
        lambda one: plugins(one)["sci"]["parameter-metadata"]["inputs"]["visits"].update({"aggregation-method": "max"}),
        "initialize.plugins.sci.parameter-metadata.inputs.visits.aggregation-method: ",
        "write one of sum, avg, copy, none",
    ),
    "metadata without a method": (
        lambda one: plugins(one)["sci"]["parameter-metadata"]["inputs"]["visits"].pop("aggregation-method"),
        "initialize.plugins.sci.parameter-metadata.inputs.visits.aggregation-method: ",
        "write one of sum, avg, copy, none",
    ),
    "a metric without metadata": (
        lambda one: one["aggregation"].update(metrics=["carbon", "doubled"]),
        "aggregation.metrics[1]: ",
        "write under initialize.plugins.doubled.parameter-metadata.outputs: doubled: {unit: ..., description: ..., "
        "aggregation-method: {time: sum, component: sum}}",
    ),
    "a misspelt metric": (
        lambda one: one["aggregation"].update(metrics=["carbno"]),
        "aggregation.metrics[0]: ",
        "is 'carbon' meant?",
    ),
    "a type that is none": (
        lambda one: one["aggregation"].update(type="all"),
        "aggregation.type: ",
        "one of time, horizontal, component, vertical, both",
    ),
    "a misspelt key of the aggregation": (
        lambda one: renamed(one["aggregation"], "skip-components", "skip-component"),
        "aggregation.skip-component: ",
        "write 'skip-components'",
    ),
    "a misspelt component to skip": (
        lambda one: one["aggregation"].update({"skip-components": ["page-visit"]}),
        "aggregation.skip-components[0]: ",
        "is 'page-visits' meant?",
    ),
    "an unknown component to skip": (
        lambda one: one["aggregation"].update({"skip-components": ["page-visits", "db"]}),
        "aggregation.skip-components[1]: ",
        "there are page-visits, front, back",
    ),
    "all components to skip": (
        lambda one: one["aggregation"].update({"skip-components": ["page-visits", "front", "back"]}),
        "tree.children: ",
        "leave at least one in",
    ),
    "a metric that one component does not have": (
        lambda one: one["aggregation"].pop("skip-components"),
        "tree.children.page-visits.outputs[0].carbon: ",
        "is missing, and is to be aggregated",
    ),
    "components of unequal length": (
        lambda one: back(one)["inputs"].pop(),
        "tree.children.back.outputs: ",
        "has 1 rows where tree.children.front.outputs has 2",
    ),
    "components of other times": (
        lambda one: back(one)["inputs"][1].update(timestamp="2026-03-02T02:00:00Z"),
        "tree.children.back.outputs[1].timestamp: ",
        "put all on the same timestamps",
    ),
    "a misspelt part of the manifest": (
        lambda one: renamed(one, "aggregation", "agregation"),
        "agregation: ",
        "write 'aggregation'",
    ),
    "no name": (lambda one: one.pop("name"), "name: ", "the manifest's name"),
    "no tree": (lambda one: one.pop("tree"), "tree: ", "the components"),
    "a result beyond all numbers": (
        lambda one: (
            plugins(one)["doubled"].update(method="Multiply")
            or one["tree"]["children"]["page-visits"]["inputs"][0].update(visits=1e200)
        ),
        "tree.children.page-visits.inputs[0].doubled: ",
        "too large for a number",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_the_place_is_named_and_what_would_be_right(case: str) -> None:
    change, place, remedy = WRONG[case]
    fault = fault_of(change)
    assert fault.startswith(place)
    assert remedy in fault


@pytest.mark.parametrize(
    ("config", "place"),
    [
        ({"lifespan": 0}, "lifespan"),
        ({"baseline-vcpus": -1}, "baseline-vcpus"),
        ({"gpu-emissions-constant": "150 kg"}, "gpu-emissions-constant"),
        ({"vcpu-emission-constant": 5}, "vcpu-emission-constant"),
    ],
)
def test_a_wrong_embodied_constant_is_named(config: dict[str, Any], place: str) -> None:
    embodied = {"path": "builtin", "method": "SciEmbodied", "config": config}
    fault = fault_of(lambda one: plugins(one).update(embodied=embodied))
    assert fault.startswith(f"initialize.plugins.embodied.config.{place}: ")


@pytest.mark.parametrize(
    ("name", "value"), [("vCPUs", 0), ("usage-ratio", 0), ("memory", -1), ("time", 0), ("vCPU", 2)]
)
def test_wrong_hardware_is_named(name: str, value: float) -> None:
    def change(one: Any) -> None:
        plugins(one)["embodied"] = {"path": "builtin", "method": "SciEmbodied"}
        back(one)["pipeline"]["compute"] = ["embodied", "sci"]
        back(one)["inputs"][0][name] = value

    assert fault_of(change).startswith(f"tree.children.back.inputs[0].{name}: ")


def test_a_key_that_is_like_no_other_is_noted_and_left_alone() -> None:
    document = loaded(VISITS.read_bytes(), VISITS.name)
    document["params"] = {"of": "an older version"}
    back(document)["config"] = {"sci": {"functional-unit": "orders"}}
    outcome = run_manifest(document)
    assert outcome.document["params"] == document["params"]
    assert [note.partition(": ")[0] for note in outcome.notes] == ["params", "tree.children.back.config"]


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 3) | st.floats() | st.sampled_from(["sci", "", "carbon", "2026-03-02"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["carbon", "inputs", "x"]), inner),
    max_leaves=5,
)


def places(node: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [path, *(one for key, child in inner for one in places(child, (*path, key)))]


@given(st.data())
def test_whatever_stands_at_one_place_it_is_computed_or_refused_in_words(data: st.DataObject) -> None:
    document = loaded(VISITS.read_bytes(), VISITS.name)
    *path, last = data.draw(st.sampled_from([path for path in places(document) if path]))
    node = document
    for key in path:
        node = node[key]
    node[last] = data.draw(ANYTHING)
    fault = "none: computed"
    try:
        run_manifest(document)
    except InvalidRequestError as error:
        fault = str(error)
    assert ": " in fault
