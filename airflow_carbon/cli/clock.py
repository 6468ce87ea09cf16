"""Moments as people read them: in UTC, and in the machine's own timezone where that differs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


def utc(moment: datetime) -> str:
    """Say a moment in UTC: ``Sun 22 Nov 18:00``."""
    return f"{moment.astimezone(UTC):%a %d %b %H:%M}"


def local(moment: datetime) -> str:
    """Say a moment in the machine's timezone, in the same form."""
    return f"{moment.astimezone():%a %d %b %H:%M}"


def dated(moment: datetime) -> str:
    """Say a moment with its year: in UTC, and in the machine's timezone where that differs."""
    spoken = f"{moment.astimezone(UTC):%a %d %b %Y %H:%M} UTC"
    return f"{spoken} ({moment.astimezone():%H:%M} {local_zone(moment)})" if local_zone(moment) else spoken


def local_zone(moment: datetime) -> str:
    """Name the machine's timezone at a moment; empty where its clock shows UTC."""
    own = moment.astimezone()
    return "" if own.utcoffset() == timedelta(0) else own.tzname() or "local"
