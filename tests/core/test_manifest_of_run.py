from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from airflow_carbon.core.manifest.of_run import Hardware, TaskRow, manifest_of_run, parameter_of
from airflow_carbon.core.manifest.run import run_manifest
from airflow_carbon.exceptions import InvalidRequestError

SERVER = Hardware(1_000_000, timedelta(hours=35_040))
ORDERS = TaskRow(
    "orders", 0.4, 216, hardware=SERVER, reserved=timedelta(hours=1), signal="average", accounting="direct"
)
MAIL = TaskRow("mail", 0.05, 216, embodied_g=2, signal="average", accounting="direct")


def written(*tasks: TaskRow, **changes: Any) -> dict[str, Any]:
    stated: dict[str, Any] = {
        "dag_id": "shop",
        "run_id": "manual__1",
        "started": datetime(2026, 3, 2, 6, tzinfo=UTC),
        "ended": datetime(2026, 3, 2, 8, tzinfo=UTC),
        "tasks": tasks or (ORDERS,),
        "functional_unit": "order",
        "functional_units": 398,
    }
    return manifest_of_run(**{**stated, **changes})


def test_the_worked_example_is_0_2888_grams_an_order() -> None:
    out = run_manifest(written()).document["tree"]
    # (0.4 kWh x 216 g/kWh + 1e6 g / 35,040 h) / 398
    assert out["aggregated"]["sci"] == pytest.approx((86.4 + 1e6 / 35_040) / 398)
    assert round(out["aggregated"]["sci"], 4) == 0.2888


def test_a_run_is_its_total_carbon_over_its_one_count() -> None:
    outcome = run_manifest(written(ORDERS, MAIL))
    out = outcome.document["tree"]
    total = 86.4 + 1e6 / 35_040 + 0.05 * 216 + 2
    assert out["aggregated"]["carbon"] == pytest.approx(total)
    assert out["aggregated"]["order"] == 398
    assert out["aggregated"]["energy"] == pytest.approx(0.45)
    assert out["aggregated"]["sci"] == pytest.approx(total / 398)
    assert out["sci-over-time"]["carbon-over-functional-units"] == pytest.approx(total / 398)
    assert out["sci-over-time"]["mean-of-ratios"] == pytest.approx(total / 398)
    assert outcome.notes == ()


def test_every_try_and_every_mapped_task_is_a_component_of_its_own() -> None:
    tries = [TaskRow("fit", 1, 100, map_index=index, try_number=number) for index in (0, 1) for number in (1, 2)]
    children = written(*tries, TaskRow("mail", 1, 100))["tree"]["children"]
    assert list(children) == ["fit[0]", "fit[0] try 2", "fit[1]", "fit[1] try 2", "mail"]


def test_different_hardware_has_a_plugin_of_its_own_and_the_same_has_one() -> None:
    larger = Hardware(3_000_000, timedelta(hours=35_040))
    rows = [
        TaskRow(name, 1, 100, hardware=one, reserved=timedelta(hours=1))
        for name, one in zip("abc", (SERVER, larger, SERVER), strict=True)
    ]
    document = written(*rows)
    assert [name for name in document["initialize"]["plugins"] if name.startswith("embodied")] == [
        "embodied",
        "embodied-2",
    ]
    steps = {name: child["pipeline"]["compute"][1] for name, child in document["tree"]["children"].items()}
    assert steps == {"a": "embodied", "b": "embodied-2", "c": "embodied"}


def test_a_task_has_the_time_it_held_its_machine_and_the_row_the_whole_run() -> None:
    (row,) = written()["tree"]["children"]["orders"]["inputs"]
    assert (row["timestamp"], row["duration"], row["time"]) == ("2026-03-02T06:00:00Z", 7200, 3600)


def test_a_run_of_less_than_a_second_has_a_row_of_one() -> None:
    (row,) = written(ended=datetime(2026, 3, 2, 6, tzinfo=UTC))["tree"]["children"]["orders"]["inputs"]
    assert row["duration"] == 1


def test_what_is_told_of_a_task_stands_beside_its_rows() -> None:
    task = TaskRow("mail", 1, 100, signal="marginal", about={"energy": "measured", "zone": "GB"})
    child = written(task)["tree"]["children"]["mail"]
    assert child["about"] == {"signal": "marginal", "energy": "measured", "zone": "GB"}


@pytest.mark.parametrize(
    ("unit", "name"),
    [
        ("order", "order"),
        ("1000 rows", "rows"),
        ("page views / user", "page-views-user"),
        ("carbon", "carbon-count"),
        ("42", "count"),
        ("vCPUs", "vCPUs-count"),
    ],
)
def test_a_functional_unit_becomes_a_name_that_impact_framework_takes(unit: str, name: str) -> None:
    assert parameter_of(unit) == name
    assert unit in written(functional_unit=unit)["description"]


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"functional_units": 0}, "functional_units: R is 0"),
        ({"functional_units": "398"}, "functional_units: '398' must be"),
        ({"functional_unit": " "}, "functional_unit: ' ' must name"),
        ({"ended": datetime(2026, 3, 2, 5, tzinfo=UTC)}, "ended: "),
        ({"started": datetime(2026, 3, 2, 5)}, "started: "),  # noqa: DTZ001
        ({"tasks": ()}, "tasks: there is none"),
        ({"tasks": (MAIL, MAIL)}, "tasks: mail is there twice"),
        (
            {"tasks": (MAIL, TaskRow("x", 1, 1, signal="marginal", accounting="direct"))},
            "tasks: their signal differs (average, m",
        ),
        ({"tasks": (MAIL, TaskRow("x", 1, 1, signal="average"))}, "tasks: their accounting differs (not stated, d"),
        ({"tasks": (TaskRow("x", -1, 1),)}, "tasks[0].energy_kwh: -1 must be"),
        ({"tasks": (TaskRow("x", 1, float("nan")),)}, "tasks[0].intensity_g_per_kwh: nan must be"),
        ({"tasks": (TaskRow("x", 1, 1, embodied_g=-1),)}, "tasks[0].embodied_g: -1 must be"),
        ({"tasks": (TaskRow("x", 1, 1, hardware=SERVER, resource_share=1.5),)}, "tasks[0].resource_share: 1.5 "),
        ({"tasks": (TaskRow("x", 1, 1, hardware=Hardware(1, timedelta(0))),)}, "tasks[0].hardware.expected_life: "),
        ({"tasks": (TaskRow("x", 1, 1, hardware=SERVER, reserved=-timedelta(hours=1)),)}, "tasks[0].reserved: "),
    ],
)
def test_what_cannot_be_a_run_is_refused_by_the_name_of_its_field(changes: dict[str, Any], fault: str) -> None:
    with pytest.raises(InvalidRequestError) as raised:
        written(**changes)
    assert str(raised.value).startswith(fault)
