"""A piece of work and its hours, with numbers worked by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from airflow_carbon.core.embodied import Embodied
from airflow_carbon.core.energy import Energy, How
from airflow_carbon.core.work import Hours, Work, check_interval, reserved_before
from airflow_carbon.exceptions import InvalidRequestError

START = datetime(2026, 1, 15, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
SORT = {"zone": "DE", "kind": "measured", "signal": "average", "accounting": "life-cycle", "source": "own"}
AT_WORK, AT_REST = Hours(300.0, **SORT, final=True), Hours(100.0, **SORT, final=True)


def work(**changed: Any) -> Work:
    """Two hours at 1 kWh, after three hours of reservation at 0.5 kWh."""
    energy = Energy(1.5, How.DECLARED, "declared", idle_kwh=0.2, waiting_kwh=0.5)
    return replace(
        Work(START, START + 2 * HOUR, energy, Embodied(35_040.0, 35_040 * HOUR), 3 * HOUR, AT_WORK, AT_REST), **changed
    )


def test_what_was_drawn_while_waiting_is_billed_by_the_hours_of_the_wait() -> None:
    """1 kWh x 300 + 0.5 kWh x 100 = 350 g over 1.5 kWh; one gram an hour embodied over five hours; 10 units."""
    one = work()
    assert one.intensity_g_per_kwh == pytest.approx(350.0 / 1.5, rel=1e-12)
    assert one.embodied_g == pytest.approx(5.0, rel=1e-12)
    report = one.report("order", 10.0)
    assert report.operational_g == pytest.approx(350.0, rel=1e-12)
    assert report.score == pytest.approx(35.5, rel=1e-12)
    assert (report.energy_how, report.zone, report.final) == ("declared", "DE", True)


def test_a_wait_whose_hours_nobody_knows_leaves_the_intensity_open() -> None:
    one = work(waiting=None)
    assert (one.intensity_g_per_kwh, one.final) == (None, False)
    with pytest.raises(InvalidRequestError, match="nobody knows it"):
        one.report("order", 1.0)


def test_a_wait_that_drew_nothing_needs_no_hours() -> None:
    one = work(waiting=None, energy=Energy(1.0, How.MEASURED, "meter"))
    assert (one.intensity_g_per_kwh, one.final) == (300.0, True)


def test_one_forecast_keeps_it_open() -> None:
    assert work(waiting=replace(AT_REST, kind="forecast", final=False)).final is False


def test_hours_of_different_sorts_are_not_put_together() -> None:
    with pytest.raises(InvalidRequestError, match=r"reserved_while_waiting: its hours are marginal"):
        work(waiting=replace(AT_REST, signal="marginal"))
    with pytest.raises(InvalidRequestError, match=r"ready_at: its hours are average \(direct\)"):
        work(ready=replace(AT_REST, accounting="direct"))


def test_work_ends_after_it_began() -> None:
    with pytest.raises(InvalidRequestError, match=r"end: .* must be later than start.*2 h before it"):
        work(ended_at=START - 2 * HOUR)
    with pytest.raises(InvalidRequestError, match="must be later"):
        check_interval(START, START)
    with pytest.raises(InvalidRequestError, match=r"start: .* has no timezone"):
        check_interval(START.replace(tzinfo=None), START)


def test_an_intensity_is_a_number_of_zero_or_more() -> None:
    with pytest.raises(InvalidRequestError, match="intensity_g_per_kwh: -1"):
        Hours(-1.0)


@pytest.mark.parametrize(
    ("given", "before"),
    [
        (None, 0 * HOUR), ("", 0 * HOUR), ("0", 0 * HOUR), ("3h", 3 * HOUR), (3 * HOUR, 3 * HOUR),
        (START - 3 * HOUR, 3 * HOUR), ("2026-01-15T09:00:00+00:00", 3 * HOUR), ("90m", 1.5 * HOUR),
    ],
)  # fmt: skip
def test_a_reservation_is_told_by_its_length_or_its_begin(given: Any, before: timedelta) -> None:
    assert reserved_before(given, START) == before


@pytest.mark.parametrize("given", ["long", "2026-01-15T09:00:00", START + HOUR, -HOUR])
def test_a_reservation_that_cannot_be_meant_is_refused(given: Any) -> None:
    with pytest.raises(InvalidRequestError, match="reserved_while_waiting"):
        reserved_before(given, START)
