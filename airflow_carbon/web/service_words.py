"""What a service says of a refusal, fit for a log."""

from __future__ import annotations

import json
import re
from base64 import b64decode
from collections.abc import Iterator, Mapping
from contextlib import suppress
from email.utils import parsedate_to_datetime
from time import time
from typing import Any
from urllib.parse import quote

#: So many characters of a service's own words go into a message.
LONGEST = 200
#: Words are looked for in so much of an answer [bytes].
_LOOKED_AT = 64 * 1024
#: No request to be left alone is heeded for longer [s].
_LONGEST_REST = 86_400.0
_KEYS = ("error", "message", "msg", "detail", "errors", "title")


def words_of(body: bytes, sent: Mapping[str, str]) -> str:
    """Give what a service says, on one line, cut, and without what it may repeat of the credentials.

    :param sent: headers of the request.
    """
    text = body[:_LOOKED_AT].decode(errors="replace")
    try:
        text = _told(json.loads(text))
    except (ValueError, RecursionError):
        from html import unescape

        # Some write JSON with escaped slashes; in half a document they are still there.
        text = unescape(re.sub(r"<[^<>]*>", " ", text)).replace("\\/", "/")
    for secret in sorted(_secrets(sent), key=len, reverse=True):
        if len(secret) > 3:
            for written in (secret, quote(secret, safe=""), json.dumps(secret)[1:-1]):
                text = text.replace(written, "***")
    text = " ".join("".join(one if one.isprintable() else " " for one in text).split())
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."


def rest_asked_for(headers: Mapping[str, str]) -> float | None:
    """Read from ``Retry-After`` how long a service asks to be left alone [s]; None where it does not say."""
    said = headers.get("retry-after", "").strip()
    if re.fullmatch(r"[0-9]{1,300}(\.[0-9]*)?", said):
        return min(float(said), _LONGEST_REST)
    until = _seconds(said)
    if until is None:
        return None
    # By the service's own clock where it tells it: this host's may be wrong.
    now = _seconds(headers.get("date", ""))
    return min(max(0.0, until - (time() if now is None else now)), _LONGEST_REST)


def _told(said: Any) -> str:
    told = [said[key] for key in _KEYS if said.get(key)] if isinstance(said, dict) else []
    return "; ".join(one if isinstance(one, str) else json.dumps(one, ensure_ascii=False) for one in told or [said])


def _secrets(sent: Mapping[str, str]) -> Iterator[str]:
    for value in sent.values():
        scheme, _, rest = value.rpartition(" ")
        yield from {value, rest}
        if scheme.lower() == "basic":
            with suppress(ValueError):
                both = b64decode(rest).decode()
                yield from (both, both.partition(":")[2])


def _seconds(date: str) -> float | None:
    try:
        return parsedate_to_datetime(date).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None
