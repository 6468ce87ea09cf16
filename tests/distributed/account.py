"""The account of one run: what Airflow, the records, the ledger and the tasks' own traces say of it must agree."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from distributed.traces import Trace, left

from airflow_carbon.exceptions import LocalAirflowError

if TYPE_CHECKING:
    from distributed.database import Try
    from distributed.engine import Engine

Key = tuple[str, int]
#: How a wait that is over may have ended.
OVER = {"started", "released", "timed out"}


class Account:
    """What is known of a run that is over; each ``check`` names what does not agree.

    :param waits: task -> key of the XCom that holds its record.
    :param margin: what is kept free before every latest start.
    """

    def __init__(self, engine: Engine, dag_id: str, run_id: str, *, waits: dict[str, str], margin: timedelta) -> None:
        self._engine, self.dag_id, self.run_id = engine, dag_id, run_id
        self._waits = waits
        self._margin = margin

    @cached_property
    def tries(self) -> list[Try]:
        """Every try of every task."""
        return self._engine.database.tries(self.dag_id, self.run_id)

    @cached_property
    def records(self) -> dict[Key, dict[str, Any]]:
        """Each wait's record, as its XCom gives it."""
        keys = sorted({(one.task_id, one.map_index) for one in self.tries if one.task_id in self._waits})
        return {key: self._record(*key) for key in keys}

    @cached_property
    def traces(self) -> list[Trace]:
        """What the tasks noted themselves."""
        return left(self._engine.traces, self.dag_id, self.run_id)

    @property
    def retried(self) -> list[Try]:
        """Tries that did not succeed."""
        return [one for one in self.tries if one.state not in ("success", "skipped")]

    def lateness(self) -> dict[Key, timedelta]:
        """Tell how late each wait ended against what was asked for; negative where it ended in time."""
        return {
            key: datetime.fromisoformat(one["started_at"]) - datetime.fromisoformat(one["latest_start"]) - self._margin
            for key, one in self.records.items()
        }

    def check(self, *, works: str = "") -> None:
        """Check all that must hold of every run, whatever was broken meanwhile.

        :param works: task that leaves a trace ``done``, one for each instance.
        """
        self.check_tries()
        if works:
            self.check_effects(works)
        self.check_ledger()
        self.check_rest()

    def check_tries(self) -> None:
        """Check that every task has exactly one try that succeeded, and nothing is left to come."""
        succeeded = Counter((one.task_id, one.map_index) for one in self.tries if one.state == "success")
        keys = {(one.task_id, one.map_index) for one in self.tries if one.state != "skipped"}
        wrong = {key: succeeded[key] for key in keys if succeeded[key] != 1}
        assert not wrong, f"successful tries, where there must be one: {wrong}; {self.retried}"

    def check_effects(self, task_id: str) -> None:
        """Check by the tasks' own traces that each try that succeeded did its work to its end exactly once.

        A try that died between the end of its work and its report may have left a trace too: its work is done again.
        """
        done = Counter((one.task_id, one.map_index, one.try_number) for one in self.traces if one.what == "done")
        succeeded = {one[:3] for one in self.tries if one.task_id == task_id and one.state == "success"}
        wrong = {key: done[key] for key in succeeded | done.keys() if done[key] != 1}
        assert not wrong, f"done, where it must be once: {wrong}; {self.retried}"

    def check_ledger(self) -> None:
        """Check that the ledger holds one decision and one ended wait for each record, and says the same."""
        decisions = self._engine.database.decisions(self.dag_id, self.run_id)
        waits = self._engine.database.waits(self.dag_id, self.run_id)
        assert decisions.keys() == self.records.keys()
        for key, record in self.records.items():
            kept, wait = decisions[key], waits[key]
            assert kept["decision_id"] == wait["decision_id"] == record["decision_id"], key
            assert kept["raw"] == record, key
            assert wait["state"] in OVER, (key, wait["state"])
            assert wait["started_at"] == datetime.fromisoformat(record["started_at"]), key
            assert wait["latest_start"] == datetime.fromisoformat(record["latest_start"]), key
            assert wait["intensity_g_per_kwh"] == record["intensity_g_per_kwh"], key

    def check_rest(self) -> None:
        """Check that no task of the run is in Airflow's hands still."""
        states = self._engine.database.states(self.dag_id, self.run_id)
        assert set(states.values()) <= {"success", "skipped"}, Counter(states.values())

    def _record(self, task_id: str, map_index: int) -> dict[str, Any]:
        try:
            return dict(
                self._engine.api.xcom(self.dag_id, self.run_id, task_id, self._waits[task_id], map_index=map_index)
            )
        except LocalAirflowError as error:
            raise AssertionError(f"{task_id} {map_index}: no record: {error}; {self.retried}") from None
