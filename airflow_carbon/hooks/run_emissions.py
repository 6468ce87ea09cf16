"""What the tasks of one DAG run emitted: from their XComs, and of earlier tries from the ledger."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow_carbon.core.record import EmissionRecord
from airflow_carbon.core.record_document import key_of, record_of
from airflow_carbon.exceptions import InvalidRequestError, LedgerError
from airflow_carbon.hooks.emission import EMISSION

if TYPE_CHECKING:
    from airflow.sdk import Context


def pulled(context: Context, task_ids: Sequence[str]) -> list[dict[str, Any]]:
    """Pull what tasks of this run recorded; of a mapped task, of each of its instances.

    :param task_ids: in the order wanted; one that recorded nothing gives nothing.
    """
    if not task_ids:
        return []
    found = context["ti"].xcom_pull(task_ids=list(task_ids), key=EMISSION)
    return [one for one in found if one is not None]


def run_emissions(
    context: Context, task_ids: Sequence[str], documents: Sequence[dict[str, Any]]
) -> tuple[list[EmissionRecord], str]:
    """Put the records of a run together: one for each try, since a retry wipes the XComs of the try before it.

    :param documents: what :func:`pulled` gave.
    :return: the records, and a note where the ledger could not tell of earlier tries.
    :raises InvalidRequestError: if a document is no emission record, or a field of it is wrong.
    """
    found = {}
    for document in documents:
        record = record_of(document)
        if not isinstance(record, EmissionRecord):
            raise InvalidRequestError(f"{EMISSION}: a {document.get('record')} record is none; it must be an emission")
        found[key_of(record)] = record
    ti, note = context["ti"], ""
    try:
        from airflow_carbon.hooks.ledger import LedgerHook

        for kept in LedgerHook().read(EmissionRecord, dag_id=ti.dag_id, run_id=ti.run_id):
            pulled_one = found.get(key_of(kept))
            if kept.task_id in task_ids and (pulled_one is None or (kept.final and not pulled_one.final)):
                found[key_of(kept)] = kept
    except LedgerError as error:
        note = f"earlier tries are not in this report, as the ledger did not answer: {error}"
    return list(found.values()), note
