from __future__ import annotations

import asyncio
import os
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_carbon.core.location import Location
from airflow_carbon.core.units import Accounting, Kind, Signal
from airflow_carbon.exceptions import (
    InvalidForecastError,
    InvalidRequestError,
    SourceUnavailableError,
    UnknownZoneError,
)
from airflow_carbon.sources.history import History

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
HOUR = timedelta(hours=1)
ANYWHERE = Location.parse("zone:GB")

THREE_HOURS = """timestamp,intensity
2026-11-22T00:00:00Z,200
2026-11-22T01:00:00Z,100.5
2026-11-22T02:00:00Z,0
"""
GAPPED = THREE_HOURS + "2026-11-22T05:00:00Z,50\n2026-11-22T06:00:00Z,60\n"


def at(hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 11, 22, hour, minute, tzinfo=UTC)


def series(folder: Path, text: str, name: str = "mine.csv") -> Path:
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return file


def forecast(source: History, now: datetime, hours: int = 24, location: Location = ANYWHERE):
    return asyncio.run(source.forecast(location, now=now, until=now + hours * HOUR))


def test_the_row_that_holds_now_comes_first(tmp_path: Path) -> None:
    answer = forecast(History(series(tmp_path, THREE_HOURS)), at(1, 59))
    assert answer.start == at(1)
    assert answer.intensity.tolist() == [100.5, 0.0]
    assert (answer.step, answer.kind, answer.source, answer.zone) == (HOUR, Kind.FORECAST, "history", "mine")


def test_the_past_is_called_measured(tmp_path: Path) -> None:
    source = History(series(tmp_path, THREE_HOURS))
    answer = asyncio.run(source.history(ANYWHERE, start=at(0, 30), end=at(1, 30)))
    assert answer.kind is Kind.MEASURED
    assert answer.intensity.tolist() == [200.0, 100.5]
    assert answer.mean(at(0, 30), at(1, 30)) == 150.25


def test_signal_accounting_and_zone_travel_with_the_answer(tmp_path: Path) -> None:
    meaning = Accounting("direct", "production", "CO2")
    source = History(series(tmp_path, THREE_HOURS), zone="GB", signal=Signal.MARGINAL, accounting=meaning)
    answer = forecast(source, at(0))
    assert (answer.signal, answer.accounting, answer.zone) == (Signal.MARGINAL, meaning, "GB")


@pytest.mark.parametrize(
    ("zone", "asked"),
    [("GB", "zone:gb"), ("gb", "azure:uksouth"), ("GB", "51.5,-0.12"), ("US", "aws:us-west-1"), ("XK", "zone:XK")],
)
def test_a_series_of_one_zone_answers_for_it(tmp_path: Path, zone: str, asked: str) -> None:
    answer = forecast(History(series(tmp_path, THREE_HOURS), zone=zone), at(0), location=Location.parse(asked))
    assert answer.zone == zone


@pytest.mark.parametrize("asked", ["zone:DE", "azure:swedencentral", "azure:nowhere", "48.85,2.35"])
def test_a_series_of_one_zone_refuses_another(tmp_path: Path, asked: str) -> None:
    with pytest.raises(UnknownZoneError):
        forecast(History(series(tmp_path, THREE_HOURS), zone="GB"), at(0), location=Location.parse(asked))


def test_a_moment_outside_of_the_series_is_refused_with_what_it_covers(tmp_path: Path) -> None:
    source = History(series(tmp_path, THREE_HOURS))
    covers = r"mine.csv covers 2026-11-22T00:00:00\+00:00 to 2026-11-22T03:00:00\+00:00, not .*replay"
    with pytest.raises(SourceUnavailableError, match=covers):
        forecast(source, at(3))
    with pytest.raises(SourceUnavailableError, match=covers):
        forecast(source, at(0) - timedelta(microseconds=1))
    with pytest.raises(SourceUnavailableError, match=covers):
        asyncio.run(source.history(ANYWHERE, start=at(3), end=at(4)))


def test_the_series_tells_where_it_begins_and_ends(tmp_path: Path) -> None:
    assert asyncio.run(History(series(tmp_path, THREE_HOURS)).covered()) == (at(0), at(3))


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("time,carbon_intensity,mix", "{},{},wind"),
        ("mix,Intensity,DateTime", "wind,{1},{0}"),
        ("when,grams,mix", "{},{},wind"),
        ("gCO2_per_kwh,timestamp", "{1},{0}"),
        ("grams,time", "{1},{0}"),
        ('"timestamp","intensity"', '"{}","{}"'),
        (" timestamp , intensity ", " {} , {} "),
        ("\ufefftimestamp,intensity", "{},{}"),
    ],
)
def test_columns_are_found_by_name_or_by_place(tmp_path: Path, header: str, row: str) -> None:
    rows = [row.format(at(hour).isoformat(), 10 * hour + 1) for hour in range(3)]
    answer = forecast(History(series(tmp_path, "\n".join([header, "", *rows, ""]))), at(0))
    assert answer.intensity.tolist() == [1.0, 11.0, 21.0]


def test_a_column_is_taken_by_the_name_that_is_set(tmp_path: Path) -> None:
    text = "timestamp,intensity,marginal\n2026-11-22T00:00:00Z,1,7\n2026-11-22T01:00:00Z,2,8\n"
    assert forecast(History(series(tmp_path, text), column="marginal"), at(0)).intensity.tolist() == [7.0, 8.0]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "mine.csv: empty; a header"),
        ("\n\n", "mine.csv: empty; a header"),
        ("timestamp,intensity\n", "mine.csv: 0 rows under the header; at least two"),
        ("timestamp,intensity\n2026-11-22T00:00:00Z,1\n", "mine.csv: 1 rows under the header; at least two"),
        ("2026-11-22T00:00:00Z,1\n2026-11-22T01:00:00Z,1\n", "line 1: the header is missing"),
        ("timestamp;intensity\n2026-11-22T00:00:00Z;1\n", "line 1: one column, 'timestamp;intensity'; two are needed"),
        (THREE_HOURS + "22.11.2026 03:00,5\n", "line 5: '22.11.2026 03:00' is no timestamp; write ISO 8601"),
        (THREE_HOURS + "0026-11-22T03:00:00Z,5\n", "line 5: '0026-11-22T03:00:00Z' is no timestamp"),
        (THREE_HOURS + "2026-11-22T03:00:00,5\n", "line 5: '2026-11-22T03:00:00' has no timezone; write Z or"),
        (THREE_HOURS + "2026-11-22T03:00:00Z,many\n", "line 5: 'many' is no carbon intensity"),
        (THREE_HOURS + "2026-11-22T03:00:00Z,\n", "line 5: '' is no carbon intensity"),
        (THREE_HOURS + "2026-11-22T03:00:00Z,nan\n", "line 5: 'nan' is no carbon intensity"),
        (THREE_HOURS + "2026-11-22T03:00:00Z,inf\n", "line 5: 'inf' is no carbon intensity"),
        (THREE_HOURS + "2026-11-22T03:00:00Z,-1\n", "line 5: '-1' is no carbon intensity; write a number from 0"),
        (THREE_HOURS + "2026-11-22T03:00:00Z,1_0\n", "line 5: '1_0' is no carbon intensity"),
        (THREE_HOURS + "2026-11-22T03:00:00Z,380000\n", "line 5: '380000' is no carbon intensity"),
        (THREE_HOURS + "2026-11-22T03:00:00Z,12,5\n", "line 5: the number of fields is 3, but 2 in the header"),
        (THREE_HOURS + "2026-11-22T03:00:00Z\n", "line 5: the number of fields is 1, but 2 in the header"),
        (THREE_HOURS + "2026-11-22T02:00:00Z,5\n", "line 5: 2026-11-22T02:00:00.00:00 repeats the row before it"),
        (THREE_HOURS + "2026-11-22T01:00:00Z,5\n", "line 5: .* is earlier than the row before it; sort by time"),
        (THREE_HOURS + "2026-11-22T02:30:00Z,5\n", "line 5: .* comes 0:30:00 after .* bring all rows to one step"),
        (GAPPED, "line 5: 2026-11-22T05:00:00.00:00 comes 3:00:00 after .* where the step is 1:00:00; fill the gap"),
        (THREE_HOURS + '2026-11-22T03:00:00Z,"5\n', "line 5: no CSV"),
    ],
)
def test_a_malformed_file_is_refused_by_its_line(tmp_path: Path, text: str, fault: str) -> None:
    with pytest.raises(InvalidForecastError, match=f"mine.csv.*{fault.removeprefix('mine.csv')}"):
        forecast(History(series(tmp_path, text)), at(0))


def test_a_gap_between_the_first_two_rows_is_named_as_a_gap(tmp_path: Path) -> None:
    text = "timestamp,intensity\n2026-11-21T20:00:00Z,5\n" + THREE_HOURS.partition("\n")[2]
    with pytest.raises(InvalidForecastError, match=r"line 3: .* comes 4:00:00 after"):
        forecast(History(series(tmp_path, text)), at(0))


def test_of_two_distances_that_are_equally_common_the_shorter_is_the_step(tmp_path: Path) -> None:
    text = "time,intensity\n2026-11-22T00:00Z,1\n2026-11-22T02:00Z,2\n2026-11-22T03:00Z,3\n"
    with pytest.raises(
        InvalidForecastError, match=r"line 3: .* comes 2:00:00 after .* where the step is 1:00:00; fill"
    ):
        forecast(History(series(tmp_path, text)), at(0))


def test_lines_are_counted_as_an_editor_counts_them(tmp_path: Path) -> None:
    text = 'timestamp,intensity,note\n2026-11-22T00:00:00Z,1,"two\nlines"\n\n2026-11-22T01:00:00Z,x,\n'
    with pytest.raises(InvalidForecastError, match="line 5: 'x'"):
        forecast(History(series(tmp_path, text)), at(0))


def test_a_column_that_is_not_there_is_refused_with_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(
        InvalidForecastError, match=r"line 1: no intensities in a column 'grams'; the header has timestamp, int"
    ):
        forecast(History(series(tmp_path, THREE_HOURS), column="grams"), at(0))


def test_a_series_with_gaps_may_be_split_and_answers_from_the_stretch_that_is_asked_for(tmp_path: Path) -> None:
    source = History(series(tmp_path, GAPPED), gaps="split")
    assert forecast(source, at(1)).intensity.tolist() == [100.5, 0.0]
    assert forecast(source, at(5)).intensity.tolist() == [50.0, 60.0]
    with pytest.raises(SourceUnavailableError, match=r"with 1 gaps, not 2026-11-22T04"):
        forecast(source, at(4))
    most = asyncio.run(source.history(ANYWHERE, start=at(2), end=at(7)))
    assert most.intensity.tolist() == [50.0, 60.0]


def test_local_stamps_need_a_timezone_and_are_read_in_it(tmp_path: Path) -> None:
    text = "timestamp,intensity\n2026-11-22 01:00,1\n2026-11-22 02:00,2\n"
    with pytest.raises(InvalidForecastError, match="line 2: '2026-11-22 01:00' has no timezone"):
        forecast(History(series(tmp_path, text)), at(0))
    assert forecast(History(series(tmp_path, text), timezone="Europe/Berlin"), at(0)).start == at(0)


def test_the_local_hour_that_comes_twice_is_read_as_two_hours(tmp_path: Path) -> None:
    # Berlin, 2026-10-25: 03:00 CEST (01:00 UTC) is 02:00 CET.
    local = ["01:30", "02:00", "02:30", "02:00", "02:30", "03:00"]
    rows = "".join(f"2026-10-25 {clock},{row}\n" for row, clock in enumerate(local))
    source = History(series(tmp_path, "time,intensity\n" + rows), timezone="Europe/Berlin")
    assert asyncio.run(source.covered()) == (
        datetime(2026, 10, 24, 23, 30, tzinfo=UTC),
        datetime(2026, 10, 25, 2, 30, tzinfo=UTC),
    )


def test_a_file_that_is_not_there_or_no_file_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(SourceUnavailableError, match=r"gone.csv cannot be read: No such file"):
        forecast(History(tmp_path / "gone.csv"), at(0))
    with pytest.raises(SourceUnavailableError, match="cannot be read: Is a directory"):
        forecast(History(tmp_path), at(0))


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "mine.csv"
    file.write_bytes(b"timestamp,intensity\n\xff\xfe,1\n")
    with pytest.raises(InvalidForecastError, match=r"mine.csv: not UTF-8 text"):
        forecast(History(file), at(0))


def test_wrong_settings_are_refused_by_their_name(tmp_path: Path) -> None:
    file = series(tmp_path, THREE_HOURS)
    with pytest.raises(InvalidRequestError, match="gaps: 'fill' must be 'error' or 'split'"):
        History(file, gaps="fill")
    for name in ("Berlin", "Europe", "../Europe/Berlin", "\0"):
        with pytest.raises(InvalidRequestError, match=r"timezone: .* is no IANA name"):
            History(file, timezone=name)


class CountedFile:
    """A file in an object store: it counts its readers and may not know when it changed."""

    name = "counted.csv"

    def __init__(self, text: str, mtime: float) -> None:
        self.text, self.mtime, self.reads = text, mtime, 0

    def stat(self) -> SimpleNamespace:
        return SimpleNamespace(st_mtime=self.mtime, st_size=len(self.text))

    def read_text(self, encoding: str) -> str:
        self.reads += 1
        return self.text


def test_an_unchanged_file_is_read_once_and_a_changed_one_again() -> None:
    file = CountedFile(THREE_HOURS, mtime=1.0)
    source = History(file)

    async def ask_together() -> None:
        await asyncio.gather(*(source.forecast(ANYWHERE, now=at(0), until=at(2)) for _ in range(20)))

    asyncio.run(ask_together())
    asyncio.run(ask_together())
    assert file.reads == 1
    file.text, file.mtime = THREE_HOURS.replace("200", "300"), 2.0
    assert forecast(source, at(0)).intensity[0] == 300.0
    assert file.reads == 2


def test_a_store_that_does_not_tell_when_a_file_changed_is_read_each_time() -> None:
    file = CountedFile(THREE_HOURS, mtime=0)
    source = History(file)
    assert forecast(source, at(0)).intensity[0] == 200.0
    file.text = THREE_HOURS.replace("200", "300")
    assert forecast(source, at(0)).intensity[0] == 300.0


def test_a_file_that_is_appended_to_reaches_farther(tmp_path: Path) -> None:
    file = series(tmp_path, THREE_HOURS)
    source = History(file)
    assert forecast(source, at(0)).end == at(3)
    with file.open("a", encoding="utf-8") as more:
        more.write("2026-11-22T03:00:00Z,5\n")
    os.utime(file, (1, 1))
    assert forecast(source, at(0)).end == at(4)


def test_what_a_store_says_in_its_own_error_is_not_repeated() -> None:
    class LockedFile(CountedFile):
        def read_text(self, encoding: str) -> str:
            raise RuntimeError("denied for key AKIA-MARKER")

    with pytest.raises(SourceUnavailableError, match=r"^counted.csv cannot be read: RuntimeError$"):
        forecast(History(LockedFile(THREE_HOURS, 1.0)), at(0))


@pytest.mark.parametrize(
    ("name", "timezone", "rows"),
    [
        ("neso_GB_2020_2022_60min.csv", "", 26136),
        ("lwa_DE_2020_15min.csv", "UTC", None),
        ("lwa_GB_2020_30min.csv", "UTC", None),
    ],
)
def test_real_series_are_read_whole(name: str, timezone: str, rows: int | None) -> None:
    file = SHARED / name
    if not file.exists():
        pytest.skip("the real series are not beside the repository")
    begin, end = asyncio.run(History(file, timezone=timezone, gaps="split").covered())
    lines = [line for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
    assert begin.isoformat()[:16] == lines[1][:16].replace(" ", "T")
    assert end > datetime.fromisoformat(lines[-1].partition(",")[0].replace("Z", "")).replace(tzinfo=UTC)
    assert rows is None or (end - begin) / HOUR == rows


_CELLS = st.one_of(
    st.text(max_size=12),
    st.datetimes().map(lambda moment: moment.isoformat()),
    st.datetimes(timezones=st.just(UTC)).map(lambda moment: moment.isoformat()),
    st.sampled_from(
        ["timestamp", "intensity", "2026-11-22T00:00:00Z", "9999-12-31T23:59:59-23:59", "1e308", "-0", '"', "\0"]
    ),
    st.floats().map(str),
)
_FILES = st.one_of(
    st.text(max_size=200),
    st.lists(st.lists(_CELLS, max_size=4).map(",".join), max_size=8).map("\n".join),
    st.lists(_CELLS, min_size=2, max_size=12).map(
        lambda cells: "timestamp,intensity\n" + "\n".join(f"{one},{two}" for one, two in pairwise(cells))
    ),
    st.tuples(st.integers(0, len(GAPPED)), st.integers(0, 9), st.text(max_size=6)).map(
        lambda edit: GAPPED[: edit[0]] + edit[2] + GAPPED[edit[0] + edit[1] :]
    ),
)


@given(text=_FILES, gaps=st.sampled_from(["error", "split"]), timezone=st.sampled_from(["", "Europe/London"]))
def test_any_text_is_a_series_or_a_named_error(text: str, gaps: str, timezone: str) -> None:
    source = History(CountedFile(text, mtime=1.0), gaps=gaps, timezone=timezone)
    try:
        begin, end = asyncio.run(source.covered())
    except InvalidForecastError as error:
        named = str(error).startswith("counted.csv: ")
        assert named, error  # noqa: PT017 - either outcome is right, so nothing can be expected to raise
        return
    assert begin < end
    answer = forecast(source, begin)
    assert answer.start == begin
    assert answer.intensity.min() >= 0.0
    assert answer.intensity.max() <= 10_000.0
