"""Break the engine on purpose, one thing at a time and then two, while tasks wait and work: ``make chaos``.

Every round starts a run of waits with work behind them, breaks something at a drawn moment, waits for the run's end,
and checks that each task succeeded exactly once, that the ledger says what the records say, and that nothing is left.
The same seed draws the same rounds. It ends in time, whatever happens, and prints what was tried, how often, and how
late the latest start was.
"""

from __future__ import annotations

import argparse
import random
import re
import signal
import sys
import tempfile
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
from distributed.account import Account
from distributed.engine import RECOVERY, SHORT_WAITS, Engine
from distributed.evening import play
from distributed.faults import FAULTS, Fault, Scene
from distributed.warmth import warm

from airflow_carbon.cli.airflow_api import poll
from airflow_carbon.cli.ledger_sync import sync
from airflow_carbon.core.moment import parse_duration
from airflow_carbon.exceptions import LocalAirflowError
from airflow_carbon.ledger.sql import SqlLedger

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MARGIN: timedelta = parse_duration(SHORT_WAITS["AIRFLOW__CARBON__START_MARGIN"], "start_margin")
#: No round takes longer [s]; a run that has not ended then is stuck.
LONGEST = 400.0
#: What Airflow itself may take, with the engine's settings, until a start that was lost is made again: a task on its
#: way to a worker that is gone (60 s and the search, 10 s), one that died at work (30 s and 5 s), a retry, the starts.
AIRFLOWS_OWN = timedelta(seconds=130)


@dataclass
class Outcome:
    """What came of one round."""

    faults: tuple[Fault, ...]
    late: timedelta | None = None
    retried: int = 0
    seconds: float = 0.0
    wrong: str = ""


def main(words: Sequence[str] | None = None) -> int:
    """Run the rounds and print their table; the exit status tells whether all was well."""
    asked = _asked(words)
    end = time.monotonic() + 60.0 * asked.minutes
    chosen = [one for one in FAULTS if re.search(asked.only, one.name, re.IGNORECASE)]
    outcomes: list[Outcome] = []
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    with (
        tempfile.TemporaryDirectory(prefix="airflow-carbon-chaos-") as folder,
        Engine(Path(folder), dags=[Path(__file__).parent / "dags"]) as engine,
    ):
        engine.api.wait_for_dag("crowd", timeout=90)
        warm(engine)
        for number, faults in enumerate(rounds(chosen, random.Random(asked.seed))):
            if number >= asked.rounds or time.monotonic() + LONGEST / 2 > end:
                break
            outcomes.append(one_round(engine, faults, number, seed=asked.seed, waits=asked.waits))
            print(told(outcomes[-1]), flush=True)
    print(table(outcomes, seed=asked.seed, waits=asked.waits))
    return 1 if any(one.wrong for one in outcomes) else 0


def rounds(faults: Sequence[Fault], dice: random.Random) -> Iterator[tuple[Fault, ...]]:
    """Give each fault alone, in a drawn order, and then pairs of them for ever."""
    alone = list(faults)
    dice.shuffle(alone)
    yield from ((one,) for one in alone)
    pairs = list(combinations(faults, 2))
    while pairs:
        yield dice.choice(pairs)


def one_round(engine: Engine, faults: tuple[Fault, ...], number: int, *, seed: int, waits: int) -> Outcome:
    """Break something while a run waits and works, and check what must hold."""
    outcome, begin = Outcome(faults), time.monotonic()
    dice = random.Random(f"{seed}/{number}")
    try:
        engine.wait_healthy()
        file = play(engine.api, engine.shared, f"chaos_{number}", seed=number)
        conf = {"conn_id": f"chaos_{number}", "count": waits, "seed": number, "works": 8.0, "max_delay": [100, 130]}
        run, since = engine.api.trigger("crowd", conf), datetime.now(UTC) - timedelta(minutes=1)
        # Some rounds break what begins to wait, some what waits, some what works.
        share, pause = dice.choice([(0.3, 0.0), (1.0, 10.0), (1.0, 40.0)])
        _until(engine, run, int(share * waits))
        time.sleep(pause * dice.random())
        scene = Scene(engine, dice, file)
        with ExitStack() as broken:
            for fault in faults:
                broken.enter_context(fault.during(scene))
                time.sleep(3.0 * dice.random())
            time.sleep(max(fault.lasts for fault in faults))
        state = _end_of(engine, run, LONGEST - (time.monotonic() - begin))
        # What a ledger that was away missed lies with the tasks until somebody asks for it.
        sync(engine.api, SqlLedger(engine.database.url), since=since, until=datetime.now(UTC), dag_id="crowd")
        account = Account(engine, "crowd", run, waits={"one.wait": "return_value"}, margin=MARGIN)
        outcome.retried = len(account.retried)
        assert state == "success", f"the run ended as {state}: {account.retried}"
        outcome.late = max(account.lateness().values())
        account.check(works="one.work")
        lasted = timedelta(seconds=sum(fault.lasts for fault in faults))
        assert outcome.late <= AIRFLOWS_OWN + lasted, f"{outcome.late} late"
        poll(lambda: None if engine.database.triggers("crowd") else True, what="no trigger to be left", timeout=30)
    except (AssertionError, LocalAirflowError, OSError, psycopg.Error) as error:
        outcome.wrong = f"{type(error).__name__}: {error}"
        _give_up(engine)
    outcome.seconds = time.monotonic() - begin
    return outcome


def told(outcome: Outcome) -> str:
    """Tell of one round in a line, and below it what was wrong."""
    names = " and ".join(one.name for one in outcome.faults)
    late = "-" if outcome.late is None else f"{outcome.late.total_seconds():+.0f} s"
    line = f"{names:<60} late {late:>7}  retried {outcome.retried:>3}  took {outcome.seconds:.0f} s"
    return f"{line}\n  WRONG: {outcome.wrong[:1500]}" if outcome.wrong else line


def table(outcomes: Sequence[Outcome], *, seed: int, waits: int) -> str:
    """Draw how often each fault was tried, alone and in pairs, and the worst that came of it."""
    settings = ", ".join(f"{name.rpartition('__')[2].lower()} {value} s" for name, value in RECOVERY.items())
    lines = [
        f"\nseed {seed}, {waits} waits a round, {len(outcomes)} rounds; Airflow's times of recovery: {settings}",
        "| fault | rounds | of them in pairs | tries that failed | worst start against what was asked for | wrong |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for fault in FAULTS:
        those = [one for one in outcomes if fault in one.faults]
        if those:
            late = max((one.late for one in those if one.late is not None), default=None)
            lines.append(
                f"| {fault.name} | {len(those)} | {sum(len(one.faults) > 1 for one in those)} "
                f"| {sum(one.retried for one in those)} | {'-' if late is None else f'{late.total_seconds():+.0f} s'} "
                f"| {sum(bool(one.wrong) for one in those)} |"
            )
    return "\n".join(lines)


def _until(engine: Engine, run: str, count: int) -> None:
    def enough() -> bool | None:
        return list(engine.database.states("crowd", run).values()).count("deferred") >= count or None

    poll(enough, what=f"{count} tasks to wait", timeout=120)


def _give_up(engine: Engine) -> None:
    """End what a round has left, so that the next one begins with nothing."""
    with suppress(LocalAirflowError, OSError):
        found = engine.api.request("GET", "dags", "crowd", "dagRuns", query={"state": "running", "limit": 100})
        for run in found["dag_runs"]:
            engine.api.request("PATCH", "dags", "crowd", "dagRuns", run["dag_run_id"], body={"state": "failed"})


def _end_of(engine: Engine, run: str, timeout: float) -> str:
    def over() -> str | None:
        try:
            state = str(engine.api.run("crowd", run)["state"])
        except (OSError, LocalAirflowError):
            # The api-server, or what is behind it, may be what is broken.
            return None
        return state if state in ("success", "failed") else None

    return poll(over, what=f"the end of {run}", timeout=max(timeout, 1.0), interval=1.0)


def _asked(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="chaos", description="Break the engine on purpose, and check what must hold.")
    parser.add_argument("--minutes", type=float, default=60.0, help="begin no round that may end later (default 60)")
    parser.add_argument("--rounds", type=int, default=1000, help="at most so many")
    parser.add_argument("--seed", type=int, default=8, help="of everything that is drawn (default 8)")
    parser.add_argument("--waits", type=int, default=24, help="tasks that wait in each round (default 24)")
    parser.add_argument("--only", default="", help="only faults whose name holds this pattern")
    return parser.parse_args(words)


if __name__ == "__main__":
    raise SystemExit(main())
