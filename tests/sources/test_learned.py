"""What is learned of a source's error outlives the process, and losing it costs nothing but the learning."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from airflow_carbon.core.forecast import Forecast
from airflow_carbon.core.forecast_error import ForecastError
from airflow_carbon.sources.learned import LearnedErrors

NOON = datetime(2026, 1, 15, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def issue(at: int, intensity: list[float], source: str = "grid") -> Forecast:
    return Forecast("GB", NOON + at * HOUR, HOUR, intensity, source=source, issued_at=NOON + at * HOUR)


FIRST, SECOND = issue(0, [100.0, 50.0] * 12), issue(3, [100.0, 90.0] * 12)


def test_another_process_goes_on_where_the_first_one_stopped(tmp_path: Path) -> None:
    LearnedErrors(tmp_path).observe(FIRST, asked=["mine"])
    learned = LearnedErrors(tmp_path).observe(SECOND, asked=["mine"])
    assert learned == ForecastError().observed(FIRST).observed(SECOND)
    assert learned != ForecastError().observed(SECOND)


def test_sources_of_one_name_behind_other_connections_do_not_mix(tmp_path: Path) -> None:
    LearnedErrors(tmp_path).observe(FIRST, asked=["mine"])
    assert LearnedErrors(tmp_path).observe(SECOND, asked=["yours"]) == ForecastError().observed(SECOND)


def test_what_a_chain_adds_about_failures_does_not_make_another_source(tmp_path: Path) -> None:
    LearnedErrors(tmp_path).observe(FIRST, asked=["mine"])
    after = issue(3, [100.0, 90.0] * 12, source="grid (after other: down)")
    assert LearnedErrors(tmp_path).observe(after, asked=["mine"]) == ForecastError().observed(FIRST).observed(after)


def test_a_damaged_file_or_a_folder_that_cannot_be_written_means_to_learn_anew(tmp_path: Path) -> None:
    LearnedErrors(tmp_path).observe(FIRST, asked=["mine"])
    (kept,) = tmp_path.iterdir()
    for damage in ("", "{", "[]", '{"hour": "noon"}'):
        kept.write_text(damage)
        assert LearnedErrors(tmp_path).observe(SECOND, asked=["mine"]) == ForecastError().observed(SECOND)
    file = tmp_path / "a-file"
    file.touch()
    assert LearnedErrors(file).observe(FIRST, asked=["mine"]) == ForecastError().observed(FIRST)
