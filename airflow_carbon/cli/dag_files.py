"""A DAG as its own file gives it, before any policy has touched it."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from airflow_carbon.exceptions import InvalidRequestError


def dag_of(dag_id: str, folder: str | None = None) -> Any:
    """Read DAG files until one has the DAG; no policy of this package is applied meanwhile.

    :param folder: a file or a folder; without it, the deployment's bundles, that of the DAG first.
    :raises InvalidRequestError: if no file has it, with what kept files from being read.
    """
    from airflow_carbon.policy.task_policy import suspended

    # What kept a file from being read is said once, below.
    logging.getLogger("airflow.dag_processing").setLevel(logging.CRITICAL + 1)

    broken: dict[str, str] = {}
    known: set[str] = set()
    with suspended():
        for bag in [_bag(Path(folder))] if folder else _bundles():
            if dag_id in bag.dags:
                return bag.dags[dag_id]
            known.update(bag.dags)
            broken.update(bag.import_errors)
    raise InvalidRequestError(f"{dag_id}: no DAG file has it{_nearest(dag_id, known)}{_broken(broken)}")


def _bag(path: Path, **bundle: Any) -> Any:
    from airflow.dag_processing.dagbag import DagBag

    if not path.exists():
        raise InvalidRequestError(f"--dags: {path} does not exist")
    return DagBag(str(path), **bundle)


def _bundles() -> Any:
    from airflow.dag_processing.bundles.manager import DagBundlesManager
    from airflow.dag_processing.dagbag import BundleDagBag

    for bundle in DagBundlesManager().get_all_dag_bundles():
        bundle.initialize()
        yield BundleDagBag(str(bundle.path), bundle_path=bundle.path, bundle_name=bundle.name)


def _nearest(dag_id: str, known: set[str]) -> str:
    import difflib

    near = difflib.get_close_matches(dag_id, known, n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def _broken(errors: dict[str, str]) -> str:
    told = [f"{path}: {said.strip().splitlines()[-1]}" for path, said in errors.items()]
    return f"; these could not be read: {'; '.join(told[:3])}" if told else ""
