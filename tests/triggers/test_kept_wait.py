"""A wait on disk is written when its plan changes, and not with each forecast that says the same once more."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from airflow_carbon.triggers.kept_wait import KeptWait

PLAN = ["2026-11-22T18:00:00+00:00", "2026-11-22T19:00:00+00:00", 200.0]


def state(decisions: int = 1, **changed: Any) -> dict[str, Any]:
    return {"standing": PLAN, "baseline": 300.0, "replans": 0, "notes": [], "decisions": decisions, **changed}


@pytest.fixture
def kept(tmp_path: Path) -> KeptWait:
    kept = KeptWait(tmp_path, "0123")
    kept.write(state())
    return kept


def test_a_plan_that_stands_is_not_written_again(kept: KeptWait) -> None:
    kept.write(state(decisions=2, standing=[*PLAN[:2], 201.9]))
    assert kept.read() == state()


def test_an_intensity_that_creeps_away_is_written_once_it_has_moved_by_a_hundredth(kept: KeptWait) -> None:
    for decisions, grams in enumerate([201.0, 202.0, 202.1, 203.0], start=2):
        kept.write(state(decisions, standing=[*PLAN[:2], grams]))
    assert kept.read() == state(4, standing=[*PLAN[:2], 202.1])


@pytest.mark.parametrize(
    "changed",
    [
        {"standing": ["2026-11-22T20:00:00+00:00", "2026-11-22T21:00:00+00:00", 200.0]},
        {"standing": [*PLAN[:2], None]},
        {"standing": None},
        {"baseline": None},
        {"replans": 1},
        {"notes": ["no answer"]},
    ],
    ids=["another start", "an intensity unknown", "no plan", "no baseline", "a re-plan", "a note"],
)
def test_what_a_later_process_would_miss_is_written_at_once(kept: KeptWait, changed: dict[str, Any]) -> None:
    kept.write(state(decisions=2, **changed))
    assert kept.read() == state(decisions=2, **changed)
    kept.write(state(decisions=3))
    assert kept.read() == state(decisions=3)


def test_a_note_in_a_list_that_grew_in_place_is_noticed(tmp_path: Path) -> None:
    kept, notes = KeptWait(tmp_path, "0123"), ["first"]
    kept.write(state(notes=notes))
    notes.append("second")
    kept.write(state(notes=notes))
    assert kept.read() == state(notes=["first", "second"])
