from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

import pytest

from airflow_carbon.cli.main import main
from airflow_carbon.cli.past_runs import PAGE, PASSWORD, TOKEN

BEGINS = datetime(2026, 3, 2, tzinfo=UTC)
HOUR = timedelta(hours=1)
CLEAN, DIRTY = 100, 300


@pytest.fixture(autouse=True)
def no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(PASSWORD, raising=False)
    monkeypatch.delenv(TOKEN, raising=False)


@pytest.fixture
def days(tmp_path: Path) -> Path:
    """Write twelve days of 300 g/kWh, clean from 06:00 to 08:00; a forecast column is clean an hour too late."""
    rows = [
        f"{(BEGINS + hour * HOUR).isoformat()},{CLEAN if hour % 24 in (6, 7) else DIRTY},"
        f"{CLEAN if hour % 24 in (8, 9) else DIRTY}"
        for hour in range(12 * 24)
    ]
    file = tmp_path / "days.csv"
    file.write_text("\n".join(["timestamp,intensity,told", *rows]) + "\n")
    return file


def said_by(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    assert main(["backtest", *argv]) == 0
    said = capsys.readouterr()
    assert said.err == ""
    return said.out


def refused_with(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    assert main(["backtest", *argv]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("airflow-carbon: ")
    assert said.err.count("\n") == 1
    return said.err


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
    assert "stitched day-ahead forecasts (when each was issued is not known)" in text
    assert "emitted more than at once" in text


def test_the_text_shows_totals_and_a_bar_for_each_period(days: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = said_by(capsys, "--csv", str(days), "--duration", "1h", "--max-delay", "4h", "--knowing", "perfect")
    lines = said.splitlines()
    assert lines[0] == "days: your series (source: days.csv; taken as what was measured)"
    assert "a run of 1 h, ready every 1 h, started at most 4 h later" in lines[1]
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


def test_a_gap_splits_the_file_and_no_job_runs_across_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "gap.csv"
    hours = [hour for hour in range(96) if not 48 <= hour < 50]
    rows = [f"{(BEGINS + hour * HOUR).isoformat()},{100 + hour % 7}" for hour in hours]
    file.write_text("\n".join(["timestamp,intensity", *rows]) + "\n")
    said = json.loads(
        said_by(capsys, "--csv", str(file), "--duration", "1h", "--max-delay", "3h", "--knowing", "perfect", "--json")
    )
    assert said["total"]["jobs"] == (48 - 3) + (46 - 3)
    assert said["unknown_jobs"] == 0


def test_calibration_prints_its_table(days: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ("--csv", str(days), "--duration", "1h", "--max-delay", "12h", "--knowing", "perfect", "--calibrate")
    said = json.loads(said_by(capsys, *asked, "--json"))
    assert said["calibration"]["min_saving_percent"] == 0.0
    assert said["calibration"]["rows"][4]["asked_percent"] == 10.0
    assert "min_saving_percent=0 keeps it to at most 5 %" in said_by(capsys, *asked)


def test_a_chart_is_a_picture(days: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib")
    chart = tmp_path / "chart.png"
    said = said_by(capsys, "--csv", str(days), "--duration", "1h", "--calibrate", "--chart", str(chart))
    assert said.endswith(f"chart: {chart}\n")
    assert chart.read_bytes().startswith(b"\x89PNG")


def test_a_chart_that_cannot_be_drawn_says_what_would_be_right(
    days: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = ("--csv", str(days), "--duration", "1h", "--chart")
    assert "must end in .png, .svg, .pdf" in refused_with(capsys, *asked, "chart.jpeg2")
    pytest.importorskip("matplotlib")
    assert "cannot be written" in refused_with(capsys, *asked, str(tmp_path / "none" / "chart.png"))
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    assert "pip install 'airflow-provider-carbon[charts]'" in refused_with(capsys, *asked, str(tmp_path / "chart.png"))


def test_without_a_chart_matplotlib_is_not_imported(days: Path) -> None:
    code = (
        "import sys; from airflow_carbon.cli.main import main;"
        f"main(['backtest', '--csv', {str(days)!r}, '--duration', '1h', '--json']);"
        "assert 'matplotlib' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


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


# -- past runs -------------------------------------------------------------------------------------------------------


class Airflow(BaseHTTPRequestHandler):
    """Answer what a backtest asks, from a list of task instances, as Airflow's public API does."""

    instances: ClassVar[list[dict[str, Any]]] = []
    asked: ClassVar[list[str]] = []

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        right = body == {"username": "me", "password": "right"}
        self._answer(201 if right else 401, {"access_token": "good"} if right else {"detail": "Invalid credentials"})

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        self.asked.append(url.path)
        if self.headers["Authorization"] != "Bearer good":
            self._answer(401, {"detail": "Not authenticated"})
        elif url.path == "/api/v2/dags":
            self._answer(200, {"dags": [{"dag_id": "nightly_training"}], "total_entries": 1})
        elif not url.path.startswith("/api/v2/dags/nightly_training/"):
            self._answer(404, {"detail": "The DAG was not found"})
        elif url.path.endswith("/tasks"):
            names = sorted({one["task_id"] for one in self.instances})
            self._answer(200, {"tasks": [{"task_id": name} for name in names], "total_entries": len(names)})
        else:
            assert url.path.endswith("/dagRuns/~/taskInstances")
            first = int(query["offset"])
            found = [
                one
                for one in sorted(self.instances, key=lambda one: one["start_date"], reverse=True)
                if one["state"] == query["state"]
                and one["task_id"] == query.get("task_id", one["task_id"])
                and query["start_date_gte"] <= one["start_date"]
                and one["end_date"] <= query["end_date_lte"]
            ]
            page = found[first : first + int(query["limit"])]
            self._answer(200, {"task_instances": page, "total_entries": len(found)})

    def _answer(self, status: int, body: object) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *words: object) -> None:
        pass


@pytest.fixture
def airflow(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Serve an Airflow of which a good token is known."""
    Airflow.instances, Airflow.asked[:] = [], []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Airflow)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    monkeypatch.setenv(TOKEN, "good")
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def instance(task: str, hour: float, hours: float, *, run: str = "", state: str = "success", operator: str = "Python"):
    start = BEGINS + hour * HOUR
    return {
        "task_id": task,
        "dag_run_id": run or f"run_{hour}",
        "state": state,
        "operator_name": operator,
        "start_date": start.isoformat(),
        "end_date": (start + hours * HOUR).isoformat(),
    }


def asked_of(url: str, file: Path, *more: str) -> list[str]:
    now = (BEGINS + timedelta(days=11)).isoformat()
    return ["--csv", str(file), "--dag", "nightly_training", "--url", url, "--now", now, *more]


def test_past_runs_of_a_task_are_shifted_within_the_delay(
    airflow: str, days: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # Ready at 04:00 on three days after the week that teaches; the clean hours begin two hours later.
    Airflow.instances = [instance("train", 24 * day + 4, 2) for day in (7, 8, 9)]
    Airflow.instances += [
        instance("train", 24 * 7 + 12, 2, state="failed"),
        instance("wait", 24 * 7, 4, operator="CarbonAwareSensor"),
    ]
    said = json.loads(said_by(capsys, *asked_of(airflow, days, "--task", "train", "--max-delay", "3h", "--json")))
    assert said["total"]["jobs"] == said["total"]["shifted"] == 3
    assert said["total"]["reduction_percent"] == pytest.approx(100 * 2 / 3, abs=1e-3)
    assert "task train of DAG nightly_training" in said["what"]
    assert any("deferrable operator counts in full" in one for one in said["assumed"])


def test_a_run_without_a_task_is_one_job_and_its_sensors_are_no_work(
    airflow: str, days: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    at = 24 * 8
    Airflow.instances = [
        instance("wait", at, 4, run="one", operator="CarbonAwareSensor"),
        instance("load", at + 4, 0.5, run="one"),
        instance("train", at + 4.5, 1.5, run="one"),
    ]
    asked = asked_of(airflow, days, "--max-delay", "3h")
    said = json.loads(said_by(capsys, *asked, "--json"))
    assert (said["total"]["jobs"], said["total"]["reduction_percent"]) == (1, pytest.approx(66.667))
    assert "whole runs of DAG nightly_training, 2 h in the middle" in said["what"]
    text = said_by(capsys, *asked)
    assert "assumed: sensors wait and compute nothing, so they are left out: wait" in text
    assert "assumed: a run is one piece, from the start of its first task to the end of its last" in text


def test_more_instances_than_a_page_are_all_read(airflow: str, days: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Airflow.instances = [instance("train", 24 * 7 + index / 4, 0.2) for index in range(PAGE + 20)]
    said = json.loads(said_by(capsys, *asked_of(airflow, days, "--task", "train", "--max-delay", "6h", "--json")))
    assert said["total"]["jobs"] + said["unknown_jobs"] == PAGE + 20
    assert sum("taskInstances" in path for path in Airflow.asked) == 2


def test_runs_that_the_history_does_not_cover_are_counted(
    airflow: str, days: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Airflow.instances = [instance("train", hour, 1) for hour in (30, 24 * 8)]
    said = said_by(capsys, *asked_of(airflow, days, "--task", "train"))
    assert "1, 1 of them shifted (1 more could not be replayed)" in said


def test_a_password_logs_in_where_there_is_no_token(
    airflow: str, days: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    Airflow.instances = [instance("train", 24 * 8, 1)]
    monkeypatch.delenv(TOKEN)
    monkeypatch.setenv(PASSWORD, "right")
    asked = asked_of(airflow, days, "--task", "train", "--user", "me")
    assert "jobs" in said_by(capsys, *asked)
    monkeypatch.setenv(PASSWORD, "not right")
    told = refused_with(capsys, *asked)
    assert "as me: 401" in told
    assert "not right" not in told


def test_a_token_that_is_refused_is_told_and_not_shown(
    airflow: str, days: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(TOKEN, "stale-secret")
    told = refused_with(capsys, *asked_of(airflow, days))
    assert f"{TOKEN}: {airflow} does not accept it; has it expired?" in told
    assert "stale-secret" not in told


def test_a_misspelt_dag_or_task_names_the_nearest(airflow: str, days: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Airflow.instances = [instance("train", 24 * 8, 1)]
    argv = asked_of(airflow, days)
    argv[argv.index("nightly_training")] = "nightly_trainin"
    assert "no DAG 'nightly_trainin' that you may read; did you mean 'nightly_training'?" in refused_with(capsys, *argv)
    told = refused_with(capsys, *asked_of(airflow, days, "--task", "trian"))
    assert "--task: DAG nightly_training has no task 'trian'; did you mean 'train'?" in told


def test_a_sensor_is_no_work_to_shift(airflow: str, days: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Airflow.instances = [instance("wait", 24 * 8, 3, operator="CarbonAwareSensor")]
    assert "waits and computes nothing; name the task after it" in refused_with(
        capsys, *asked_of(airflow, days, "--task", "wait")
    )


def test_no_successful_run_is_told_with_the_stretch_that_was_looked_at(
    airflow: str, days: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Airflow.instances = [instance("train", 24 * 8, 3, state="failed")]
    told = refused_with(capsys, *asked_of(airflow, days, "--task", "train", "--history", "10d"))
    assert "no run of task train of DAG nightly_training succeeded between 2026-03-03 00:00 and 2026-03-13" in told


def test_an_airflow_that_is_not_there_is_told_in_one_line(
    days: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(TOKEN, "good")
    assert "http://127.0.0.1:9 does not answer" in refused_with(capsys, *asked_of("http://127.0.0.1:9", days))
