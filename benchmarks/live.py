"""What live data costs: reading an answer, finding it in a cache, and asking for fifty zones at once.

Run: ``python benchmarks/live.py``; the services are a local server in a process of its own.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from airflow_carbon.core.location import Location
from airflow_carbon.sources.cached import Cached
from airflow_carbon.sources.electricity_maps import ElectricityMaps
from airflow_carbon.sources.host_cache import HostCache
from airflow_carbon.sources.places import Places
from airflow_carbon.sources.watttime_token import Token
from airflow_carbon.web.http import Http, close
from airflow_carbon.web.shelf import Shelf

SERVER = Path(__file__).resolve().parent.parent / "tests" / "fakes" / "grid_server.py"
NOW = datetime.now(UTC)
UNTIL = NOW + timedelta(hours=71)
ZONES = 50
#: How long the local server thinks about each answer [s]: about what a service across the internet takes.
THINKS = 0.2


@contextmanager
def server() -> Iterator[str]:
    process = subprocess.Popen(
        [sys.executable, str(SERVER), "--control"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.communicate()


def order(url: str, **orders: Any) -> None:
    request = urllib.request.Request(f"{url}/control", json.dumps(orders).encode(), method="POST")
    with urllib.request.urlopen(request) as answer:
        answer.read()


def report(figure: str, target: str, seconds: list[float], unit: float = 1e3, name: str = "ms") -> None:
    least, median = min(seconds) * unit, statistics.median(seconds) * unit
    print(f"{figure:<62}{target:>10}{least:>10.2f}{median:>10.2f} {name}")


def timed(work: Callable[[], object], repeats: int) -> list[float]:
    seconds = []
    for _ in range(repeats):
        begin = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - begin)
    return seconds


async def atimed(work: Callable[[], Awaitable[object]], repeats: int) -> list[float]:
    seconds = []
    for _ in range(repeats):
        begin = time.perf_counter()
        await work()
        seconds.append(time.perf_counter() - begin)
    return seconds


def electricity_maps(url: str, granularity: str) -> ElectricityMaps:
    http = Http("electricity_maps", f"{url}/em", headers={"auth-token": "em-token-of-the-fake"})
    return ElectricityMaps(http, Places(), temporal_granularity=granularity)


async def parsing(url: str) -> None:
    from airflow_carbon.sources import electricity_maps_answer, watttime_answer

    http = Http("watttime", f"{url}/wt")
    login = await Token(http, "wt-user-of-the-fake", "wt-password-of-the-fake").current()
    asked = {"region": "CAISO_NORTH", "signal_type": "co2_moer", "horizon_hours": 72}
    wt = await http.get("/v3/forecast", asked, headers={"Authorization": f"Bearer {login}"})
    em_http = Http("electricity_maps", f"{url}/em", headers={"auth-token": "em-token-of-the-fake"})
    asked = {"zone": "DE", "horizonHours": 72, "temporalGranularity": "5_minutes", "disableCallerLookup": "true"}
    em = await em_http.get("/v4/carbon-intensity/forecast", asked)
    read_wt = partial(
        watttime_answer.read_forecast, wt, region="CAISO_NORTH", signal_type="co2_moer", now=datetime.now(UTC)
    )
    read_em = partial(electricity_maps_answer.read_forecast, em, now=datetime.now(UTC), granularity="5_minutes")
    for vendor, payload, read in (("WattTime", wt, read_wt), ("Electricity Maps", em, read_em)):
        text = json.dumps(payload).encode()
        rows = len(read())
        report(f"reading {vendor}'s forecast, 72 h at 5 min ({rows} steps)", "2 ms", timed(read, 200))
        whole = timed(lambda text=text, read=read: (json.loads(text), read()), 200)
        report("  the same with decoding its JSON", "", whole)


async def caches(url: str, folder: Path) -> None:
    location = Location.parse("zone:DE")
    shelf = Shelf(folder / "shelf")
    source = electricity_maps(url, "5_minutes")
    cached = Cached(source, host=HostCache(shelf))

    def ask(one: Cached) -> Awaitable[object]:
        return one.forecast(location, now=datetime.now(UTC), until=UNTIL)

    await ask(cached)
    report("a cached answer, in memory", "50 us", await atimed(lambda: ask(cached), 2000), 1e6, "us")
    # A new one for each question knows nothing but the disk, as a task's process does.
    fresh = lambda: ask(Cached(source, host=HostCache(shelf)))  # noqa: E731
    report("a cached answer, from disk", "2 ms", await atimed(fresh, 500))


async def many(url: str, granularity: str, step: float) -> None:
    order(url, heal=True, step={"em": step}, fail={"vendor": "em", "fault": "slow", "seconds": THINKS})
    source = electricity_maps(url, granularity)
    locations = [Location.parse(f"zone:DE-Z{zone}") for zone in range(ZONES)]

    async def ask(location: Location) -> float:
        begin = time.perf_counter()
        await source.forecast(location, now=datetime.now(UTC), until=UNTIL)
        return time.perf_counter() - begin

    alone = [await ask(location) for location in locations[:10]]
    together = await atimed(lambda: asyncio.gather(*map(ask, locations)), 5)
    report(f"one zone alone, {granularity}, the server thinking {THINKS:g} s", "", alone)
    report(f"{ZONES} zones at once", "", together)
    ratio = min(together) / max(alone), statistics.median(together) / max(alone)
    print(
        f"{f'{ZONES} zones at once, over the slowest of them alone':<62}{'1.5':>10}{ratio[0]:>10.2f}{ratio[1]:>10.2f}"
    )


async def everything(url: str, folder: Path) -> None:
    try:
        await parsing(url)
        await caches(url, folder)
        order(url, series={f"DE-Z{zone}": 100.0 + zone for zone in range(ZONES)})
        await many(url, "hourly", 3600.0)
        await many(url, "5_minutes", 300.0)
    finally:
        await close()


def main() -> None:
    print(f"{'figure':<62}{'target':>10}{'min':>10}{'median':>10}")
    with server() as url, tempfile.TemporaryDirectory() as folder:
        order(url, step={"em": 300.0})
        asyncio.run(everything(url, Path(folder)))


if __name__ == "__main__":
    main()
