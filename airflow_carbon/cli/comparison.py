"""Readings of many locations side by side, for a terminal."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from airflow_carbon.cli import ink
from airflow_carbon.cli.clock import dated, local, local_zone, utc
from airflow_carbon.cli.reading import Reading, Scope, Span, Unanswered, comparable
from airflow_carbon.cli.source import origin
from airflow_carbon.cli.sparkline import bars, sparkline
from airflow_carbon.cli.table import table
from airflow_carbon.core.moment import in_words
from airflow_carbon.core.units import Kind

if TYPE_CHECKING:
    from airflow_carbon.core.units import Accounting, Signal

    _Sort = tuple[Kind, Signal, Accounting]

#: Taken where stdout is no terminal [columns].
WIDTH = 120
#: A picture with less room than the first [columns] lies under its row; none is wider than the second.
NARROWEST, WIDEST = 18, 48
#: Up to here a weekday tells the day.
BY_WEEKDAY = timedelta(days=6)


def lines(
    readings: Sequence[Reading | Unanswered], span: Span, *, file: str | None = None, ordered: bool = False
) -> list[str]:
    """Set the readings as a table, and under it what the numbers mean and what is missing.

    :param file: of ``--csv``, None where there is none.
    :param ordered: the readings come from :func:`~airflow_carbon.cli.reading.cleanest_first`.
    """
    width = shutil.get_terminal_size(fallback=(WIDTH, 24)).columns
    answered = [one for one in readings if isinstance(one, Reading)]
    silent = [one for one in readings if isinstance(one, Unanswered)]
    said = [_head(span)]
    if answered:
        origins = _origins(answered, file)
        said += ["", *_table(readings, span, list(origins), ordered, width), ""]
        for number, text in enumerate(origins.values(), start=1):
            said += _wrapped(f"({number}) {text}" if len(origins) > 1 else text, width, "    ")
        said += _shortfalls(answered, span, width)
        if not comparable(answered):
            how = "ordered among those that do" if ordered else "--sort asks for numbers that do, where there are any"
            fault = f"Not all of these numbers compare, as they differ in signal or accounting; {how}."
            said += ["", *map(ink.yellow, _wrapped(fault, width))]
    if silent:
        said += ["", ink.yellow("no answer")]
        for one in silent:
            # Most reasons begin with the location already.
            said += _wrapped(f"  {one.location}: {one.reason.removeprefix(f'{one.location}: ')}", width, "    ")
    return said


def _head(span: Span) -> str:
    if span.scope is Scope.NOW:
        return f"g/kWh at present, asked at {dated(span.now)}"
    length = in_words(span.end - span.start)
    if span.scope is Scope.HISTORY:
        return f"g/kWh over the past {length}, to {dated(span.now)}"
    return f"g/kWh over the coming {length}, from {dated(span.now)}"


# -- the table -------------------------------------------------------------------------------------------------------


def _table(
    readings: Sequence[Reading | Unanswered], span: Span, sorts: Sequence[_Sort], ordered: bool, width: int
) -> list[str]:
    pictured = _pictured(readings, span)
    # From the roomiest to the tightest: the machine's own time and the picture beside give way first, then the names of
    # the kinds, which stand below the table too. UTC and all numbers stay.
    for own, named, beside in [
        (local_zone(span.now), True, True),
        ("", True, True),
        ("", True, False),
        ("", False, False),
    ]:
        cells = [_header(span, own), *(_row(one, span, own, sorts, named=named) for one in readings)]
        filled = [column for column in range(len(cells[0])) if any(row[column] for row in cells[1:])]
        header, *body = ([row[column] for column in filled] for row in cells)
        head, *rows = table(header, body)
        longest = max(map(len, [head, *rows]))
        if longest + (NARROWEST + 2 if pictured and beside else 0) <= width:
            break
    columns = min(WIDEST, width - 2 - (longest if beside else 2))
    pictures = _pictures(readings, span, columns) if pictured else [""] * len(rows)
    alike = comparable(readings)
    said = [ink.dim(head)]
    for place, (one, row, picture) in enumerate(zip(readings, rows, pictures, strict=True)):
        if ordered and place and not alike and _meaning(one) != _meaning(readings[place - 1]):
            said.append("")
        line = f"{row:<{longest}}  {picture}".rstrip() if beside else row
        said.append(ink.green(line) if ordered and alike and not place else line)
        if picture and not beside:
            said.append(f"  {picture}")
    if span.scope is not Scope.NOW and sum(map(bool, pictures)) > 1:
        said += ["", ink.dim("Each picture goes from its own least to its own most.")]
    return said


def _meaning(one: Reading | Unanswered) -> object:
    return one.meaning if isinstance(one, Reading) else None


def _header(span: Span, own: str) -> list[str]:
    if span.scope is Scope.NOW:
        return ["location", "zone", ">g/kWh", "from UTC", f"from {own}", "kind"]
    times = ["at UTC", f"at {own}"]
    return ["location", "zone", ">mean", ">least", *times, ">most", *times, "kind"]


def _row(one: Reading | Unanswered, span: Span, own: str, sorts: Sequence[_Sort], *, named: bool) -> list[str]:
    if isinstance(one, Unanswered):
        return [str(one.location), *[""] * (len(_header(span, own)) - 2), "no answer" if named else "-"]
    series = one.series
    kind = "annual" if series.kind is Kind.ANNUAL_AVERAGE else str(series.kind)
    number = f"({sorts.index(_sort(one)) + 1})" if len(sorts) > 1 else ""
    kind = f"{kind} {number}".rstrip() if named else number
    row = [str(one.location), series.zone, f"{one.mean_g_per_kwh:.0f}"]
    if series.kind is Kind.ANNUAL_AVERAGE:
        return [*row, *[""] * (len(_header(span, own)) - 4), kind]
    if span.scope is Scope.NOW:
        return [*row, *_times(series.start, span, own), kind]
    for step in (int(series.intensity.argmin()), int(series.intensity.argmax())):
        row += [f"{series.intensity[step]:.0f}", *_times(series.start + step * series.step, span, own)]
    return [*row, kind]


def _times(moment: datetime, span: Span, own: str) -> list[str]:
    """Say a moment in UTC and, unless ``own`` is empty, in the machine's timezone, no longer than is plain."""
    texts = [utc(moment), local(moment) if own else ""]
    if span.scope is Scope.NOW:
        return texts
    weekday, date = slice(0, 3), slice(4, 10)
    day = weekday if span.end - span.start <= BY_WEEKDAY else date
    return [f"{text[day]} {text[11:]}" if text else "" for text in texts]


# -- the pictures ----------------------------------------------------------------------------------------------------


def _pictured(readings: Sequence[Reading | Unanswered], span: Span) -> bool:
    answered = [one for one in readings if isinstance(one, Reading)]
    if span.scope is Scope.NOW:
        return len(answered) > 1 and comparable(answered)
    return any(one.series.kind is not Kind.ANNUAL_AVERAGE for one in answered)


def _pictures(readings: Sequence[Reading | Unanswered], span: Span, columns: int) -> list[str]:
    if span.scope is not Scope.NOW:
        return [_over_time(one, span, columns) if isinstance(one, Reading) else "" for one in readings]
    means = [one.mean_g_per_kwh if isinstance(one, Reading) else 0.0 for one in readings]
    return bars(means, full=ink.levels()[-1], columns=columns)


def _over_time(one: Reading, span: Span, columns: int) -> str:
    """Draw the known part where it lies in the stretch, so that pictures under each other show the same times."""
    if one.series.kind is Kind.ANNUAL_AVERAGE:
        return ""
    edges = [span.start + (span.end - span.start) * column / columns for column in range(columns)] + [span.end]
    parts = [(max(one.start, edges[column]), min(one.end, edges[column + 1])) for column in range(columns)]
    drawn = iter(sparkline([one.series.mean(*part) for part in parts if part[0] < part[1]], levels=ink.levels()))
    return "".join(next(drawn) if start < end else " " for start, end in parts)


# -- what stands below -----------------------------------------------------------------------------------------------


def _sort(one: Reading) -> _Sort:
    return one.series.kind, *one.meaning


def _origins(answered: Sequence[Reading], file: str | None) -> dict[_Sort, str]:
    """Say of each sort of number what it is and whose, once."""
    members: dict[_Sort, list[Reading]] = {}
    for one in answered:
        members.setdefault(_sort(one), []).append(one)
    return {
        sort: origin(ones[0].series.replaced(source="; ".join(dict.fromkeys(one.series.source for one in ones))), file)
        for sort, ones in members.items()
    }


def _shortfalls(answered: Sequence[Reading], span: Span, width: int) -> list[str]:
    """Say where less is known than was asked, once for each extent."""
    if span.scope is Scope.NOW:
        return []
    extents: dict[tuple[datetime, datetime], list[str]] = {}
    for one in answered:
        if (one.start, one.end) != (span.start, span.end):
            extents.setdefault((one.start, one.end), []).append(str(one.location))
    said = []
    for (start, end), names in extents.items():
        known, asked = in_words(end - start), in_words(span.end - span.start)
        said += _wrapped(
            f"{', '.join(names)}: {known} of {asked} are known, {utc(start)} to {utc(end)} UTC", width, "    "
        )
    return ["", *said] if said else []


def _wrapped(text: str, width: int, indent: str = "") -> list[str]:
    return textwrap.wrap(text, max(width, 40), subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
