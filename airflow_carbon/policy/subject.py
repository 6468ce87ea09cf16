"""One task as a policy sees it: its traits, and what keeps a policy off it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

#: What a rule can match.
TRAITS = ("tags", "pool", "queue", "owner", "dag_id", "task_id", "operator")
#: A DAG with this tag is left alone.
OPT_OUT = "carbon-off"


class Subject(NamedTuple):
    """Hold the traits of one task, each as the texts of which one has to fit.

    :param traits: by name; a task has several tags, and an operator two names.
    """

    traits: Mapping[str, tuple[str, ...]]

    @classmethod
    def of(cls, task: Any) -> Subject:
        """Look at a task of a DAG that was read, mapped or not."""
        dag = task.dag
        return cls(
            {
                "tags": tuple(map(str, dag.tags or ())),
                "pool": (str(task.pool),),
                "queue": (str(task.queue),),
                "owner": tuple(one.strip() for one in str(task.owner).split(",")),
                "dag_id": (str(dag.dag_id),),
                "task_id": (str(task.task_id),),
                "operator": tuple(dict.fromkeys((str(task.task_type), str(task.operator_name)))),
            }
        )

    def fits(self, trait: str, patterns: Iterable[str]) -> bool:
        """Tell whether one of a trait's texts fits one of the patterns."""
        return any(fnmatchcase(text, pattern) for text in self.traits[trait] for pattern in patterns)

    def is_named(self, patterns: Iterable[str]) -> bool:
        """Tell whether the operator is named outright, and not by a pattern that many fit."""
        return any(text in patterns for text in self.traits["operator"])


def left_alone(task: Any, *, named: bool = False) -> str:
    """Say why no policy touches a task, whatever the rules are; empty where one may.

    :param named: whether the rule names this operator outright, which is how a sensor is meant.
    """
    from airflow_carbon.decorators.carbon_aware import is_carbon_aware

    if OPT_OUT in (task.dag.tags or ()):
        return f"the DAG has the tag {OPT_OUT}"
    if is_carbon_aware(task):
        return "it is carbon-aware by its own DAG"
    timetable = getattr(task.dag, "timetable", None)
    # The schedule may be one half of an AssetOrTimeSchedule.
    if getattr(getattr(timetable, "timetable", timetable), "carbon_wait", None) is not None:
        return "its DAG has a carbon-aware schedule, which decides once for the whole run"
    if task.operator_class.__module__.partition(".")[0] == "airflow_carbon":
        return "it is one of this provider's own"
    # What it governs would wait twice: once behind the sensor, and once more before its work.
    before = (task.dag.task_dict.get(name) for name in task.upstream_task_ids)
    if any(one.operator_class.__module__.startswith("airflow_carbon.sensors.") for one in before if one is not None):
        return "a sensor of this provider, directly before it, decides when it starts"
    if task.is_setup or task.is_teardown:
        return "it is a setup or teardown task, which goes with the work of others"
    if _inherits(task, "EmptyOperator"):
        return "it does no work"
    if _inherits(task, "BaseSensorOperator") and not named:
        return "it is a sensor, which does no work; a rule can name its operator outright"
    return ""


def _inherits(task: Any, name: str) -> bool:
    # By name: to import a sensor's or an operator's module would cost every task.
    return any(base.__name__ == name for base in task.operator_class.__mro__)
