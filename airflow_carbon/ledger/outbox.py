"""Where records wait that the ledger did not take: with the task, until ``sync`` brings them in.

Two places hold them, as each loses them in its own way: a retry wipes XComs, and a setting clears the state of a task
on success. The XCom has a key of its own: ``carbon_emission`` is the report of one try, which others pull.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Protocol

from airflow_carbon.core.record_document import document_of, key_of, record_of
from airflow_carbon.exceptions import InvalidRequestError

if TYPE_CHECKING:
    from airflow_carbon.core.record import Record

#: Key in ``task_state_store``, which outlives retries and clears of the task, and of the XCom, which outlives success.
OUTBOX = "carbon_outbox"
#: Key of the XCom that every report of a try leaves, whether or not the ledger took it.
EMISSION = "carbon_emission"
#: How long a record waits for a ledger.
RETENTION = timedelta(days=365)


class StateStore(Protocol):
    """Keep values across tries, as ``task_state_store`` does."""

    def get(self, key: str, default: Any = None) -> Any:
        """Give what is kept."""
        ...

    def set(self, key: str, value: Any, *, retention: timedelta | None = None) -> None:
        """Keep a value."""
        ...


class TaskInstance(Protocol):
    """Push XComs."""

    def xcom_push(self, key: str, value: Any) -> None:
        """Push one."""
        ...


def keep(records: Iterable[Record], store: StateStore | None, ti: TaskInstance | None) -> list[str]:
    """Put records beside those that wait already, in both places, and tell what went wrong.

    :param store: None where there is none.
    :param ti: None where there is none.
    :return: one text for each place that did not take them; they are lost only if none did.
    """
    waiting: dict[tuple[str, tuple[Any, ...]], dict[str, Any]] = {}
    faults: list[str] = []
    if store is not None:
        try:
            waiting = {key_of(one): document_of(one) for one in kept_in(store.get(OUTBOX))}
        except Exception as error:
            faults.append(f"state {OUTBOX}: {type(error).__name__}: {error}")
    waiting |= {key_of(record): document_of(record) for record in records}
    documents = list(waiting.values())
    # An Airflow that does not answer must fail no task either, whatever it raises.
    if store is not None and not faults:
        try:
            store.set(OUTBOX, documents, retention=RETENTION)
        except Exception as error:
            faults.append(f"state {OUTBOX}: {type(error).__name__}: {error}")
    if ti is not None:
        try:
            ti.xcom_push(key=OUTBOX, value=documents)
        except Exception as error:
            faults.append(f"XCom {OUTBOX}: {type(error).__name__}: {error}")
    return faults


def kept_in(value: Any) -> list[Record]:
    """Read what an outbox holds; what is no record of this package is passed over."""
    found: list[Record] = []
    for document in value if isinstance(value, list) else [value]:
        try:
            found.append(record_of(document))
        except InvalidRequestError:
            continue
    return found
