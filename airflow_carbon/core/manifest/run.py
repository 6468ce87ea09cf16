"""A run of a manifest: plugins, aggregation, and the SCI to report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from airflow_carbon.core.manifest.aggregation import aggregate
from airflow_carbon.core.manifest.branch import compute
from airflow_carbon.core.manifest.model import read
from airflow_carbon.core.manifest.place import Place
from airflow_carbon.core.manifest.plain import copied
from airflow_carbon.core.manifest.score import score


@dataclass(frozen=True, slots=True)
class Outcome:
    """Hold what a run made.

    :param document: the manifest with outputs and aggregates.
    :param notes: what the reader should know and is no error, each with its place.
    """

    document: dict[str, Any]
    notes: tuple[str, ...]


def run_manifest(manifest: object) -> Outcome:
    """Compute a manifest as Impact Framework 1.1.0 does, and as its issue 991 asks for where the two differ.

    :param manifest: plain dicts, lists, texts and numbers; it is left as it is.
    :raises InvalidRequestError: naming the place that is wrong, and what would be right.
    """
    root = Place()
    stated = read(manifest, root)
    branch = compute(stated.tree, stated.tools, root.key("tree"))
    if stated.aggregation is not None:
        aggregate(branch, stated.aggregation)
        score(branch, stated.aggregation, stated.known)
    kept = {
        name: copied(value)
        for name, value in root.mapping(manifest, "a manifest").items()
        if name not in ("execution", "tree")
    }
    return Outcome({**kept, "tree": branch.document}, tuple(dict.fromkeys(root.notes)))
