"""What stands before every route: a bound on what comes in, no act by cookie, and the headers of what goes out."""

from __future__ import annotations

import json
from collections.abc import MutableMapping
from typing import Any

from starlette.datastructures import Headers, MutableHeaders

from airflow_carbon.plugin.asgi import App, Receive, Scope, Send

#: Bytes of a request's body at the most.
LARGEST_BODY = 1_000_000
#: Methods that change nothing, and that a browser's cookie may stand for.
HARMLESS = frozenset({"GET", "HEAD", "OPTIONS"})

ALWAYS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "x-frame-options": "SAMEORIGIN",
}
#: What a page does not say itself.
UNLESS_SAID = {
    "content-security-policy": "default-src 'none'; frame-ancestors 'self'",
    # Every answer is one user's own.
    "cache-control": "no-store",
}


def page_policy(nonce: str) -> str:
    """Give the content security policy of an HTML page.

    The chart library writes its style rules into a ``<style>`` of the page, hence the nonce. No script runs but those
    served from here, and no style that is written into an element.

    :param nonce: of this answer alone.
    """
    return (
        "default-src 'none'; script-src 'self'; "
        f"style-src 'self' 'nonce-{nonce}'; "
        "img-src 'self' data:; connect-src 'self'; base-uri 'self'; form-action 'none'; frame-ancestors 'self'"
    )


class Guard:
    """Let a request through to the app, or refuse it.

    :param app: what serves it.
    """

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def headed(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(ALWAYS)
                for name, value in UNLESS_SAID.items():
                    headers.setdefault(name, value)
            await send(message)

        if scope["method"] not in HARMLESS:
            headers = Headers(scope=scope)
            if not _bears_token(headers):
                said = "this changes something or costs a computation: send the header Authorization: Bearer TOKEN"
                await _refuse(headed, 401, said, [(b"www-authenticate", b"Bearer")])
                return
            body = await _body(headers, receive)
            if body is None:
                await _refuse(headed, 413, f"the body must be at most {LARGEST_BODY:,} bytes", [])
                return
            receive = _again(body, receive)
        await self._app(scope, receive, headed)


def _bears_token(headers: Headers) -> bool:
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return scheme.lower() == "bearer" and bool(token.strip())


async def _body(headers: Headers, receive: Receive) -> bytes | None:
    """Read the body; None where it is too large."""
    said = headers.get("content-length", "0")
    if not said.isdecimal() or int(said) > LARGEST_BODY:
        return None
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return bytes(body)
        body += message.get("body", b"")
        if len(body) > LARGEST_BODY:
            return None
        if not message.get("more_body"):
            return bytes(body)


def _again(body: bytes, receive: Receive) -> Receive:
    given = False

    async def repeat() -> MutableMapping[str, Any]:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return repeat


async def _refuse(send: Send, status: int, said: str, headers: list[tuple[bytes, bytes]]) -> None:
    body = json.dumps({"detail": said}).encode()
    told = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode()), *headers]
    await send({"type": "http.response.start", "status": status, "headers": told})
    await send({"type": "http.response.body", "body": body})
