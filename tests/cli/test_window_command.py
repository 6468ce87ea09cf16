from __future__ import annotations

import io
import json
from contextlib import redirect_stdout
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from airflow_carbon.cli.main import main

MIDNIGHT = ["--now", "2020-03-01T00:00Z"]


def words_of(capsys: pytest.CaptureFixture[str], *argv: str, status: int = 0) -> str:
    assert main(["window", *argv]) == status
    said = capsys.readouterr()
    if status == 0:
        assert said.err == ""
        return said.out
    assert said.out == ""
    assert said.err.startswith("airflow-carbon: ")
    assert said.err.count("\n") == 1
    return said.err


def test_the_clean_hours_of_a_file_are_found_and_shown(series: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = words_of(capsys, "zone:DE", "--duration", "1h30m", "--csv", str(series), *MIDNIGHT)
    lines = said.splitlines()
    assert "your series, taken as the forecast (source: mine.csv;" in lines[0]
    assert "to start by Mon 02 Mar 00:00 UTC" in lines[1]
    assert lines[4].split() == ["now", "Sun", "01", "Mar", "00:00", "Sun", "01", "Mar", "01:30", "300"]
    assert lines[5].split() == ["plan", "Sun", "01", "Mar", "06:00", "Sun", "01", "Mar", "07:30", "100", "67", "%"]
    assert lines[7] == "Wait: 2020-03-01 06:00 UTC is 67 % cleaner than now (100 instead of 300 g/kWh)."


def test_the_run_is_marked_under_its_hours(series: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # 28 h of picture on 60 columns: 28 min each, so that 06:00 lies in column 12.86 and 08:00 in column 17.14.
    said = words_of(
        capsys, "zone:DE", "--duration", "2h", "--max-delay", "26h", "--csv", str(series), *MIDNIGHT
    ).splitlines()
    picture = next(row for row, line in enumerate(said) if line.startswith("█"))
    assert said[picture] == "█" * 12 + "▇▁▁▁▁▇" + "█" * 42
    assert said[picture + 1] == " " * 12 + "^" * 6
    assert said[picture + 2] == "Sun 01 Mar 00:00" + "Mon 02 Mar 04:00 UTC".rjust(44)
    assert said[picture + 3].startswith("100 to 300 g/kWh")


def test_a_replayed_file_begins_now(series: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = json.loads(words_of(capsys, "zone:DE", "--duration", "1h", "--csv", str(series), "--replay", "--json"))
    waited = datetime.fromisoformat(said["start"]) - datetime.fromisoformat(said["now"])
    assert waited == timedelta(hours=6)
    assert datetime.now(UTC) - datetime.fromisoformat(said["now"]) < timedelta(hours=1)
    assert said["intensity_g_per_kwh"] == 100.0


def test_an_old_file_is_refused_with_a_word_about_replaying_it(
    series: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fault = words_of(capsys, "zone:DE", "--duration", "1h", "--csv", str(series), status=2)
    assert "mine.csv covers 2020-03-01T00:00:00+00:00 to 2020-03-03T00:00:00+00:00" in fault
    assert "add --replay" in fault


def test_a_malformed_line_is_named_by_its_number(series: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = series.read_text().splitlines()
    lines[6] = "2020-03-01T05:00:00+00:00,many"
    series.write_text("\n".join(lines))
    fault = words_of(capsys, "zone:DE", "--duration", "1h", "--csv", str(series), "--replay", status=2)
    assert "mine.csv: line 7: 'many' is no carbon intensity" in fault


def test_a_file_that_is_not_there_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    absent = str(tmp_path / "absent.csv")
    assert "absent.csv cannot be read" in words_of(capsys, "zone:DE", "--duration", "1h", "--csv", absent, status=2)


@pytest.mark.parametrize(
    ("argv", "fault"),
    [
        (["zone:GB", "--duration", "1h", "--deadline", "30m"], "allow a later deadline or a shorter duration"),
        (["zone:GB", "--duration", "1h", "--deadline", "2026-11-22T18:00"], "--deadline: 2026-11-22T18:00:00 has no"),
        (["zone:GB", "--duration", "90"], "--duration: '90' is no duration"),
        (["zone:GB", "--duration", "0h"], "--duration: 0:00:00 must be longer than zero"),
        (["zone:GB", "--duration", "1h", "--min-saving", "120"], "must lie between 0 and 100"),
        (["GB", "--duration", "1h"], "did you mean 'zone:GB'?"),
        (["azure:swedencentrl", "--duration", "1h"], "did you mean azure:swedencentral"),
        (["zone:GB", "--duration", "1h", "--replay"], "--replay: needs --csv FILE"),
        (["zone:GB", "--duration", "1h", "--csv", "x.csv", "--conn-id", "y"], "--csv, --conn-id: give one of them"),
        (["zone:GB", "--duration", "1h", "--now", "tomorrow"], "--now: 'tomorrow' is not a moment"),
    ],
)
def test_bad_input_is_refused_in_one_line(argv: list[str], fault: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert fault in words_of(capsys, *argv, status=2)


def test_a_deadline_is_the_latest_finish(series: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # The clean hours end at 08:00, so a run of 2 h by 07:00 has only one of them.
    for deadline in ("7h", "2020-03-01T07:00+00:00", "2020-03-01T08:00+01:00"):
        said = json.loads(
            words_of(
                capsys, "zone:DE", "--duration", "2h", "--deadline", deadline, "--csv", str(series), *MIDNIGHT, "--json"
            )
        )
        assert said["latest_start"] == said["start"] == "2020-03-01T05:00:00+00:00"
        assert said["intensity_g_per_kwh"] == 200.0
        assert said["promised_saving_percent"] == pytest.approx(100 / 3, abs=1e-3)


def test_of_a_deadline_and_a_delay_the_earlier_holds(capsys: pytest.CaptureFixture[str]) -> None:
    now = ["--now", "2026-11-22T12:00Z"]
    for deadline, delay, latest in (("5h", "9h", "16:00"), ("20h", "2h", "14:00")):
        said = words_of(
            capsys, "zone:GB", "--duration", "1h", "--deadline", deadline, "--max-delay", delay, *now, "--json"
        )
        assert json.loads(said)["latest_start"] == f"2026-11-22T{latest}:00+00:00"


def test_no_start_lies_before_the_earliest(series: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = words_of(
        capsys, "zone:DE", "--duration", "1h", "--earliest-start", "9h", "--csv", str(series), *MIDNIGHT, "--json"
    )
    assert json.loads(said)["start"] == "2020-03-01T09:00:00+00:00"


def test_the_document_says_all_and_keeps_its_shape(capsys: pytest.CaptureFixture[str]) -> None:
    said = json.loads(words_of(capsys, "azure:uksouth", "--duration", "90m", "--now", "2026-11-22T16:00Z", "--json"))
    assert list(said) == [
        "location", "zone", "source", "kind", "signal", "accounting", "issued_at", "now", "duration_seconds", "power",
        "earliest_start", "latest_start", "min_saving_percent", "action", "start", "end", "intensity_g_per_kwh",
        "baseline_start", "baseline_intensity_g_per_kwh", "promised_saving_percent", "horizon_cut", "reason",
    ]  # fmt: skip
    assert said["location"] == "azure:uksouth"
    assert said["zone"] == "GB"
    assert said["kind"] == "typical"
    assert said["action"] == "wait"
    assert said["duration_seconds"] == 5400.0


def test_what_a_file_does_not_cover_is_null_and_no_number(series: Path, capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["zone:DE", "--duration", "3h", "--csv", str(series), "--now", "2020-03-02T22:30Z"]
    said = json.loads(words_of(capsys, *argv, "--json"))
    assert said["action"] == "run"
    assert said["intensity_g_per_kwh"] is None
    assert said["baseline_intensity_g_per_kwh"] is None
    assert "unknown" in words_of(capsys, *argv)


def test_a_typical_profile_is_not_called_a_forecast(capsys: pytest.CaptureFixture[str]) -> None:
    said = words_of(capsys, "zone:GB", "--duration", "1h")
    assert "typical profile, not a forecast" in said.splitlines()[0]


def test_an_annual_average_is_not_drawn(capsys: pytest.CaptureFixture[str]) -> None:
    said = words_of(capsys, "zone:DE", "--duration", "1h")
    assert "annual average, no daily shape" in said
    assert "^" not in said


def test_the_machines_own_time_stands_beside_utc(
    series: Path, machine_in_berlin: None, capsys: pytest.CaptureFixture[str]
) -> None:
    said = words_of(capsys, "zone:DE", "--duration", "1h", "--csv", str(series), *MIDNIGHT).splitlines()
    assert said[1].startswith("a run of 1 h, asked at Sun 01 Mar 2020 00:00 UTC (01:00 CET)")
    assert "start CET" in said[3]
    assert said[5].split()[9:13] == ["Sun", "01", "Mar", "07:00"]


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def test_colours_are_for_a_terminal_alone_and_not_where_no_colour_is_wanted(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert "\x1b" not in words_of(capsys, "zone:GB", "--duration", "1h")
    terminal = Terminal()
    with redirect_stdout(terminal):
        assert main(["window", "zone:GB", "--duration", "1h"]) == 0
    assert "\x1b[1m" in terminal.getvalue()
    monkeypatch.setenv("NO_COLOR", "1")
    plain = Terminal()
    with redirect_stdout(plain):
        assert main(["window", "zone:GB", "--duration", "1h"]) == 0
    assert "\x1b" not in plain.getvalue()


def test_a_power_profile_puts_the_hungry_hours_on_the_clean_ones(
    series: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def start(power: str) -> str:
        argv = ["zone:DE", "--power", power, "--csv", str(series), "--json", *MIDNIGHT]
        said = json.loads(words_of(capsys, *argv))
        assert said["duration_seconds"] == 4 * 3600
        return str(said["start"])

    # The clean hours are those from six to eight.
    assert start("2h@10W, 2h@500W") == "2020-03-01T04:00:00+00:00"
    assert start("2h@500W, 2h@10W") == "2020-03-01T06:00:00+00:00"
