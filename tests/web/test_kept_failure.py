from __future__ import annotations

import inspect
import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_carbon import exceptions
from airflow_carbon.exceptions import CarbonError, SourceAuthError, SourceUnavailableError
from airflow_carbon.web.kept_failure import KeptFailure

NOON = datetime(2026, 8, 22, 12, tzinfo=UTC)
SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)
ERRORS = [kind for _, kind in inspect.getmembers(exceptions, inspect.isclass) if issubclass(kind, CarbonError)]

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just(10**400) | st.just(-(10**25)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=4,
)


@given(st.sampled_from(["error", "said", "asked_us", "expires_us"]), anything)
def test_a_damaged_failure_is_none_or_whole(field: str, damage: object) -> None:
    failure = KeptFailure(SourceAuthError("no"), NOON, NOON + HOUR)
    again = KeptFailure.from_document({**failure.to_document(), field: damage})
    if again is not None:
        assert isinstance(again.error, CarbonError)
        assert isinstance(again.is_fresh(NOON), bool)


@pytest.mark.parametrize("kind", ERRORS)
def test_an_error_comes_back_as_what_it_was(kind: type[CarbonError]) -> None:
    failure = KeptFailure(kind("what was wrong: ü"), NOON, NOON + HOUR)
    again = KeptFailure.from_document(json.loads(json.dumps(failure.to_document())))
    assert again is not None
    assert (type(again.error), str(again.error)) == (kind, "what was wrong: ü")
    assert (again.asked_at, again.expires) == (NOON, NOON + HOUR)


@pytest.mark.parametrize("name", ["KeyError", "annotations", "SystemExit", "__name__", ""])
def test_an_error_that_is_none_of_this_package_is_unavailable(name: str) -> None:
    document = KeptFailure(SourceAuthError("no"), NOON, NOON + HOUR).to_document()
    again = KeptFailure.from_document({**document, "error": name})
    assert again is not None
    assert type(again.error) is SourceUnavailableError


def test_a_failure_is_fresh_for_its_time_alone() -> None:
    failure = KeptFailure(SourceAuthError("no"), NOON, NOON + 10 * SECOND)
    assert failure.is_fresh(NOON + 9 * SECOND)
    assert not failure.is_fresh(NOON + 10 * SECOND)
    assert not failure.is_fresh(NOON - HOUR)


def test_what_is_not_there_is_none() -> None:
    assert KeptFailure.from_document(None) is None
    assert KeptFailure.from_document({}) is None
