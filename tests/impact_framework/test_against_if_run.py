"""This package against the real Impact Framework 1.1.0, wherever the two mean the same."""

from __future__ import annotations

import math
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from random_manifests import random_manifest, random_run

from airflow_carbon.cli.yaml_text import loaded
from airflow_carbon.core.manifest.of_run import manifest_of_run
from airflow_carbon.core.manifest.run import run_manifest
from airflow_carbon.core.manifest.score import KEY
from airflow_carbon.core.sci import embodied_share_g, sci
from airflow_carbon.exceptions import InvalidRequestError

if TYPE_CHECKING:
    from conftest import ImpactFramework

    from airflow_carbon.core.manifest.of_run import TaskRow

OWN = Path(__file__).parent.parent / "data" / "manifests"
GIVEN = Path(__file__).parent.parent.parent.parent / "shared" / "if_cases"
CASES = [*OWN.glob("*.yml"), *GIVEN.glob("*/manifest.yml"), *GIVEN.glob("*/equivalent_removed.yml")]
TREES, RUNS = 300, 100
WITHIN = 1e-12


def same(ours: Any, theirs: Any, where: str = "tree") -> None:
    """Assert that two trees are the same: keys in order, texts, and numbers within 1e-12."""
    if isinstance(theirs, dict):
        keys = [key for key in theirs if key != KEY]
        assert [key for key in ours if key != KEY] == keys, where
        for key in keys:
            same(ours[key], theirs[key], f"{where}.{key}")
    elif isinstance(theirs, list):
        assert len(ours) == len(theirs), where
        for index, (one, other) in enumerate(zip(ours, theirs, strict=True)):
            same(one, other, f"{where}[{index}]")
    elif isinstance(theirs, int | float) and not isinstance(theirs, bool):
        assert math.isclose(ours, theirs, rel_tol=WITHIN), (where, ours, theirs)
    else:
        assert ours == theirs, where


def without(node: dict[str, Any], skipped: list[str]) -> dict[str, Any]:
    """Take components out of a tree."""
    children = {name: without(one, skipped) for name, one in node.get("children", {}).items() if name not in skipped}
    return {**node, **({"children": children} if children else {})}


@pytest.mark.parametrize("case", CASES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_each_case_has_the_outputs_of_the_real_one(case: Path, impact_framework: ImpactFramework) -> None:
    manifest = loaded(case.read_bytes(), case.name)
    ours = run_manifest(manifest).document["tree"]
    skipped = (manifest.get("aggregation") or {}).get("skip-components") or []
    if skipped:
        # It ignores skip-components, so it gets the tree that they leave.
        ours = without(ours, skipped)
        manifest = {**manifest, "tree": without(manifest["tree"], skipped)}
        del manifest["aggregation"]["skip-components"]
    (answer,) = impact_framework.trees([manifest])
    same(ours, answer["tree"])


def test_random_trees_have_the_outputs_of_the_real_one(impact_framework: ImpactFramework) -> None:
    manifests = [random_manifest(random.Random(seed)) for seed in range(TREES)]
    answers = impact_framework.trees(manifests)
    for seed, (manifest, answer) in enumerate(zip(manifests, answers, strict=True)):
        if "error" in answer:
            # Less hardware than the baseline can have less than no embodied carbon, which no SCI takes.
            with pytest.raises(InvalidRequestError, match=r"\.carbon: -"):
                run_manifest(manifest)
        else:
            same(run_manifest(manifest).document["tree"], answer["tree"], f"seed {seed}: tree")
    assert sum("tree" in answer for answer in answers) >= 0.98 * TREES


def test_what_is_written_of_a_run_is_computed_to_the_same_sci_by_the_real_one(
    impact_framework: ImpactFramework,
) -> None:
    runs = [random_run(random.Random(seed)) for seed in range(RUNS)]
    answers = impact_framework.trees([manifest_of_run(**run) for run in runs])
    for seed, (run, answer) in enumerate(zip(runs, answers, strict=True)):
        assert "error" not in answer, (seed, answer)
        expected = sum(sci_of(task, run["functional_units"]) for task in run["tasks"])
        assert math.isclose(answer["tree"]["aggregated"]["sci"], expected, rel_tol=WITHIN), seed
        assert math.isclose(
            answer["tree"]["aggregated"]["energy"], sum(task.energy_kwh for task in run["tasks"]), rel_tol=WITHIN
        )
        ours = run_manifest(manifest_of_run(**run))
        assert ours.notes == ()
        same(ours.document["tree"], answer["tree"])


def sci_of(task: TaskRow, units: float) -> float:
    """Compute a task's part of the run's SCI by this package's own formulas."""
    embodied = task.embodied_g
    if task.hardware is not None:
        embodied = embodied_share_g(
            task.hardware.total_embodied_g,
            reserved=task.reserved,
            expected_life=task.hardware.expected_life,
            resource_share=task.resource_share,
        )
    return sci(
        energy_kwh=task.energy_kwh,
        intensity_g_per_kwh=task.intensity_g_per_kwh,
        embodied_g=embodied,
        functional_units=units,
    )


def test_the_command_if_run_accepts_what_is_written_of_a_run(impact_framework: ImpactFramework) -> None:
    run = random_run(random.Random(7))
    answer = impact_framework.run(manifest_of_run(**run))
    assert answer["execution"]["status"] == "success"
    expected = sum(sci_of(task, run["functional_units"]) for task in run["tasks"])
    assert math.isclose(answer["tree"]["aggregated"]["sci"], expected, rel_tol=WITHIN)


def test_the_command_if_run_reads_the_outputs_that_are_written_here(impact_framework: ImpactFramework) -> None:
    outputs = run_manifest(loaded((OWN / "every_plugin.yml").read_bytes(), "every_plugin.yml")).document
    answer = impact_framework.run(outputs)
    assert answer["execution"]["status"] == "success"
    same(outputs["tree"], answer["tree"])


def leaf(*rows: dict[str, Any]) -> dict[str, Any]:
    begins = datetime(2026, 3, 2, tzinfo=UTC)
    return {
        "inputs": [
            {"timestamp": (begins + index * timedelta(hours=1)).isoformat(), "duration": 3600, **row}
            for index, row in enumerate(rows)
        ]
    }


def two(method: Any, first: dict[str, Any], second: dict[str, Any], **aggregation: Any) -> dict[str, Any]:
    """Give a manifest that doubles ``x`` into ``y`` in two components."""
    metadata = {"y": {"unit": "u", "description": "d", "aggregation-method": method}}
    doubled = {"input-parameters": ["x", "x"], "output-parameter": "y"}
    return {
        "name": "two",
        "aggregation": {"metrics": ["y"], "type": "both", **aggregation},
        "initialize": {
            "plugins": {
                "double": {
                    "path": "builtin",
                    "method": "Sum",
                    "config": doubled,
                    "parameter-metadata": {"outputs": metadata},
                }
            }
        },
        "tree": {"pipeline": {"compute": ["double"]}, "children": {"one": first, "two": second}},
    }


def test_one_method_for_both_directions_is_refused_there_and_taken_here(impact_framework: ImpactFramework) -> None:
    manifest = two("sum", leaf({"x": 1}), leaf({"x": 2}))
    (answer,) = impact_framework.trees([manifest])
    assert "ManifestValidationError" in answer["error"]
    assert run_manifest(manifest).document["tree"]["aggregated"] == {"y": 6.0}


def test_skipped_components_count_there_and_not_here(impact_framework: ImpactFramework) -> None:
    both = {"time": "sum", "component": "sum"}
    manifest = two(both, leaf({"x": 1}), leaf({"x": 2}), **{"skip-components": ["two"]})
    (answer,) = impact_framework.trees([manifest])
    assert answer["tree"]["aggregated"] == {"y": 6}
    assert run_manifest(manifest).document["tree"]["aggregated"] == {"y": 2.0}


def test_rows_beyond_the_shorter_component_are_lost_there_and_refused_here(impact_framework: ImpactFramework) -> None:
    both = {"time": "sum", "component": "sum"}
    manifest = two(both, leaf({"x": 1}), leaf({"x": 2}, {"x": 3}))
    (answer,) = impact_framework.trees([manifest])
    assert answer["tree"]["aggregated"] == {"y": 6}
    with pytest.raises(InvalidRequestError, match=r"^tree\.children\.two\.outputs: has 2 rows where .* has 1"):
        run_manifest(manifest)


def test_a_metric_left_out_of_a_group_is_an_error_there_and_left_out_here(impact_framework: ImpactFramework) -> None:
    manifest = two({"time": "sum", "component": "none"}, leaf({"x": 1}), leaf({"x": 2}))
    (answer,) = impact_framework.trees([manifest])
    assert "MissingAggregationParamError" in answer["error"]
    tree = run_manifest(manifest).document["tree"]
    assert tree["aggregated"] == {}
    assert tree["children"]["two"]["aggregated"] == {"y": 4.0}


def test_dividing_by_a_parameter_that_is_0_is_an_error_in_both(impact_framework: ImpactFramework) -> None:
    divide = {"path": "builtin", "method": "Divide", "config": {"numerator": "x", "denominator": "n", "output": "y"}}
    manifest = two("sum", leaf({"x": 1, "n": 0}), leaf({"x": 2, "n": 1}))
    manifest["initialize"]["plugins"] = {"double": divide}
    del manifest["aggregation"]
    (answer,) = impact_framework.trees([manifest])
    assert "MissingInputDataError" in answer["error"]
    with pytest.raises(InvalidRequestError, match=r"^tree\.children\.one\.inputs\[0\]\.n: is 0"):
        run_manifest(manifest)
