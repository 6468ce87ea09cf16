"""A series of intensities in one line of text."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from airflow_carbon.cli.clock import utc

if TYPE_CHECKING:
    from airflow_carbon.core.forecast import Forecast
    from airflow_carbon.core.window import Window

BLOCKS = "▁▂▃▄▅▆▇█"
#: For a terminal that shows no block characters.
ASCII = "_.-:=+*#"
COLUMNS = 60


def sparkline(values: Sequence[float], *, levels: str = BLOCKS) -> str:
    """Draw one character for each value, from the least to the largest of them; equal values all in the middle.

    :param values: in any unit.
    :param levels: characters from low to high.
    """
    least, most = min(values), max(values)
    # The mean over a part of a flat series differs from another's by rounding alone.
    if math.isclose(least, most, rel_tol=1e-9):
        return levels[len(levels) // 2 - 1] * len(values)
    scale = len(levels) / (most - least)
    return "".join(levels[min(int((value - least) * scale), len(levels) - 1)] for value in values)


def bars(values: Sequence[float], *, full: str = BLOCKS[-1], columns: int = 30) -> list[str]:
    """Draw one bar for each value, from zero on, the largest over all columns.

    :param values: zero or larger, in any unit.
    :param full: character that a bar is made of.
    """
    scale = columns / (max(values) or 1.0)
    return [full * round(value * scale) for value in values]


def picture(
    forecast: Forecast,
    start: datetime,
    end: datetime,
    *,
    window: Window | None = None,
    columns: int = COLUMNS,
    levels: str = BLOCKS,
) -> list[str]:
    """Draw a forecast from start to end, the window marked under it, over an axis that names both ends.

    :param window: marked by ``^`` wherever it touches a column; None marks nothing.
    :param columns: width; each column shows the exact mean of its share of the time.
    """
    edges = [start + (end - start) * column / columns for column in range(columns)] + [end]
    lines = [sparkline([forecast.mean(*edges[column : column + 2]) for column in range(columns)], levels=levels)]
    if window is not None:
        lines.append(_marks(window, start, (end - start) / columns, columns))
    begins, ends = utc(start), f"{utc(end)} UTC"
    return [*lines, begins + ends.rjust(columns - len(begins))]


def _marks(window: Window, start: datetime, column: timedelta, columns: int) -> str:
    first = min(max(0, (window.start - start) // column), columns - 1)
    last = min(max(first + 1, math.ceil((window.end - start) / column)), columns)
    return " " * first + "^" * (last - first)
