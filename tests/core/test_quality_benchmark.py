"""What the benchmark of decisions on issued forecasts calls met, and what missed."""

from __future__ import annotations

import importlib.util
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType

import pytest

from airflow_carbon.core.backtest import Job, Outcome

FOLDER = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def quality() -> ModuleType:
    sys.path.insert(0, str(FOLDER))
    try:
        spec = importlib.util.spec_from_file_location("quality", FOLDER / "quality.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(FOLDER))
    return module


def test_a_figure_is_missed_where_one_pool_misses_it(quality: ModuleType) -> None:
    assert not quality.verdict("share", "5", [4.9, 5.0], 5.0, None).endswith("MISSED")
    assert quality.verdict("share", "5", [4.9, 5.1], 5.0, None).endswith("MISSED")
    assert quality.verdict("share", "5", [5.1, 4.9], 5.0, None).endswith("MISSED")


def test_errors_that_cancel_in_the_pool_are_missed_and_the_worst_stretch_is_named(quality: ModuleType) -> None:
    told = quality.verdict("promises", "+-1", [-0.9, -0.9], 1.0, ("april", -10.5))
    assert told.endswith("worst stretch -10.50 (april)  MISSED")
    assert not quality.verdict("promises", "+-1", [-0.9, -0.9], 1.0, ("april", -0.95)).endswith("MISSED")


def test_the_share_is_told_for_every_offset_of_a_wider_spacing(quality: ModuleType) -> None:
    start = datetime(2026, 3, 2, tzinfo=UTC)
    outcomes = [
        Outcome(
            Job(ready := start + index * timedelta(minutes=10), timedelta(hours=1), ready + timedelta(hours=24)),
            "GB", ready, ready + timedelta(hours=1), 1, True, 200.0 if index % 2 else 50.0, 100.0, 50.0, 10.0,
        )
        for index in range(12)
    ]  # fmt: skip
    # Every second job emits more: at 20 minutes all of one offset and none of the other.
    assert quality.spaced(outcomes, 20) == (0.0, 100.0)
    assert quality.spaced(outcomes, 10) == (50.0, 50.0)
