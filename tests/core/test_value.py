"""Values against the dataclasses that they stand in for: the standard library is the oracle."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from collections.abc import Callable
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_carbon.core.location import Location
from airflow_carbon.core.power import PowerProfile
from airflow_carbon.core.record import DecisionRecord, EmissionRecord, ImpactRecord
from airflow_carbon.core.record_wait import WaitRecord
from airflow_carbon.core.request import WaitRequest
from airflow_carbon.core.threshold import Threshold
from airflow_carbon.core.units import Accounting
from airflow_carbon.core.value import value

OF_THE_PACKAGE = [
    Accounting, DecisionRecord, EmissionRecord, ImpactRecord, Location, PowerProfile, Threshold, WaitRecord,
    WaitRequest,
]  # fmt: skip


class Plain:
    """Say something of itself."""

    first: int
    second: str = "two"
    third: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.first < 0:
            raise ValueError("first: negative")
        object.__setattr__(self, "second", self.second.strip())

    @property
    def both(self) -> str:
        return f"{self.first} {self.second}"


class Single:
    only: float


def again(kind: type[Any]) -> type[Any]:
    """Give a class of the same body, as a decorator may change what it is given."""
    own = {name: copy.copy(one) for name, one in vars(kind).items() if name not in ("__dict__", "__weakref__")}
    return type(kind.__name__, (), own)


Value, Oracle = value(again(Plain)), dataclass(frozen=True, slots=True)(again(Plain))
NamedValue = value(kw_only=True)(again(Plain))
NamedOracle = dataclass(frozen=True, slots=True, kw_only=True)(again(Plain))
PAIRS = [(Value, Oracle), (NamedValue, NamedOracle)]


def outcome(work: Callable[[], Any]) -> Any:
    """Tell what comes of it: a value, or the sort of its error."""
    try:
        return work()
    except Exception as error:
        return type(error)


GIVEN = st.dictionaries(
    st.sampled_from(["first", "second", "third", "fourth"]),
    st.one_of(st.integers(), st.text(), st.lists(st.integers())),
)


@given(st.lists(st.one_of(st.integers(), st.text(), st.lists(st.integers())), max_size=4), GIVEN)
def test_what_it_takes_and_becomes_is_what_a_dataclass_does(values: list[Any], named: dict[str, Any]) -> None:
    for one, oracle in PAIRS:
        made, expected = outcome(lambda one=one: one(*values, **named)), outcome(lambda o=oracle: o(*values, **named))
        if isinstance(expected, type):
            assert made is expected
        else:
            assert repr(made) == repr(expected)
            assert dataclasses.asdict(made) == dataclasses.asdict(expected)
            assert outcome(lambda m=made: hash(m)) == outcome(lambda e=expected: hash(e))


@given(st.integers(0, 2), st.sampled_from("ab"), st.integers(0, 2), st.sampled_from("ab"))
def test_two_are_equal_where_all_their_fields_are(first: int, second: str, other: int, another: str) -> None:
    alike = (first, second) == (other, another)
    one, two = Value(first, second, ()), Value(other, another, ())
    assert (one == two) is (Oracle(first, second, ()) == Oracle(other, another, ())) is alike
    assert (hash(one) == hash(two)) is alike
    assert one != Oracle(first, second, ())
    assert one != NamedValue(first=first, second=second, third=())


def test_nothing_of_it_can_be_changed() -> None:
    one = Value(1)
    for change in (
        lambda: setattr(one, "first", 2),
        lambda: setattr(one, "other", 2),
        lambda: delattr(one, "first"),
    ):
        with pytest.raises(dataclasses.FrozenInstanceError):
            change()
    assert one.first == 1
    assert not hasattr(one, "__dict__")


def test_each_has_a_list_of_its_own() -> None:
    assert Value(1).third is not Value(1).third


@pytest.mark.parametrize(("one", "oracle"), PAIRS)
def test_the_standard_library_reads_its_fields(one: Any, oracle: Any) -> None:
    assert is_dataclass(one)
    assert [(it.name, it.type, it.kw_only) for it in fields(one)] == [
        (it.name, it.type, it.kw_only) for it in fields(oracle)
    ]
    assert replace(one(first=1), second=" b ") == one(first=1, second="b")
    with pytest.raises(ValueError, match="negative"):
        replace(one(first=1), first=-1)


def test_what_the_class_says_of_itself_stands() -> None:
    assert Value.__doc__ == Plain.__doc__
    assert Value(1).both == "1 two"
    assert str(Accounting("direct")) == "direct"


def test_it_is_matched_by_place() -> None:
    match Value(1, "b"):
        case Value(first, second):
            assert (first, second) == (1, "b")
        case _:
            raise AssertionError("not matched")


def test_one_field_alone_is_enough() -> None:
    one = value(again(Single))
    assert one(1.0) == one(only=1.0)
    assert copy.deepcopy(one(1.0)) == one(1.0)
    assert hash(one(1.0)) == hash(dataclass(frozen=True)(again(Single))(1.0))


@pytest.mark.parametrize("text", ["azure:uksouth", "zone:DE", "51.5,-0.12"])
def test_it_survives_pickling_and_copying(text: str) -> None:
    one = Location.parse(text)
    assert pickle.loads(pickle.dumps(one)) == copy.copy(one) == copy.deepcopy(one) == one


@pytest.mark.parametrize("kind", OF_THE_PACKAGE)
def test_each_of_this_package_has_the_fields_of_the_same_dataclass(kind: type[Any]) -> None:
    own = {name: one for name, one in vars(kind).items() if name == "__annotations__"}
    assert [it.name for it in fields(kind)] == list(own["__annotations__"])
    assert kind.__slots__ == tuple(own["__annotations__"])
