"""The one way to the network: every source asks through here, and only here is httpx known.

httpx and tenacity are imported with the first request: an answer that lies in a cache costs neither.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import zlib
from collections.abc import Awaitable, Callable, Iterable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from airflow_carbon.exceptions import (
    CarbonError,
    InvalidRequestError,
    SourceAuthError,
    SourceResponseError,
    SourceUnavailableError,
)
from airflow_carbon.web.per_loop import PerLoop
from airflow_carbon.web.service_words import rest_asked_for, words_of

if TYPE_CHECKING:
    import httpx

    from airflow_carbon.web.quota import Quota

#: No question takes longer than this [s], with all that is tried again.
CEILING = 20.0
#: Shares of the ceiling: to connect in, to wait for bytes, and to pause before the second try.
CONNECT, READ, PAUSE = 0.25, 0.4, 0.025
ATTEMPTS = 3
#: Where trying again can help: too many requests, and servers that fail; 501 says that it never will.
TRANSIENT = frozenset({408, 429, 500, 502, 503, 504})
#: Larger than any answer of the services that are known here [bytes], unpacked; and what is read of a refusal.
LARGEST, LARGEST_REFUSAL = 4 * 1024**2, 64 * 1024
#: More values than any of them has; so many take some tenths of a second to read, in which no other trigger moves.
MOST_VALUES = 200_000
REDIRECTS = 3

#: Turns a refusal, its status and words, into the error that it means; None leaves it to the general rule.
Meaning = Callable[[int, str], CarbonError | None]


class Http:
    """Ask one service, politely: bounded in time, tried again only where that can help, within its quota.

    :param name: of the service, for messages.
    :param base_url: its address, with scheme; paths are appended.
    :param headers: sent with each request; their values never appear in a message.
    :param quota: counts requests and holds them back; None counts none.
    :param ceiling: no question takes longer [s], with all that is tried again; waits and pauses are shares of it.
    :raises InvalidRequestError: if the address is none, or holds a password.
    """

    def __init__(
        self,
        name: str,
        base_url: str,
        *,
        headers: Mapping[str, str] | None = None,
        quota: Quota | None = None,
        ceiling: float = CEILING,
    ) -> None:
        if "@" in base_url:
            raise InvalidRequestError(
                f"{name}: the address must hold no user and no password, since addresses are logged; they belong in "
                "fields of their own"
            )
        if not _is_address(base_url):
            raise InvalidRequestError(f"{name}: {base_url!r} is no address; write for example https://host.example")
        self.name = name
        self.base_url = base_url.rstrip("/")
        self._headers = dict(headers or {})
        self._quota = quota
        self._ceiling = ceiling

    async def get(
        self,
        path: str,
        params: Mapping[str, Any] | Iterable[tuple[str, Any]] | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        meaning: Meaning | None = None,
        empty_is_transient: bool = False,
    ) -> Any:
        """Get a JSON answer; None for an empty one.

        :param path: below the address, beginning with ``/``.
        :param params: of the query; a parameter that is None is left out.
        :param headers: beside those of every request.
        :param meaning: what a refusal (4xx, 501) of this service means where it is known better.
        :param empty_is_transient: ask again where the answer is empty or ``{}``.
        :raises SourceUnavailableError: if no answer came in time, the service failed, or the quota is spent.
        :raises SourceAuthError: for 401 and 403, and for credentials that no request can carry.
        :raises SourceResponseError: for any other refusal, or an answer that is no JSON or too large.
        :raises InvalidRequestError: if address and path make no address.
        """
        pairs = params.items() if isinstance(params, Mapping) else params or ()
        query = [(name, value) for name, value in pairs if value is not None]
        sent = {name: value.strip() for name, value in {**self._headers, **(headers or {})}.items()}
        if not all(value.isascii() and value.isprintable() for value in sent.values()):
            raise SourceAuthError(f"{self.name}: the credentials hold a character that cannot be sent; copy them anew")
        return await self._in_time(lambda: self._once(path, query, sent, meaning, empty_is_transient))

    async def post(self, path: str, document: Any) -> None:
        """Send a JSON document; what is answered is not read. It may arrive twice, where the answer was lost.

        :param path: below the address, beginning with ``/``; empty for the address itself.
        :raises SourceError: as :meth:`get`, and for a redirect, which is not followed: it goes to who was named alone.
        """
        content = json.dumps(document, allow_nan=False).encode()
        sent = {**self._headers, "Content-Type": "application/json"}
        await self._in_time(lambda: self._once(path, [], sent, None, False, content))

    async def _in_time(self, once: Callable[[], Awaitable[Any]]) -> Any:
        try:
            async with asyncio.timeout(self._ceiling):
                return await self._tried(once)
        except TimeoutError:
            raise SourceUnavailableError(f"{self.name}: no answer within {self._ceiling:g} s") from None

    async def _tried(self, once: Callable[[], Awaitable[Any]]) -> Any:
        tenacity = await _imported("tenacity")
        pause = PAUSE * self._ceiling

        def wait(state: Any) -> float:
            asked = state.outcome.exception().rest
            least = pause * 2 ** (state.attempt_number - 1) if asked is None else asked
            # Never earlier than asked, and not all askers at once.
            return float(least + random.uniform(0, pause))  # noqa: S311 - spreads load, guards nothing

        try:
            async for attempt in tenacity.AsyncRetrying(
                retry=tenacity.retry_if_exception_type(_TransientError),
                # No try is begun that could not end in time: the next source is asked instead.
                stop=tenacity.stop_after_attempt(ATTEMPTS) | tenacity.stop_before_delay((1 - READ) * self._ceiling),
                wait=wait,
                reraise=True,
            ):
                with attempt:
                    return await once()
        except _TransientError as failed:
            if failed.rest and self._quota is not None:
                self._quota.hold(failed.rest)
            raise SourceUnavailableError(f"{self.name}: {failed}") from None
        raise AssertionError("unreachable: the last attempt answers or raises")

    async def _once(
        self,
        path: str,
        query: list[tuple[str, Any]],
        sent: Mapping[str, str],
        meaning: Meaning | None,
        again: bool,
        content: bytes | None = None,
    ) -> Any:
        if self._quota is not None:
            self._quota.take(self.name)
        status, headers, body = await self._answer(path, query, sent, content)
        if content is not None and 200 <= status < 300:
            return None
        if status == 204 or (status == 200 and not body.strip()):
            if again:
                raise _TransientError("an empty answer")
            return None
        if status == 200:
            payload = self._json(body, sent)
            if again and payload == {}:
                raise _TransientError("an empty answer")
            return payload
        words = words_of(body, sent)
        if status in TRANSIENT:
            raise _TransientError(f"{status} {words}".strip(), rest_asked_for(headers))
        meant = meaning(status, words) if meaning is not None else None
        if meant is not None:
            raise meant
        if status in (401, 403):
            raise SourceAuthError(f"{self.name} refuses these credentials ({status}): {words or 'no reason given'}")
        raise SourceResponseError(f"{self.name} refuses {path} ({status}): {words or 'no reason given'}")

    async def _answer(
        self, path: str, query: list[tuple[str, Any]], sent: Mapping[str, str], content: bytes | None
    ) -> tuple[int, Mapping[str, str], bytes]:
        httpx = await _imported("httpx")
        client = await _clients.get()
        timeout = httpx.Timeout(READ * self._ceiling, connect=CONNECT * self._ceiling)
        try:
            method, url = "GET" if content is None else "POST", self.base_url + path
            request = client.build_request(method, url, params=query, headers=sent, content=content, timeout=timeout)
            for _ in range(REDIRECTS + 1):
                response = await client.send(request, stream=True)
                try:
                    following = response.next_request
                    if following is None:
                        return response.status_code, response.headers, await self._body(response)
                finally:
                    await response.aclose()
                if content is not None or not _is_same_service(request.url, following.url):
                    to = f"{following.url.scheme}://{following.url.netloc.decode()}"
                    raise SourceResponseError(
                        f"{self.name} redirects to {to}; name it in the connection if it is meant"
                    )
                request = following
        except httpx.TimeoutException:
            raise _TransientError("no answer in time") from None
        except httpx.TransportError as error:
            # Its kind alone: its words may repeat a header.
            raise _TransientError(f"the connection failed ({type(error).__name__})") from None
        except httpx.InvalidURL:
            raise InvalidRequestError(f"{self.name}: {self.base_url + path!r} is no address") from None
        raise SourceResponseError(f"{self.name} redirects more than {REDIRECTS} times")

    async def _body(self, response: httpx.Response) -> bytes:
        """Read an answer, unpacked piece by piece: a small one that unpacks into a huge one fills no memory."""
        httpx = await _imported("httpx")
        coding = response.headers.get("content-encoding", "identity").strip().lower()
        if coding not in ("", "identity", "gzip", "x-gzip"):
            raise SourceResponseError(f"{self.name}: the answer is packed as {coding!r}, which was not asked for")
        unpacking = zlib.decompressobj(wbits=31) if "gzip" in coding else None
        most = LARGEST if response.is_success else LARGEST_REFUSAL
        body = bytearray()
        try:
            async for piece in response.aiter_raw():
                body += piece if unpacking is None else unpacking.decompress(piece, most + 1 - len(body))
                if len(body) > most:
                    break
        except httpx.TransportError:
            # The status of a refusal says enough.
            if response.is_success:
                raise
        except zlib.error:
            raise SourceResponseError(f"{self.name}: the answer cannot be unpacked") from None
        if len(body) > most and response.is_success:
            raise SourceResponseError(f"{self.name}: the answer is larger than {most // 1024**2} MiB")
        return bytes(body)

    def _json(self, body: bytes, sent: Mapping[str, str]) -> Any:
        # Counted before any is made: in memory an empty list takes twenty times the place that it takes in the answer.
        if (values := body.count(b",") + body.count(b"[") + body.count(b"{")) > MOST_VALUES:
            raise SourceResponseError(f"{self.name}: the answer has {values} values, and {MOST_VALUES} are the most")
        try:
            return json.loads(body)
        except (ValueError, RecursionError):
            begin = words_of(body, sent)
            raise SourceResponseError(f"{self.name}: the answer is no JSON; it begins {begin!r}") from None


class _TransientError(Exception):
    """A failure that another try may not meet; :attr:`rest` is how long the service asks to be left alone [s]."""

    def __init__(self, said: str, rest: float | None = None) -> None:
        super().__init__(said)
        self.rest = rest


_modules: dict[str, Any] = {}


async def close() -> None:
    """Close the connections of the running event loop, before it ends."""
    await _clients.close()


def _client() -> httpx.AsyncClient:
    import httpx

    # By its name: the package itself leads to all floors above, which nothing down here imports.
    user_agent = f"airflow-provider-carbon/{import_module('airflow_carbon').__version__}"
    return httpx.AsyncClient(
        headers={"User-Agent": user_agent, "Accept": "application/json", "Accept-Encoding": "gzip"},
        limits=httpx.Limits(max_connections=100, max_keepalive_connections=20, keepalive_expiry=60.0),
        follow_redirects=False,
    )


_clients = PerLoop(_client)


async def _imported(name: str) -> Any:
    # Beside the loop: a fifth of a second would stall every trigger. Not from sys.modules, where a module that another
    # thread still imports stands before it is complete.
    if name not in _modules:
        _modules[name] = await asyncio.to_thread(import_module, name)
    return _modules[name]


def _is_address(base_url: str) -> bool:
    try:
        split = urlsplit(base_url)
        return bool(re.fullmatch(r"https?://[^\s/?#]+(/[^\s?#]*)?", base_url) and split.hostname) and split.port != 0
    except ValueError:
        return False


def _is_same_service(asked: httpx.URL, to: httpx.URL) -> bool:
    """Tell whether a redirect leads no credentials astray: same host and port, or the host's own https."""
    upgraded = (asked.scheme, asked.port, to.scheme, to.port) == ("http", None, "https", None)
    return to.host == asked.host and (upgraded or (to.scheme, to.port) == (asked.scheme, asked.port))
