from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_carbon.core.forecast import Forecast
from airflow_carbon.core.units import Accounting, Kind, Signal
from airflow_carbon.sources.kept_answer import KeptAnswer

NOON = datetime(2026, 8, 22, 12, tzinfo=UTC)
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)


def kept(*values: float, until: datetime = NOON + 72 * HOUR) -> KeptAnswer:
    whole = Forecast("DE", NOON, HOUR, values or [1.0, 2.0, 3.0], source="fake")
    return KeptAnswer(whole, until, NOON, NOON + 30 * MINUTE)


def reread(document: dict[str, Any]) -> KeptAnswer | None:
    return KeptAnswer.from_document(json.loads(json.dumps(document)))


moments = st.datetimes(datetime(1990, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
words = st.text(max_size=20)


@given(
    st.lists(st.floats(0, 1e300), min_size=1, max_size=50),
    st.tuples(moments, moments, moments, moments, st.none() | moments),
    st.timedeltas(timedelta(microseconds=1), timedelta(days=400)),
    st.tuples(words, words, words, words, words),
    st.sampled_from(Signal),
    st.sampled_from(Kind),
)
def test_an_answer_comes_back_from_its_document_to_the_last_bit(
    values: list[float],
    when: tuple[datetime, datetime, datetime, datetime, datetime | None],
    step: timedelta,
    said: tuple[str, str, str, str, str],
    signal: Signal,
    kind: Kind,
) -> None:
    zone, source, *accounting = said
    start, until, asked, expires, issued = when
    whole = Forecast(
        zone,
        start,
        step,
        values,
        signal,
        accounting=Accounting(*accounting),
        kind=kind,
        source=source,
        issued_at=issued,
    )
    again = reread(KeptAnswer(whole, until, asked, expires).to_document())
    assert again is not None
    assert (again.until, again.asked_at, again.expires) == (until, asked, expires)
    assert again.whole.intensity.tobytes() == whole.intensity.tobytes()
    for name in ("zone", "start", "step", "signal", "accounting", "kind", "source", "issued_at"):
        assert getattr(again.whole, name) == getattr(whole, name)
        assert type(getattr(again.whole, name)) is type(getattr(whole, name))


def test_an_answer_is_fresh_until_it_expires_and_not_before_it_was_asked() -> None:
    answer = kept()
    assert answer.is_fresh(NOON)
    assert answer.is_fresh(NOON + 30 * MINUTE - SECOND)
    assert not answer.is_fresh(NOON + 30 * MINUTE)
    # Clocks are corrected by seconds every day; an answer from farther ahead is one of a clock that was set back.
    assert answer.is_fresh(NOON - MINUTE)
    assert not answer.is_fresh(NOON - MINUTE - SECOND)


def test_an_answer_shorter_than_its_question_is_all_there_is() -> None:
    short = kept()
    assert short.reaches(NOON + 72 * HOUR)
    assert short.reaches(NOON + 500 * HOUR)
    full = kept(*range(72))
    assert full.reaches(NOON + 72 * HOUR)
    assert not full.reaches(NOON + 72 * HOUR + SECOND)


def test_the_steps_that_are_over_are_cut_off_once_for_all_who_ask_within_a_step() -> None:
    answer = kept()
    later = answer.beginning_at(NOON + 90 * MINUTE)
    assert later.intensity.tolist() == [2.0, 3.0]
    assert answer.beginning_at(NOON + 61 * MINUTE) is later
    assert answer.beginning_at(NOON) is not later
    assert answer.beginning_at(NOON).intensity.tolist() == [1.0, 2.0, 3.0]
    assert (answer.holds(NOON), answer.holds(NOON + 3 * HOUR), answer.holds(NOON - SECOND)) == (True, False, False)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just(10**400) | st.just(-(10**25)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=4,
)


@given(st.sampled_from(sorted(kept().to_document())), anything)
def test_a_damaged_answer_is_none_or_whole(field: str, damage: object) -> None:
    again = KeptAnswer.from_document({**kept().to_document(), field: damage})
    if again is not None:
        assert again.whole.start < again.whole.end
        assert isinstance(again.is_fresh(NOON), bool)
        assert isinstance(again.holds(NOON) and again.reaches(NOON), bool)


@pytest.mark.parametrize("missing", sorted(kept().to_document()))
def test_an_answer_that_lacks_something_is_none(missing: str) -> None:
    document = kept().to_document()
    assert reread(document) is not None
    del document[missing]
    assert reread(document) is None


def test_an_answer_that_ends_beyond_the_calendar_is_damaged() -> None:
    three_thousand_years = 10**17
    assert reread({**kept().to_document(), "step_us": three_thousand_years}) is None


def test_what_is_not_there_is_none() -> None:
    assert KeptAnswer.from_document(None) is None
