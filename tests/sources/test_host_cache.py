from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from airflow_carbon.core.forecast import Forecast
from airflow_carbon.core.location import Location
from airflow_carbon.exceptions import CarbonError, SourceAuthError, SourceResponseError, SourceUnavailableError
from airflow_carbon.sources.cached import Cached
from airflow_carbon.sources.host_cache import HostCache
from airflow_carbon.web.shelf import Shelf

NOON = datetime(2026, 8, 22, 12, tzinfo=UTC)
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
DE, SWEDEN = Location.parse("zone:DE"), Location.parse("azure:swedencentral")


class Clock:
    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now


class Service:
    """A service that notes each request in a folder, so that those of all processes are counted."""

    name = "service"
    refresh = timedelta(minutes=30)

    def __init__(self, folder: Path, clock: Clock, horizon: timedelta = timedelta(days=30)) -> None:
        self.folder, self.clock, self.horizon = folder, clock, horizon
        self.error: Exception | None = None
        self.takes_seconds = 0.0
        #: What passes on the clock while an answer is made.
        self.takes = timedelta(0)
        self.level = 100.0

    @property
    def requests(self) -> int:
        return len(list(self.folder.glob("request-*")))

    async def zone(self, location: Location) -> str:
        return str(location) if location.is_region else location.name

    async def _asked(self) -> None:
        (self.folder / f"request-{os.getpid()}-{os.urandom(8).hex()}").touch()
        await asyncio.sleep(self.takes_seconds)
        self.clock.now += self.takes
        if self.error is not None:
            raise self.error

    async def forecast(self, location: Location, *, now: datetime, until: datetime) -> Forecast:
        await self._asked()
        zone = "SE-SE3" if location.is_region else location.name
        first = now.replace(minute=0, second=0, microsecond=0)
        hours = max(1, -((first - min(until, now + self.horizon)) // HOUR))
        return Forecast(zone, first, HOUR, [self.level + hour for hour in range(hours)], source=self.name)

    async def history(self, location: Location, *, start: datetime, end: datetime) -> Forecast:
        await self._asked()
        return Forecast(location.name, start, HOUR, [self.level] * ((end - start) // HOUR), source=self.name)


class Host:
    """A host: a folder for its shelf, one for the service's notes, and its clock."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = Clock()
        self.service = Service(folder / "notes", self.clock)
        self.service.folder.mkdir()

    def process(self, **more: timedelta) -> Cached:
        """Give what another process would hold: a memory of its own, on the same shelf."""
        return Cached(self.service, host=HostCache(Shelf(self.folder / "shelf")), clock=self.clock, **more)

    def ask(self, cached: Cached | None = None, location: Location = DE, hours: float = 6) -> Forecast:
        asked = cached or self.process()
        return asyncio.run(asked.forecast(location, now=self.clock.now, until=self.clock.now + hours * HOUR))


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def in_processes(works: list[Callable[[], object]]) -> list[int]:
    children = []
    for work in works:
        child = os.fork()
        if child == 0:
            code = 1
            try:
                work()
                code = 0
            except BaseException as error:
                print(repr(error), file=sys.stderr)
            finally:
                os._exit(code)
        children.append(child)
    return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]


def test_what_one_process_was_told_the_next_one_reads(host: Host) -> None:
    first, second = host.ask(), host.ask()
    assert host.service.requests == 1
    assert first.intensity.tolist() == second.intensity.tolist()
    assert (first.start, first.zone, first.source) == (second.start, second.zone, second.source)


def test_freshness_counts_from_the_request_and_not_from_the_reading(host: Host) -> None:
    host.ask()
    host.clock.now = NOON + 29 * MINUTE
    reader = host.process()
    host.ask(reader)
    host.clock.now = NOON + 30 * MINUTE
    host.service.level = 200
    # Neither from disk nor from the memory of the one who read it a minute ago.
    assert host.ask(reader).intensity[0] == 200
    assert host.service.requests == 2


def test_freshness_counts_from_when_it_was_asked_and_not_from_when_it_came(host: Host) -> None:
    host.service.takes = 15 * SECOND
    host.ask()
    host.clock.now = NOON + 30 * MINUTE
    host.ask()
    assert host.service.requests == 2


def test_a_failure_counts_from_its_end(host: Host) -> None:
    host.service.error, host.service.takes = SourceUnavailableError("down"), 15 * SECOND
    for _ in range(3):
        with pytest.raises(SourceUnavailableError, match=r"^down$"):
            host.ask()
    assert host.service.requests == 1


def test_thirty_processes_make_one_request(host: Host) -> None:
    host.service.takes_seconds = 0.2
    assert in_processes([host.ask] * 30) == [0] * 30
    assert host.service.requests == 1


def test_processes_that_ask_for_different_zones_do_not_wait_for_each_other(host: Host) -> None:
    host.service.takes_seconds = 0.1
    zones = [Location.parse(f"zone:Z{number}") for number in range(5)]
    assert in_processes([lambda zone=zone: host.ask(location=zone) for zone in zones for _ in range(4)]) == [0] * 20
    assert host.service.requests == 5


def test_two_in_one_event_loop_make_one_request(host: Host) -> None:
    host.service.takes_seconds = 0.05

    async def both() -> list[Forecast]:
        asked = (host.process().forecast(DE, now=NOON, until=NOON + HOUR) for _ in range(2))
        return await asyncio.gather(*asked)

    one, other = asyncio.run(both())
    assert host.service.requests == 1
    assert one.intensity.tolist() == other.intensity.tolist()


def test_a_failure_is_shared_for_a_short_time_by_all_processes(host: Host) -> None:
    host.service.error = SourceAuthError("the token is wrong")
    for second in range(10):
        host.clock.now = NOON + second * SECOND
        with pytest.raises(SourceAuthError, match=r"^the token is wrong$"):
            host.ask()
    assert host.service.requests == 1
    host.clock.now = NOON + 10 * SECOND
    host.service.error = None
    assert host.ask().zone == "DE"
    assert host.service.requests == 2


def test_failing_processes_make_one_request(host: Host) -> None:
    host.service.error, host.service.takes_seconds = SourceUnavailableError("down"), 0.2

    def fail() -> None:
        with pytest.raises(SourceUnavailableError):
            host.ask()

    assert in_processes([fail] * 10) == [0] * 10
    assert host.service.requests == 1


def test_a_failure_never_takes_the_place_of_the_last_good_answer(host: Host) -> None:
    host.ask()
    host.clock.now = NOON + 2 * HOUR
    host.service.error = SourceUnavailableError("down")
    with pytest.raises(SourceUnavailableError):
        host.ask()
    good = asyncio.run(host.process().last_good(DE))
    assert good is not None
    assert good.asked_at == NOON
    assert good.beginning_at(host.clock.now).intensity[0] == 102


def test_what_other_than_a_known_error_is_raised_leaves_no_words_on_disk(host: Host) -> None:
    host.service.error = ValueError("password=hunter2")
    for _ in range(2):
        with pytest.raises(SourceResponseError, match=r"^service failed with ValueError$"):
            host.ask()
    written = [file.read_bytes() for file in (host.folder / "shelf").iterdir()]
    assert written
    assert not any(b"hunter2" in one for one in written)


def test_an_answer_lies_under_the_zone_that_it_names(host: Host) -> None:
    host.ask(location=SWEDEN)
    # Whoever names the zone itself, and whoever names the region again, finds it there.
    assert host.ask(location=Location.parse("zone:SE-SE3")).zone == "SE-SE3"
    assert host.ask(location=SWEDEN).zone == "SE-SE3"
    assert host.service.requests == 1
    for location in (SWEDEN, Location.parse("zone:SE-SE3")):
        assert asyncio.run(host.process().last_good(location)) is not None


def test_an_answer_that_reaches_less_far_does_not_push_out_a_farther_one_of_its_zone(host: Host) -> None:
    zone = Location.parse("zone:SE-SE3")
    host.ask(location=zone, hours=100)
    host.ask(location=SWEDEN, hours=6)
    assert host.service.requests == 2
    assert host.ask(location=zone, hours=100).end >= NOON + 100 * HOUR
    assert host.service.requests == 2


def test_a_question_farther_than_the_kept_answer_asks_again(host: Host) -> None:
    host.ask(hours=6)
    assert host.ask(hours=100).end >= NOON + 100 * HOUR
    assert host.service.requests == 2
    host.ask(hours=6)
    host.ask(hours=144)
    assert host.service.requests == 2


def test_a_service_that_knows_no_farther_is_not_asked_again_by_another_process(host: Host) -> None:
    host.service.horizon = 24 * HOUR
    host.ask(hours=6)
    assert host.ask(hours=500).end == NOON + 24 * HOUR
    assert host.service.requests == 1


def test_an_answer_that_does_not_hold_now_is_asked_for_anew(host: Host) -> None:
    host.service.horizon = HOUR
    host.ask(host.process(ttl=3 * HOUR))
    host.clock.now = NOON + 2 * HOUR
    assert host.ask(host.process(ttl=3 * HOUR)).start == NOON + 2 * HOUR
    assert host.service.requests == 2


def test_a_clock_that_was_set_back_asks_anew(host: Host) -> None:
    host.ask()
    host.clock.now = NOON - 10 * MINUTE
    host.ask()
    assert host.service.requests == 2


def test_the_past_is_shared_by_the_hour(host: Host) -> None:
    def past(first: int, last: int) -> Forecast:
        return asyncio.run(host.process().history(DE, start=NOON + first * MINUTE, end=NOON + last * MINUTE))

    assert past(5, 50).start == NOON
    assert past(10, 20).end == NOON + HOUR
    assert host.service.requests == 1
    assert past(50, 70).end == NOON + 2 * HOUR
    assert host.service.requests == 2


@pytest.mark.parametrize("place", ["/dev/null/cache", "/proc/nowhere"])
def test_a_host_that_keeps_nothing_asks_once_for_each_process(host: Host, place: str) -> None:
    cached = Cached(host.service, host=HostCache(Shelf(Path(place))), clock=host.clock)
    for _ in range(3):
        assert host.ask(cached).zone == "DE"
    assert host.service.requests == 1
    assert asyncio.run(cached.last_good(DE)) is None


@pytest.mark.parametrize("damage", [b"", b"{}", b'{"zone": "DE"}', b"\x00" * 100, b'{"error": 1}'])
def test_damaged_documents_are_asked_for_anew(host: Host, damage: bytes) -> None:
    host.ask()
    for file in (host.folder / "shelf").glob("*.json"):
        file.write_bytes(damage)
    assert host.ask().zone == "DE"
    assert host.service.requests == 2
    host.ask()
    assert host.service.requests == 2


def test_a_zone_that_no_file_can_be_named_after_is_kept_all_the_same(host: Host) -> None:
    # Half of a surrogate pair: JSON can carry it, and a service may send it.
    strange = Location(name="../\ud800/\x00")
    assert host.ask(location=strange).zone == host.ask(location=strange).zone == strange.name
    assert host.service.requests == 1


def test_one_who_leaves_lets_the_others_have_the_answer(host: Host) -> None:
    host.service.takes_seconds = 0.1

    async def leave() -> Forecast:
        cached = host.process()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(cached.forecast(DE, now=NOON, until=NOON + HOUR), 0.01)
        return await host.process().forecast(DE, now=NOON, until=NOON + HOUR)

    assert asyncio.run(leave()).zone == "DE"
    assert host.service.requests == 1


def test_a_process_that_gives_up_lets_the_next_one_ask(host: Host) -> None:
    async def give_up() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(host.process().forecast(DE, now=NOON, until=NOON + HOUR), 0.01)

    host.service.takes_seconds = 60
    asyncio.run(give_up())
    host.service.takes_seconds = 0
    assert host.ask().zone == "DE"
    assert host.service.requests == 2


def test_a_service_that_never_answers_is_given_up_for_all(host: Host) -> None:
    host.service.takes_seconds = 600
    for _ in range(2):
        with pytest.raises(SourceUnavailableError, match=r"^service: no answer within 0\.05 s$"):
            host.ask(host.process(patience=timedelta(milliseconds=50)))
    assert host.service.requests == 1


def test_what_is_asked_unshared_raises_known_errors_alone(host: Host) -> None:
    class Late(Service):
        async def forecast(self, location: Location, *, now: datetime, until: datetime) -> Forecast:
            if self.requests:
                self.error = KeyError("password=hunter2")
            return await super().forecast(location, now=now + 5 * HOUR, until=until)

    late = Late(host.service.folder, host.clock)
    with pytest.raises(CarbonError, match=r"^service failed with KeyError$"):
        host.ask(Cached(late, host=HostCache(Shelf(host.folder / "shelf")), clock=host.clock))
    assert late.requests == 2
