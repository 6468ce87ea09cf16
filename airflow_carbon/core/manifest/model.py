"""A manifest of Impact Framework 1.1.0, read and checked but for its tree."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_carbon.core.aggregate import Methods
from airflow_carbon.core.manifest.carbon import unit_of
from airflow_carbon.core.manifest.place import Place, nearest
from airflow_carbon.core.manifest.plugins import PLUGINS, Plugin

if TYPE_CHECKING:
    from airflow_carbon.core.manifest.row import Step
    from airflow_carbon.exceptions import InvalidRequestError

_TOP = ("name", "description", "tags", "aggregation", "initialize", "tree", "execution", "explainer", "explain")
_PLUGIN = ("path", "method", "config", "mapping", "parameter-metadata", "kind")
_AGGREGATION = ("metrics", "type", "skip-components")
#: Names of the types; the second of each pair is the old one.
_TYPES = {
    "time": (True, False),
    "horizontal": (True, False),
    "component": (False, True),
    "vertical": (False, True),
    "both": (True, True),
}


@dataclass(frozen=True, slots=True)
class Tool:
    """Hold a plugin as a manifest sets it up.

    :param step: what it does with a row.
    :param unit: the functional unit that it counts, for a Sci; else empty.
    """

    step: Step
    unit: str


@dataclass(frozen=True, slots=True)
class Aggregation:
    """Say what is to be aggregated.

    :param methods: of each metric wanted, in order.
    :param time: whether each component is reduced over its rows.
    :param component: whether each group is reduced over its components.
    :param skip: names of the components that are left out, each with where it is written.
    """

    methods: Mapping[str, Methods]
    time: bool
    component: bool
    skip: Mapping[str, Place]


@dataclass(frozen=True, slots=True)
class Manifest:
    """Hold what a manifest says.

    :param tools: its plugins by their names in pipelines.
    :param known: methods of every parameter that has any.
    :param aggregation: None where nothing is aggregated.
    :param tree: as it stands.
    """

    tools: Mapping[str, Tool]
    known: Mapping[str, Methods]
    aggregation: Aggregation | None
    tree: Mapping[str, Any]


def read(document: object, root: Place) -> Manifest:
    """Read a manifest.

    :param root: where it stands, and the notes that reading leaves.
    :raises InvalidRequestError: naming the place that is wrong, and what would be right.
    """
    top = root.mapping(document, "a manifest")
    root.refuse_misspelt(top, _TOP, "left as it is")
    root.key("name").text(top.get("name"), "the manifest's name")
    tree = root.key("tree").mapping(top.get("tree"), "the components")
    at = root.key("initialize")
    initialize = at.mapping(top.get("initialize"), "the set-up of plugins")
    at.refuse_misspelt(initialize, ("plugins",))
    plugins = at.key("plugins").mapping(initialize.get("plugins"), "plugins by name")
    tools: dict[str, Tool] = {}
    known: dict[str, Methods] = {}
    makers: dict[str, str] = {}
    for name, given in plugins.items():
        place = at.key("plugins").key(name)
        stated = place.mapping(given, "a plugin's set-up")
        plugin, tool = _tool(stated, place)
        tools[name] = tool
        known |= _metadata(plugin, stated, place)
        config = stated.get("config") or {}
        if isinstance(made := config.get("output-parameter", config.get("output", config.get("to"))), str):
            makers[made] = name
    if top.get("explainer"):
        root.key("explainer").note("is not supported here; no explanation is written")
    return Manifest(tools, known, _aggregation(top.get("aggregation"), known, makers, root.key("aggregation")), tree)


def _tool(stated: Mapping[str, Any], place: Place) -> tuple[Plugin, Tool]:
    place.refuse_misspelt(stated, _PLUGIN, "ignored")
    supported = f"supported are {', '.join(sorted(PLUGINS))}, all with path: builtin"
    method = place.key("method").text(stated.get("method"), "a plugin's method")
    if method not in PLUGINS:
        near = nearest(method, tuple(PLUGINS))
        raise place.key("method").wrong(
            f"{method!r} is not supported; " + (f"is {near!r} meant? " if near else "") + supported
        )
    if stated.get("path") != "builtin":
        raise place.key("path").wrong(f"{stated.get('path')!r} is not supported; {supported}")
    if stated.get("mapping"):
        raise place.key("mapping").wrong("is not supported; write the parameters' own names, or a Copy before")
    at = place.key("config")
    config = at.mapping({} if stated.get("config") is None else stated["config"], "settings")
    plugin = PLUGINS[method]
    return plugin, Tool(plugin.read(config, at), unit_of(config) if method == "Sci" else "")


def _metadata(plugin: Plugin, stated: Mapping[str, Any], place: Place) -> dict[str, Methods]:
    """Join a plugin's methods with the manifest's: inputs are added, outputs replace the plugin's."""
    at = place.key("parameter-metadata")
    if stated.get("parameter-metadata") is None:
        return {**plugin.inputs, **plugin.outputs}
    given = at.mapping(stated["parameter-metadata"], "inputs and outputs")
    at.refuse_misspelt(given, ("inputs", "outputs"), "ignored")
    inputs = {**plugin.inputs, **_methods(given.get("inputs"), at.key("inputs"))}
    outputs = plugin.outputs if given.get("outputs") is None else _methods(given["outputs"], at.key("outputs"))
    return {**inputs, **outputs}


def _methods(given: object, at: Place) -> dict[str, Methods]:
    answer = {}
    for name, entry in at.mapping({} if given is None else given, "parameters").items():
        place = at.key(name)
        stated = place.mapping(entry, "unit, description and aggregation-method")
        place.refuse_misspelt(stated, ("unit", "description", "aggregation-method"), "ignored")
        field = place.key("aggregation-method")
        if stated.get("aggregation-method") is None:
            raise field.wrong("is missing; write one of sum, avg, copy, none, or {time: sum, component: sum}")
        answer[name] = Methods.parse(stated["aggregation-method"], str(field))
    return answer


def _aggregation(
    given: object, known: Mapping[str, Methods], makers: Mapping[str, str], at: Place
) -> Aggregation | None:
    if given is None:
        return None
    stated = at.mapping(given, "metrics and type")
    at.refuse_misspelt(stated, _AGGREGATION, "ignored")
    kind = stated.get("type")
    if not isinstance(kind, str) or kind not in _TYPES:
        raise at.key("type").wrong(f"{kind!r} must be one of {', '.join(_TYPES)}")
    metrics = at.key("metrics").texts(stated.get("metrics"), "names of metrics")
    for index, metric in enumerate(metrics):
        if metric not in known:
            raise _unknown_metric(metric, known, makers, at.key("metrics").row(index))
    skip: dict[str, Place] = {}
    if stated.get("skip-components"):
        listed = at.key("skip-components")
        names = listed.texts(stated["skip-components"], "names of components")
        skip = {name: listed.row(index) for index, name in enumerate(names)}
    time, component = _TYPES[kind]
    return Aggregation({metric: known[metric] for metric in metrics}, time, component, skip)


def _unknown_metric(
    metric: str, known: Mapping[str, Methods], makers: Mapping[str, str], at: Place
) -> InvalidRequestError:
    near = nearest(metric, (*known, *makers))
    maker, half = makers.get(metric, "<plugin>"), "outputs" if metric in makers else "inputs"
    return at.wrong(
        f"{metric!r} has no aggregation method; "
        + (f"is {near!r} meant? If not, " if near and near != metric else "")
        + f"write under initialize.plugins.{maker}.parameter-metadata.{half}: {metric}: "
        "{unit: ..., description: ..., aggregation-method: {time: sum, component: sum}}, each method one of sum, avg, "
        "copy, none"
    )
