"""What the engine's database holds, read past Airflow: jobs, triggers, tries, and the rows of the ledger."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, NamedTuple

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

#: A job that has not told of itself for so long is not counted [s].
SILENCE = 20


class Try(NamedTuple):
    """One try of one task instance, as Airflow keeps it."""

    task_id: str
    map_index: int
    try_number: int
    state: str | None
    started_at: datetime | None
    ended_at: datetime | None


class Database:
    """One PostgreSQL database.

    :param url: as libpq takes it.
    """

    def __init__(self, url: str) -> None:
        self.url = url

    def rows(self, query: str, *values: object) -> list[dict[str, Any]]:
        """Ask, in a connection of its own, and give the rows."""
        with psycopg.connect(self.url, row_factory=dict_row, connect_timeout=10) as connection:
            return connection.execute(query.encode(), values).fetchall()

    def do(self, statement: str) -> None:
        """Execute a statement."""
        with psycopg.connect(self.url, autocommit=True, connect_timeout=10) as connection:
            connection.execute(statement.encode())

    def make(self, name: str, password: str) -> None:
        """Make a database with an owner of the same name."""
        owner = sql.Identifier(name)
        with psycopg.connect(self.url, autocommit=True, connect_timeout=10) as connection:
            connection.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(owner, sql.Literal(password)))
            connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(owner, owner))

    # -- Airflow -----------------------------------------------------------------------------------------------------

    def beating(self) -> dict[str, datetime]:
        """Give each host on which a job tells of itself, and when the youngest of them began."""
        query = """SELECT hostname, max(start_date) AS began FROM job
            WHERE state = 'running' AND latest_heartbeat > now() - make_interval(secs => %s) GROUP BY hostname"""
        return {one["hostname"]: one["began"] for one in self.rows(query, SILENCE)}

    def triggers(self, dag_id: str = "%") -> dict[str | None, int]:
        """Count the triggers that each triggerer holds, by its host; None for those that none has taken up.

        :param dag_id: of this DAG alone.
        """
        query = """SELECT job.hostname, count(*) AS held FROM trigger
            JOIN task_instance ON task_instance.trigger_id = trigger.id
            LEFT JOIN job ON job.id = trigger.triggerer_id
            WHERE task_instance.dag_id LIKE %s GROUP BY job.hostname"""
        return {one["hostname"]: one["held"] for one in self.rows(query, dag_id)}

    def tries(self, dag_id: str, run_id: str) -> list[Try]:
        """List every try of every task of a run, the ones before the last too."""
        columns = "task_id, map_index, try_number, state, start_date AS started_at, end_date AS ended_at"
        query = " UNION ALL ".join(
            f"SELECT {columns} FROM {table} WHERE dag_id = %s AND run_id = %s"  # names of our own
            for table in ("task_instance", "task_instance_history")
        )
        return [Try(**one) for one in self.rows(f"{query} ORDER BY 1, 2, 3", *(dag_id, run_id) * 2)]

    def states(self, dag_id: str, run_id: str) -> dict[tuple[str, int], str | None]:
        """Give the state in which each task instance of a run is now."""
        query = "SELECT task_id, map_index, state FROM task_instance WHERE dag_id = %s AND run_id = %s"
        return {(one["task_id"], one["map_index"]): one["state"] for one in self.rows(query, dag_id, run_id)}

    # -- the ledger --------------------------------------------------------------------------------------------------

    def decisions(self, dag_id: str, run_id: str) -> dict[tuple[str, int], dict[str, Any]]:
        """Give the ledger's decisions of a run, each with the record that it was made of as ``raw``."""
        found = self._ledger("carbon_decision", dag_id, run_id)
        for one in found.values():
            one["raw"] = json.loads(one["raw"])
        return found

    def waits(self, dag_id: str, run_id: str) -> dict[tuple[str, int], dict[str, Any]]:
        """Give the ledger's waits of a run."""
        return self._ledger("carbon_wait", dag_id, run_id)

    def _ledger(self, table: str, dag_id: str, run_id: str) -> dict[tuple[str, int], dict[str, Any]]:
        try:
            rows = self.rows(f"SELECT * FROM {table} WHERE dag_id = %s AND run_id = %s", dag_id, run_id)
        except psycopg.errors.UndefinedTable:
            # Its tables are made by whoever writes first.
            return {}
        found = {(one["task_id"], one["map_index"]): one for one in rows}
        assert len(found) == len(rows), f"{table}: two records of one task"
        return found
