"""What the Carbon Aware SDK's WebApi costs the api-server: ``forecasts/current`` beside a bare FastAPI route.

Run: ``python benchmarks/webapi.py``; the server is a process of its own, so that it has one core and the askers have
another.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import socket
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

#: Askers with a connection of their own, and how long they ask [s]; rounds, in turn with the bare route.
ASKERS, SECONDS, ROUNDS = 16, 3.0, 5
#: About what 72 h at 5 min take [bytes]: a bare route that answers with as much tells what sending it costs alone.
LARGE = 83_700
HOURS, HOUR = 72, timedelta(hours=1)


def serve(listening: socket.socket, folder: str) -> None:
    import uvicorn
    from fastapi import FastAPI, Response

    from airflow_carbon.plugin.webapi import router
    from airflow_carbon.plugin.webapi.grid import Sources
    from airflow_carbon.sources.cached import Cached
    from airflow_carbon.sources.history import History

    class Grid:
        """A file's series in place of a connection's: what is measured lies behind it."""

        def __init__(self, step: timedelta) -> None:
            self.step = step
            start = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
            rows = (f"{(start + row * step).isoformat()},{300 + row % 97}" for row in range(HOURS * HOUR // step))
            file = Path(folder) / f"{step.total_seconds():.0f}.csv"
            file.write_text("\n".join(["timestamp,intensity", *rows]))
            source = Cached(History(file))
            self.known = Sources(source, source, None)

        async def sources(self) -> Sources:
            return self.known

        def now(self) -> datetime:
            return datetime.now(UTC)

    app = FastAPI()
    app.include_router(router(Grid(HOUR)), prefix="/hourly")
    app.include_router(router(Grid(timedelta(minutes=5))), prefix="/five")

    @app.get("/bare")
    async def bare() -> dict[str, bool]:
        return {"ok": True}

    large = b" " * LARGE

    @app.get("/large")
    async def as_large() -> Response:
        return Response(large)

    uvicorn.Server(uvicorn.Config(app, lifespan="off", log_level="error", access_log=False, ws="none")).run([listening])


@contextmanager
def server() -> Iterator[int]:
    listening = socket.create_server(("127.0.0.1", 0))
    port: int = listening.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        process = multiprocessing.get_context("fork").Process(target=serve, args=(listening, folder), daemon=True)
        process.start()
        listening.close()
        try:
            yield port
        finally:
            process.terminate()
            process.join()


async def one(port: int, path: str, until: float, seconds: list[float], sizes: set[int]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**20)
    # As nearly every client asks.
    coding = "identity" if path.endswith("&plain") else "gzip"
    request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept-Encoding: {coding}\r\n\r\n".encode()
    begin = 0.0
    while not begin or begin < until:
        begin = time.perf_counter()
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), head
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r")[0])
        await reader.readexactly(length)
        seconds.append(time.perf_counter() - begin)
        sizes.add(length)
    writer.close()


async def asked(port: int, path: str, askers: int = ASKERS, seconds: float = SECONDS) -> tuple[float, float, int]:
    """Give requests per second, the 99th percentile of the time of one [ms], and the size of an answer [bytes]."""
    taken: list[float] = []
    sizes: set[int] = set()
    begin = time.perf_counter()
    await asyncio.gather(*(one(port, path, begin + seconds, taken, sizes) for _ in range(askers)))
    rate = len(taken) / (time.perf_counter() - begin)
    return rate, statistics.quantiles(taken, n=100)[98] * 1e3, max(sizes)


async def unkept(port: int, path: str) -> list[float]:
    """Ask one by one what nobody asked before [s]."""
    taken: list[float] = []
    for number in range(100):
        begin = time.perf_counter()
        await one(port, f"{path}&windowSize={10 + number}", begin + 1e-9, taken, set())
    return taken


async def everything(port: int) -> None:
    query = "emissions/forecasts/current?location=swedencentral&windowSize=10"
    paths = {
        "bare FastAPI route": "/bare",
        "bare, of 84 kB": "/large",
        "72 h by the hour": f"/hourly/{query}",
        "72 h at 5 min": f"/five/{query}",
        "72 h at 5 min, unpacked": f"/five/{query}&plain",
    }
    for _ in range(100):
        try:
            for path in paths.values():
                await one(port, path, time.perf_counter() + 0.5, [], set())
            break
        except OSError:
            await asyncio.sleep(0.1)
    rounds: dict[str, list[tuple[float, float, int]]] = {name: [] for name in paths}
    for _ in range(ROUNDS):
        for name, path in paths.items():
            rounds[name].append(await asked(port, path))
    bare = rounds["bare FastAPI route"]
    for name, found in rounds.items():
        rates, slowest = [rate for rate, _, _ in found], [p99 for _, p99, _ in found]
        # Each round beside the bare route's of the same few seconds: the machine is not equally busy all the time.
        shares = [rate / other for rate, (other, *_) in zip(rates, bare, strict=True)]
        target = "" if name.startswith("bare") else "0.5"
        print(
            f"{name:<28}{found[0][2]:>9}{max(rates):>10.0f}{statistics.median(rates):>10.0f}"
            f"{min(slowest):>10.1f}{statistics.median(slowest):>10.1f}{target:>8}"
            f"{max(shares):>8.2f}{statistics.median(shares):>8.2f}"
        )
    for name, path in list(paths.items())[2:4]:
        taken = await unkept(port, path.replace("&windowSize=10", ""))
        print(f"written anew, {name:<20}{min(taken) * 1e3:>28.1f} ms{statistics.median(taken) * 1e3:>10.1f} ms median")


def main() -> None:
    print(f"forecasts/current from cache, {ASKERS} askers, rounds of {SECONDS:g} s in turn\n")
    heads = ("bytes", "best/s", "median/s", "p99 ms", "median", "target", "share", "median")
    print(
        f"{'':<28}{heads[0]:>9}"
        + "".join(f"{head:>10}" for head in heads[1:5])
        + "".join(f"{one:>8}" for one in heads[5:])
    )
    with server() as port:
        asyncio.run(everything(port))


if __name__ == "__main__":
    main()
