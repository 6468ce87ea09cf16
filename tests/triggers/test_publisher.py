"""How waits reach the ledger from a triggerer: in one transaction, beside the loop, at no wait's cost."""

from __future__ import annotations

import asyncio
import logging
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from airflow_carbon.core.forecast import Forecast
from airflow_carbon.core.request import WaitRequest
from airflow_carbon.core.wait import Wait
from airflow_carbon.hooks.wait_record import TaskKey
from airflow_carbon.triggers.publisher import News, Publisher
from airflow_carbon.triggers.story import Story

pytestmark = pytest.mark.airflow

HOUR = timedelta(hours=1)
NOW = datetime(2026, 1, 5, tzinfo=UTC)
KEY = TaskKey("a_dag", "a_run", "wait")
PROMISED = {
    "decision_id": "ab-12", "location": "zone:GB", "ready_at": NOW.isoformat(), "earliest_start": NOW.isoformat(),
    "latest_start": (NOW + 8 * HOUR).isoformat(), "duration_seconds": 3600.0,
}  # fmt: skip


def forecast(*values: float) -> Forecast:
    return Forecast("GB", NOW, HOUR, [*values, *[300.0] * (24 - len(values))], issued_at=NOW, source="played")


def new_wait() -> Wait:
    return Wait(WaitRequest.checked(duration=HOUR, ready_at=NOW, latest_start=NOW + 8 * HOUR), "zone:GB")


def look(story: Story, wait: Wait, seen: Forecast, at: datetime) -> News | None:
    story.before(wait)
    wait.decide(seen, at)
    return story.after(wait, seen, at)


def test_the_first_plan_and_each_move_are_news_and_nothing_else() -> None:
    story, wait = Story(KEY, PROMISED), new_wait()
    first = look(story, wait, forecast(300, 300, 100), NOW)
    assert first is not None
    one = first.record()
    assert (one.start, one.baseline_start, one.promised_saving_percent) == (NOW + 2 * HOUR, NOW, pytest.approx(66.667))
    assert one.forecast is not None
    # No more than what the wait can choose from: eight hours, and the run itself.
    assert one.forecast["values"] == [300.0, 300.0, 100.0, *[300.0] * 6]
    assert look(story, wait, forecast(300, 300, 100), NOW + 0.5 * HOUR) is None
    moved = look(story, wait, forecast(300, 300, 900, 900, 900, 10), NOW + HOUR)
    assert moved is not None
    two = moved.record()
    assert (two.start, two.replans) == (
        NOW + 5 * HOUR,
        [{"at": (NOW + HOUR).isoformat(), "start": (NOW + 5 * HOUR).isoformat(), "reason": wait.reason}],
    )
    # What the baseline was set on was seen before, and is not seen anew.
    assert (two.baseline_start, two.baseline_intensity_g_per_kwh) == (None, 300.0)


def test_a_process_that_takes_a_wait_up_again_knows_the_moves_before() -> None:
    story, wait = Story(KEY, PROMISED), new_wait()
    look(story, wait, forecast(300, 300, 100), NOW)
    look(story, wait, forecast(300, 300, 900, 900, 900, 10), NOW + HOUR)
    again = Story(KEY, PROMISED, story.state())
    assert again.moves == story.moves
    assert Story(KEY, PROMISED, {"moves": "damaged"}).moves == []


def test_an_end_by_a_user_gives_way_to_all_that_the_task_itself_tells() -> None:
    story, wait = Story(KEY, PROMISED), new_wait()
    told = look(story, wait, forecast(300, 300, 100), NOW)
    ended = story.cancelled()
    assert told is not None
    assert ended is not None
    assert (ended.record().state, ended.at - told.at) == ("cancelled", timedelta(microseconds=1))


class Counted:
    """A real ledger that counts its transactions, and can be told to refuse."""

    def __init__(self, path: Path) -> None:
        from airflow_carbon.ledger.sql import SqlLedger

        self.ledger, self.writes, self.threads, self.down = SqlLedger(f"sqlite:///{path}/ledger.db"), 0, set(), False

    def write(self, records: Any) -> int:
        from airflow_carbon.exceptions import LedgerError

        self.writes += 1
        self.threads.add(threading.get_ident())
        if self.down:
            raise LedgerError("the ledger: down")
        return self.ledger.write(records)


def news(number: int) -> News:
    return News(KEY._replace(map_index=number), {**PROMISED, "decision_id": f"{number}", "reason": "waits"}, NOW)


async def drained(publisher: Publisher) -> None:
    while publisher._sending is not None and not publisher._sending.done():  # noqa: ASYNC110
        await asyncio.sleep(0.05)


def test_the_news_of_many_waits_are_one_transaction_beside_the_loop(tmp_path: Path) -> None:
    counted = Counted(tmp_path)

    async def many() -> None:
        async def opener() -> Any:
            return counted

        publisher = Publisher(opener)
        for number in range(500):
            publisher.tell(news(number))
        await drained(publisher)

    asyncio.run(many())
    assert counted.writes == 1
    assert threading.get_ident() not in counted.threads
    assert len(counted.ledger.waits(waiting=True)) == 500


def test_a_ledger_that_is_down_is_told_of_once_and_gets_all_when_it_is_back(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    counted = Counted(tmp_path)
    counted.down = True

    async def outage() -> None:
        async def opener() -> Any:
            return counted

        publisher = Publisher(opener)
        for number in range(2):
            publisher.tell(news(number))
            await drained(publisher)
        counted.down = False
        publisher.tell(news(2))
        await drained(publisher)

    with caplog.at_level(logging.WARNING):
        asyncio.run(outage())
    assert [one.getMessage().count("go on without it") for one in caplog.records].count(1) == 1
    assert sorted(one.decision_id for one in counted.ledger.waits()) == ["0", "1", "2"]


def test_what_is_new_when_the_loop_ends_is_still_written(tmp_path: Path) -> None:
    counted = Counted(tmp_path)

    async def ends() -> None:
        async def opener() -> Any:
            return counted

        publisher = Publisher(opener)
        publisher.tell(news(0))
        await drained(publisher)
        publisher.tell(news(1))
        await asyncio.sleep(0)

    asyncio.run(ends())
    assert len(counted.ledger.waits()) == 2


def test_where_nothing_is_kept_nothing_is_opened(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AIRFLOW__CARBON__LEDGER_CONN_ID", "off")
    monkeypatch.setenv("AIRFLOW__CARBON__STATE_DIR", str(tmp_path))

    async def off() -> None:
        publisher = Publisher()
        publisher.tell(news(0))
        await drained(publisher)

    asyncio.run(off())
    assert not (tmp_path / "ledger.db").exists()


def test_a_wait_in_the_triggerer_is_on_record_with_its_forecast_until_its_end(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import json

    from airflow_carbon.hooks.ledger import LedgerHook
    from airflow_carbon.triggers.carbon_window import CarbonWindowTrigger

    monkeypatch.setenv("AIRFLOW__CARBON__STATE_DIR", str(tmp_path / "state"))
    now, second = datetime.now(UTC).replace(microsecond=0), timedelta(seconds=1)
    rows = [f"{(now + row * second).isoformat()},{10 if 6 <= row < 9 else 100}" for row in range(60)]
    (tmp_path / "own.csv").write_text("\n".join(["timestamp,intensity", *rows]) + "\n")
    extra = {"path": str(tmp_path / "own.csv")}
    monkeypatch.setenv("AIRFLOW_CONN_MINE", json.dumps({"conn_type": "carbon_history", "extra": extra}))
    trigger = CarbonWindowTrigger(
        location="zone:GB", duration_seconds=2.0, ready_at=now.isoformat(), earliest_start=now.isoformat(),
        latest_start=(now + 20 * second).isoformat(), not_before=now.isoformat(), carbon_conn_id=["mine"],
        decision_id="abc-1", task_key=["a_dag", "a_run", "wait", 2],
    )  # fmt: skip
    assert CarbonWindowTrigger(**trigger.serialize()[1]).serialize() == trigger.serialize()
    seen: list[Any] = []

    async def run() -> None:
        waiting = asyncio.ensure_future(anext(trigger.run()))
        while not waiting.done():
            await asyncio.sleep(0.2)
            seen.extend(await asyncio.to_thread(LedgerHook().waits, waiting=True))
        await drained(Publisher.current())

    asyncio.run(asyncio.wait_for(run(), timeout=60))
    (ended,) = LedgerHook().waits()
    assert seen
    assert seen[0].map_index == ended.map_index == 2
    assert now + 5 * second <= seen[0].start <= now + 9 * second
    assert ended.state == "started"
    assert ended.forecast is not None
    assert 10.0 in ended.forecast["values"]
    assert ended.baseline_intensity_g_per_kwh == 100.0
