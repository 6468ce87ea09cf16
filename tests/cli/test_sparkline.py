from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from airflow_carbon.cli.sparkline import ASCII, BLOCKS, bars, picture, sparkline
from airflow_carbon.cli.table import table
from airflow_carbon.core.forecast import Forecast
from airflow_carbon.core.window import Window

MIDNIGHT = datetime(2026, 11, 22, tzinfo=UTC)
HOUR = timedelta(hours=1)


def test_the_least_is_lowest_and_the_largest_highest() -> None:
    assert sparkline([1, 2, 3, 4, 5, 6, 7, 8]) == BLOCKS
    assert sparkline([200, 100, 150]) == "█▁▅"


def test_equal_values_make_a_level_line_in_the_middle() -> None:
    assert sparkline([7.0, 7.0, 7.0]) == "▄▄▄"
    assert sparkline([0.0]) == "▄"


def test_rounding_makes_no_hills() -> None:
    assert sparkline([0.1 + 0.2, 0.3, 0.3]) == "▄▄▄"


def test_a_terminal_without_blocks_gets_plain_characters() -> None:
    assert sparkline([1, 8], levels=ASCII) == "_#"


def test_a_column_shows_the_mean_of_its_time() -> None:
    # Two hours a column: means 150, 350, 550.
    forecast = Forecast("X", MIDNIGHT, HOUR, [100, 200, 300, 400, 500, 600])
    drawn = picture(forecast, MIDNIGHT, MIDNIGHT + 6 * HOUR, columns=3)
    assert drawn[0] == sparkline([150, 350, 550])


@pytest.mark.parametrize(
    ("first_minute", "minutes", "marks"),
    [
        (0, 60, "^"),
        (60, 120, " ^^"),
        (90, 60, " ^^"),
        (110, 5, " ^"),
        (300, 60, "     ^"),
        (240, 600, "    ^^"),
    ],
)
def test_marks_stand_under_every_column_that_the_window_touches(first_minute: int, minutes: int, marks: str) -> None:
    forecast = Forecast("X", MIDNIGHT, HOUR, [1, 2, 3, 4, 5, 6])
    start = MIDNIGHT + timedelta(minutes=first_minute)
    window = Window(start, start + timedelta(minutes=minutes), 1.0)
    assert picture(forecast, MIDNIGHT, MIDNIGHT + 6 * HOUR, window=window, columns=6)[1] == marks


def test_the_axis_names_both_ends() -> None:
    forecast = Forecast("X", MIDNIGHT, HOUR, range(48))
    axis = picture(forecast, MIDNIGHT, MIDNIGHT + 48 * HOUR)[-1]
    assert len(axis) == 60
    assert axis.startswith("Sun 22 Nov 00:00 ")
    assert axis.endswith(" Tue 24 Nov 00:00 UTC")


def test_bars_grow_from_zero() -> None:
    assert bars([0.0, 50.0, 100.0], columns=10) == ["", "█" * 5, "█" * 10]
    assert bars([0.0, 0.0]) == ["", ""]


def test_columns_of_a_table_are_aligned() -> None:
    assert table(["name", ">g/kWh", "kind"], [["a", "5", "x"], ["longer", "1200", ""]]) == [
        "name    g/kWh  kind",
        "a           5  x",
        "longer   1200",
    ]
