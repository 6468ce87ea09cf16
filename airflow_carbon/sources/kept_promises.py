"""What became of each source's promises, kept on disk beyond the process."""

from __future__ import annotations

from pathlib import Path

from airflow_carbon.core.forecast import issuer
from airflow_carbon.core.promise_record import PromiseRecord
from airflow_carbon.exceptions import InvalidRequestError
from airflow_carbon.web.shelf import Shelf

#: Ids of so many decisions are remembered, so that one that is looked at again does not count twice.
REMEMBERED = 1000


class KeptPromises:
    """Keep one :class:`~airflow_carbon.core.promise_record.PromiseRecord` for each source and zone.

    Losing one only means to believe promises as they stand again, so nothing here raises.

    :param folder: where the files lie; made when the first is written.
    """

    def __init__(self, folder: Path) -> None:
        self._shelf = Shelf(folder / "promises")

    def record(self, zone: str, source: str) -> PromiseRecord:
        """Give what is known of a source's promises for a zone.

        :param source: the answer's own ``source``; its details do not count.
        """
        return _record(self._shelf.read(_name(zone, source)))

    def observe(
        self, decision_id: str, *, zone: str, source: str, promised_percent: float, realised_percent: float
    ) -> None:
        """Learn from a promise that has come due; the same decision counts once.

        :param promised_percent: as it was promised, before shrinking [%].
        :param realised_percent: as it was measured [%].
        """
        name = _name(zone, source)
        with self._shelf.alone_briefly(name):
            document = self._shelf.read(name) or {}
            seen = document.get("decisions")
            seen = seen if isinstance(seen, list) else []
            if decision_id in seen:
                return
            try:
                record = _record(document).observed(
                    promised_percent=promised_percent, realised_percent=realised_percent
                )
            except InvalidRequestError:
                return
            self._shelf.write(name, {**record.to_dict(), "decisions": [*seen, decision_id][-REMEMBERED:]})


def _record(document: dict[str, object] | None) -> PromiseRecord:
    try:
        return PromiseRecord() if document is None else PromiseRecord.from_dict(document)
    except InvalidRequestError:
        return PromiseRecord()


def _name(zone: str, source: str) -> str:
    return f"{issuer(source)} {zone}"
