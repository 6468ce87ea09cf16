"""The app as Airflow mounts it: built on its first request, since a task process loads the plugin and asks for none."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

log = logging.getLogger(__name__)

#: How long a failure to build the app counts [s]; each try costs the imports again.
RETRY_SECONDS = 30.0
_SAYS = b'{"detail": "the Carbon pages could not be loaded; the reason stands in the log of the api-server"}'


def _build() -> App:
    from airflow_carbon.plugin.app import build
    from airflow_carbon.plugin.guard import Guard

    # Around all of it: what FastAPI answers to a failure goes past its own middleware.
    return Guard(build())


class LazyApp:
    """Build the app when it is first asked for; where that fails, say so with status 500.

    Airflow would answer its own main page, with status 200, in place of a plugin whose import breaks.

    :param build: makes the app.
    """

    def __init__(self, build: Callable[[], App] = _build) -> None:
        self._build = build
        self._app: App | None = None
        self._lock = threading.Lock()
        self._failed_at: float | None = None

    def __repr__(self) -> str:
        return "<the Carbon pages, built on their first request>"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        # Beside the loop: the imports behind it take half a second.
        app = self._app or await asyncio.to_thread(self._built)
        if app is not None:
            await app(scope, receive, send)
        elif scope["type"] == "http":
            await _refuse(send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1011})

    def _built(self) -> App | None:
        with self._lock:
            if self._app is None and (self._failed_at is None or time.monotonic() - self._failed_at >= RETRY_SECONDS):
                try:
                    self._app = self._build()
                except Exception:
                    self._failed_at = time.monotonic()
                    log.exception("the Carbon pages could not be loaded")
            return self._app


async def _refuse(send: Send) -> None:
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(_SAYS)).encode()),
               (b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff")]  # fmt: skip
    await send({"type": "http.response.start", "status": 500, "headers": headers})
    await send({"type": "http.response.body", "body": _SAYS})
