from __future__ import annotations

import asyncio
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from airflow_carbon.core.forecast import Forecast
from airflow_carbon.core.location import Location
from airflow_carbon.exceptions import InvalidRequestError, SourceResponseError, SourceUnavailableError
from airflow_carbon.sources.cached import Cached

HOUR = timedelta(hours=1)
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
GB = Location.parse("zone:GB")


class Upstream:
    """A service that takes a while, counts its requests, and knows at most ``horizon`` ahead."""

    name = "upstream"
    refresh = timedelta(minutes=30)

    def __init__(self, horizon: timedelta = timedelta(days=30)) -> None:
        self.horizon = horizon
        self.requests: Counter[str] = Counter()
        self.asked_until: list[datetime] = []
        self.error: Exception | None = None
        self.takes_seconds = 0.01

    async def zone(self, location: Location) -> str:
        return location.name

    async def forecast(self, location: Location, *, now: datetime, until: datetime) -> Forecast:
        self.requests[location.name] += 1
        self.asked_until.append(until)
        await asyncio.sleep(self.takes_seconds)
        if self.error is not None:
            raise self.error
        first = now.replace(minute=0, second=0, microsecond=0)
        hours = max(1, -((first - min(until, now + self.horizon)) // HOUR))
        return Forecast(location.name, first, HOUR, range(hours), source=self.name)

    async def history(self, location: Location, *, start: datetime, end: datetime) -> Forecast:
        self.requests[f"history {location.name}"] += 1
        await asyncio.sleep(self.takes_seconds)
        return Forecast(location.name, start, end - start, [1.0], source=self.name)


class Clock:
    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now


def ask(cached: Cached, now: datetime = NOON, hours: float = 6, location: Location = GB) -> Forecast:
    return asyncio.run(cached.forecast(location, now=now, until=now + hours * HOUR))


def test_one_who_asks_a_moment_later_joins_the_request_that_is_under_way() -> None:
    upstream = Upstream()
    cached = Cached(upstream, clock=Clock())

    async def two() -> None:
        until = NOON + 8 * HOUR
        first = asyncio.ensure_future(cached.forecast(GB, now=NOON, until=until))
        await asyncio.sleep(0)
        await cached.forecast(GB, now=NOON + timedelta(seconds=1), until=until)
        await first

    asyncio.run(two())
    assert upstream.requests["GB"] == 1


def test_ten_thousand_askers_of_twenty_zones_make_twenty_requests_each_refresh() -> None:
    upstream, clock = Upstream(), Clock()
    cached = Cached(upstream, clock=clock)
    zones = [Location.parse(f"zone:Z{number}") for number in range(20)]

    async def everyone(now: datetime) -> list[Forecast]:
        return await asyncio.gather(
            *(
                cached.forecast(zones[number % 20], now=now, until=now + timedelta(minutes=1 + number % 4000))
                for number in range(10_000)
            )
        )

    for refresh in (1, 2):
        answers = asyncio.run(everyone(clock.now))
        asyncio.run(everyone(clock.now))
        assert [answer.zone for answer in answers[:20]] == [zone.name for zone in zones]
        assert upstream.requests == {zone.name: refresh for zone in zones}
        clock.now += upstream.refresh


def test_a_kept_answer_serves_until_its_time_to_live_is_over() -> None:
    upstream, clock = Upstream(), Clock()
    cached = Cached(upstream, clock=clock)
    first = ask(cached)
    clock.now = NOON + upstream.refresh - timedelta(microseconds=1)
    assert ask(cached) is first
    clock.now = NOON + upstream.refresh
    assert ask(cached) is not first
    assert upstream.requests["GB"] == 2


def test_the_time_to_live_can_be_set() -> None:
    upstream, clock = Upstream(), Clock()
    cached = Cached(upstream, clock=clock, ttl=timedelta(minutes=5))
    ask(cached)
    clock.now += timedelta(minutes=5)
    ask(cached)
    assert upstream.requests["GB"] == 2
    assert cached.refresh == upstream.refresh


def test_a_shorter_question_is_served_and_a_longer_one_is_asked_anew() -> None:
    upstream = Upstream()
    cached = Cached(upstream, clock=Clock(), horizon=timedelta(hours=24))
    ask(cached, hours=20)
    ask(cached, hours=1)
    ask(cached, hours=24)
    assert upstream.requests["GB"] == 1
    assert ask(cached, hours=30).end >= NOON + timedelta(hours=30)
    assert upstream.requests["GB"] == 2
    ask(cached, hours=2)
    ask(cached, hours=48)
    assert upstream.requests["GB"] == 2


def test_a_request_looks_ahead_by_whole_horizons_and_over_the_time_to_live() -> None:
    upstream = Upstream()
    cached = Cached(upstream, clock=Clock(), horizon=timedelta(hours=24))
    ask(cached, hours=25)
    assert upstream.asked_until == [NOON + timedelta(hours=48) + upstream.refresh]


def test_a_question_for_the_end_of_the_calendar_is_asked_as_it_is() -> None:
    upstream = Upstream()
    last = datetime.max.replace(tzinfo=UTC)
    asyncio.run(Cached(upstream, clock=Clock()).forecast(GB, now=NOON, until=last))
    assert upstream.asked_until == [last]


def test_a_source_that_knows_no_farther_is_not_asked_again_for_more() -> None:
    upstream = Upstream(horizon=timedelta(hours=48))
    cached = Cached(upstream, clock=Clock())
    assert ask(cached, hours=60).end == NOON + timedelta(hours=48)
    assert ask(cached, hours=200).end == NOON + timedelta(hours=48)
    assert upstream.requests["GB"] == 1


def test_a_longer_question_does_not_wait_for_a_shorter_request_that_is_under_way() -> None:
    upstream = Upstream()
    cached = Cached(upstream, clock=Clock(), horizon=timedelta(hours=24))

    async def both() -> list[Forecast]:
        return await asyncio.gather(
            *(cached.forecast(GB, now=NOON, until=NOON + hours * HOUR) for hours in (6, 30, 40, 2))
        )

    answers = asyncio.run(both())
    assert upstream.requests["GB"] == 2
    assert answers[2].end >= NOON + timedelta(hours=40)
    assert ask(cached, hours=40).end >= NOON + timedelta(hours=40)
    assert upstream.requests["GB"] == 2


def test_the_step_that_holds_now_comes_first_from_the_cache_too() -> None:
    upstream, clock = Upstream(), Clock()
    cached = Cached(upstream, clock=clock, ttl=timedelta(hours=3))
    ask(cached)
    later = NOON + timedelta(hours=2, minutes=20)
    answer = ask(cached, now=later)
    assert answer.start == NOON + timedelta(hours=2)
    assert answer.intensity[:2].tolist() == [2.0, 3.0]
    assert ask(cached, now=later) is answer
    assert ask(cached, now=NOON + timedelta(minutes=59)).start == NOON
    assert upstream.requests["GB"] == 1


def test_a_moment_that_the_kept_answer_does_not_hold_is_asked_anew() -> None:
    upstream = Upstream()
    cached = Cached(upstream, clock=Clock())
    ask(cached)
    assert ask(cached, now=NOON - HOUR).start == NOON - HOUR
    assert upstream.requests["GB"] == 2


def test_one_who_asks_across_a_steps_edge_gets_an_answer_that_holds_their_now() -> None:
    upstream = Upstream()
    cached = Cached(upstream, clock=Clock())
    before = NOON - timedelta(microseconds=1)

    async def both() -> list[Forecast]:
        return await asyncio.gather(*(cached.forecast(GB, now=now, until=NOON + HOUR) for now in (NOON, before)))

    answers = asyncio.run(both())
    assert [answer.start for answer in answers] == [NOON, NOON - HOUR]


def test_the_request_goes_on_when_the_first_asker_is_cancelled() -> None:
    upstream = Upstream()
    cached = Cached(upstream, clock=Clock())

    async def first_leaves() -> Forecast:
        first = asyncio.create_task(cached.forecast(GB, now=NOON, until=NOON + HOUR))
        second = asyncio.create_task(cached.forecast(GB, now=NOON, until=NOON + HOUR))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert upstream.requests["GB"] == 1
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        return await second

    assert asyncio.run(first_leaves()).zone == "GB"
    assert upstream.requests["GB"] == 1


def test_an_answer_is_kept_even_when_all_who_asked_have_left() -> None:
    upstream = Upstream()
    cached = Cached(upstream, clock=Clock())

    async def leave_and_come_back() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(cached.forecast(GB, now=NOON, until=NOON + HOUR), 0.001)
        await cached.forecast(GB, now=NOON, until=NOON + HOUR)

    asyncio.run(leave_and_come_back())
    assert upstream.requests["GB"] == 1


def test_an_error_reaches_all_who_wait_and_is_kept_for_a_short_time_alone() -> None:
    upstream, clock = Upstream(), Clock()
    upstream.error = SourceUnavailableError("upstream is down")
    cached = Cached(upstream, clock=clock, error_ttl=timedelta(seconds=10))

    async def everyone() -> list[Forecast | BaseException]:
        asked = (cached.forecast(GB, now=NOON, until=NOON + HOUR) for _ in range(50))
        return await asyncio.gather(*asked, return_exceptions=True)

    errors = asyncio.run(everyone())
    assert {(type(error), str(error)) for error in errors} == {(SourceUnavailableError, "upstream is down")}
    assert len({id(error) for error in errors}) == 50
    clock.now += timedelta(seconds=9)
    asyncio.run(everyone())
    assert upstream.requests["GB"] == 1
    clock.now += timedelta(seconds=1)
    upstream.error = None
    assert ask(cached).zone == "GB"
    assert upstream.requests["GB"] == 2


def test_a_failing_longer_request_leaves_the_shorter_answer_in_use() -> None:
    upstream = Upstream()
    cached = Cached(upstream, clock=Clock(), horizon=timedelta(hours=24))
    first = ask(cached, hours=6)
    upstream.error = SourceResponseError("half a body")
    with pytest.raises(SourceResponseError, match="half a body"):
        ask(cached, hours=30)
    assert ask(cached, hours=6) is first


def test_what_a_source_raises_beyond_the_protocol_becomes_an_answer_that_is_wrong_without_its_words() -> None:
    upstream = Upstream()
    upstream.error = KeyError("password=hunter2")
    with pytest.raises(SourceResponseError, match="upstream failed with KeyError") as raised:
        ask(Cached(upstream, clock=Clock()))
    assert "hunter2" not in str(raised.value)


def test_a_request_that_died_with_its_event_loop_does_not_block_the_next_one() -> None:
    upstream = Upstream()
    cached = Cached(upstream, clock=Clock())

    async def leave_at_once() -> None:
        task = asyncio.create_task(cached.forecast(GB, now=NOON, until=NOON + HOUR))
        await asyncio.sleep(0)
        task.cancel()

    asyncio.run(leave_at_once())
    assert ask(cached).zone == "GB"
    assert ask(cached).zone == "GB"


def test_event_loops_of_two_threads_do_not_wait_on_each_other() -> None:
    class Gated(Upstream):
        async def forecast(self, location: Location, *, now: datetime, until: datetime) -> Forecast:
            first_is_waiting.set()
            await asyncio.to_thread(may_go.wait, 10)
            return await super().forecast(location, now=now, until=until)

    first_is_waiting, may_go = threading.Event(), threading.Event()
    cached = Cached(Gated(), clock=Clock())
    with ThreadPoolExecutor() as pool:
        first = pool.submit(ask, cached)
        assert first_is_waiting.wait(10)
        first_is_waiting.clear()
        second = pool.submit(ask, cached)
        asked_anew = first_is_waiting.wait(10)
        may_go.set()
        assert asked_anew
        assert first.result(10).zone == second.result(10).zone == "GB"


def test_a_short_request_that_lands_last_does_not_push_out_a_longer_answer() -> None:
    class ShortIsSlow(Upstream):
        async def forecast(self, location: Location, *, now: datetime, until: datetime) -> Forecast:
            self.takes_seconds = 0.05 if until - now < timedelta(hours=48) else 0.0
            return await super().forecast(location, now=now, until=until)

    upstream = ShortIsSlow()
    cached = Cached(upstream, clock=Clock(), horizon=timedelta(hours=24))

    async def both() -> None:
        await asyncio.gather(*(cached.forecast(GB, now=NOON, until=NOON + hours * HOUR) for hours in (6, 48)))

    asyncio.run(both())
    assert ask(cached, hours=48).end >= NOON + timedelta(hours=48)
    assert upstream.requests["GB"] == 2


def test_the_past_is_kept_by_zone_and_time() -> None:
    upstream, clock = Upstream(), Clock()
    cached = Cached(upstream, clock=clock)

    def past(hours: int) -> Forecast:
        return asyncio.run(cached.history(GB, start=NOON - hours * HOUR, end=NOON))

    assert past(3).intensity.tolist() == past(3).intensity.tolist()
    assert past(4).start == NOON - 4 * HOUR
    assert upstream.requests["history GB"] == 2
    clock.now += upstream.refresh
    past(3)
    assert upstream.requests["history GB"] == 3


def test_what_has_expired_is_forgotten() -> None:
    upstream, clock = Upstream(), Clock()
    upstream.takes_seconds = 0.0
    cached = Cached(upstream, clock=clock)

    async def one_zone_after_another() -> None:
        for number in range(500):
            await cached.forecast(Location.parse(f"zone:Z{number}"), now=NOON, until=NOON + HOUR)
            clock.now += timedelta(minutes=3)

    asyncio.run(one_zone_after_another())
    held = [entry for entry in (cached._kept, cached._failed, cached._flights) for entry in entry]
    # 10 live ones, and at most another time to live of those that the next pass will find.
    assert len(held) <= 21


def test_a_moment_without_a_timezone_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match=r"now: .* has no timezone"):
        asyncio.run(Cached(Upstream()).forecast(GB, now=datetime(2026, 1, 1), until=NOON))  # noqa: DTZ001


def test_by_default_answers_age_by_the_clock_of_the_world() -> None:
    upstream = Upstream()
    cached = Cached(upstream)
    ask(cached)
    ask(cached)
    assert upstream.requests["GB"] == 1
    brief = Cached(upstream, ttl=timedelta(0))
    ask(brief)
    ask(brief)
    assert upstream.requests["GB"] == 3
