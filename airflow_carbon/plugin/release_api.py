"""``api/token`` and ``api/release``: start a waiting task now, by a token in the header and never by a cookie."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException

from airflow_carbon.plugin import models, told
from airflow_carbon.plugin.release import release as end_wait
from airflow_carbon.plugin.security import ViewerDep, from_a_page

router = APIRouter()


@router.get("/api/token")
def token(viewer: ViewerDep, credential: Annotated[str, Depends(from_a_page)]) -> models.Token:
    """Give a page's script a token for the header of one act; scripts cannot read Airflow's cookie.

    It can do what that cookie can, for two minutes, and never longer than what it was asked with.
    """
    made, expires_at = viewer.token(credential, datetime.now(UTC))
    return models.Token(token=made, expires_at=expires_at)


#: What is answered beside the description's own.
_REFUSALS: dict[int | str, dict[str, Any]] = {
    403: {"description": "not allowed"},
    404: {"description": "there is no such task instance"},
    409: {"description": "it does not wait"},
}


@router.post("/api/release", responses=_REFUSALS)
def release(asked: models.ReleaseRequest, viewer: ViewerDep) -> models.Released:
    """Start a waiting task now; who asked and why is kept in the ledger, as an override."""
    if not viewer.may_release(asked.dag_id):
        raise HTTPException(403, f"you may not edit the task instances of the DAG {asked.dag_id}")
    said = end_wait(
        dag_id=asked.dag_id,
        run_id=asked.run_id,
        task_id=asked.task_id,
        map_index=asked.map_index,
        by=viewer.name,
        reason=asked.reason,
    )
    return models.Released(task=told.link(asked), released=True, said=said)
