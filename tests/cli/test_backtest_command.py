from __future__ import annotations

import json
from pathlib import Path

import pytest
from fakes.backtests import BEGINS, CLEAN, DIRTY, HOUR, hourly, refused_with, said_by, twelve_days

from airflow_carbon.cli.airflow_login import PASSWORD, TOKEN


@pytest.fixture(autouse=True)
def no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(PASSWORD, raising=False)
    monkeypatch.delenv(TOKEN, raising=False)


@pytest.fixture
def days(tmp_path: Path) -> Path:
    return twelve_days(tmp_path)


# -- a file ----------------------------------------------------------------------------------------------------------


def test_a_week_teaches_the_clean_hours_of_the_days_after_it(days: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = json.loads(said_by(capsys, "--csv", str(days), "--duration", "1h", "--json"))
    # Five days less the last day of waiting; two hours of each day are clean already, all others wait for them.
    assert said["total"]["jobs"] == 5 * 24 - 24
    assert said["total"]["shifted"] == 4 * 22
    assert said["foresight"] == "hourly mean of the last 7 days"
    assert said["total"]["reduction_percent"] == said["total"]["oracle_reduction_percent"]
    assert said["total"]["reduction_percent"] == pytest.approx(100 * (1 - 100 / (22 * 300 + 2 * 100) * 24), abs=1e-3)
    assert said["total"]["regret_p99_percent"] == 0.0
    assert said["period"] == "week"
    assert [(one["week"], one["jobs"]) for one in said["periods"]] == [("2026-03-09", 96)]


def test_a_stitched_series_is_labelled_and_its_errors_are_billed(
    days: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ("--csv", str(days), "--forecast-column", "told", "--duration", "1h")
    said = json.loads(said_by(capsys, *asked, "--json"))
    assert said["foresight"].startswith("stitched day-ahead")
    assert said["total"]["reduction_percent"] < 0.0
    assert said["total"]["emitted_more"] > 0
    text = said_by(capsys, *asked)
    assert "stitched day-ahead forecasts (when each was issued is not known; none beyond the next day, UTC)" in text
    assert "emitted more than at once" in text


def test_the_text_shows_totals_and_a_bar_for_each_period(days: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = said_by(capsys, "--csv", str(days), "--duration", "1h", "--max-delay", "4h", "--knowing", "perfect")
    lines = said.splitlines()
    assert lines[0] == "days: your series (source: days.csv, column intensity; taken as what was measured)"
    assert "a run of 1 h, ready every 1 h, started at most 4 h later" in lines[1]
    assert lines[2].startswith("Mon 02 Mar 2026 00:00 UTC to Fri 13 Mar 2026 19:00 UTC; ")
    assert "known to each job: perfect foresight" in lines[2]
    assert any(line.startswith("oracle") and "100 % of it kept" in line for line in lines)
    bars = [line for line in lines if line.startswith("2026-03")]
    assert [line.split()[0] for line in bars] == ["2026-03-02", "2026-03-09"]
    assert all(line.endswith("█" * 20) for line in bars)


def test_an_interruptible_run_is_cut(days: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ("--csv", str(days), "--duration", "4h", "--max-delay", "30h", "--knowing", "perfect", "--json")
    whole = json.loads(said_by(capsys, *asked))
    cut = json.loads(said_by(capsys, *asked, "--max-chunks", "2", "--min-chunk", "1h"))
    assert "in at most 2 chunks" in cut["what"]
    assert cut["total"]["reduction_percent"] > whole["total"]["reduction_percent"] + 10.0


def test_regions_are_columns_of_a_wide_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "wide.csv"
    rows = [f"{(BEGINS + hour * HOUR).isoformat()},300,60" for hour in range(72)]
    file.write_text("\n".join(["timestamp,DE,FR", *rows]) + "\n")
    asked = ("zone:DE", "--csv", str(file), "--duration", "1h", "--knowing", "yesterday", "--json")
    said = json.loads(said_by(capsys, *asked, "--regions", "zone:FR"))
    assert said["zones"] == ["DE", "FR"]
    assert said["total"]["reduction_percent"] == pytest.approx(80.0)
    assert "'SE'; the header has timestamp, DE, FR" in refused_with(capsys, *asked, "--regions", "zone:SE")


def test_a_location_names_its_column_and_the_origin_says_which_was_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wide = hourly(tmp_path / "wide.csv", "AUS,DE", [f"900,{300 - hour}" for hour in range(72)])
    asked = ("--csv", str(wide), "--duration", "1h", "--knowing", "perfect", "--max-delay", "2h")
    said = json.loads(said_by(capsys, "zone:DE", *asked, "--json"))
    assert said["origin"] == "your series (source: wide.csv, column DE; taken as what was measured)"
    assert said["total"]["oracle_reduction_percent"] > 0.0
    for location in (("zone:XX",), ()):
        told = refused_with(capsys, *location, *asked)
        assert "which column of wide.csv was measured is not clear: AUS, DE; name it intensity, or give" in told


def test_a_column_that_is_named_like_nothing_is_not_taken_for_an_intensity(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    two = hourly(tmp_path / "two.csv", "hour,actual", [f"{hour % 24},300" for hour in range(72)])
    asked = ("--duration", "1h", "--knowing", "perfect")
    assert "is not clear: hour, actual" in refused_with(capsys, "--csv", str(two), *asked)
    known = hourly(tmp_path / "known.csv", "hour,gCO2_per_kwh", [f"{hour % 24},300" for hour in range(72)])
    assert "known.csv, column gCO2_per_kwh;" in said_by(capsys, "zone:DE", "--csv", str(known), *asked)
    # One column beside the forecast is the one that was measured, whatever its name.
    one = hourly(tmp_path / "one.csv", "told,actual", [f"{300 - hour % 24},300" for hour in range(72)])
    said = said_by(capsys, "--csv", str(one), "--duration", "1h", "--forecast-column", "told")
    assert "one.csv, column actual, forecasts in column told;" in said


def test_an_empty_cell_is_told_with_its_column_and_a_naive_stamp_without_a_setting_that_is_not_here(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hole = hourly(tmp_path / "hole.csv", "intensity,told", ["300,300"] * 30 + ["300,"] + ["300,300"] * 30)
    told = refused_with(capsys, "--csv", str(hole), "--duration", "1h", "--forecast-column", "told")
    assert "line 32: '' is no carbon intensity" in told
    assert told.endswith("the column is 'told'\n")
    naive = tmp_path / "naive.csv"
    naive.write_text("timestamp,intensity\n2026-03-02T00:00,300\n2026-03-02T01:00,300\n")
    told = refused_with(capsys, "--csv", str(naive), "--duration", "1h")
    assert told.endswith("has no timezone; write Z or +00:00 after it\n")


# -- gaps ------------------------------------------------------------------------------------------------------------


def test_no_job_runs_across_a_gap_and_those_that_would_are_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = hourly(tmp_path / "gap.csv", "intensity", [100 + hour % 7 for hour in range(96)], without=(48, 49))
    asked = ("--csv", str(file), "--duration", "1h", "--max-delay", "3h", "--knowing", "perfect")
    said = json.loads(said_by(capsys, *asked, "--json"))
    assert said["total"]["jobs"] == (48 - 3) + (46 - 3)
    # Three that would wait into the gap, and two that were ready in it.
    assert said["unknown_jobs"] == 5
    assert said["gaps"] == {"count": 1, "longest_seconds": 7200.0}
    text = said_by(capsys, *asked)
    assert "1 gap of 2 h from Wed 04 Mar 2026 00:00 UTC: jobs that would wait or run across one are left out" in text
    assert "(5 more could not be replayed)" in text


def test_a_gap_does_not_swallow_the_week_after_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [CLEAN if hour % 24 in (6, 7) else DIRTY for hour in range(20 * 24)]
    asked = ("--duration", "1h", "--max-delay", "6h", "--json")
    whole = json.loads(said_by(capsys, "--csv", str(hourly(tmp_path / "a.csv", "intensity", rows)), *asked))
    holed = hourly(tmp_path / "b.csv", "intensity", rows, without=(10 * 24 + 3,))
    said = json.loads(said_by(capsys, "--csv", str(holed), *asked))
    # An hour is missing: the one that was ready in it, and the six before it, which might run in it.
    assert said["unknown_jobs"] == 7
    assert said["total"]["jobs"] == whole["total"]["jobs"] - 7
    assert said["total"]["reduction_percent"] == said["total"]["oracle_reduction_percent"]


def test_a_week_that_begins_in_a_gap_is_looked_back_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # The second gap ends seven days after the middle of the first: each hour was measured on six days in between.
    first, second = range(240, 246), range(243 + 7 * 24 - 2, 243 + 7 * 24)
    file = hourly(tmp_path / "two.csv", "intensity", [300] * 480, without=(*first, *second))
    asked = ("--csv", str(file), "--duration", "1h", "--max-delay", "0", "--json")
    assert json.loads(said_by(capsys, *asked))["unknown_jobs"] == len(first) + len(second)


def test_a_history_that_is_all_gaps_is_refused_with_their_number(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = hourly(tmp_path / "gaps.csv", "intensity", [300] * 240, without=range(0, 240, 12))
    told = refused_with(capsys, "--csv", str(file), "--duration", "2h", "--knowing", "perfect")
    assert "with 19 gaps, the longest of 1 h from Mon 02 Mar 2026 12:00 UTC," in told
    assert "1 d and the run after it without a gap" in told


# -- calibration -----------------------------------------------------------------------------------------------------


def test_calibration_prints_its_table(days: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ("--csv", str(days), "--duration", "1h", "--max-delay", "12h", "--knowing", "perfect", "--calibrate")
    said = json.loads(said_by(capsys, *asked, "--json"))
    assert said["calibration"]["min_saving_percent"] == 0.0
    assert said["calibration"]["rows"][4]["asked_percent"] == 10.0
    text = said_by(capsys, *asked)
    assert "min_saving_percent=0 keeps it to at most 5 %" in text
    assert "(known: perfect foresight)" in text


def test_a_calibration_on_a_stitched_series_says_so_beside_its_number(
    days: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ("--csv", str(days), "--duration", "1h", "--forecast-column", "told", "--calibrate")
    found = next(line for line in said_by(capsys, *asked).splitlines() if "min_saving_percent" in line)
    assert found.endswith("(known: stitched day-ahead forecasts)")
    assert json.loads(said_by(capsys, *asked, "--json"))["calibration"]["foresight"].startswith("stitched day-ahead")


# -- what got worse --------------------------------------------------------------------------------------------------


def test_what_is_emitted_against_nothing_is_said_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [f"{100 if hour % 24 in (8, 9) else 0},{0 if hour % 24 in (8, 9) else 300}" for hour in range(72)]
    file = hourly(tmp_path / "clean.csv", "intensity,told", rows)
    asked = ("--csv", str(file), "--forecast-column", "told", "--duration", "1h", "--every", "24h", "--max-delay", "9h")
    text = said_by(capsys, *asked)
    assert "reduction  more, against none: running at once emitted nothing" in text
    assert "p50 endless (the oracle emitted nothing)" in text
    assert "backfired  100.0 % of the shifted jobs" in text
    (bar,) = [line for line in text.splitlines() if line.startswith("2026-03-02")]
    assert "more, against none" in bar
    total = json.loads(said_by(capsys, *asked, "--json"))["total"]
    assert (total["reduction_percent"], total["more_against_none"]) == (None, True)
    assert (total["regret_p50_percent"], total["endless_regrets"]) == (None, ["p50", "p95", "p99"])


def test_a_period_that_emitted_more_has_a_bar_of_its_own_kind(days: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = said_by(capsys, "--csv", str(days), "--duration", "1h", "--forecast-column", "told")
    assert " % against running at once: more was emitted" in said
    bars = [line for line in said.splitlines() if line.startswith("2026-03")]
    assert all("  ---" in line and "█" not in line for line in bars)
    assert said.splitlines()[-1].endswith(", - more than at once")
    good = said_by(capsys, "--csv", str(days), "--duration", "1h", "--knowing", "perfect")
    assert "more than at once" not in good.splitlines()[-1]


# -- what cannot be meant --------------------------------------------------------------------------------------------


def test_days_as_steps_are_no_shape_to_guess_hours_by(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = hourly(tmp_path / "daily.csv", "intensity", [300, 200] * 20, hours=24)
    asked = ("--csv", str(file), "--duration", "1h", "--max-delay", "48h")
    assert "steps of 1 d tell nothing of the hours of a day" in refused_with(capsys, *asked)
    assert "jobs" in said_by(capsys, *asked, "--knowing", "perfect")


def test_a_least_chunk_of_which_no_run_holds_two_is_refused(days: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ("--csv", str(days), "--duration", "2h", "--knowing", "perfect")
    told = refused_with(capsys, *asked, "--max-chunks", "2", "--min-chunk", "5h")
    assert "--min-chunk: no run of 2 h holds two chunks of 5 h; give 1 h or less, or leave --max-chunks away" in told
    assert "no run of 2 h" in refused_with(capsys, *asked, "--max-chunks", "2", "--min-chunk", "61m")
    for chunks, least in (("2", "1h"), ("1", "5h")):
        assert "chunks" in said_by(capsys, *asked, "--max-chunks", chunks, "--min-chunk", least)


def test_more_jobs_than_can_be_replayed_are_refused_before_they_are_made(
    days: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = refused_with(capsys, "--csv", str(days), "--duration", "1h", "--every", "1s")
    assert "--every: a run every 1 s makes 1036800 jobs over 12 d, more than 200000; give 6 s or longer" in told
    # A source's past is asked for only then.
    assert "--every: a run every 1 s makes 2592000" in refused_with(
        capsys, "zone:GB", "--duration", "1h", "--every", "1s"
    )


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "--duration: say how long a run takes"),
        (["--duration", "1h"], "LOCATION: name where the work runs"),
        (["zone:GB", "--duration", "1h"], "nothing measured is known, only the typical"),
        (["--csv", "FILE", "--duration", "1x"], "--duration: '1x' is no duration"),
        (
            ["--csv", "FILE", "--duration", "1h", "--knowing", "weak"],
            "must be one of yesterday, week, perfect; did you ",
        ),
        (["--csv", "FILE", "--duration", "1h", "--knowing", "week", "--forecast-column", "told"], "give one of them"),
        (["--csv", "FILE", "--duration", "1h", "--forecast-column", "tld"], "no intensities in a column 'tld'"),
        (["--csv", "FILE", "--duration", "1h", "--min-saving", "101"], "--min-saving: 101 must lie between 0 and 100"),
        (["--csv", "FILE", "--duration", "1h", "--max-delay", "9d"], "--max-delay: no job can be replayed"),
        (["--csv", "FILE", "--duration", "1h", "--min-chunk", "1h"], "they need --max-chunks"),
        (["--csv", "FILE", "--duration", "1h", "--max-chunks", "0"], "--max-chunks: 0 must be 1 or larger"),
        (["--csv", "FILE", "--duration", "1h", "--history", "3d"], "leave --history away"),
        (
            ["--csv", "FILE", "--duration", "1h", "--now", "2026-03-05T00:00Z"],
            "--csv, --now: the whole file",
        ),
        (["--csv", "FILE", "--duration", "1h", "--max-delay=-1h"], "--max-delay: '-1h' is no duration"),
        (["--csv", "FILE", "--duration", "1h", "--conn-id", "x"], "give one of them, not both"),
        (["--csv", "FILE", "--duration", "1h", "--regions", "zone:FR"], "--regions: needs LOCATION too"),
        (["--csv", "FILE", "--duration", "1h", "--task", "x"], "they are for --dag DAG_ID"),
        (["--csv", "none.csv", "--duration", "1h"], "none.csv cannot be read: No such file or directory"),
        (["zone:DE", "--forecast-column", "x", "--duration", "1h"], "--forecast-column: needs --csv FILE"),
        (["--csv", "FILE", "--dag", "x", "--duration", "1h"], "past runs of --dag have their own"),
        (["--csv", "FILE", "--dag", "x"], "--url: --dag needs the address"),
        (["--csv", "FILE", "--dag", "x", "--url", "localhost:8080"], "--url: 'localhost:8080' is no address"),
        (["--csv", "FILE", "--dag", "x", "--url", "http://localhost:1", "--user", "me"], PASSWORD),
    ],
)
def test_what_cannot_be_meant_is_refused_with_what_would_be_right(
    words: list[str], told: str, days: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = [str(days) if word == "FILE" else word for word in words]
    assert told in refused_with(capsys, *argv)
