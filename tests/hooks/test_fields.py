"""The fields of a connection: read by their declaration, refused by name."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from airflow_carbon.exceptions import InvalidRequestError
from airflow_carbon.hooks.fields import Field, read_fields
from airflow_carbon.hooks.forms import HISTORY, TYPICAL


def test_empty_fields_take_their_defaults() -> None:
    for extra in (None, "", " ", "{}", '{"speed": null}', '{"speed": ""}'):
        assert read_fields(extra, TYPICAL.fields, "mine") == {"speed": 1.0, "played_since": None, "plays_from": None}


def test_values_are_read_as_a_form_sends_them() -> None:
    settings = read_fields('{"speed": "60", "plays_from": "2026-01-05T17:00:00+00:00"}', TYPICAL.fields, "mine")
    assert settings["speed"] == 60.0
    assert settings["plays_from"] == datetime(2026, 1, 5, 17, tzinfo=UTC)


@pytest.mark.parametrize(
    ("extra", "fault"),
    [
        ('{"sped": 60}', "unknown field 'sped'; did you mean 'speed'"),
        ('{"colour": "red"}', "unknown field 'colour'; known fields: speed, played_since, plays_from"),
        ('{"speed": 0}', "'speed': 0 must be a number larger than zero"),
        ('{"speed": "fast"}', "'speed'"),
        ('{"speed": true}', "'speed'"),
        ('{"plays_from": "noon"}', "'plays_from'"),
        ('{"plays_from": "2026-01-05T17:00:00"}', "'plays_from'.*timezone"),
        ("[1]", "must be a JSON object"),
        ("{speed: 60}", "is no JSON"),
    ],
)
def test_a_mistake_names_the_connection_and_the_field(extra: str, fault: str) -> None:
    with pytest.raises(InvalidRequestError, match=f"connection 'mine'.*{fault}"):
        read_fields(extra, TYPICAL.fields, "mine")


def test_a_field_that_is_needed_says_what_belongs_there() -> None:
    with pytest.raises(InvalidRequestError, match="'path' is needed: CSV of timestamp"):
        read_fields("{}", HISTORY.fields, "mine")


def test_a_timezone_is_checked_before_anything_waits() -> None:
    with pytest.raises(InvalidRequestError, match="'timezone': 'Mars/Phobos' is no timezone"):
        read_fields('{"path": "a.csv", "timezone": "Mars/Phobos"}', HISTORY.fields, "mine")


def test_a_choice_lists_what_is_allowed() -> None:
    with pytest.raises(InvalidRequestError, match="'gaps': 'fill' must be one of error, split"):
        read_fields('{"path": "a.csv", "gaps": "fill"}', HISTORY.fields, "mine")


def test_a_field_renders_as_airflows_form_wants_it() -> None:
    field = Field("gaps", "Gaps", "What to do.", default="error", choices=("error", "split"))
    assert field.as_conn_field() == {
        "label": "Gaps",
        "description": "What to do.",
        "schema": {"type": ["string", "null"], "enum": ["error", "split"], "default": "error"},
    }
