"""Break the engine on purpose, one thing at a time and then two, while tasks wait and work: ``make chaos``.

Every round starts a run of waits with work behind them, breaks something at a drawn moment, waits for the run's end,
and checks that each task succeeded exactly once, that the ledger says what the records say, and that nothing is left.
What breaks one run alone, its source or its tasks, is tried on several runs beside each other. The same seed draws the
same rounds. It ends in time, whatever happens, and prints what was tried, how often, and how late the worst start was.
"""

from __future__ import annotations

import argparse
import random
import re
import signal
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

from distributed.attempt import DAG_ID, WRONGS, Attempt, slower
from distributed.engine import Engine
from distributed.fault import Fault, goes_with
from distributed.faults import FAULTS
from distributed.outcome import Outcome, table
from distributed.warmth import warm

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

#: Runs that go on beside each other where their faults do not meet.
BESIDE = 8
#: What a round of the shortest evening takes about [s].
ROUND = 200.0
#: Of each worker, beside those that tasks at work hold.
SLOTS = 4
Group = list[tuple[Fault, ...]]


def main(words: Sequence[str] | None = None) -> int:
    """Run the rounds and print their table; the exit status tells whether all was well."""
    asked = _asked(words)
    end = time.monotonic() + 60.0 * asked.minutes
    outcomes: list[Outcome] = []
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    slots = max(SLOTS, (asked.working + 1) // 2 + SLOTS)
    with (
        tempfile.TemporaryDirectory(prefix="airflow-carbon-chaos-") as folder,
        Engine(
            asked.folder or Path(folder),
            dags=[Path(__file__).parent / "dags"],
            environment={"AIRFLOW__CORE__PARALLELISM": str(4 * slots)},
            apart=["triggerer-2", "worker-2"],
            slots=slots,
        ) as engine,
    ):
        chosen = _possible(engine, asked.only)
        engine.api.wait_for_dag(DAG_ID, timeout=90)
        engine.api.wait_for_dag("at_work", timeout=90)
        warm(engine)
        dice = random.Random(asked.seed)
        for number, group in enumerate(rounds(chosen, dice, pairs_only=asked.pairs)):
            if number >= asked.rounds or time.monotonic() + ROUND * slower(asked.waits) > end:
                break
            those = one_round(engine, group, number, seed=asked.seed, waits=asked.waits, working=asked.working)
            outcomes += those
            print("\n".join(map(str, those)), flush=True)
    print(table(outcomes, FAULTS, seed=asked.seed))
    return 1 if not outcomes or any(one.wrong for one in outcomes) else 0


def rounds(faults: Sequence[Fault], dice: random.Random, *, pairs_only: bool = False) -> Iterator[Group]:
    """Give each fault alone, in a drawn order, and then pairs for ever, of those first that were drawn least."""
    alone = list(faults)
    dice.shuffle(alone)
    if not pairs_only:
        shared, own = [one for one in alone if not one.own], [one for one in alone if one.own]
        groups: list[Group] = [[(one,)] for one in shared]
        groups += [[(one,) for one in own[at : at + BESIDE]] for at in range(0, len(own), BESIDE)]
        dice.shuffle(groups)
        yield from groups
    pairs = [pair for pair in combinations(faults, 2) if goes_with(*pair)]
    drawn: Counter[Fault] = Counter()
    while pairs:
        dice.shuffle(pairs)
        pair = min(pairs, key=lambda one: sum(drawn[fault] for fault in one))
        drawn.update(pair)
        yield [pair]


def one_round(engine: Engine, group: Group, number: int, *, seed: int, waits: int, working: int) -> list[Outcome]:
    """Break something while runs wait and work, and check what must hold."""
    dice = random.Random(f"{seed}/{number}")
    try:
        engine.wait_healthy()
    except WRONGS as error:
        return [Outcome(faults, waits, wrong=f"not well before it: {error}") for faults in group]
    share, pause = dice.choice([(0.3, 0.0), (1.0, 10.0), (1.0, 40.0)])
    attempts = []
    for place, faults in enumerate(group):
        name, drawn = f"chaos_{number}_{place}", f"{seed}/{number}/{place}"
        attempts.append(
            Attempt(
                engine, faults, name, seed=drawn, waits=max(1, waits // len(group)), working=working if not place else 0
            )
        )

    def each(do: Callable[[Attempt], object]) -> None:
        for one in attempts:
            if not one.outcome.wrong:
                try:
                    do(one)
                except WRONGS as error:
                    one.outcome.wrong = f"{type(error).__name__}: {error}"

    try:
        each(Attempt.begin)
        # Some rounds break what begins to wait, some what waits, some what works.
        each(lambda one: one.wait_for(share))
        time.sleep(pause * slower(waits) * dice.random())
        each(Attempt.break_it)
        time.sleep(max(one.lasts for one in attempts))
        each(Attempt.mend)
        each(Attempt.judge)
    finally:
        for one in attempts:
            one.over()
    return [one.outcome for one in attempts]


def _possible(engine: Engine, only: str) -> list[Fault]:
    chosen = []
    for fault in FAULTS:
        if re.search(only, fault.name, re.IGNORECASE):
            if why := fault.unable(engine):
                print(f"left out: {fault.name}: {why}", flush=True)
            else:
                chosen.append(fault)
    return chosen


def _asked(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="chaos", description="Break the engine on purpose, and check what must hold.")
    parser.add_argument("--minutes", type=float, default=60.0, help="begin no round that may end later (default 60)")
    parser.add_argument("--rounds", type=int, default=1000, help="at most so many")
    parser.add_argument("--seed", type=int, default=8, help="of everything that is drawn (default 8)")
    parser.add_argument("--waits", type=int, default=24, help="tasks that wait in each round (default 24)")
    parser.add_argument("--working", type=int, default=0, help="tasks that work meanwhile (default 0)")
    parser.add_argument("--pairs", action="store_true", help="pairs of faults alone")
    parser.add_argument("--folder", type=Path, help="keep all logs in it; by default they are removed at the end")
    parser.add_argument("--only", default="", help="only faults whose name holds this pattern")
    return parser.parse_args(words)


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        raise SystemExit(main())
