"""Warn of a rule that holds up more than the task that it means."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow_carbon.core.moment import parse_duration
from airflow_carbon.hooks import held_up
from airflow_carbon.policy.fields import templated

if TYPE_CHECKING:
    from airflow_carbon.policy.rules import Rule


def cautions(task: Any, rule: Rule) -> Iterator[str]:
    """Say what a rule's delay does to the runs that follow, for a task that it means."""
    if (longest := longest_delay(rule.asked)) is not None:
        yield from held_up.cautions(task.dag, longest, depends_on_past=task.depends_on_past)


def longest_delay(asked: Mapping[str, Any]) -> timedelta | None:
    """Give the longest wait that is asked for, None where a template tells only later.

    A deadline is the latest finish, so it leaves no more than itself.
    """
    given = [asked[key] for key in ("max_delay", "deadline") if asked.get(key)]
    if any(map(templated, given)):
        return None
    return min((parse_duration(one, "max_delay", zero_allowed=True) for one in given), default=None)
