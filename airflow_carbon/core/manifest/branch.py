"""A component or a group of a manifest's tree, computed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_carbon.core.manifest.place import Place, nearest
from airflow_carbon.core.manifest.plain import copied
from airflow_carbon.core.manifest.row import PlacedRow

if TYPE_CHECKING:
    from airflow_carbon.core.manifest.model import Tool

_NODE = ("children", "inputs", "outputs", "aggregated", "pipeline", "defaults", "config")


@dataclass(slots=True)
class Branch:
    """Hold a component or a group.

    :param document: as it is to be written; outputs of a group and aggregates come later.
    :param place: where it stands.
    :param children: of a group, by name; empty for a component.
    :param unit: the functional unit that a component's rows count; empty where they have no sci.
    """

    document: dict[str, Any]
    place: Place
    children: dict[str, Branch] = field(default_factory=dict)
    unit: str = ""

    @property
    def rows(self) -> list[dict[str, Any]]:
        """Give the outputs, empty where there are none."""
        return self.document.get("outputs") or []


@dataclass(frozen=True, slots=True)
class _Handed:
    """What a node has of its own or from above; a node's own replaces it whole, as in Impact Framework."""

    pipeline: tuple[str, ...] | None
    defaults: Mapping[str, Any]
    defaults_at: Place


def compute(node: object, tools: Mapping[str, Tool], place: Place) -> Branch:
    """Run the pipelines of a tree, depth first.

    :param node: the tree as a manifest has it; it is left as it is.
    :param tools: plugins by name.
    :raises InvalidRequestError: naming the place that is wrong, and what would be right.
    """
    return _compute(node, tools, place, _Handed(None, {}, place.key("defaults")))


def _compute(node: object, tools: Mapping[str, Tool], place: Place, above: _Handed) -> Branch:
    stated = place.mapping(node, "a component (inputs) or a group (children)")
    place.refuse_misspelt(stated, _NODE)
    if stated.get("config") is not None:
        place.key("config").note("is ignored, as in Impact Framework; write it under initialize.plugins")
    pipeline, defaults, defaults_at = above.pipeline, above.defaults, above.defaults_at
    if stated.get("pipeline"):
        pipeline = _pipeline(stated["pipeline"], tools, place.key("pipeline"))
    if stated.get("defaults"):
        defaults_at = place.key("defaults")
        defaults = defaults_at.mapping(stated["defaults"], "values for every row")
    handed = _Handed(pipeline, defaults, defaults_at)
    if stated.get("children") is not None:
        return _group(stated, tools, place, handed)
    return _component(stated, tools, place, handed)


def _group(stated: Mapping[str, Any], tools: Mapping[str, Tool], place: Place, handed: _Handed) -> Branch:
    if stated.get("inputs"):
        place.key("inputs").note("is ignored, because a group takes its rows from its children")
    at = place.key("children")
    given = at.mapping(stated["children"], "components by name")
    if not given:
        raise at.wrong("has no component; write at least one")
    children = {name: _compute(child, tools, at.key(name), handed) for name, child in given.items()}
    document = {
        name: {key: child.document for key, child in children.items()} if name == "children" else copied(value)
        for name, value in stated.items()
        if name not in ("outputs", "aggregated", "sci-over-time")
    }
    return Branch(document, place, children)


def _component(stated: Mapping[str, Any], tools: Mapping[str, Tool], place: Place, handed: _Handed) -> Branch:
    document = {name: copied(one) for name, one in stated.items() if name not in ("aggregated", "sci-over-time")}
    if handed.pipeline is None:
        if not stated.get("outputs"):
            raise place.key("pipeline").wrong("is missing here and above; write {compute: [plugin, ...]}")
        _rows(stated["outputs"], place.key("outputs"))
        return Branch(document, place)
    at = place.key("inputs")
    rows = []
    for index, given in enumerate(_rows(stated.get("inputs"), at)):
        defaulted = frozenset(name for name in handed.defaults if given.get(name) is None)
        values: Mapping[str, Any] = {
            **given,
            **{name: one for name, one in handed.defaults.items() if name in defaulted},
        }
        row_at = at.row(index)
        for name in handed.pipeline:
            values = tools[name].step(PlacedRow(values, row_at, handed.defaults_at, defaulted))
            # What a plugin made is no default any more.
            defaulted = frozenset(one for one in defaulted if values.get(one) is handed.defaults[one])
        rows.append(copied(dict(values)))
    document["outputs"] = rows
    units = [tools[name].unit for name in handed.pipeline if tools[name].unit]
    return Branch(document, place, unit=units[-1] if units else "")


def _rows(given: object, at: Place) -> list[Mapping[str, Any]]:
    if not isinstance(given, list | tuple) or not given:
        raise at.wrong("must be a list of at least one row, each with timestamp and duration")
    rows = []
    for index, one in enumerate(given):
        place = at.row(index)
        row = place.mapping(one, "a row")
        place.refuse_misspelt(row, ("timestamp", "duration"))
        place.key("timestamp").text(row.get("timestamp"), "when the row begins, '2026-11-22T18:00:00Z'")
        place.key("duration").number(row.get("duration"), above=0.0)
        rows.append(row)
    return rows


def _pipeline(given: object, tools: Mapping[str, Tool], at: Place) -> tuple[str, ...]:
    if isinstance(given, list | tuple):
        raise at.wrong("is a list, which is the old form; write {compute: [plugin, ...]}")
    stated = at.mapping(given, "compute and the plugins in order")
    at.refuse_misspelt(stated, ("compute",), "ignored")
    for phase in ("observe", "regroup"):
        if stated.get(phase):
            raise at.key(phase).wrong("is not supported; supported is compute, over rows that stand in inputs")
    listed = at.key("compute")
    names = listed.texts(stated.get("compute"), "names of plugins")
    for index, name in enumerate(names):
        if name not in tools:
            near = nearest(name, tuple(tools))
            raise listed.row(index).wrong(
                f"{name!r} is not under initialize.plugins; "
                + (f"is {near!r} meant?" if near else f"there are {', '.join(tools) or 'none'}")
            )
    return names
