from __future__ import annotations

import asyncio
import threading
import time

import pytest

from airflow_carbon.web.per_loop import PerLoop


class Opened:
    """Something that takes a while to open, and must be closed."""

    def __init__(self) -> None:
        self.thread = threading.get_ident()
        self.closed_in: asyncio.AbstractEventLoop | None = None
        everything.append(self)
        time.sleep(0.02)

    async def aclose(self) -> None:
        assert self.closed_in is None
        self.closed_in = asyncio.get_running_loop()


everything: list[Opened] = []


@pytest.fixture(autouse=True)
def _nothing_opened() -> None:
    everything.clear()


def test_fifty_who_ask_at_once_share_one_that_was_opened_beside_the_loop() -> None:
    per_loop = PerLoop(Opened)

    async def ask() -> list[Opened]:
        return await asyncio.gather(*(per_loop.get() for _ in range(50)))

    assert len({id(one) for one in asyncio.run(ask())}) == len(everything) == 1
    assert everything[0].thread != threading.get_ident()


def test_a_loop_that_ends_closes_its_own() -> None:
    per_loop = PerLoop(Opened)
    loops = []

    async def ask() -> Opened:
        loops.append(asyncio.get_running_loop())
        return await per_loop.get()

    for _ in range(3):
        asyncio.run(ask())
    assert [one.closed_in for one in everything] == loops
    assert len(set(map(id, loops))) == 3
    # Of the loops that ended, the last one alone is still known, until the next one comes.
    assert list(per_loop._loops) == loops[-1:]


def test_what_was_closed_is_opened_anew_and_closed_again() -> None:
    per_loop = PerLoop(Opened)

    async def twice() -> tuple[Opened, Opened]:
        first = await per_loop.get()
        await asyncio.gather(per_loop.close(), per_loop.close())
        assert first.closed_in is not None
        return first, await per_loop.get()

    first, second = asyncio.run(twice())
    assert first is not second
    assert second.closed_in is not None


def test_closing_what_was_never_opened_does_nothing() -> None:
    asyncio.run(PerLoop(Opened).close())
    assert everything == []


def test_one_who_leaves_while_it_is_opened_leaves_the_others_theirs() -> None:
    per_loop = PerLoop(Opened)

    async def leave() -> Opened:
        leaving, staying = (asyncio.create_task(per_loop.get()) for _ in range(2))
        await asyncio.sleep(0)
        leaving.cancel()
        return await staying

    assert asyncio.run(leave()).closed_in is not None


def test_what_fails_to_open_is_tried_again_by_the_next() -> None:
    faults = [OSError("no file handle left")]

    def open_or_fail() -> Opened:
        if faults:
            raise faults.pop()
        return Opened()

    per_loop = PerLoop(open_or_fail)

    async def ask() -> Opened:
        with pytest.raises(OSError, match="no file handle"):
            await per_loop.get()
        return await per_loop.get()

    assert asyncio.run(ask()) is everything[0]
