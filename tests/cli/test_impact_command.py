"""What ``airflow carbon impact`` tells of decisions, and of other starts and places."""

from __future__ import annotations

import json
from argparse import Namespace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fakes.records import START, decision, emission

from airflow_carbon.core.record import ImpactRecord
from airflow_carbon.exceptions import InvalidRequestError, SourceUnavailableError

pytestmark = pytest.mark.airflow

HOUR = timedelta(hours=1)
#: From START on, hour by hour: GB is 300, but 100 from 03:00 to 04:00; FR is 50.
GB = [100 if hour == 3 else 300 for hour in range(48)]
FR = [50] * 48


def at(hours: float) -> datetime:
    return START + hours * HOUR


@pytest.fixture(autouse=True)
def sources(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AIRFLOW__CARBON__STATE_DIR", str(tmp_path / "carbon"))
    for zone, values in (("GB", GB), ("FR", FR)):
        rows = [f"{at(hour).isoformat()},{value}" for hour, value in enumerate(values)]
        (tmp_path / f"{zone}.csv").write_text("\n".join(["timestamp,intensity", *rows]))
        extra = {"path": str(tmp_path / f"{zone}.csv"), "zone": zone}
        monkeypatch.setenv(f"AIRFLOW_CONN_{zone}", json.dumps({"conn_type": "carbon_history", "extra": extra}))


def keep(*records: Any) -> None:
    from airflow_carbon.cli.source import logs_on_stderr

    # A logger of Airflow's keeps the stdout of the moment in which it was made.
    with logs_on_stderr():
        from airflow_carbon.hooks.ledger import LedgerHook

        assert LedgerHook().write(*records)


def wait(decision_id: str = "one", **changed: Any) -> Any:
    raw = {"earliest_start": at(0).isoformat(), "latest_start": at(8).isoformat()}
    where = {"location": "zone:GB", "home": "zone:GB", "ready_at": START}
    return decision(decision_id, **{**where, "raw": raw, "promised_saving_percent": 50.0, **changed})


def work(begin: float = 3, hours: float = 1, **changed: Any) -> Any:
    return emission(**{"started_at": at(begin), "ended_at": at(begin + hours), "operational_g": None, **changed})


def run(**changed: Any) -> int:
    from airflow_carbon.cli.impact import run as impact

    asked = {
        "dag": "a_dag", "run": None, "energy": None, "location": None, "home": None, "ready_at": None, "region": None,
        "since": None, "ledger_conn_id": None, "csv": None, "replay": False, "conn_id": ["gb", "fr"],
        "now": at(30).isoformat(), "json": False, **changed,
    }  # fmt: skip
    return impact(Namespace(**asked))


def told(capsys: pytest.CaptureFixture[str], **changed: Any) -> dict[str, Any]:
    capsys.readouterr()
    assert run(json=True, **changed) == 0
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    return document


def test_a_dag_by_hand(capsys: pytest.CaptureFixture[str]) -> None:
    """2 kWh at 100 instead of 300, and the same at 300 instead of 100: 400 g less, 400 g more."""
    second = {"run_id": "later", "decided_at": at(3)}
    keep(wait(), work(), wait("two", ready_at=at(3), **second), work(5, run_id="later"))
    document = told(capsys)
    assert [one["reduction_g"] for one in document["impacts"]] == [400.0, -400.0]
    (total,) = document["totals"]
    assert (total["reduction_g"], total["decisions"], total["measured"]) == (0.0, 2, 2)
    assert total["reduction_label"] == "attributed reduction"
    assert document["counterfactuals"] == []


def test_what_it_tells_is_in_the_ledger(capsys: pytest.CaptureFixture[str]) -> None:
    from airflow_carbon.hooks.ledger import LedgerHook

    keep(wait(), work())
    run()
    run()
    assert [one.reduction_g for one in LedgerHook().read(ImpactRecord)] == [400.0]


def test_the_table_of_other_starts_and_places(capsys: pytest.CaptureFixture[str]) -> None:
    keep(wait(), work())
    document = told(capsys, run="a_run", region=["zone:FR"])
    assert document["as_it_ran"]["emitted_g"] == 200.0
    assert document["as_it_ran"]["baseline_g"] == 600.0
    rows = [(one["counterfactual"], one["emitted_g"]) for one in document["counterfactuals"]]
    assert rows == [("+3 h", 600), ("+6 h", 600), ("+9 h", 600), ("+12 h", 600), ("+15 h", 600), ("in zone:FR", 100)]


def test_the_table_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    keep(wait(), work())
    assert run(run="a_run", region=["zone:FR"]) == 0
    shown = capsys.readouterr().out
    assert "attributed reduction: 400 g (200 g instead of 600 g) by 1 decision, 1 of them measured" in shown
    assert "when first ready, in GB" in shown
    (row,) = [line for line in shown.splitlines() if line.startswith("+3 h")]
    assert row.split() == ["+3", "h", "Sun", "22", "Nov", "12:00", "300", "600", "+200", "%"]


def test_without_an_energy_no_grams_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    keep(wait(), work(energy_kwh=None, energy_how="none"))
    document = told(capsys, run="a_run")
    assert document["totals"][0]["without_energy"] == 1
    assert {one["emitted_g"] for one in document["counterfactuals"]} == {None}
    assert document["counterfactuals"][0]["intensity_g_per_kwh"] == 300.0
    run(run="a_run")
    shown = capsys.readouterr().out
    assert "no grams: of 1 decision no energy is known" in shown
    assert "67 %" in shown


def test_decisions_without_a_claim_are_counted_by_their_reason(capsys: pytest.CaptureFixture[str]) -> None:
    keep(wait(governs=()), wait("two", action="shadow"), wait("three", action="shadow"))
    run()
    shown = capsys.readouterr().out
    assert "1 decision without a claim: it governs nothing" in shown
    assert "2 decisions without a claim: a shadow changes nothing" in shown


def test_sums_never_cross_signals() -> None:
    from fakes.records import impact

    from airflow_carbon.cli.impact_report import totals

    sums = totals([impact("a"), impact("b"), impact("b"), impact("c", signal="marginal")])
    assert [(one.signal, one.reduction_label, one.decisions, one.reduction_g) for one in sums] == [
        ("average", "attributed reduction", 2, 800.0),
        ("marginal", "avoided (estimate)", 1, 400.0),
    ]


def profile(folder: Path, *rows: str, header: str = "timestamp,kwh") -> str:
    file = folder / "profile.csv"
    file.write_text("\n".join([header, *rows]) + "\n")
    return str(file)


def test_a_measured_series_of_energy_is_integrated_against_the_steps(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """From 03:30, half an hour each: 1 kWh at 100 and 2 kWh at 300 are 700 g; from 00:00 on 900 g."""
    keep(wait(), work())
    file = profile(tmp_path, f"{at(3.5).isoformat()},1", f"{at(4).isoformat()},2")
    document = told(capsys, run="a_run", energy=file)
    assert document["as_it_ran"]["emitted_g"] == pytest.approx(700.0)
    assert document["as_it_ran"]["baseline_g"] == pytest.approx(900.0)
    assert document["impacts"] == []
    assert document["counterfactuals"][0]["emitted_g"] == pytest.approx(900.0)


def test_a_series_of_a_run_that_the_ledger_does_not_know(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = profile(tmp_path, f"{at(3).isoformat()},1", f"{at(4).isoformat()},1")
    with pytest.raises(InvalidRequestError, match="--location"):
        run(run="unknown", energy=file)
    document = told(capsys, run="unknown", energy=file, location="zone:FR", home="zone:GB", ready_at=START.isoformat())
    assert (document["as_it_ran"]["emitted_g"], document["as_it_ran"]["baseline_g"]) == (100.0, 600.0)


def test_the_series_agrees_with_a_brute_force_per_minute(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Seven-minute readings across the edges of steps."""
    readings = [((137 * number) % 11) / 10 for number in range(60)]
    moments = [START + timedelta(minutes=53 + 7 * number) for number in range(60)]
    rows = [f"{moment.isoformat()},{kwh}" for moment, kwh in zip(moments, readings, strict=True)]
    file = profile(tmp_path, *rows)
    document = told(capsys, run="unknown", energy=file, location="zone:GB")
    grams = sum(
        kwh / 7 * GB[(53 + 7 * number + minute) // 60] for number, kwh in enumerate(readings) for minute in range(7)
    )
    assert document["as_it_ran"]["emitted_g"] == pytest.approx(grams)


@pytest.mark.parametrize(
    ("rows", "fault"),
    [
        (["2026-11-22T06:00:00Z,1"], "at least two are needed"),
        (["2026-11-22T06:00:00Z,1", "2026-11-22T07:00:00Z,-1"], "line 3: '-1' is no energy"),
        (["2026-11-22T06:00:00Z,1", "2026-11-22T07:00:00Z,nan"], "line 3: 'nan' is no energy"),
        (["2026-11-22T06:00:00Z,1", "2026-11-22T07:00:00,1"], "line 3: timestamp: .* has no timezone"),
        (["2026-11-22T06:00:00Z,1", "2026-11-22T06:00:00Z,1"], "line 3: .* must be later"),
        (["2026-11-22T06:00:00Z,1", "soon,1"], "line 3: timestamp"),
        (["2026-11-22T06:00:00Z,1", "2026-11-22T07:00:00Z"], "line 3: 1 fields"),
        (
            ["2026-11-22T06:00:00Z,1", "2026-11-22T07:00:00Z,1", "2026-11-22T08:00:00Z,1", "2026-11-22T08:10:00Z,1"],
            "line 5: .* bring all rows to one step",
        ),
    ],
)
def test_a_wrong_series_is_refused_by_its_line(tmp_path: Path, rows: list[str], fault: str) -> None:
    with pytest.raises(InvalidRequestError, match=fault):
        run(run="a_run", energy=profile(tmp_path, *rows), location="zone:GB")


def test_a_series_without_the_right_header_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequestError, match="line 1: no column 'kwh'"):
        run(run="a_run", energy=profile(tmp_path, "a,b", header="timestamp,energy"), location="zone:GB")
    with pytest.raises(InvalidRequestError, match=r"--energy: .*absent"):
        run(run="a_run", energy=str(tmp_path / "absent.csv"), location="zone:GB")
    with pytest.raises(InvalidRequestError, match="name the RUN"):
        run(energy=str(tmp_path / "absent.csv"))


def test_a_gap_in_a_series_is_a_time_without_energy(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    rows = [f"{at(hour).isoformat()},1" for hour in (0, 1, 3)]
    document = told(capsys, run="unknown", energy=profile(tmp_path, *rows), location="zone:GB")
    assert document["as_it_ran"]["emitted_g"] == pytest.approx(300 + 300 + 100)


def test_hours_of_which_nothing_is_known_are_said_to_be_so(tmp_path: Path) -> None:
    rows = [f"{at(hour).isoformat()},1" for hour in (100, 101)]
    with pytest.raises(SourceUnavailableError):
        run(run="unknown", energy=profile(tmp_path, *rows), location="zone:GB", now=at(200).isoformat())


def test_one_file_does_not_speak_for_several_places(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    keep(wait(), work())
    asked = {"run": "a_run", "conn_id": None, "csv": str(tmp_path / "GB.csv")}
    with pytest.raises(InvalidRequestError, match=r"--csv: .* zone:FR, zone:GB"):
        run(**asked, region=["zone:FR"])
    assert told(capsys, **asked)["impacts"][0]["reduction_g"] == 400.0


def test_a_dag_of_which_nothing_is_known_is_said_to_be_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(run="a_run") == 0
    assert "nothing in the ledger" in capsys.readouterr().out
