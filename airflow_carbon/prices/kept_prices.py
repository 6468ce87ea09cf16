"""Prices kept for hours: in this process, on this host, and asked for once by all who need the same."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow_carbon.core.moment import in_words, microseconds, moment_at
from airflow_carbon.core.price import Price, Purchase
from airflow_carbon.exceptions import CarbonError, SourceAuthError, SourceResponseError, SourceUnavailableError
from airflow_carbon.web.flights import Flights
from airflow_carbon.web.kept_failure import KeptFailure

if TYPE_CHECKING:
    from airflow_carbon.web.shelf import Shelf

#: Prices by the machine's name; a machine that has none is absent.
Told = Mapping[str, Sequence[Price]]
#: A list price older than this is worth less than the word that none is known.
OLDEST = timedelta(days=30)


def _utc_now() -> datetime:
    return datetime.now(UTC)


class KeptPrices:
    """Keep what was told of each machine in a place; ask only for what is not known or too old.

    While a service fails, what it told before is given, for :data:`OLDEST` at most; its age then stands in its source.

    :param shelf: shares prices with all processes of the host; None keeps them in this process alone.
    :param refresh: how long a price is kept.
    :param error_ttl: how long a failure is kept, so that many askers do not repeat a failing request.
    :param patience: asking for one place is given up after this long, since all processes of the host wait for it.
    :param clock: gives the present moment, timezone-aware; ages prices, and nothing else.
    """

    def __init__(
        self,
        shelf: Shelf | None = None,
        *,
        refresh: timedelta = timedelta(hours=6),
        error_ttl: timedelta = timedelta(seconds=10),
        patience: timedelta = timedelta(minutes=1),
        clock: Callable[[], datetime] = _utc_now,
    ) -> None:
        self.refresh = refresh
        self._shelf = shelf
        self._error_ttl = error_ttl
        self._patience = patience.total_seconds()
        self._clock = clock
        self._cells: dict[str, dict[str, _Cell]] = {}
        self._failed: dict[str, KeptFailure] = {}
        self._flights: Flights[None] = Flights()

    async def of(
        self, place: str, skus: Sequence[str], ask: Callable[[Sequence[str]], Awaitable[Told]]
    ) -> dict[str, tuple[Price, ...]]:
        """Give the prices of these machines in a place, by the machine's name; empty where it has none.

        :param place: whatever tells one list of prices from another: service, region, currency.
        :param ask: asks the service for some of the machines.
        :raises CarbonError: what the service failed with, now or within ``error_ttl``, if nothing older serves.
        """
        if self._lacking(place, skus):
            try:
                await self._flights.shared((place, frozenset(skus)), lambda: self._learn(place, skus, ask))
            except (SourceUnavailableError, SourceResponseError, SourceAuthError):
                if self._lacking(place, skus, OLDEST):
                    raise
        cells, now = self._cells[place], self._clock()
        return {sku: tuple(self._marked(one, now - cells[sku].asked_at) for one in cells[sku].prices) for sku in skus}

    def _marked(self, price: Price, age: timedelta) -> Price:
        if age < self.refresh:
            return price
        return replace(price, source=f"{price.source}, {in_words(age)} old")

    async def _learn(self, place: str, skus: Sequence[str], ask: Callable[[Sequence[str]], Awaitable[Told]]) -> None:
        if self._shelf is None:
            return await self._ask(place, skus, ask)
        # One lock for the place: what another process is told meanwhile is read, and not asked again.
        async with self._shelf.alone(place):
            self._cells[place] = _joined(self._cells.get(place, {}), _cells_of(self._shelf.read(place)))
            return await self._ask(place, skus, ask)

    async def _ask(self, place: str, skus: Sequence[str], ask: Callable[[Sequence[str]], Awaitable[Told]]) -> None:
        lacking = self._lacking(place, skus)
        if not lacking:
            return
        question = " ".join([place, *lacking])
        self._check_failed(question)
        asked = self._clock()
        try:
            async with asyncio.timeout(self._patience):
                told = await ask(lacking)
        except TimeoutError:
            raise self._noted(
                question, SourceUnavailableError(f"{place}: no answer within {self._patience:g} s")
            ) from None
        except CarbonError as error:
            raise self._noted(question, error) from None
        new = {sku: _Cell(asked, tuple(told.get(sku, ()))) for sku in lacking}
        cells = self._cells[place] = self._cells.get(place, {}) | new
        if self._shelf is not None:
            self._shelf.write(place, _document(cells, oldest=asked - OLDEST))

    def _check_failed(self, question: str) -> None:
        """Raise what the same question failed with a moment ago."""
        told_others = None if self._shelf is None else self._shelf.read(f"{question} failed")
        for failed in (self._failed.get(question), KeptFailure.from_document(told_others)):
            if failed is not None and failed.is_fresh(self._clock()):
                raise copy.copy(failed.error)

    def _noted(self, question: str, error: CarbonError) -> CarbonError:
        now = self._clock()
        self._failed = {name: one for name, one in self._failed.items() if one.is_fresh(now)}
        self._failed[question] = KeptFailure(error, now, now + self._error_ttl)
        if self._shelf is not None:
            self._shelf.write(f"{question} failed", self._failed[question].to_document())
        return error

    def _lacking(self, place: str, skus: Iterable[str], oldest: timedelta | None = None) -> list[str]:
        """List the machines of which nothing is known that is young enough."""
        cells, now = self._cells.get(place, {}), self._clock()
        lifetime = self.refresh if oldest is None else oldest
        return [sku for sku in skus if sku not in cells or not cells[sku].is_fresh(now, lifetime)]


@dataclass(frozen=True, slots=True)
class _Cell:
    asked_at: datetime
    prices: tuple[Price, ...]

    def is_fresh(self, now: datetime, lifetime: timedelta) -> bool:
        """Tell whether it still counts; a price from the future is one of a clock that was set back since."""
        return -timedelta(minutes=1) <= now - self.asked_at < lifetime


def _joined(own: Mapping[str, _Cell], read: Mapping[str, _Cell]) -> dict[str, _Cell]:
    return {sku: max((cells[sku] for cells in (own, read) if sku in cells), key=_asked_at) for sku in {**own, **read}}


def _asked_at(cell: _Cell) -> datetime:
    return cell.asked_at


def _document(cells: Mapping[str, _Cell], oldest: datetime) -> dict[str, Any]:
    return {
        "prices": {
            sku: {
                "asked_us": microseconds(cell.asked_at),
                "rows": [
                    [one.region, str(one.purchase), one.per_hour, one.currency, one.source] for one in cell.prices
                ],
            }
            for sku, cell in cells.items()
            if cell.asked_at >= oldest
        }
    }


def _cells_of(document: Mapping[str, Any] | None) -> dict[str, _Cell]:
    """Take up what :func:`_document` gave; nothing for what is damaged or absent."""
    try:
        given = {} if document is None else document["prices"].items()
        return {
            str(sku): _Cell(moment_at(one["asked_us"]), tuple(_price(sku, row) for row in one["rows"]))
            for sku, one in given
        }
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
        return {}


def _price(sku: str, row: Sequence[Any]) -> Price:
    region, purchase, per_hour, currency, source = row
    return Price(str(region), sku, Purchase(purchase), float(per_hour), str(currency), source=str(source))
