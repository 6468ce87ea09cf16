"""Choosing a region, and following it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fakes.task_context import task_context

from airflow_carbon.exceptions import InvalidRequestError, NoFeasibleWindowError, UnknownZoneError

pytestmark = pytest.mark.airflow

REGIONS = ["aws:us-east-1", "azure:germanywestcentral", "azure:swedencentral"]
HOUR = timedelta(hours=1)


def chosen(context: dict[str, Any], **asked: Any) -> Any:
    from airflow_carbon import BestRegionOperator

    return BestRegionOperator(task_id="pick", **{"regions": REGIONS, "duration": "2h", **asked}).execute(context)


def test_the_region_comes_back_as_the_user_wrote_it() -> None:
    context = task_context()
    assert chosen(context, regions=[" Azure:SwedenCentral".strip(), "aws:us-east-1"]) == "Azure:SwedenCentral"
    assert context["ti"].xcoms["carbon_decision"]["chosen"] == "Azure:SwedenCentral"


def test_the_ranking_holds_every_candidate_and_each_reason() -> None:
    context = task_context()
    assert chosen(context, allowed_countries=["DE", "US"]) == "aws:us-east-1"
    ranking = context["ti"].xcoms["ranking"]
    assert [row["region"] for row in ranking] == REGIONS
    assert [row["rank"] for row in ranking] == [1, 2, None]
    assert "country SE is not allowed" in ranking[2]["rejected"]
    assert all(row["kind"] == "annual average" for row in ranking[:2])
    assert json.loads(json.dumps(ranking)) == ranking


def test_fields_may_be_texts_as_params_and_templates_give_them() -> None:
    assert chosen(task_context(), regions=", ".join(REGIONS), allowed_countries="SE,DE") == "azure:swedencentral"


def test_with_a_deadline_region_and_time_are_chosen_together(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    rows = [f"{(now + hour * HOUR).isoformat()},{10 if hour == 4 else 100}" for hour in range(24)]
    (tmp_path / "own.csv").write_text("\n".join(["timestamp,intensity", *rows]))
    extra = {"path": str(tmp_path / "own.csv")}
    monkeypatch.setenv("AIRFLOW_CONN_MINE", json.dumps({"conn_type": "carbon_history", "extra": extra}))
    context = task_context()
    chosen(context, carbon_conn_id="mine", duration="1h", deadline="12h")
    assert context["ti"].xcoms["carbon_decision"]["start"] == (now + 4 * HOUR).isoformat()


def test_an_outage_falls_back_to_annual_averages_for_all_regions_alike(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    extra = {"path": str(tmp_path / "absent.csv")}
    monkeypatch.setenv("AIRFLOW_CONN_GONE", json.dumps({"conn_type": "carbon_history", "extra": extra}))
    context = task_context()
    assert chosen(context, carbon_conn_id="gone") == "azure:swedencentral"
    assert {row["kind"] for row in context["ti"].xcoms["ranking"]} == {"annual average"}


def test_branches_may_come_from_a_template(monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow_carbon import BestRegionBranchOperator

    one = BestRegionBranchOperator(task_id="pick", branches="{{ params.branches }}", duration="1h")  # type: ignore[arg-type]
    with pytest.raises(InvalidRequestError, match=r"branches.*must map each region"):
        one.choose_branch(task_context())
    one.branches = {region: f"run_in_{index}" for index, region in enumerate(REGIONS)}
    assert one.choose_branch(task_context()) == "run_in_2"


def test_a_late_scheduler_does_not_fail_the_choice() -> None:
    run_after = datetime.now(UTC) - 3 * HOUR
    assert chosen(task_context(run_after=run_after), deadline="4h") == "azure:swedencentral"


@pytest.mark.parametrize(
    ("asked", "fault"),
    [
        ({"regions": []}, "regions"),
        ({"regions": ["azure:swedencentrall"]}, "did you mean azure:swedencentral"),
        ({"regions": ["azur:swedencentral"]}, "azure"),
        ({"regions": ["azure:swedencentral", "azure:swedencentral"]}, "regions.*twice"),
        ({"duration": "0m"}, "duration"),
        ({"deadline": "1h"}, "deadline.*cannot be met"),
        ({"allowed_countries": ["NO"]}, "country SE is not allowed"),
        ({"carbon_conn_id": "nowhere"}, "'nowhere' is not defined"),
    ],
)
def test_bad_input_is_refused_by_name(asked: dict[str, Any], fault: str) -> None:
    with pytest.raises((InvalidRequestError, NoFeasibleWindowError, UnknownZoneError), match=fault):
        chosen(task_context(), **asked)


def test_a_region_without_a_branch_is_refused_before_anything_is_asked() -> None:
    from airflow_carbon import BestRegionBranchOperator

    one = BestRegionBranchOperator(task_id="pick", branches={REGIONS[0]: "run"}, regions=REGIONS, duration="1h")
    with pytest.raises(InvalidRequestError, match="'azure:germanywestcentral' has no task to follow"):
        one.choose_branch(task_context())


def test_the_branch_of_the_best_region_is_followed() -> None:
    from airflow_carbon import BestRegionBranchOperator

    branches = {region: f"run_in_{index}" for index, region in enumerate(REGIONS)}
    context = task_context()
    assert (
        BestRegionBranchOperator(task_id="pick", branches=branches, duration="1h").choose_branch(context) == "run_in_2"
    )
    assert context["ti"].xcoms["carbon_decision"]["chosen"] == REGIONS[2]
