"""The common hook: one connection, one source."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import BaseHook

from airflow_carbon.core.location import Location
from airflow_carbon.core.moment import in_words
from airflow_carbon.exceptions import CarbonError, InvalidRequestError
from airflow_carbon.hooks.asking import asked_in_time
from airflow_carbon.hooks.fields import Field, read_field, read_fields
from airflow_carbon.hooks.settings import state_dir

if TYPE_CHECKING:
    from airflow.sdk import Connection

    from airflow_carbon.sources.base import CarbonSource
    from airflow_carbon.web.shelf import Shelf


class CarbonHook(BaseHook):
    """Turn an Airflow connection into a :class:`~airflow_carbon.sources.base.CarbonSource`.

    To add a source of your own, extend this class in your provider package: declare ``conn_type``, ``fields`` and
    :meth:`source`, and name the class under ``connection-types`` of your provider metadata.

    :param carbon_conn_id: id of the connection; None for a source that needs none.
    :param connection: the connection itself where the caller has it already.
    """

    conn_name_attr = "carbon_conn_id"
    conn_type: ClassVar[str] = ""
    #: What the answers of this hook's source call themselves.
    source_name: ClassVar[str] = ""
    hook_name: ClassVar[str] = "Carbon intensity"
    #: Kept in the connection's extra.
    fields: ClassVar[Iterable[Field]] = ()
    #: Those of Airflow's own fields that are used, by their attribute of the connection: ``{"password": Field(...)}``.
    standard: ClassVar[Mapping[str, Field]] = {}
    #: Asked by :meth:`test_connection` where the connection itself names no zone.
    probe: ClassVar[str] = "zone:GB"

    def __init__(
        self, carbon_conn_id: str | None = None, *, connection: Connection | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.carbon_conn_id = carbon_conn_id if connection is None else connection.conn_id
        self._connection = connection

    @property
    def connection(self) -> Connection | None:
        """The connection, read once; None for a source that needs none."""
        if self._connection is None and self.carbon_conn_id is not None:
            self._connection = self.get_connection(self.carbon_conn_id)
        return self._connection

    def settings(self) -> dict[str, Any]:
        """Read and check the connection's fields; cheap, nothing is asked.

        :raises InvalidRequestError: naming the connection and the field that is wrong.
        """
        connection, conn_id = self.connection, self.carbon_conn_id or self.conn_type
        settings = read_fields(None if connection is None else connection.extra, self.fields, conn_id)
        for attribute, field in self.standard.items():
            given = None if connection is None else getattr(connection, attribute)
            if attribute == "host" and given and connection is not None and connection.port:
                given = f"{given}:{connection.port}"
            settings[field.name] = read_field(field, given, conn_id)
        return settings

    def source(self) -> CarbonSource:
        """Build the source that these settings describe.

        :raises InvalidRequestError: naming the connection and the field that is wrong.
        """
        raise InvalidRequestError(f"{type(self).__name__} declares no source; override source()")

    def ranking_source(self) -> CarbonSource:
        """Build the source whose answers for different zones may be ranked against each other."""
        return self.source()

    def shelf(self) -> Shelf | None:
        """Give the folder in which all processes of this host share what the source answers; None shares nothing.

        It is another one as soon as a setting differs, but for a secret: a new password does not change an answer.
        """
        from airflow_carbon.web.shelf import Shelf

        secret = {field.name for field in (*self.fields, *self.standard.values()) if field.secret}
        settings = sorted((name, repr(value)) for name, value in self.settings().items() if name not in secret)
        digest = hashlib.sha256(repr((self.conn_type, self.carbon_conn_id, settings)).encode()).hexdigest()[:12]
        named = re.sub(r"[^A-Za-z0-9]+", "-", self.carbon_conn_id or self.conn_type)[:60]
        return Shelf(state_dir() / "cache" / f"{named}-{digest}")

    def source_url(self, location: Location) -> str:
        """Give a page about this source's data, for the link in Airflow's task view; empty for none."""
        return ""

    def test_connection(self) -> tuple[bool, str]:
        """Ask the source for its next day, and tell in words what it answered."""
        try:
            return True, asked_in_time(self.probed(self.source()))
        except CarbonError as error:
            return False, str(error)

    async def probed(self, source: CarbonSource) -> str:
        """Ask what proves that this connection can plan, and tell in one sentence what came.

        :raises CarbonError: if it cannot.
        """
        zone = self.settings().get("zone")
        location = Location.parse(f"zone:{zone}" if zone else self.probe)
        now = datetime.now(UTC)
        answer = await source.forecast(location, now=now, until=now + timedelta(days=1))
        return (
            f"{source.name} answers for {answer.zone}: {answer.mean(answer.start, answer.end):.0f} g/kWh on average "
            f"({answer.kind}, {answer.signal}) over the next {in_words(answer.end - now)}"
        )
