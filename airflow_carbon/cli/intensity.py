"""``intensity``: how clean many places are, at present, over the past or over what is to come."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_carbon.cli.comparison import lines
from airflow_carbon.cli.document import print_document
from airflow_carbon.cli.reading import Reading, Scope, Span, Unanswered, cleanest_first, comparable, read
from airflow_carbon.cli.source import asked, now_of
from airflow_carbon.core.location import Location
from airflow_carbon.core.moment import in_words, parse_duration
from airflow_carbon.exceptions import InvalidRequestError
from airflow_carbon.sources.regions import lookup

if TYPE_CHECKING:
    from argparse import Namespace

STRETCHES = {"day": timedelta(days=1), "week": timedelta(days=7), "month": timedelta(days=30)}
#: A year, as far as the typical profiles look.
LONGEST = timedelta(days=366)
#: What the document tells of a location; null of one without an answer.
_KNOWN = (
    "zone", "source", "kind", "signal", "accounting", "issued_at", "start", "end", "step_seconds", "mean_g_per_kwh",
    "min_g_per_kwh", "min_start", "max_g_per_kwh", "max_start",
)  # fmt: skip


def run(args: Namespace) -> int:
    """Ask about all locations at once and show them; status 1 where none could be answered.

    :raises CarbonError: if the request is wrong.
    """
    now = now_of(args)
    span, locations = _span(args, now), _locations(args)
    file: str | None = args.csv
    readings = asked(args, now, lambda source: read(source, locations, span, measured=file is None), ranking=args.sort)
    if file is not None and span.scope is Scope.HISTORY:
        # The past of a file is what its rows say, not taken for anything else.
        readings, file = [_named_after(Path(file), one) for one in readings], None
    if args.sort:
        readings = cleanest_first(readings)
    if args.json:
        print_document(document(readings, span))
    else:
        print("\n".join(lines(readings, span, file=file, ordered=args.sort)))
    return 0 if any(isinstance(one, Reading) for one in readings) else 1


def document(readings: Sequence[Reading | Unanswered], span: Span) -> dict[str, Any]:
    """Give what is known of each location, for programs.

    ``min_start`` and ``max_start`` are the begins of the source's steps, the first of which may begin before ``start``.
    """
    return {
        "now": span.now,
        "scope": str(span.scope),
        "asked_start": span.start,
        "asked_end": span.end,
        "comparable": comparable(readings),
        "locations": [_record(one) for one in readings],
    }


def _span(args: Namespace, now: datetime) -> Span:
    if args.history is not None and args.forecast is not None:
        raise InvalidRequestError("--history, --forecast: give one of them, not both")
    if args.history is not None:
        if args.replay:
            raise InvalidRequestError(
                "--replay: the file begins now then and has no past; give --now with a moment that it covers instead"
            )
        return Span(Scope.HISTORY, now - _length(args.history, "--history"), now)
    if args.forecast is not None:
        return Span(Scope.FORECAST, now, now + _length(args.forecast, "--forecast"))
    return Span(Scope.NOW, now, now)


def _length(text: str, field: str) -> timedelta:
    word = text.strip().lower()
    if word.isalpha() and word not in STRETCHES:
        near = difflib.get_close_matches(word, STRETCHES, n=1)
        raise InvalidRequestError(
            f"{field}: {text!r} is no stretch of time; write {', '.join(STRETCHES)} or a duration such as 36h"
            + (f"; did you mean {near[0]!r}?" if near else "")
        )
    length = STRETCHES.get(word) or parse_duration(text, field)
    if length > LONGEST:
        raise InvalidRequestError(f"{field}: {in_words(length)} is too long; at most {in_words(LONGEST)} can be shown")
    return length


def _locations(args: Namespace) -> list[Location]:
    locations = [Location.parse(name, "LOCATION") for name in args.locations]
    twice = next((one for row, one in enumerate(locations) if one in locations[:row]), None)
    if twice is not None:
        raise InvalidRequestError(f"LOCATION: {twice} is named twice")
    if args.csv is not None and len(locations) > 1:
        raise InvalidRequestError(f"--csv: the file holds one series; name one LOCATION with it, not {len(locations)}")
    for location in locations:
        if location.is_region:
            lookup(location)
    return locations


def _named_after(file: Path, one: Reading | Unanswered) -> Reading | Unanswered:
    return replace(one, series=one.series.replaced(source=file.name)) if isinstance(one, Reading) else one


def _record(one: Reading | Unanswered) -> dict[str, Any]:
    known = _known(one) if isinstance(one, Reading) else dict.fromkeys(_KNOWN)
    return {"location": str(one.location), **known, "error": None if isinstance(one, Reading) else one.reason}


def _known(one: Reading) -> dict[str, Any]:
    series = one.series
    least, most = int(series.intensity.argmin()), int(series.intensity.argmax())
    values = (
        series.zone,
        series.source,
        str(series.kind),
        str(series.signal),
        str(series.accounting),
        series.issued_at,
        one.start,
        one.end,
        series.step.total_seconds(),
        one.mean_g_per_kwh,
        float(series.intensity[least]),
        series.start + least * series.step,
        float(series.intensity[most]),
        series.start + most * series.step,
    )
    return dict(zip(_KNOWN, values, strict=True))
