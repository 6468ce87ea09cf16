"""One run of waits with work behind them, while something is broken: what is begun, broken, mended and judged."""

from __future__ import annotations

import random
import time
from contextlib import ExitStack, suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import psycopg
from fakes.grid_server import GridServer

from airflow_carbon.cli.airflow_api import poll
from airflow_carbon.cli.ledger_sync import sync
from airflow_carbon.exceptions import LocalAirflowError
from airflow_carbon.ledger.sql import SqlLedger
from distributed.account import Account
from distributed.connection import connect
from distributed.evening import DIRTY, play
from distributed.fault import TO_THE_END, Fault, Scene
from distributed.outcome import Outcome
from distributed.settings import MARGIN

if TYPE_CHECKING:
    from distributed.engine import Engine

DAG_ID, AT_WORK = "crowd", "at_work"
#: Waits for which there is time enough in the shortest evening; more of them take one that is as much longer.
SHORTEST = 48
#: Least and most of their ``max_delay`` in it [s].
MAX_DELAY = (100, 130)
WORKS, AT_WORK_FOR = 8.0, 60.0
WRONGS = (AssertionError, LocalAirflowError, OSError, psycopg.Error)


def slower(waits: int) -> float:
    """Tell how much longer than the shortest an evening for so many waits is [1]."""
    return max(1.0, waits / SHORTEST)


class Attempt:
    """Try one fault, or two, on one run.

    :param name: of the run's connection; another one for each run.
    :param waits: tasks that wait.
    :param working: tasks that work meanwhile, in a run of their own.
    """

    def __init__(
        self, engine: Engine, faults: tuple[Fault, ...], name: str, *, seed: str, waits: int, working: int = 0
    ) -> None:
        self.outcome = Outcome(faults, waits)
        self._engine, self._faults, self._name = engine, faults, name
        self._dice = random.Random(seed)
        self._waits, self._working = waits, working
        self._slower = slower(waits)
        self._broken, self._kept = ExitStack(), ExitStack()
        self._grid = self._kept.enter_context(GridServer())
        file = engine.shared / f"{name}.csv"
        self._scene = Scene(engine, self._dice, file, self._grid)
        self._since = datetime.now(UTC) - timedelta(minutes=1)
        self._work = ""
        self._begun = time.monotonic()

    @property
    def longest(self) -> float:
        """Time after which a run that has not ended is stuck [s]."""
        return 300.0 + self._slower * (MAX_DELAY[1] + 60.0) + 2.0 * self._working

    def begin(self) -> None:
        """Start the run, with what must be broken before it broken."""
        engine = self._engine
        if any(fault.source == "service" for fault in self._faults):
            self._serve()
        else:
            play(engine.api, engine.shared, self._name, seed=self._dice.randrange(1000), slower=self._slower)
        self._break(early=True)
        if self._working:
            self._work = engine.api.trigger(AT_WORK, {"count": self._working, "works": AT_WORK_FOR * self._slower})
        conf = {
            "conn_id": self._name,
            "count": self._waits,
            "seed": self._dice.randrange(1000),
            "works": WORKS,
            "max_delay": [int(one * self._slower) for one in MAX_DELAY],
        }
        self._scene.run = engine.api.trigger(DAG_ID, conf)

    def wait_for(self, share: float) -> None:
        """Wait until such a share of the tasks has begun to wait."""
        at_least = int(share * self._waits)

        def enough() -> bool | None:
            states = self._engine.database.states(DAG_ID, self._scene.run)
            begun = [state for (task, _), state in states.items() if task == "one.wait" and state == "deferred"]
            over = [state for (task, _), state in states.items() if task == "one.wait" and state == "success"]
            return len(begun) + len(over) >= at_least or None

        poll(enough, what=f"{at_least} tasks to wait", timeout=60 + 90 * self._slower)

    def break_it(self) -> None:
        """Break what is to be broken in its midst."""
        self._break(early=False)

    @property
    def lasts(self) -> float:
        """How long it stays broken [s], where that is not to the end."""
        return max((fault.lasts for fault in self._faults if fault.lasts != TO_THE_END), default=0.0)

    def mend(self) -> None:
        """Make whole what is not broken to the end."""
        self._broken.close()

    def judge(self) -> None:
        """Wait for the end of the run, and check what must hold.

        :raises AssertionError: naming what does not.
        """
        engine, scene, outcome = self._engine, self._scene, self.outcome
        state = self._end_of(DAG_ID, scene.run)
        # What a ledger that was away missed lies with the tasks until somebody asks for it.
        sync(engine.api, SqlLedger(engine.database.url), since=self._since, until=datetime.now(UTC), dag_id=DAG_ID)
        account = Account(
            engine, DAG_ID, scene.run, waits={"one.wait": "return_value"}, margin=MARGIN, touched=scene.touched
        )
        outcome.retried = len(account.retried)
        honest = any(fault.honest for fault in self._faults)
        if not honest:
            expected = "failed" if "failed" in scene.touched.values() else "success"
            assert state == expected, f"the run ended as {state}: {account.retried}"
            outcome.late = max(account.lateness().values())
            account.check(works="one.work")
            delay = sum((fault.delay for fault in self._faults), timedelta(0))
            assert outcome.late <= delay, f"{outcome.late} late"
        else:
            account.check_honest()
        if self._work:
            self._end_of(AT_WORK, self._work)
            if not honest:
                Account(engine, AT_WORK, self._work, waits={}, margin=MARGIN).check(works="work")
        poll(lambda: None if self._held() else True, what="no trigger to be left", timeout=30)

    def over(self, wrong: str = "") -> None:
        """Leave nothing behind, whatever came of it."""
        self.outcome.seconds = time.monotonic() - self._begun
        self.outcome.wrong = self.outcome.wrong or wrong
        for stack in (self._broken, self._kept):
            try:
                stack.close()
            except Exception as error:
                self.outcome.wrong = self.outcome.wrong or f"not mended: {type(error).__name__}: {error}"
        for dag_id, run in ((DAG_ID, self._scene.run), (AT_WORK, self._work)):
            if self.outcome.wrong and run:
                with suppress(LocalAirflowError, OSError):
                    self._engine.api.request("PATCH", "dags", dag_id, "dagRuns", run, body={"state": "failed"})

    def _break(self, *, early: bool) -> None:
        for fault in self._faults:
            if fault.early is early:
                # One that stays until the run is over is mended after everything else.
                kept = self._kept if fault.lasts == TO_THE_END else self._broken
                kept.enter_context(fault.during(self._scene))
                if len(self._faults) > 1:
                    time.sleep(3.0 * self._dice.random())

    def _serve(self) -> None:
        """Let a service tell of a grid that changes with each of its steps."""
        self._grid.step["em"] = timedelta(minutes=5)
        self._grid.series["GB"] = lambda moment: DIRTY / (1 + moment.minute // 5 % 3)
        body = {"host": self._grid.base("em"), "temporal_granularity": "5_minutes"}
        connect(self._engine.api, self._name, "electricity_maps", password=self._grid.em_token, **body)
        port = int(self._grid.url.rpartition(":")[2])
        for network in self._engine.networks.values():
            network.offer(port)

    def _held(self) -> int:
        query = "SELECT trigger_id FROM task_instance WHERE run_id = %s AND trigger_id IS NOT NULL"
        return len(self._engine.database.rows(query, self._scene.run))

    def _end_of(self, dag_id: str, run: str) -> str:
        def over() -> str | None:
            try:
                state = str(self._engine.api.run(dag_id, run)["state"])
            except (OSError, LocalAirflowError):
                # The api-server, or what is behind it, may be what is broken.
                return None
            return state if state in ("success", "failed") else None

        left = self.longest - (time.monotonic() - self._begun)
        try:
            return poll(over, what=f"the end of {run}", timeout=max(left, 1.0), interval=1.0)
        except TimeoutError as error:
            raise AssertionError(f"stuck: {error}; {self._engine.database.states(dag_id, run)}") from None
