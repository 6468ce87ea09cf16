"""The SCI of a component or group over all its rows, in both readings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_carbon.core.aggregate import Method, Methods, combined, sci_over_time
from airflow_carbon.core.manifest.aggregation import parts

if TYPE_CHECKING:
    from airflow_carbon.core.manifest.branch import Branch
    from airflow_carbon.core.manifest.model import Aggregation

#: Where it stands in a node of the output, and the names of its two readings; the first is the one to report.
KEY, REPORTED, MEAN = "sci-over-time", "carbon-over-functional-units", "mean-of-ratios"


@dataclass(frozen=True, slots=True)
class _Counted:
    """Hold carbon [g] and functional units of each row."""

    unit: str
    carbon: Sequence[float]
    units: Sequence[float]


def score(branch: Branch, plan: Aggregation, known: Mapping[str, Methods]) -> None:
    """Write ``sci-over-time`` into the documents of an aggregated tree.

    Carbon is always added. Functional units are added over time; over components they follow their own method: ``sum``
    where each component did other units, ``copy`` where all worked on the same ones.

    :param known: methods of every parameter that has any.
    """
    if "sci" in plan.methods:
        _score(branch, plan, known)


def _score(branch: Branch, plan: Aggregation, known: Mapping[str, Methods]) -> _Counted | None:
    if not branch.children:
        counted = _of_component(branch)
        wanted = plan.time
    else:
        children = {name: _score(child, plan, known) for name, child in parts(branch, plan).items()}
        wanted = plan.component
        counted = _of_group(branch, children, known) if wanted else None
    if counted is not None and wanted:
        branch.document[KEY] = _document(branch, counted)
    return counted


def _of_component(branch: Branch) -> _Counted | None:
    if not branch.unit or any(row.get(branch.unit) is None or row.get("carbon") is None for row in branch.rows):
        return None
    return _Counted(branch.unit, [row["carbon"] for row in branch.rows], [row[branch.unit] for row in branch.rows])


def _of_group(branch: Branch, children: Mapping[str, _Counted | None], known: Mapping[str, Methods]) -> _Counted | None:
    counted = [one for one in children.values() if one is not None]
    if len(counted) < len(children):
        return None
    units = list(dict.fromkeys(one.unit for one in counted))
    at = branch.place.key(KEY)
    if len(units) > 1:
        at.note(f"is left out: components count different functional units ({', '.join(units)}), which do not add up")
        return None
    (unit,) = units
    if unit not in known or known[unit].component is Method.NONE:
        at.note(
            f"is left out: nothing says how {unit!r} goes over components; give it an aggregation-method under "
            f"parameter-metadata, component: sum where each did other units, copy where all worked on the same"
        )
        return None
    method = known[unit].component
    same = len(counted) > 1 and all(one.units == counted[0].units for one in counted) and any(counted[0].units)
    if method is Method.SUM and same:
        at.note(
            f"each component counts the same {unit}, and their method is component: sum; if they all worked on the "
            f"same ones, write component: copy, or the reported sci is {len(counted)} times too small"
        )
    columns = list(zip(*(one.units for one in counted), strict=True))
    names = list(children)
    return _Counted(
        unit,
        [sum(row) for row in zip(*(one.carbon for one in counted), strict=True)],
        [combined([{unit: value} for value in column], names, unit, method) for column in columns],
    )


def _document(branch: Branch, counted: _Counted) -> dict[str, Any]:
    both = sci_over_time(counted.carbon, counted.units)
    # A group's sci of a row is what its components' were aggregated to, by the manifest's own methods.
    shown = [row["sci"] for row in branch.rows if row.get("sci") is not None]
    mean = sum(shown) / len(shown) if len(shown) == len(branch.rows) else both.mean_of_ratios
    if both.carbon_over_units is None:
        branch.place.key(KEY).note(f"has no number to report: the total of {counted.unit} is 0")
    return {
        "report": REPORTED,
        REPORTED: both.carbon_over_units,
        MEAN: mean,
        "carbon": both.carbon_g,
        "functional-unit": counted.unit,
        "functional-units": both.functional_units,
    }
