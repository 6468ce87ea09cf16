"""A run from the ledger as a manifest that computes to the same SCI."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fakes.records import emission

from airflow_carbon.cli.main import main
from airflow_carbon.cli.manifest_file import read_manifest
from airflow_carbon.cli.source import logs_on_stderr
from airflow_carbon.core.manifest.run import run_manifest

pytestmark = pytest.mark.airflow


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AIRFLOW__CARBON__STATE_DIR", str(tmp_path / "carbon"))


def keep(*records: Any) -> None:
    with logs_on_stderr():
        from airflow_carbon.hooks.ledger import LedgerHook

        assert LedgerHook().write(*records)


def manifest(*argv: str) -> int:
    return main(["sci", "manifest", "a_dag", "a_run", *argv])


COUNTED = {"functional_unit": "order", "functional_units": 50.0}


def test_the_manifest_of_a_run_computes_to_its_sci_with_the_failed_try_in_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keep(
        emission(task_id="load", embodied_g=20.0, **COUNTED),
        emission(task_id="train", try_number=1, state="failed", energy_kwh=0.5, **COUNTED),
        emission(task_id="train", try_number=2, energy_kwh=3.0, intensity_g_per_kwh=40.0, **COUNTED),
        emission(run_id="another", energy_kwh=1000.0, **COUNTED),
    )
    assert manifest("-o", str(tmp_path / "run.yml")) == 0
    # 2 x 100 + 20, 0.5 x 100 and 3 x 40 g over 50 orders.
    assert "3 components, 50 x order: 7.8 g per order" in capsys.readouterr().out
    document = run_manifest(read_manifest(tmp_path / "run.yml")).document
    assert set(document["tree"]["children"]) == {"load", "train", "train try 2"}
    assert document["tree"]["aggregated"]["carbon"] == pytest.approx(390.0)
    assert document["tree"]["aggregated"]["sci"] == pytest.approx(7.8)


def test_where_tasks_counted_different_things_the_run_has_to_be_told_its_one_r(
    capsys: pytest.CaptureFixture[str],
) -> None:
    keep(emission(task_id="load", functional_unit="row", functional_units=7.0), emission(task_id="train", **COUNTED))
    assert manifest() == 2
    assert "counted 50 x order, 7 x row, and a run has one R; give both" in capsys.readouterr().err
    assert manifest("--unit", "order", "--units", "100") == 0
    tree = run_manifest(_loaded(capsys)).document["tree"]
    assert tree["aggregated"]["sci"] == pytest.approx(4.0)


def _loaded(capsys: pytest.CaptureFixture[str]) -> Any:
    from airflow_carbon.cli.yaml_text import loaded

    return loaded(capsys.readouterr().out.encode(), "stdout")


@pytest.mark.parametrize(
    ("records", "argv", "said"),
    [
        ([], [], "the ledger holds nothing of 'a_run' of DAG 'a_dag'"),
        ([emission(energy_kwh=None, energy_how="none", **COUNTED)], [], "these have none: a_task"),
        ([emission(**COUNTED)], ["--unit", "order", "--units", "0"], "R is 0"),
        ([emission(**COUNTED)], ["--unit", "order", "--units", "many"], "--units: 'many' is text"),
    ],
)
def test_a_run_that_makes_no_manifest_says_why(
    records: list[Any], argv: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    keep(*records)
    assert manifest(*argv) == 2
    assert said in capsys.readouterr().err
