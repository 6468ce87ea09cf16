"""How many requests a connection may make in an hour, counted for all processes of a host."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import time
from typing import TYPE_CHECKING, Any

from airflow_carbon.exceptions import SourceUnavailableError

if TYPE_CHECKING:
    from airflow_carbon.web.shelf import Shelf

_MINUTE, _DAY = 60, 86_400.0
_NAME = "requests"


class Quota:
    """Count requests by the minute, and refuse those beyond what an hour allows or while the service asks for quiet.

    :param per_hour: requests allowed in any hour [1/h].
    :param shelf: where the count lies for all processes of the host; None counts in this process alone.
    :param clock: gives the seconds since the epoch [s].
    """

    def __init__(self, per_hour: float, shelf: Shelf | None = None, clock: Callable[[], float] = time) -> None:
        self.per_hour = per_hour
        self._shelf = shelf
        self._clock = clock
        #: What this process knows itself, since the shelf may be one on which nothing can be kept.
        self._own = _Count()

    def take(self, name: str) -> None:
        """Count one request.

        :param name: of the service, for the message.
        :raises SourceUnavailableError: if it must not be made now, with the time from which on it may.
        """
        with self._counted() as count:
            now = self._clock()
            minute = int(now // _MINUTE)
            # A minute counts until its last second is an hour old; what lies ahead is of a clock that was set back.
            count.minutes = {one: taken for one, taken in count.minutes.items() if minute - 60 <= one <= minute}
            if count.closed_from - _MINUTE <= now < count.closed_until:
                raise SourceUnavailableError(f"{name} asked to be left alone until {_utc(count.closed_until)}")
            if sum(count.minutes.values()) >= self.per_hour:
                again = _utc((min(count.minutes, default=minute) + 61) * _MINUTE)
                raise SourceUnavailableError(
                    f"{name}: the {self.per_hour:g} requests that this connection may make in an hour are spent; the "
                    f"next one at {again}, or set requests_per_hour higher"
                )
            count.minutes[minute] = count.minutes.get(minute, 0) + 1

    def hold(self, seconds: float) -> None:
        """Make no request for so long [s], a day at most, as the service asked."""
        with self._counted() as count:
            count.closed_from = self._clock()
            count.closed_until = count.closed_from + min(seconds, _DAY)

    def standing(self) -> tuple[int, datetime | None]:
        """Tell how many requests of the last hour were made, and until when the service asked to be left alone."""
        count = self._own
        if self._shelf is not None:
            count = _Count.from_document(self._shelf.read(_NAME)).joined(count)
        now = self._clock()
        minute = int(now // _MINUTE)
        made = sum(taken for one, taken in count.minutes.items() if minute - 60 <= one <= minute)
        closed = count.closed_from - _MINUTE <= now < count.closed_until
        return made, datetime.fromtimestamp(count.closed_until, UTC) if closed else None

    @contextmanager
    def _counted(self) -> Iterator[_Count]:
        if self._shelf is None:
            yield self._own
            return
        with self._shelf.alone_briefly(_NAME):
            known = _Count.from_document(self._shelf.read(_NAME))
            self._own = known.joined(self._own)
            yield self._own
            self._shelf.write(_NAME, self._own.to_document())


@dataclass(slots=True)
class _Count:
    #: Requests taken, by the minute since the epoch.
    minutes: dict[int, int] = field(default_factory=dict)
    closed_from: float = 0.0
    closed_until: float = 0.0

    def joined(self, other: _Count) -> _Count:
        """Join what two know of the same requests."""
        minutes = {one: max(self.minutes.get(one, 0), taken) for one, taken in other.minutes.items()}
        later = max(self, other, key=lambda count: count.closed_from)
        return _Count(self.minutes | minutes, later.closed_from, later.closed_until)

    def to_document(self) -> dict[str, Any]:
        minutes = {str(minute): taken for minute, taken in self.minutes.items()}
        return {"minutes": minutes, "closed_from": self.closed_from, "closed_until": self.closed_until}

    @classmethod
    def from_document(cls, document: Mapping[str, Any] | None) -> _Count:
        """Take up what :meth:`to_document` gave; nothing for what is damaged or absent."""
        try:
            minutes = {int(minute): int(taken) for minute, taken in document["minutes"].items()}  # type: ignore[index]
            begin, end = float(document["closed_from"]), float(document["closed_until"])  # type: ignore[index]
            # No service is closed for ever.
            return cls(minutes, begin, end) if 0.0 <= end - begin <= _DAY + 1.0 else cls(minutes)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
            return cls()


def _utc(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"
