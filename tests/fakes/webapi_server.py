"""The Carbon Aware SDK's WebApi of this package, served on a real socket, over a grid and a clock of a test's own."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_carbon.plugin.webapi.grid import Sources
    from airflow_carbon.sources.base import CarbonSource


class FixedGrid:
    """A grid whose clock stands where the test puts it.

    :param chain: answers every question; `earlier` those about forecasts of the past.
    """

    def __init__(self, now: datetime, chain: CarbonSource, earlier: CarbonSource | None = None) -> None:
        self.moment = now
        self.chain = chain
        self.earlier = earlier

    async def sources(self) -> Sources:
        from airflow_carbon.plugin.webapi.grid import Sources

        return Sources(self.chain, self.chain, self.earlier)

    def now(self) -> datetime:
        return self.moment


def series(path: Path, start: datetime, step: timedelta, values: Sequence[float]) -> CarbonSource:
    """Make a source of a CSV file."""
    from airflow_carbon.sources.history import History

    rows = [f"{(start + row * step).isoformat()},{value}" for row, value in enumerate(values)]
    path.write_text("\n".join(["timestamp,intensity", *rows]))
    return History(path)


@contextmanager
def served(app: Any) -> Iterator[str]:
    """Serve an ASGI app on a free port of this host, and give its address."""
    import uvicorn

    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, lifespan="off", log_level="error", ws="none", loop="asyncio")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    try:
        while not server.started and thread.is_alive():
            time.sleep(0.01)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listening.close()


@contextmanager
def webapi(grid: Any = None) -> Iterator[str]:
    """Serve the WebApi alone; None for the sources of Airflow's connections."""
    from fastapi import FastAPI

    from airflow_carbon.plugin.webapi import router

    app = FastAPI()
    app.include_router(router(grid))
    with served(app) as url:
        yield url
