"""The account of one run: what Airflow, the records, the ledger and the tasks' own traces say of it must agree."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow_carbon.exceptions import LocalAirflowError
from distributed.traces import Trace, left

if TYPE_CHECKING:
    from collections.abc import Mapping

    from distributed.database import Try
    from distributed.engine import Engine

Key = tuple[str, int]
#: How a wait that is over may have ended.
OVER = {"started", "released", "timed out"}
#: How a user may end a task.
ENDS = {"success", "failed"}


class Account:
    """What is known of a run that is over; each ``check`` names what does not agree.

    :param waits: task -> key of the XCom that holds its record.
    :param margin: what is kept free before every latest start.
    :param touched: what a user did to tasks of the run: ``cleared``, or marked as ``success`` or ``failed``.
    """

    def __init__(
        self,
        engine: Engine,
        dag_id: str,
        run_id: str,
        *,
        waits: dict[str, str],
        margin: timedelta,
        touched: Mapping[Key, str] | None = None,
    ) -> None:
        self._engine, self.dag_id, self.run_id = engine, dag_id, run_id
        self._waits = waits
        self._margin = margin
        #: Whose end was set by hand, and is not the package's to tell.
        self._marked = {key: what for key, what in (touched or {}).items() if what in ENDS}

    @cached_property
    def tries(self) -> list[Try]:
        """Every try of every task."""
        return self._engine.database.tries(self.dag_id, self.run_id)

    @cached_property
    def records(self) -> dict[Key, dict[str, Any]]:
        """Each wait's record, as its XCom gives it."""
        keys = sorted({(one.task_id, one.map_index) for one in self.tries if one.task_id in self._waits})
        return {key: self._record(*key) for key in keys if key not in self._marked}

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
        self.check_sense(self.records)
        self.check_rest()

    def check_honest(self) -> None:
        """Check that what was recorded is right, of a run whose tasks Airflow itself may have failed."""
        decisions = self._engine.database.decisions(self.dag_id, self.run_id)
        waits = self._engine.database.waits(self.dag_id, self.run_id)
        ended = {one[:2] for one in self.tries if one.state == "success" and one.task_id in self._waits}
        records = {key: self._record(*key) for key in sorted(ended - self._marked.keys())}
        for key, record in records.items():
            assert decisions[key]["raw"] == record, key
            assert waits[key]["decision_id"] == record["decision_id"], key
            assert waits[key]["state"] in OVER, (key, waits[key]["state"])
        self.check_sense(records)

    def check_tries(self) -> None:
        """Check that every task has exactly one try that succeeded, and nothing is left to come."""
        succeeded = Counter((one.task_id, one.map_index) for one in self.tries if one.state == "success")
        keys = {(one.task_id, one.map_index) for one in self.tries if one.state != "skipped"}
        wrong = {key: succeeded[key] for key in keys if succeeded[key] != (not self._fails(key))}
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
        assert decisions.keys() - self._marked.keys() == self.records.keys()
        for key, record in self.records.items():
            kept, wait = decisions[key], waits[key]
            assert kept["raw"] == record, (key, kept["raw"], record)
            assert wait["state"] in OVER, (key, wait["state"])
            told = {name: record[name] for name in ("decision_id", "intensity_g_per_kwh")}
            told |= {name: datetime.fromisoformat(record[name]) for name in ("started_at", "latest_start")}
            differs = {name: f"{wait[name]} and not {value}" for name, value in told.items() if wait[name] != value}
            assert not differs, f"{key}: the ledger's wait says {differs}"
            assert kept["decision_id"] == record["decision_id"], key

        for key in self._marked.keys() & waits.keys():
            assert waits[key]["state"] in OVER | {"cancelled"}, (key, self._marked[key], waits[key]["state"])

    def check_sense(self, records: Mapping[Key, Mapping[str, Any]]) -> None:
        """Check that no record contradicts itself."""
        for key, record in records.items():
            started, latest = (datetime.fromisoformat(record[name]) for name in ("started_at", "latest_start"))
            assert record["in_time"] == (started <= latest + self._margin), (key, record)
            assert record["start_overrun_seconds"] == max(0.0, round((started - latest).total_seconds(), 3)), key
            assert record["mode"] == "enforce", key

    def check_rest(self) -> None:
        """Check that no task of the run is in Airflow's hands still."""
        states = self._engine.database.states(self.dag_id, self.run_id)
        left = {key: state for key, state in states.items() if state not in ("success", "skipped")}
        assert not {key for key in left if not self._fails(key)}, left
        assert set(left.values()) <= {"failed", "upstream_failed"}, left

    def _fails(self, key: Key) -> bool:
        """Tell whether a user has ended a task, or the one before it in its group, as failed."""
        return any(what == "failed" and index == key[1] for (_, index), what in self._marked.items())

    def _record(self, task_id: str, map_index: int) -> dict[str, Any]:
        try:
            return dict(
                self._engine.api.xcom(self.dag_id, self.run_id, task_id, self._waits[task_id], map_index=map_index)
            )
        except LocalAirflowError as error:
            raise AssertionError(f"{task_id} {map_index}: no record: {error}; {self.retried}") from None
