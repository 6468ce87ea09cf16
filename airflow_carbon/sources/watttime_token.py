"""WattTime's token: one login for all who ask, on this host.

The token is kept in memory. The processes of a host share nothing but the disk, and each task is a process of its own;
so that they need not log in one by one, they hand the token over sealed: encrypted (Fernet) by a key that is derived
from user and password (scrypt, RFC 7914, with a random salt that lies beside it). Who can open it could log in anyway;
a changed password makes it useless; whatever cannot be opened means one new login. No token is ever readable on disk.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import os
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from time import time
from typing import TYPE_CHECKING, Any

from airflow_carbon.exceptions import CarbonError, SourceAuthError, SourceResponseError
from airflow_carbon.web.flights import Flights
from airflow_carbon.web.kept_failure import KeptFailure

if TYPE_CHECKING:
    from airflow_carbon.web.http import Http
    from airflow_carbon.web.shelf import Shelf

#: A token lives for 30 minutes; it is not used up to the last of them [s].
RENEWED_AFTER = 25 * 60.0
#: So long nobody on this host repeats a login that failed.
FAILURE_KEPT = timedelta(seconds=10)
_NAME = "token"


class Token:
    """Hold the token of one user, and log in where there is none that can be used.

    :param http: asks the service.
    :param user: name at WattTime.
    :param password: of that user; neither it nor the token appears in a message, or readably on disk.
    :param shelf: where processes of this host hand the token over; None keeps it in this process alone.
    :param clock: gives the seconds since the epoch [s].
    """

    def __init__(
        self, http: Http, user: str, password: str, shelf: Shelf | None = None, clock: Callable[[], float] = time
    ) -> None:
        self._http = http
        self._credentials = (user, password)
        self._shelf = shelf
        self._clock = clock
        self._held: _Login | None = None
        self._refused = ""
        self._seal: _Seal | None = None
        self._flights: Flights[_Login] = Flights()

    async def current(self, refused: str = "") -> str:
        """Give the token, after one login for all who wait where it is too old.

        :param refused: a token that the service refused: it is given to nobody any more.
        :raises SourceAuthError: if the service refuses user and password.
        :raises SourceUnavailableError: if it cannot answer now.
        :raises SourceResponseError: if it answers with no token.
        """
        self._refused = refused or self._refused
        held = self._held
        if held is None or not self._serves(held):
            held = await self._flights.shared(_NAME, self._obtained)
        return held.token

    def _serves(self, login: _Login | None) -> bool:
        # One from the future is of a clock that was set back since.
        return login is not None and login.token != self._refused and 0.0 <= self._clock() - login.at < RENEWED_AFTER

    async def _obtained(self) -> _Login:
        # Held before the request counts as over: who asks in between must not log in once more.
        self._held = await (self._logged_in() if self._shelf is None else self._shared(self._shelf))
        return self._held

    async def _shared(self, shelf: Shelf) -> _Login:
        # Looked up before it is waited for: most processes find a token that serves, and need no lock.
        landed = await self._handed_over(shelf)
        if landed is None:
            async with shelf.alone(_NAME):
                landed = await self._handed_over(shelf)
                if landed is None:
                    landed = await self._tried()
                    if self._seal is not None:
                        shelf.write(_NAME, self._seal.closed(landed))
        if isinstance(landed, KeptFailure):
            raise landed.error
        return landed

    async def _tried(self) -> _Login | KeptFailure:
        try:
            return await self._logged_in()
        except CarbonError as error:
            now = self._now()
            return KeptFailure(error, now, now + FAILURE_KEPT)

    async def _handed_over(self, shelf: Shelf) -> _Login | KeptFailure | None:
        salt = _salt(shelf.read(_NAME))
        if salt is None:
            salt = await asyncio.to_thread(_salted, shelf)
        if self._seal is None or self._seal.salt != salt:
            # Some 50 ms of one core, which would stall every other trigger of the loop.
            self._seal = await asyncio.to_thread(_Seal.made, *self._credentials, salt)
        opened = None if self._seal is None else self._seal.opened(shelf.read(_NAME))
        if isinstance(opened, KeptFailure):
            return opened if opened.is_fresh(self._now()) else None
        return opened if self._serves(opened) else None

    async def _logged_in(self) -> _Login:
        basic = base64.b64encode(_bytes(":".join(self._credentials))).decode()
        at, payload = self._clock(), None
        # Its words may quote the answer, and with it a token: what is raised below must not carry it along.
        with suppress(SourceResponseError):
            payload = await self._http.get("/login", headers={"Authorization": f"Basic {basic}"}, meaning=_refusal)
        return _Login(read_token(payload, f"{self._http.base_url}/login"), at)

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock(), UTC)


def read_token(payload: Any, address: str) -> str:
    """Read the answer to a login; nothing of it appears in a message.

    :param address: what was asked, for the message.
    :raises SourceResponseError: if the answer holds no token.
    """
    token = payload.get("token") if isinstance(payload, dict) else None
    if not isinstance(token, str) or not re.fullmatch(r"[!-~]{1,16384}", token):
        raise SourceResponseError(f"watttime: {address} answers with no token; does the address lead to WattTime?")
    return token


def _refusal(status: int, words: str) -> CarbonError | None:
    if status in (401, 403):
        return SourceAuthError(
            f"watttime refuses this user and password ({status}); correct them in the connection, or reset the "
            "password at WattTime"
        )
    return None


@dataclass(frozen=True, slots=True)
class _Login:
    token: str = field(repr=False)
    at: float


class _Seal:
    """Encrypt and decrypt what one user's processes hand over."""

    def __init__(self, salt: bytes, key: bytes) -> None:
        from cryptography.fernet import Fernet

        self.salt = salt
        self._fernet = Fernet(base64.urlsafe_b64encode(key))

    @classmethod
    def made(cls, user: str, password: str, salt: bytes) -> _Seal | None:
        """Derive the key; None where this Python cannot: then each process logs in for itself."""
        try:
            secret = _bytes(json.dumps([user, password]))
            return cls(salt, hashlib.scrypt(secret, salt=salt, n=2**14, r=8, p=1, dklen=32))
        except (ImportError, AttributeError, ValueError):
            return None

    def closed(self, landed: _Login | KeptFailure) -> dict[str, str]:
        failed = isinstance(landed, KeptFailure)
        document = landed.to_document() if isinstance(landed, KeptFailure) else {"token": landed.token, "at": landed.at}
        sealed = self._fernet.encrypt(json.dumps({"failed": failed, **document}).encode())
        return {"salt": self.salt.hex(), "sealed": sealed.decode()}

    def opened(self, document: Mapping[str, Any] | None) -> _Login | KeptFailure | None:
        from cryptography.fernet import InvalidToken

        try:
            given = json.loads(self._fernet.decrypt(str((document or {})["sealed"]).encode()))
            if given["failed"]:
                return KeptFailure.from_document(given)
            return _Login(str(given["token"]), float(given["at"]))
        except (InvalidToken, KeyError, TypeError, ValueError):
            return None


def _salted(shelf: Shelf) -> bytes:
    """Lay a salt down, where no other process was first."""
    with shelf.alone_briefly(f"{_NAME} salt"):
        salt = _salt(shelf.read(_NAME))
        if salt is None:
            salt = os.urandom(16)
            shelf.write(_NAME, {"salt": salt.hex()})
        return salt


def _salt(document: Mapping[str, Any] | None) -> bytes | None:
    kept = (document or {}).get("salt")
    return bytes.fromhex(kept) if isinstance(kept, str) and re.fullmatch(r"[0-9a-f]{32}", kept) else None


def _bytes(text: str) -> bytes:
    return text.encode(errors="surrogatepass")
