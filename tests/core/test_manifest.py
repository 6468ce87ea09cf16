"""Manifests of Impact Framework: what comes out, worked by hand; the real one is asked in tests/impact_framework."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from airflow_carbon.cli.yaml_text import loaded
from airflow_carbon.core.manifest.run import run_manifest

MANIFESTS = Path(__file__).parent.parent / "data" / "manifests"


def manifest(name: str) -> Any:
    return loaded((MANIFESTS / f"{name}.yml").read_bytes(), name)


def tree(document: Any) -> Any:
    return run_manifest(document).document["tree"]


def with_step(row: dict[str, Any], method: str, **config: Any) -> dict[str, Any]:
    """Run one plugin over one row and give the row that comes out."""
    plugin = {
        "path": "builtin",
        "method": method,
        "config": {key.replace("_", "-"): one for key, one in config.items()},
    }
    inputs = [{"timestamp": "2026-03-02T00:00:00Z", "duration": 3600, **row}]
    out = tree(
        {
            "name": "one",
            "initialize": {"plugins": {"it": plugin}},
            "tree": {"children": {"x": {"pipeline": {"compute": ["it"]}, "inputs": inputs}}},
        }
    )["children"]["x"]["outputs"][0]
    return {key: value for key, value in out.items() if key not in ("timestamp", "duration")}


def test_sum_multiply_and_subtract_take_any_number_of_parameters():
    row = {"a": 8, "b": 3, "c": 2}
    names = {"input_parameters": ["a", "b", "c"], "output_parameter": "y"}
    assert with_step(row, "Sum", **names)["y"] == 13
    assert with_step(row, "Multiply", **names)["y"] == 48
    assert with_step(row, "Subtract", **names)["y"] == 3


def test_divide_takes_a_name_or_a_number():
    assert with_step({"a": 8, "b": 4}, "Divide", numerator="a", denominator="b", output="y")["y"] == 2
    assert with_step({"a": 8}, "Divide", numerator="a", denominator=16, output="y")["y"] == 0.5


def test_a_number_0_below_the_line_gives_what_stands_above_and_says_so():
    plugin = {"path": "builtin", "method": "Divide", "config": {"numerator": "a", "denominator": 0, "output": "y"}}
    row = {"timestamp": "2026-03-02T00:00:00Z", "duration": 60, "a": 8}
    outcome = run_manifest(
        {
            "name": "one",
            "initialize": {"plugins": {"it": plugin}},
            "tree": {"pipeline": {"compute": ["it"]}, "inputs": [row, row]},
        }
    )
    assert outcome.document["tree"]["outputs"] == [{**row, "y": 8}] * 2
    (note,) = outcome.notes
    assert note.startswith("initialize.plugins.it.config.denominator: is 0, so y is a itself")


def test_coefficient_multiplies_by_its_number():
    assert with_step({"a": 8}, "Coefficient", input_parameter="a", coefficient=0.25, output_parameter="y")["y"] == 2


def test_copy_keeps_the_first_or_takes_it_away():
    assert with_step({"a": 0}, "Copy", **{"from": "a"}, to="b", keep_existing=True) == {"a": 0, "b": 0}
    assert with_step({"a": 0}, "Copy", **{"from": "a"}, to="b", keep_existing=False) == {"b": 0}
    assert with_step({"a": "xeon"}, "Copy", **{"from": "a"}, to="b", keep_existing=False) == {"b": "xeon"}


def test_an_hour_of_the_baseline_server_is_28_5_grams_and_shows_what_was_taken():
    out = with_step({}, "SciEmbodied")
    assert out.pop("embodied-carbon") == pytest.approx(28.538812785388128, rel=1e-15)
    assert out == {"vCPUs": 1, "memory": 16, "ssd": 0, "hdd": 0, "gpu": 0, "usage-ratio": 1}


def test_hardware_beyond_the_baseline_is_added_piece_by_piece():
    row = {"vCPUs": 3, "memory": 64, "ssd": 1, "hdd": 2, "gpu": 4, "usage-ratio": 0.5, "time": 1800}
    # 1000 + 2 x 100 + 48 x 533/384 + 50 + 2 x 100 + 4 x 150 kg, half of it, 1800 of 126,144,000 s.
    kilograms = 1000 + 200 + 48 * 533 / 384 + 50 + 200 + 600
    assert with_step(row, "SciEmbodied")["embodied-carbon"] == pytest.approx(kilograms * 1000 / 2 * 1800 / 126_144_000)


def test_the_embodied_constants_and_the_name_of_the_result_can_be_set():
    config = {"baseline_emissions": 500, "lifespan": 7200, "output_parameter": "m"}
    assert with_step({}, "SciEmbodied", **config)["m"] == 250


def test_the_acceptance_example_of_issue_991():
    out = tree(manifest("issue_991"))
    first, second = out["children"]["component-1"], out["children"]["component-2"]
    assert [row["sci"] for row in first["outputs"]] == [0.0027 / 228, 0.0027 / 216, 0.0027 / 203]
    assert first["aggregated"]["carbon"] == pytest.approx(0.0081)
    assert second["aggregated"]["carbon"] == pytest.approx(0.0021)
    assert [row["carbon"] for row in out["outputs"]] == pytest.approx([0.0034] * 3)
    assert [row["sci"] for row in out["outputs"]] == pytest.approx([0.0034 / 228, 0.0034 / 216, 0.0034 / 203])
    assert out["aggregated"]["carbon"] == pytest.approx(0.0102)
    assert out["aggregated"]["sci"] == pytest.approx((0.0034 / 228 + 0.0034 / 216 + 0.0034 / 203) / 3)


def test_the_output_names_both_readings_of_sci_over_time_and_which_to_report():
    shop = tree(manifest("no_orders_at_night"))["children"]["shop"]
    assert shop["aggregated"] == {"carbon": 30, "sci": 5}
    assert shop["sci-over-time"] == {
        "report": "carbon-over-functional-units",
        "carbon-over-functional-units": 5,
        "mean-of-ratios": 5,
        "carbon": 30,
        "functional-unit": "orders",
        "functional-units": 6,
    }
    document = manifest("no_orders_at_night")
    document["tree"]["children"]["shop"]["inputs"][1]["orders"] = 1
    both = tree(document)["children"]["shop"]["sci-over-time"]
    assert (both["carbon-over-functional-units"], both["mean-of-ratios"]) == (10, 8)


def test_an_hour_without_orders_has_its_carbon_for_sci_and_a_note_says_so():
    outcome = run_manifest(manifest("no_orders_at_night"))
    assert [row["sci"] for row in outcome.document["tree"]["children"]["shop"]["outputs"]] == [6, 3, 6]
    (note,) = outcome.notes
    assert note.startswith("tree.children.shop.inputs[0].orders: is 0, so sci is the whole carbon")


def test_where_nothing_was_done_there_is_no_sci_to_report():
    document = manifest("no_orders_at_night")
    for row in document["tree"]["children"]["shop"]["inputs"]:
        row["orders"] = 0
    outcome = run_manifest(document)
    both = outcome.document["tree"]["children"]["shop"]["sci-over-time"]
    assert both["carbon-over-functional-units"] is None
    assert both["carbon"] == 30
    assert any("the total of orders is 0" in note for note in outcome.notes)


def test_components_that_work_on_the_same_units_share_them():
    out = tree(manifest("visits_counted_apart"))
    # 8 and 12 g an hour over the same 8 and 2 visits; not over 16 and 4.
    assert out["sci-over-time"]["functional-units"] == 10
    assert out["sci-over-time"]["carbon-over-functional-units"] == 2
    assert out["aggregated"] == {"carbon": 20, "sci": (8 / 8 + 12 / 2) / 2}


def test_the_same_units_in_each_component_are_asked_about_where_they_are_added():
    (note,) = run_manifest(manifest("issue_991")).notes
    assert "each component counts the same site-visits" in note
    assert "write component: copy" in note


def test_units_of_several_kinds_are_not_added():
    document = manifest("visits_counted_apart")
    plugins = document["initialize"]["plugins"]
    plugins["per-order"] = {"path": "builtin", "method": "Sci", "config": {"functional-unit": "orders"}}
    back = document["tree"]["children"]["back"]
    back["pipeline"]["compute"] = ["per-order"]
    for row in back["inputs"]:
        row["orders"] = 2
    outcome = run_manifest(document)
    assert "sci-over-time" not in outcome.document["tree"]
    assert outcome.document["tree"]["children"]["back"]["sci-over-time"]["functional-unit"] == "orders"
    assert any("different functional units (visits, orders)" in note for note in outcome.notes)


def test_units_that_nothing_says_how_to_combine_are_left_out_of_a_group():
    document = manifest("visits_counted_apart")
    del document["initialize"]["plugins"]["sci"]["parameter-metadata"]
    outcome = run_manifest(document)
    assert "sci-over-time" not in outcome.document["tree"]
    assert any("nothing says how 'visits' goes over components" in note for note in outcome.notes)


def test_a_skipped_component_is_computed_and_takes_no_part():
    out = tree(manifest("visits_counted_apart"))
    apart = out["children"]["page-visits"]
    assert apart["outputs"][0]["doubled"] == 16
    assert "aggregated" not in apart
    assert len(out["outputs"]) == 2


@pytest.mark.parametrize(("old", "new"), [("horizontal", "time"), ("vertical", "component")])
def test_the_old_names_of_the_types_mean_the_same(old, new):
    documents = []
    for kind in (old, new):
        document = manifest("every_plugin")
        document["aggregation"]["type"] = kind
        documents.append(tree(document))
    assert documents[0] == documents[1]


def test_the_type_time_leaves_groups_alone_and_the_type_component_leaves_components_alone():
    document = manifest("every_plugin")
    document["aggregation"]["type"] = "time"
    out = tree(document)
    assert "aggregated" in out["children"]["train"]
    assert "aggregated" not in out["children"]["prepare"]
    document["aggregation"]["type"] = "component"
    out = tree(document)
    assert "aggregated" not in out["children"]["train"]
    assert "aggregated" in out["children"]["prepare"]


def test_groups_of_groups_are_aggregated_from_the_rows_of_their_children():
    out = tree(manifest("every_plugin"))
    carbon = [[row["carbon"] for row in out["children"][name]["outputs"]] for name in ("prepare", "train")]
    assert [row["carbon"] for row in out["outputs"]] == pytest.approx([sum(pair) for pair in zip(*carbon, strict=True)])
    # 0.875 of 0.5 kWh at 216 g/kWh, and an hour of the baseline server.
    first = out["children"]["prepare"]["children"]["extract"]["outputs"][0]
    assert first["carbon"] == pytest.approx(0.4375 * 216 + 28.538812785388128)
    assert first["sci"] == first["carbon"] / 398
    assert out["sci-over-time"]["functional-units"] == 498


def test_a_node_takes_pipeline_and_defaults_from_above_and_its_own_replace_them_whole():
    row = {"timestamp": "2026-03-02T00:00:00Z", "duration": 60}
    add = {"input-parameters": ["a", "b"], "output-parameter": "y"}
    document = {
        "name": "inherited",
        "initialize": {
            "plugins": {name: {"path": "builtin", "method": name, "config": add} for name in ("Sum", "Multiply")}
        },
        "tree": {
            "pipeline": {"compute": ["Sum"]},
            "defaults": {"a": 2, "b": 3},
            "children": {
                "above": {"inputs": [row]},
                "stated": {"inputs": [{**row, "b": 10}]},
                "nothing": {"inputs": [{**row, "b": None}]},
                "own": {"pipeline": {"compute": ["Multiply"]}, "defaults": {"a": 5, "b": 6}, "inputs": [row]},
            },
        },
    }
    out = tree(document)["children"]
    assert {name: one["outputs"][0]["y"] for name, one in out.items()} == {
        "above": 5,
        "stated": 12,
        "nothing": 5,
        "own": 30,
    }


def test_without_aggregation_there_are_outputs_alone():
    document = manifest("issue_991")
    del document["aggregation"]
    out = tree(document)
    assert "aggregated" not in out
    assert "outputs" in out["children"]["component-1"]


def test_what_an_earlier_run_left_is_not_taken_for_a_result():
    document = manifest("issue_991")
    again = run_manifest(run_manifest(document).document).document
    assert again == run_manifest(document).document
    document["execution"] = {"status": "fail", "error": "of another run"}
    document["aggregation"]["type"] = "time"
    document["tree"]["aggregated"] = {"carbon": 99}
    document["tree"]["outputs"] = [{"carbon": 99}]
    out = run_manifest(document).document
    assert "execution" not in out
    assert out["tree"].keys() == {"pipeline", "children"}


def test_the_manifest_given_is_left_as_it_is():
    document = manifest("every_plugin")
    before = copy.deepcopy(document)
    out = run_manifest(document).document
    out["tree"]["children"]["train"]["inputs"][0]["cpu"] = -1
    out["tree"]["children"]["train"]["outputs"][0]["orders"] = -1
    assert document == before


def test_durations_that_differ_between_components_are_noted():
    document = manifest("visits_counted_apart")
    document["tree"]["children"]["front"]["inputs"][0]["duration"] = 1800
    outcome = run_manifest(document)
    assert outcome.document["tree"]["outputs"][0]["duration"] == 3600
    assert any(note.startswith("tree.outputs[0].duration: is 3600") for note in outcome.notes)
