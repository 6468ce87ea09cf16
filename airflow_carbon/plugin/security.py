"""Who may see and do what: Airflow's login on every route, its permissions on every DAG, and no cookie that acts."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Annotated, Any

import jwt
from airflow.api_fastapi.auth.managers.base_auth_manager import COOKIE_NAME_JWT_TOKEN
from airflow.api_fastapi.auth.managers.models.resource_details import ConnectionDetails, DagAccessEntity, DagDetails
from airflow.api_fastapi.core_api.security import AuthManagerDep, GetUserDep, requires_access_dag
from airflow.configuration import conf
from airflow.models.dag import DagModel
from airflow.utils.session import create_session
from fastapi import Depends, HTTPException, Request, status
from sqlalchemy import select

#: How long a token lives that a page takes for one act.
TOKEN_LIFE = timedelta(seconds=120)
#: A header that no form and no other site's script can set without asking first.
PAGE_HEADER = "x-carbon-page"


class Viewer:
    """Tell what the user of one request may see and do.

    :param user: as Airflow's auth manager made it of a token.
    :param manager: Airflow's auth manager.
    """

    def __init__(self, user: Any, manager: Any) -> None:
        self.user = user
        self._manager = manager
        self._releasable: dict[str, bool] = {}

    @property
    def name(self) -> str:
        """Name the user, as Airflow's audit log does."""
        return str(self.user.get_name())

    @cached_property
    def _listed(self) -> set[str]:
        return set(self._manager.get_authorized_dag_ids(user=self.user, method="GET"))

    def readable(self, dag_ids: Collection[str]) -> frozenset[str]:
        """Give those of the DAGs that the user may read.

        The ledger outlives its DAGs: of one that Airflow knows no more, the auth manager says by its id whether the
        user may read it. Where teams have DAGs of their own nobody may, since nobody can say any more whose it was.
        """
        asked = set(dag_ids)
        found, unlisted = asked & self._listed, asked - self._listed
        if unlisted and not conf.getboolean("core", "multi_team", fallback=False):
            gone = unlisted - _known_to_airflow(unlisted)
            found |= set(self._manager.filter_authorized_dag_ids(dag_ids=gone, user=self.user, method="GET"))
        return frozenset(found)

    def may_release(self, dag_id: str) -> bool:
        """Tell whether the user may edit the DAG's task instances."""
        if dag_id not in self._releasable:
            details = DagDetails(id=dag_id, team_name=DagModel.get_team_name(dag_id))
            self._releasable[dag_id] = bool(
                self._manager.is_authorized_dag(
                    method="PUT", access_entity=DagAccessEntity.TASK_INSTANCE, details=details, user=self.user
                )
            )
        return self._releasable[dag_id]

    def may_read_connection(self, conn_id: str) -> bool:
        """Tell whether the user may read a connection, its id included."""
        details = ConnectionDetails(conn_id=conn_id)
        return bool(self._manager.is_authorized_connection(method="GET", details=details, user=self.user))

    def token(self, credential: str, now: datetime) -> tuple[str, datetime]:
        """Make a token for one act; it never outlives the credential that it was asked with.

        :param credential: the token of this request, which has been checked.
        """
        claims = jwt.decode(credential, options={"verify_signature": False})
        expires = min(now + TOKEN_LIFE, datetime.fromtimestamp(claims.get("exp", now.timestamp()), UTC))
        seconds = max(1, int((expires - now).total_seconds()))
        return self._manager.generate_jwt(self.user, expiration_time_in_seconds=seconds), expires


def viewer(user: GetUserDep, manager: AuthManagerDep) -> Viewer:  # type: ignore[type-arg]  # as Airflow does
    """Give what the user of this request may do; refuses anonymous requests."""
    return Viewer(user, manager)


def _known_to_airflow(dag_ids: Collection[str]) -> set[str]:
    with create_session(scoped=False) as session:
        return set(session.scalars(select(DagModel.dag_id).where(DagModel.dag_id.in_(dag_ids))))


ViewerDep = Annotated[Viewer, Depends(viewer)]

#: Put on every route with a DAG in its path.
reads_dag = Depends(requires_access_dag("GET", DagAccessEntity.TASK_INSTANCE))


def from_a_page(request: Request) -> str:
    """Give the credential of a request that a script of these pages made.

    :raises HTTPException: if another site may have made it.
    """
    if PAGE_HEADER not in request.headers or request.headers.get("sec-fetch-site", "same-origin") != "same-origin":
        raise HTTPException(status.HTTP_403_FORBIDDEN, "a token is given to a script of the Carbon pages alone")
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and given.strip():
        return given.strip()
    return request.cookies.get(COOKIE_NAME_JWT_TOKEN, "")


def only_readable(viewer: Viewer, rows: Iterable[Any]) -> list[Any]:
    """Keep the records of DAGs that the user may read."""
    listed = list(rows)
    readable = viewer.readable({one.dag_id for one in listed})
    return [one for one in listed if one.dag_id in readable]
