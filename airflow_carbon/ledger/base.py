"""What a ledger can be asked, and what it is given."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Protocol, TypeVar, runtime_checkable

from airflow_carbon.core.record import Record
from airflow_carbon.core.value import value

AnyRecord = TypeVar("AnyRecord", bound=Record)


@value(kw_only=True)
class Selection:
    """Say which records are meant; what is None or empty does not narrow.

    :param dag_id: of this DAG alone.
    :param run_id: of this run alone.
    :param task_id: of this task alone.
    :param decision_ids: of these decisions alone; for decisions and impacts.
    :param since: that began at this moment or later; of decisions, that were made then.
    :param until: that began before this moment.
    :param final: those that are final, or those that are not.
    """

    dag_id: str | None = None
    run_id: str | None = None
    task_id: str | None = None
    decision_ids: Sequence[str] = ()
    since: datetime | None = None
    until: datetime | None = None
    final: bool | None = None


@runtime_checkable
class Ledger(Protocol):
    """Keep records; writing one twice is the same as writing it once.

    Of two records with the same key a final one stays before one that is not, and else the one that was made later: in
    whatever order and however often they are delivered, the same one is left in the end.

    It may raise :class:`~airflow_carbon.exceptions.LedgerError` and nothing else.
    """

    def write(self, records: Iterable[Record]) -> int:
        """Keep records, all or none of each thousand, and tell how many rows that changed.

        :raises LedgerError: if the database does not answer, or its schema is newer than this version knows.
        """
        ...

    def read(self, kind: type[AnyRecord], which: Selection = ...) -> Iterator[AnyRecord]:
        """Give records in the order of their time.

        :raises LedgerError: as :meth:`write`.
        """
        ...
