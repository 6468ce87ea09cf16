"""What became of promises, on disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from airflow_carbon.core.promise_record import PRIOR_POINTS
from airflow_carbon.sources.kept_promises import REMEMBERED, KeptPromises
from airflow_carbon.web.shelf import Shelf


def observe(promises: KeptPromises, decision: str, promised: float = 40.0, realised: float = 10.0) -> None:
    promises.observe(decision, zone="GB", source="uk, new", promised_percent=promised, realised_percent=realised)


def test_nothing_known_believes_a_promise_as_it_stands(tmp_path: Path) -> None:
    assert KeptPromises(tmp_path).record("GB", "uk").shrunk(30.0) == 30.0


def test_a_source_that_promised_too_much_is_believed_less_by_every_process_and_for_its_zone_alone(
    tmp_path: Path,
) -> None:
    for number in range(20):
        observe(KeptPromises(tmp_path), f"decision {number}")
    shrunk = KeptPromises(tmp_path).record("GB", "uk, other details (after another: off)").shrunk(40.0)
    assert 10.0 < shrunk < 25.0
    assert KeptPromises(tmp_path).record("DE", "uk").factor == 1.0


def test_a_decision_counts_once_however_often_its_impact_is_made(tmp_path: Path) -> None:
    promises = KeptPromises(tmp_path)
    for _ in range(3):
        observe(promises, "one")
    kept = 0.99 * PRIOR_POINTS
    assert promises.record("GB", "uk").factor == pytest.approx((kept + 10.0) / (kept + 40.0), abs=1e-4)


@pytest.mark.parametrize("damage", [{}, {"promised_points": "x"}, {"decisions": 3}])
def test_what_is_damaged_begins_anew(tmp_path: Path, damage: dict[str, object]) -> None:
    Shelf(tmp_path / "promises").write("uk GB", damage)
    promises = KeptPromises(tmp_path)
    assert promises.record("GB", "uk").factor == 1.0
    observe(promises, "one")
    assert promises.record("GB", "uk").factor < 1.0


def test_the_memory_of_decisions_is_bounded(tmp_path: Path) -> None:
    promises = KeptPromises(tmp_path)
    Shelf(tmp_path / "promises").write("uk GB", {"decisions": [str(number) for number in range(REMEMBERED)]})
    observe(promises, "one more")
    document = Shelf(tmp_path / "promises").read("uk GB")
    assert document is not None
    assert len(document["decisions"]) == REMEMBERED
