"""A forecast as a record keeps it: exact between the edges of the windows that it is shown with."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_carbon.core.forecast import Forecast
from airflow_carbon.core.record_forecast import document, spans

START = datetime(2026, 1, 1, tzinfo=UTC)
STEP = timedelta(minutes=5)


def test_a_short_forecast_is_kept_as_it_is() -> None:
    told = document(Forecast("GB", START, STEP, [3.0, 1.0]), most=2)
    assert told == {"start": START.isoformat(), "step_seconds": 300.0, "values": [3.0, 1.0]}
    assert list(spans(told)) == [(START, START + STEP, 3.0), (START + STEP, START + 2 * STEP, 1.0)]


def test_a_long_one_is_joined_to_means_but_for_the_step_that_holds_an_edge() -> None:
    edge = START + 2.5 * STEP
    told = document(Forecast("GB", START, STEP, [1.0, 3.0, 5.0, 7.0, 9.0, 11.0]), edge, most=3)
    assert (told["values"], told["steps"]) == ([2.0, 5.0, 7.0, 10.0], [2, 1, 1, 2])


@given(
    values=st.lists(st.floats(0.0, 1000.0), min_size=1, max_size=60),
    edges=st.lists(st.integers(-5, 65 * 300), min_size=2, max_size=4),
    most=st.integers(1, 60),
)
def test_the_integral_between_any_two_edges_stays(values: list[float], edges: list[int], most: int) -> None:
    forecast = Forecast("GB", START, STEP, values)
    moments = [START + timedelta(seconds=second) for second in edges]
    told = document(forecast, *moments, None, most=most)
    assert sum(told.get("steps") or [1] * len(values)) == len(values)
    inside = sorted(moment for moment in moments if forecast.start <= moment <= forecast.end)
    for begin, end in pairwise(inside):
        kept = sum(value * max(0.0, (min(last, end) - max(first, begin)) / STEP) for first, last, value in spans(told))
        exact = forecast.integral_to(_us(end)) - forecast.integral_to(_us(begin))
        assert kept == pytest.approx(exact, rel=1e-9, abs=1e-6)
    assert np.isfinite(told["values"]).all()


def _us(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
