"""A promise in the record of a wait, as it was made and as past ones let it be believed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from airflow_carbon.core.forecast import Forecast
from airflow_carbon.core.request import WaitRequest
from airflow_carbon.core.units import Kind
from airflow_carbon.core.wait import Wait

HOUR = timedelta(hours=1)
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def waited(kept: float | None, intensity: list[float]) -> Wait:
    request = WaitRequest.checked(duration=HOUR, ready_at=NOON, latest_start=NOON + 3 * HOUR)
    wait = Wait(request)
    wait.decide(Forecast("GB", NOON, HOUR, intensity, kind=Kind.OWN, source="own forecast, from 28 days"), NOON)
    if kept is not None:
        wait.origin["promises_kept"] = kept
    return wait


def test_both_savings_stand_in_the_record_and_survive_the_process() -> None:
    wait = waited(0.75, [400.0, 300.0, 200.0, 300.0])
    for one in (wait, Wait(wait.request).resume(wait.state())):
        record = one.record()
        assert record["promised_saving_percent"] == pytest.approx(50.0)
        assert record["shrunk_saving_percent"] == pytest.approx(37.5)
        assert (record["promises_kept"], record["kind"]) == (0.75, "own forecast")


@pytest.mark.parametrize("kept", [None, 0.3])
def test_where_nothing_is_known_or_promised_nothing_is_shrunk(kept: float | None) -> None:
    intensity = [400.0, 300.0, 200.0, 300.0] if kept is None else [200.0] * 4
    record = waited(kept, intensity).record()
    assert record["shrunk_saving_percent"] == record["promised_saving_percent"]


def test_an_own_forecast_of_unknown_error_gives_up_a_plan_only_for_seven_percent() -> None:
    wait = waited(None, [400.0, 300.0, 200.0, 300.0])
    # A deviation of 10 % each: half of its hypotenuse is 7.07 %.
    for later, moved in ((186.0, 0), (185.0, 1)):
        newer = Forecast("GB", NOON, HOUR, [400.0, 300.0, 200.0, later], kind=Kind.OWN, source="own forecast, from 28")
        wait.decide(newer, NOON)
        assert wait.replans == moved
