from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from airflow_carbon.cli.comparison import lines
from airflow_carbon.cli.main import main
from airflow_carbon.cli.reading import Reading, Scope, Span, Unanswered, cleanest_first, read
from airflow_carbon.core.forecast import Forecast
from airflow_carbon.core.location import Location
from airflow_carbon.core.units import Accounting, Kind, Signal
from airflow_carbon.exceptions import SourceAuthError, SourceUnavailableError

HOUR = timedelta(hours=1)
NOW = datetime(2026, 11, 22, 12, 30, tzinfo=UTC)
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
PRESENT = Span(Scope.NOW, NOW, NOW)
PAST_DAY = Span(Scope.HISTORY, NOW - 24 * HOUR, NOW)
COMING_3_H = Span(Scope.FORECAST, NOW, NOW + 3 * HOUR)


@pytest.fixture(autouse=True)
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")


def said_by(capsys: pytest.CaptureFixture[str], *argv: str, status: int = 0) -> str:
    assert main(["intensity", *argv]) == status
    said = capsys.readouterr()
    assert said.err == ""
    return said.out


def series(start: datetime, *intensity: float, zone: str = "DE", kind: Kind = Kind.FORECAST) -> Forecast:
    return Forecast(zone, start, HOUR, intensity, kind=kind, source="grid")


def marginal(start: datetime, *intensity: float) -> Forecast:
    return Forecast("US", start, HOUR, intensity, Signal.MARGINAL, accounting=Accounting(gas="CO2"), source="watts")


class Grid:
    """Answers what it was given for a location; without it, that it cannot."""

    name = "grid"
    refresh = HOUR

    def __init__(
        self, forecasts: dict[str, Forecast] | None = None, histories: dict[str, Forecast] | None = None
    ) -> None:
        self.forecasts = forecasts or {}
        self.histories = histories or {}
        self.asked: list[str] = []

    async def zone(self, location: Location) -> str:
        return location.name

    async def forecast(self, location: Location, *, now: datetime, until: datetime) -> Forecast:
        self.asked.append(f"forecast {location}")
        if location.name not in self.forecasts:
            raise SourceAuthError(f"{location}: the plan holds no forecast")
        return self.forecasts[location.name]

    async def history(self, location: Location, *, start: datetime, end: datetime) -> Forecast:
        self.asked.append(f"history {location}")
        if location.name not in self.histories:
            raise SourceUnavailableError(f"{location}: nothing measured")
        return self.histories[location.name]


class Meeting(Grid):
    """Answers none before all have asked."""

    def __init__(self, parties: int) -> None:
        super().__init__()
        self.all_there = asyncio.Barrier(parties)

    async def forecast(self, location: Location, *, now: datetime, until: datetime) -> Forecast:
        await self.all_there.wait()
        return series(now, 100.0)


class Hanging(Grid):
    """Never answers about one location."""

    async def forecast(self, location: Location, *, now: datetime, until: datetime) -> Forecast:
        if location.name == "FR":
            await asyncio.Event().wait()
        return series(now, 100.0)


def read_by(source: Grid, span: Span, *names: str, patience: float = 55.0) -> list[Reading | Unanswered]:
    return asyncio.run(read(source, [Location.parse(f"zone:{name}") for name in names], span, patience=patience))


def reading_by(source: Grid, span: Span) -> Reading:
    (one,) = read_by(source, span, "DE")
    assert isinstance(one, Reading)
    return one


def order_of(readings: Sequence[Reading | Unanswered]) -> list[str]:
    return [one.location.name for one in readings]


# -- the present -----------------------------------------------------------------------------------------------------


def test_the_newest_measured_value_stands_for_the_present() -> None:
    source = Grid({"DE": series(NOON, 200)}, {"DE": series(NOON - 2 * HOUR, 310, 320, kind=Kind.MEASURED)})
    one = reading_by(source, PRESENT)
    assert (one.mean_g_per_kwh, one.start, one.end) == (320.0, NOON - HOUR, NOON)
    assert one.series.kind is Kind.MEASURED
    assert source.asked == ["history zone:DE"]


@pytest.mark.parametrize(
    "past",
    [
        series(NOON - 5 * HOUR, 310, 320, kind=Kind.MEASURED),
        series(NOON - HOUR, 310, 320, kind=Kind.TYPICAL),
        series(NOON - HOUR, 310, 320, kind=Kind.FORECAST),
    ],
    ids=["measured long ago", "typical", "once forecast"],
)
def test_what_is_old_or_not_measured_gives_way_to_the_forecast(past: Forecast) -> None:
    one = reading_by(Grid({"DE": series(NOON - HOUR, 150, 200, 250)}, {"DE": past}), PRESENT)
    assert (one.mean_g_per_kwh, one.start, one.end) == (200.0, NOON, NOON + HOUR)
    assert one.series.kind is Kind.FORECAST


def test_a_source_without_measured_values_answers_with_its_forecast() -> None:
    assert reading_by(Grid({"DE": series(NOON, 200)}), PRESENT).mean_g_per_kwh == 200.0


def test_what_stands_in_for_measured_values_serves_where_there_is_no_forecast() -> None:
    one = reading_by(Grid({}, {"DE": series(NOON, 310, kind=Kind.TYPICAL)}), PRESENT)
    assert (one.mean_g_per_kwh, one.series.kind) == (310.0, Kind.TYPICAL)


def test_where_both_questions_fail_both_reasons_are_told() -> None:
    assert read_by(Grid(), PRESENT, "DE") == [
        Unanswered(
            Location.parse("zone:DE"),
            "zone:DE: the plan holds no forecast; measured values: zone:DE: nothing measured",
        )
    ]


def test_the_row_of_a_file_that_holds_the_moment_is_its_present(
    series: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = said_by(capsys, "zone:DE", "--csv", str(series), "--now", "2020-03-01T06:00Z").splitlines()
    assert said[0] == "g/kWh at present, asked at Sun 01 Mar 2020 06:00 UTC"
    assert said[3].split() == ["zone:DE", "mine", "100", "Sun", "01", "Mar", "06:00", "forecast"]
    assert said[-1].startswith("your series, taken as the forecast (source: mine.csv;")


# -- stretches -------------------------------------------------------------------------------------------------------


def test_a_stretch_has_its_exact_mean_its_least_and_its_most(series: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # From 05:30 to 09:00: 0.5 h and 1 h at 300, 2 h at 100 g/kWh: (0.5 x 300 + 2 x 100 + 1 x 300) / 3.5 = 185.7
    said = said_by(capsys, "zone:DE", "--csv", str(series), "--now", "2020-03-01T05:30Z", "--forecast", "210m")
    assert said.splitlines()[0] == "g/kWh over the coming 3 h 30 min, from Sun 01 Mar 2020 05:30 UTC"
    assert said.splitlines()[3].split()[:9] == [
        "zone:DE", "mine", "186", "100", "Sun", "06:00", "300", "Sun", "05:00",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "words"), [("24h", "1 d"), ("week", "7 d"), ("month", "30 d"), ("7d", "7 d"), ("36h", "1 d 12 h")]
)
def test_the_past_is_as_long_as_was_asked(text: str, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    said = said_by(capsys, "zone:GB", "--history", text, "--now", "2026-11-22T12:30Z")
    assert said.splitlines()[0] == f"g/kWh over the past {words}, to Sun 22 Nov 2026 12:30 UTC"
    assert "are known" not in said
    assert "typical profile, not a forecast" in said


def test_the_past_of_a_file_is_measured(series: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = said_by(capsys, "zone:DE", "--csv", str(series), "--now", "2020-03-01T08:00Z", "--history", "4h")
    assert said.splitlines()[3].split()[2:4] == ["200", "100"]
    assert "measured values, not a forecast (source: mine.csv;" in said


def test_where_less_is_known_than_was_asked_the_extent_is_told_once_for_all_that_share_it() -> None:
    source = Grid({}, {name: series(NOON - 20 * HOUR, *[100.0] * 18, kind=Kind.MEASURED) for name in ("DE", "FR")})
    said = lines(read_by(source, PAST_DAY, "DE", "FR"), PAST_DAY)
    assert "zone:DE, zone:FR: 18 h of 1 d are known, Sat 21 Nov 16:00 to Sun 22 Nov 10:00 UTC" in said


def test_pictures_under_each_other_show_the_same_times(monkeypatch: pytest.MonkeyPatch) -> None:
    # From 12:30 to 15:30: DE is known for all of it, FR for the first half hour, a sixth of the 48 columns.
    monkeypatch.setenv("COLUMNS", "200")
    source = Grid({"DE": series(NOON, 100, 100, 100, 300), "FR": series(NOON, 100)})
    rows = [line for line in lines(read_by(source, COMING_3_H, "DE", "FR"), COMING_3_H) if line.startswith("zone:")]
    whole, part = (row.split("forecast")[1].strip() for row in rows[:2])
    assert whole == "▁" * 40 + "█" * 8
    assert len(part) == 8


@pytest.mark.parametrize("width", [80, 100, 120])
@pytest.mark.parametrize("scope", [["--history", "week"], ["--forecast", "8h"], []])
def test_no_line_is_wider_than_the_terminal(
    width: int,
    scope: list[str],
    machine_in_berlin: None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    said = said_by(capsys, "zone:GB", "azure:swedencentral", "zone:ZZ", *scope)
    assert max(map(len, said.splitlines())) <= width
    assert bool(scope) == ("▁" in said)


def test_the_machines_own_time_is_shown_where_it_fits(
    machine_in_berlin: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ["zone:GB", "--forecast", "8h", "--now", "2026-11-22T12:30Z"]
    monkeypatch.setenv("COLUMNS", "120")
    assert said_by(capsys, *argv).splitlines()[2].count("at CET") == 2
    monkeypatch.setenv("COLUMNS", "80")
    assert said_by(capsys, *argv).splitlines()[2].count("at CET") == 0


# -- many ------------------------------------------------------------------------------------------------------------


def test_all_are_asked_at_once() -> None:
    names = [f"Z{number}" for number in range(20)]

    async def meet() -> list[Reading | Unanswered]:
        async with asyncio.timeout(20):
            return await read(Meeting(20), [Location.parse(f"zone:{name}") for name in names], COMING_3_H)

    assert order_of([one for one in asyncio.run(meet()) if isinstance(one, Reading)]) == names


def test_one_that_hangs_does_not_take_the_others_with_it() -> None:
    hanging, answered = read_by(Hanging(), COMING_3_H, "FR", "DE", patience=0.1)
    assert hanging == Unanswered(Location.parse("zone:FR"), "no answer within 0 s")
    assert isinstance(answered, Reading)


def test_one_that_fails_has_a_row_and_a_reason_and_the_others_their_numbers(
    capsys: pytest.CaptureFixture[str],
) -> None:
    said = said_by(capsys, "zone:SE", "zone:ZZ", "zone:FR").splitlines()
    assert [line.split()[0] for line in said[3:6]] == ["zone:SE", "zone:ZZ", "zone:FR"]
    assert said[4].split() == ["zone:ZZ", "no", "answer"]
    assert said[-2:] == ["no answer", "  zone:ZZ: no country of the embedded table starts this zone's name"]


def test_where_none_is_answered_the_status_tells(capsys: pytest.CaptureFixture[str]) -> None:
    said = said_by(capsys, "zone:ZZ", "zone:YY", status=1)
    assert "kind" not in said
    assert said.count("starts this zone's name") == 2


def test_the_cleanest_stands_first_where_that_is_asked(capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["zone:PL", "zone:ZZ", "zone:GB", "azure:swedencentral"]
    rows = said_by(capsys, *asked, "--sort").splitlines()[3:7]
    assert [row.split()[0] for row in rows] == ["azure:swedencentral", "zone:GB", "zone:PL", "zone:ZZ"]
    unsorted = json.loads(said_by(capsys, *asked, "--json"))
    assert [one["location"] for one in unsorted["locations"]] == asked


def test_to_be_sorted_great_britain_is_asked_for_numbers_that_compare(capsys: pytest.CaptureFixture[str]) -> None:
    as_asked = said_by(capsys, "zone:GB", "zone:SE")
    assert "(1) typical profile" in as_asked
    assert "(2) annual average" in as_asked
    assert "Not all of these numbers compare" in as_asked
    ordered = said_by(capsys, "zone:GB", "zone:SE", "--sort")
    assert "typical profile" not in ordered
    assert "Not all of these numbers compare" not in ordered
    assert "█" in ordered


def test_numbers_that_do_not_compare_are_ordered_apart() -> None:
    coming = {
        "A": series(NOON, *[400] * 4),
        "B": marginal(NOON, *[350] * 4),
        "C": series(NOON, *[300] * 4),
        "D": marginal(NOON, *[900] * 4),
    }
    readings = cleanest_first(read_by(Grid(coming), COMING_3_H, "A", "B", "X", "C", "D"))
    assert order_of(readings) == ["C", "A", "B", "D", "X"]
    said = lines(readings, COMING_3_H, ordered=True)
    assert [line.split(" ")[0] for line in said[3:9]] == ["zone:C", "zone:A", "", "zone:B", "zone:D", ""]
    assert "forecast (1)" in said[3]
    assert "forecast (2)" in said[6]
    assert " ".join(said).count("ordered among those that do") == 1


def test_what_the_numbers_mean_is_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    said = said_by(capsys, "zone:GB", "azure:uksouth", "51.5,-0.12")
    assert said.count("typical profile, not a forecast") == 1
    assert said.count("accounting:") == 1


# -- the edge --------------------------------------------------------------------------------------------------------


def test_the_document_keeps_its_shape(series: Path, capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["zone:DE", "--csv", str(series), "--now", "2020-03-01T05:30Z", "--forecast", "210m", "--json"]
    said = json.loads(said_by(capsys, *argv))
    assert list(said) == ["now", "scope", "asked_start", "asked_end", "comparable", "locations"]
    assert (said["scope"], said["comparable"]) == ("forecast", True)
    assert said["asked_end"] == "2020-03-01T09:00:00+00:00"
    assert said["locations"] == [
        {
            "location": "zone:DE",
            "zone": "mine",
            "source": "history",
            "kind": "forecast",
            "signal": "average",
            "accounting": "not stated",
            "issued_at": None,
            "start": "2020-03-01T05:30:00+00:00",
            "end": "2020-03-01T09:00:00+00:00",
            "step_seconds": 3600.0,
            "mean_g_per_kwh": 185.714,
            "min_g_per_kwh": 100.0,
            "min_start": "2020-03-01T06:00:00+00:00",
            "max_g_per_kwh": 300.0,
            "max_start": "2020-03-01T05:00:00+00:00",
            "error": None,
        }
    ]


def test_in_the_document_one_without_an_answer_has_the_same_keys(capsys: pytest.CaptureFixture[str]) -> None:
    answered, silent = json.loads(said_by(capsys, "zone:SE", "zone:ZZ", "--json"))["locations"]
    assert list(answered) == list(silent)
    assert silent["mean_g_per_kwh"] is None
    assert "no country" in silent["error"]


@pytest.mark.parametrize(
    ("argv", "fault"),
    [
        (["zone:GB", "azure:swedencentrl"], "did you mean azure:swedencentral"),
        (["zone:GB", "GB"], "did you mean 'zone:GB'?"),
        (["zone:SE", "azure:uksouth", "zone:SE"], "LOCATION: zone:SE is named twice"),
        (["zone:SE", "--history", "24h", "--forecast", "8h"], "--history, --forecast: give one of them"),
        (["zone:SE", "--history", "wek"], "write day, week, month or a duration such as 36h; did you mean 'week'?"),
        (["zone:SE", "--forecast", "8"], "--forecast: '8' is no duration"),
        (["zone:SE", "--history", "400d"], "--history: 400 d is too long; at most 366 d"),
        (["zone:SE", "--csv", "x.csv", "--replay", "--history", "8h"], "--replay: the file begins now then"),
        (["zone:SE", "zone:DE", "--csv", "x.csv"], "--csv: the file holds one series; name one LOCATION with it"),
    ],
)
def test_bad_input_is_refused_in_one_line(argv: list[str], fault: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["intensity", *argv]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert fault in said.err
