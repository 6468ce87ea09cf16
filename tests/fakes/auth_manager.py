"""An auth manager for tests: Airflow's simple one, with users who may read, or edit, some DAGs alone.

The simple manager's roles hold for every DAG, so a viewer of one DAG needs a manager of its own.
"""

from __future__ import annotations

from typing import Any, ClassVar

from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager


class SomeDagsAuthManager(SimpleAuthManager):
    """Narrow what the roles allow down to the DAGs that are named for a user."""

    #: By the user's name: the DAGs that they may read, and those whose task instances they may edit.
    reads: ClassVar[dict[str, set[str]]] = {"viewer": {"mine"}, "editor": {"mine"}}
    edits: ClassVar[dict[str, set[str]]] = {"viewer": set(), "editor": {"mine"}}

    def is_authorized_dag(self, *, method: Any, user: Any, access_entity: Any = None, details: Any = None) -> bool:
        """Ask the role, then the lists."""
        allowed = super().is_authorized_dag(method=method, user=user, access_entity=access_entity, details=details)
        listed = (self.reads if method == "GET" else self.edits).get(user.username)
        if not allowed or listed is None:
            return bool(allowed)
        # Without a DAG it is asked for all of them.
        return details is not None and details.id in listed
