"""Aggregation of a computed tree, children before their parent."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from airflow_carbon.core.aggregate import DURATION, Method, over_components, over_time
from airflow_carbon.core.manifest.place import nearest

if TYPE_CHECKING:
    from airflow_carbon.core.manifest.branch import Branch
    from airflow_carbon.core.manifest.model import Aggregation


def aggregate(branch: Branch, plan: Aggregation) -> None:
    """Write ``aggregated`` into the documents of a tree, and ``outputs`` into those of its groups.

    A component gets the time aggregate of its outputs. A group gets its children's outputs aggregated row by row, and
    the time aggregate of these. As in Impact Framework a group is left alone under the type ``time``, and gets both
    under ``component``. What is skipped is computed, and takes no part in any aggregate.

    :raises InvalidRequestError: if a name to skip is unknown, a group has nothing left, components do not have the
        same timestamps, or a metric is missing.
    """
    names = tuple(_names(branch))
    for name, place in plan.skip.items():
        if name not in names:
            near = nearest(name, names)
            raise place.wrong(
                f"{name!r} is no component of the tree; "
                + (f"is {near!r} meant?" if near else f"there are {', '.join(names) or 'none'}")
            )
    _aggregate(branch, plan)


def parts(group: Branch, plan: Aggregation) -> dict[str, Branch]:
    """Give the children of a group that take part.

    :raises InvalidRequestError: if there is none.
    """
    left = {name: child for name, child in group.children.items() if name not in plan.skip}
    if not left:
        raise group.place.key("children").wrong("all are in aggregation.skip-components; leave at least one in")
    return left


def _aggregate(branch: Branch, plan: Aggregation) -> None:
    at = branch.place.key("outputs")
    if not branch.children:
        if plan.time:
            branch.document["aggregated"] = over_time(branch.rows, plan.methods, where=str(at))
        return
    children = parts(branch, plan)
    for child in children.values():
        _aggregate(child, plan)
    if not plan.component:
        return
    rows = over_components({str(child.place.key("outputs")): child.rows for child in children.values()}, plan.methods)
    _note_other_durations(branch, children)
    # What has no value for the group has none over time either.
    methods = {metric: one for metric, one in plan.methods.items() if one.component is not Method.NONE}
    branch.document["outputs"] = rows
    branch.document["aggregated"] = over_time(rows, methods, where=str(at))


def _note_other_durations(group: Branch, children: dict[str, Branch]) -> None:
    for index, durations in enumerate(
        zip(*([row[DURATION] for row in one.rows] for one in children.values()), strict=True)
    ):
        if len(set(durations)) > 1:
            group.place.key("outputs").row(index).key(DURATION).note(
                f"is {durations[-1]}, the last component's, as in Impact Framework; they have "
                f"{', '.join(str(one) for one in durations)}"
            )
            return


def _names(branch: Branch) -> Iterator[str]:
    for name, child in branch.children.items():
        yield name
        yield from _names(child)
