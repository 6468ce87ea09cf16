"""Re-planning on forecasts as they were really issued: each decision sees only what had been issued by then."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SPEC = importlib.util.spec_from_file_location("replanning", ROOT / "benchmarks" / "replanning.py")
assert SPEC is not None
assert SPEC.loader is not None
replanning = sys.modules[SPEC.name] = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(replanning)

pytestmark = pytest.mark.skipif(
    not replanning.ISSUED.is_dir(),
    reason="no ../shared/data/issued here: the forecasts as issued are not part of the project",
)


@pytest.fixture(scope="module")
def stretches():
    return replanning.stretches()


@pytest.mark.parametrize("slack", replanning.SLACKS, ids=str)
@pytest.mark.parametrize("duration", replanning.DURATIONS, ids=str)
def test_replanning_keeps_what_planning_once_keeps_of_the_oracle_s_saving_within_a_point(stretches, duration, slack):
    assert len(stretches) == 2
    for stretch in stretches:
        jobs = replanning.jobs(stretch, duration, slack)
        assert len(jobs) > 150
        once = replanning.kept(stretch, jobs, replanning.once).percent
        ours = replanning.kept(stretch, jobs, replanning.ours).percent
        assert ours >= once - 1.0, f"{stretch.name}: {ours:.1f} % against {once:.1f} % for planning once"


def test_each_decision_of_the_replay_knows_only_issues_made_before_it(stretches):
    for stretch in stretches:
        for issue in stretch.issues:
            assert issue.forecast.issued_at < issue.usable_from
            assert issue.error.seen_us == int(issue.forecast.issued_at.timestamp()) * 1_000_000
