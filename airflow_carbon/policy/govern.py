"""What a policy does to one task, and why."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_carbon.policy.fields import MODE, OFF
from airflow_carbon.policy.subject import Subject, left_alone

if TYPE_CHECKING:
    from airflow_carbon.policy.file import PolicyFile
    from airflow_carbon.policy.rules import Rule, Rules


@dataclass(frozen=True, slots=True)
class Verdict:
    """Say what applies to one task.

    :param rule: the first rule that fits; None where none does, or none is asked.
    :param applies: whether the task waits by it, or would, in shadow mode.
    :param why: one readable sentence, without its stop.
    """

    rule: Rule | None
    applies: bool
    why: str


def verdict(task: Any, rules: Rules) -> Verdict:
    """Find what applies to a task."""
    if rules.faults:
        return Verdict(None, False, "the policy file has a mistake, so it rules nothing")
    subject = Subject.of(task)
    rule = rules.of(subject)
    if rule is None:
        return Verdict(None, False, left_alone(task) or "no rule fits")
    why_not = left_alone(task, named=subject.is_named(rule.match.get("operator", ())))
    if why_not:
        return Verdict(rule, False, why_not)
    if rule.mode == OFF:
        return Verdict(rule, False, f"{rule} says off")
    return Verdict(rule, True, f"{rule} fits by its {', '.join(rule.match)}")


def govern(task: Any, file: PolicyFile, *, running: bool, say: Callable[[str], None]) -> None:
    """Make a task wait by the rule that fits it first.

    :param running: whether this is the process of this very task, which may just come back from a wait.
    :param say: tells the administrator, once.
    """
    rules, anew = file.rules()
    if anew:
        for fault in rules.faults:
            say(f"the carbon policy {file.path} rules nothing until it is corrected: {fault}")
    found = verdict(task, rules) if rules.rules else None
    if found is None or found.rule is None or not found.applies:
        if running:
            # It may come back from a wait whose rule is gone, or whose file is broken.
            from airflow_carbon.policy.ruleless import let_resume

            let_resume(task)
        return
    from airflow_carbon.decorators.carbon_aware import carbon_aware

    asked = dict(found.rule.asked)
    carbon_aware(task, carbon_mode=asked.pop(MODE), lenient=True, **asked)
    if not running:
        from airflow_carbon.policy.guard import cautions

        for caution in cautions(task, found.rule):
            say(f"carbon policy, {found.rule}, DAG {task.dag.dag_id}: {caution}")
