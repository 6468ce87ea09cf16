"""A network namespace for one unit: it reaches those ports of this machine that are offered to it, until cut off."""

from __future__ import annotations

import asyncio
import ctypes
import os
import socket
import subprocess
import threading
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, TypeVar

from airflow_carbon.exceptions import LocalAirflowError

T = TypeVar("T")
CLONE_NEWNET = 0x40000000


class Network:
    """A loopback of its own, and relays from its ports to the same ports of the host.

    The namespace has no name, and lives as long as a process or the thread in here does: nothing is left of it.

    :raises LocalAirflowError: if this machine does not let us make one.
    """

    def __init__(self) -> None:
        # Processes that this one thread starts live in the namespace, and sockets that it opens listen there.
        self._within = ThreadPoolExecutor(max_workers=1, thread_name_prefix="namespace")
        self._loop = asyncio.new_event_loop()
        self._servers: list[asyncio.Server] = []
        self._passes: dict[int, asyncio.Event] = {}
        #: The loop itself holds its tasks loosely, and one that waits would be collected.
        self._relays: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._loop.run_forever, name="relay", daemon=True)
        self._thread.start()
        try:
            self.inside(_leave)
        except (OSError, subprocess.SubprocessError) as error:
            self.close()
            raise LocalAirflowError(f"no network namespace can be made here: {error}") from None

    def inside(self, do: Callable[[], T]) -> T:
        """Do something within, such as to start a process."""
        return self._within.submit(do).result()

    def offer(self, port: int) -> None:
        """Offer a port of the host's 127.0.0.1 on the own one; nothing where it is offered already."""
        if port in self._passes:
            return
        listening = self.inside(lambda: socket.create_server(("127.0.0.1", port), backlog=128))
        passes = self._passes[port] = asyncio.Event()
        passes.set()

        async def serve() -> None:
            self._servers.append(
                await asyncio.start_server(lambda *ends: self._begin(self._relay(port, passes, *ends)), sock=listening)
            )

        asyncio.run_coroutine_threadsafe(serve(), self._loop).result(10)

    def cut(self, *ports: int) -> None:
        """Let nothing pass any more, neither bytes nor ends of connections; all ports where none is named."""
        for port in ports or self._passes:
            self._loop.call_soon_threadsafe(self._passes[port].clear)

    def mend(self) -> None:
        """Let everything pass again; what was sent meanwhile arrives now."""
        for passes in self._passes.values():
            self._loop.call_soon_threadsafe(passes.set)

    def close(self) -> None:
        """End the relays."""
        self.mend()

        async def end() -> None:
            for server in self._servers:
                server.close()
            others = asyncio.all_tasks() - {asyncio.current_task()}
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()
        self._within.shutdown()

    def _begin(self, relay: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(relay)
        self._relays.add(task)
        task.add_done_callback(self._relays.discard)

    async def _relay(
        self, port: int, passes: asyncio.Event, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        try:
            await passes.wait()
            there, back = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            # As who is refused there: the end of the connection says so.
            writer.close()
            return
        try:
            await asyncio.gather(_pump(passes, reader, back), _pump(passes, there, writer))
        finally:
            for end in (writer, back):
                with suppress(OSError):
                    end.close()


def networks(names: Sequence[str]) -> tuple[dict[str, Network], str]:
    """Make a network for each name; where none can be made there are none, and it is said why."""
    try:
        return {name: Network() for name in names}, "" if names else "no unit has a network of its own"
    except LocalAirflowError as error:
        return {}, str(error)


async def _pump(passes: asyncio.Event, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while piece := await reader.read(65536):
            await passes.wait()
            writer.write(piece)
            await writer.drain()
    except OSError:
        await passes.wait()
        # One that broke off breaks off on the other side too.
        writer.close()
        return
    await passes.wait()
    with suppress(OSError):
        writer.write_eof()


def _leave() -> None:
    libc: Any = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNET):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True, capture_output=True, timeout=10)
