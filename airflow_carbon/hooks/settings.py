"""The ``[carbon]`` section of Airflow's configuration."""

from __future__ import annotations

import os
from datetime import timedelta
from enum import StrEnum
from pathlib import Path

from airflow.sdk.configuration import conf

from airflow_carbon.core.moment import parse_duration
from airflow_carbon.exceptions import InvalidRequestError

SECTION = "carbon"


class Mode(StrEnum):
    """How far a decision reaches: it delays the task, it is only recorded, or none is made."""

    ENFORCE = "enforce"
    SHADOW = "shadow"
    OFF = "off"


def parse_mode(value: object, field: str) -> Mode:
    """Read a mode.

    :raises InvalidRequestError: naming the field, if it is none of the three.
    """
    try:
        return Mode(str(value).strip().lower())
    except ValueError:
        raise InvalidRequestError(f"{field}: {value!r} must be one of {', '.join(Mode)}") from None


def mode() -> Mode:
    """Read ``[carbon] mode``: what holds where neither the task nor the run says otherwise."""
    return parse_mode(conf.get(SECTION, "mode", fallback="enforce"), "[carbon] mode")


def start_margin() -> timedelta:
    """Read ``[carbon] start_margin``: kept free before every latest start, for Airflow's own queues."""
    return _duration("start_margin", "5m")


def min_defer() -> timedelta:
    """Read ``[carbon] min_defer``: the least life of a trigger.

    A trigger that fires before the scheduler has noted the deferral makes it fail the task for a state mismatch.
    """
    return _duration("min_defer", "30s")


def state_dir() -> Path:
    """Read ``[carbon] state_dir``: where this host keeps what outlives a process."""
    given = conf.get(SECTION, "state_dir", fallback="")
    if given:
        return Path(given).expanduser()
    return Path(os.environ.get("AIRFLOW_HOME", "~/airflow")).expanduser() / "carbon"


def pools() -> dict[str, int]:
    """Read ``[carbon] pools``: the slots of pools, which a task process cannot learn from Airflow.

    :raises InvalidRequestError: naming what is no ``name=slots``.
    """
    found = {}
    for one in filter(None, (part.strip() for part in conf.get(SECTION, "pools", fallback="").split(","))):
        name, _, slots = (part.strip() for part in one.rpartition("="))
        if not name or not slots.isdecimal() or int(slots) < 1:
            raise InvalidRequestError(f"[carbon] pools: {one!r} must be a pool and its slots, such as etl=4")
        found[name] = int(slots)
    return found


def callables() -> tuple[str, ...]:
    """Read ``[carbon] callables``: the modules, or the very functions, that a connection may name to be called."""
    listed = conf.get(SECTION, "callables", fallback="")
    return tuple(path for path in (one.strip() for one in listed.split(",")) if path)


def api_conn_ids() -> tuple[str, ...]:
    """Read ``[carbon] api_conn_id``: the chain of sources that the pages and the API ask; empty for the default one."""
    listed = conf.get(SECTION, "api_conn_id", fallback="")
    return tuple(conn_id for conn_id in (one.strip() for one in listed.split(",")) if conn_id)


def _duration(option: str, fallback: str) -> timedelta:
    return parse_duration(conf.get(SECTION, option, fallback=fallback), f"[carbon] {option}", zero_allowed=True)
