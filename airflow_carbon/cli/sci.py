"""The ``sci`` commands: manifests of Impact Framework, in and out."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_carbon.cli import ink
from airflow_carbon.cli.manifest_file import read_manifest, write_manifest
from airflow_carbon.cli.table import table
from airflow_carbon.cli.yaml_text import dumped
from airflow_carbon.core.manifest.run import run_manifest
from airflow_carbon.core.manifest.score import KEY, MEAN, REPORTED
from airflow_carbon.exceptions import InvalidRequestError

if TYPE_CHECKING:
    from argparse import Namespace

#: More of them say no more.
SHOWN_NOTES = 10


def run(args: Namespace) -> int:
    """Compute a manifest, write or print its outputs, and show the SCIs.

    :raises CarbonError: if the manifest is wrong, naming the file and the place; nothing is written then.
    """
    path = Path(args.manifest)
    output = None if args.output is None else Path(args.output)
    if output is not None and output.exists() and path.exists() and output.samefile(path):
        raise InvalidRequestError(
            f"--output: {output} is the manifest itself; name another file, its comments would go"
        )
    manifest = read_manifest(path)
    try:
        outcome = run_manifest(manifest)
    except InvalidRequestError as error:
        raise InvalidRequestError(f"{path}: {error}") from None
    _tell(outcome.notes)
    if output is not None:
        write_manifest(output, outcome.document)
    if args.json:
        print(json.dumps(_known(outcome.document), indent=2, allow_nan=False))
    elif output is None:
        print(dumped(outcome.document).decode(), end="")
    else:
        print("\n".join(_summary(outcome.document["tree"])))
        print(f"outputs written to {output}")
    return 0


def _tell(notes: tuple[str, ...]) -> None:
    for note in notes[:SHOWN_NOTES]:
        print(f"airflow-carbon: note: {note}", file=sys.stderr)
    if len(notes) > SHOWN_NOTES:
        print(f"airflow-carbon: note: and {len(notes) - SHOWN_NOTES} more", file=sys.stderr)


def _summary(tree: Mapping[str, Any]) -> list[str]:
    rows = list(_rows("tree", tree, 0))
    if not rows:
        return ["no SCI over time: the manifest aggregates none (aggregation.metrics: [sci], type: both)"]
    head, *lines = table(["", ">carbon g", ">units", "functional unit", ">SCI g/unit", ">mean of ratios"], rows)
    return [
        ink.dim(head),
        *lines,
        ink.dim("SCI is total carbon over total functional units, the one to report; the mean of the rows' ratios is"),
        ink.dim("Impact Framework's sci (aggregated.sci)"),
    ]


def _rows(name: str, node: Mapping[str, Any], depth: int) -> Iterator[list[str]]:
    if (found := node.get(KEY)) is not None:
        reported = found[REPORTED]
        yield [
            "  " * depth + name,
            f"{found['carbon']:.6g}",
            f"{found['functional-units']:.6g}",
            found["functional-unit"],
            "none" if reported is None else f"{reported:.6g}",
            f"{found[MEAN]:.6g}",
        ]
    for key, child in (node.get("children") or {}).items():
        yield from _rows(key, child, depth + 1)


def _known(value: Any) -> Any:
    """Put null for what JSON has no number for."""
    if isinstance(value, dict):
        return {key: _known(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_known(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
