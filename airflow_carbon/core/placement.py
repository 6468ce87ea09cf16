"""Where, when and on what to run: region x time x purchase type in one ranking under hard limits."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from airflow_carbon.core.candidate import ASSUMED_PUE, NO_DATA, Candidate, of_one_sort
from airflow_carbon.core.limits import Limits
from airflow_carbon.core.run_at import RunAt
from airflow_carbon.core.tradeoff import (
    GRAMS_PER_TONNE,
    Budget,
    CarbonPrice,
    ExchangeRate,
    LeastCarbon,
    Tradeoff,
    pareto_front,
)
from airflow_carbon.core.windows import refuse_mixed
from airflow_carbon.exceptions import InvalidRequestError, NoFeasibleWindowError, SourceUnavailableError

if TYPE_CHECKING:
    from airflow_carbon.core.job import Job
    from airflow_carbon.core.window import Window

__all__ = ["ASSUMED_PUE", "NO_DATA", "Candidate", "Placement", "Ranking", "of_one_sort", "rank_placements"]


@dataclass(frozen=True, slots=True)
class Placement:
    """Hold one candidate's place in a ranking.

    :param rank: 1 for the best; None where rejected.
    :param run: what the job takes there; None where rejected before that was known.
    :param window: when it would run there; None where rejected.
    :param rejected: why it was rejected, empty where it was not.
    :param pareto: whether no other placement is cheaper and cleaner; None where costs are not known.
    """

    candidate: Candidate
    rank: int | None = None
    run: RunAt | None = None
    window: Window | None = None
    rejected: str = ""
    pareto: bool | None = None

    @property
    def name(self) -> str:
        """The region as the user wrote it."""
        return self.candidate.name

    @property
    def pue(self) -> float:
        """Power usage effectiveness that counts here [1]."""
        return ASSUMED_PUE if self.candidate.pue is None else self.candidate.pue

    @property
    def effective_g_per_kwh(self) -> float:
        """Emissions of one kWh of the job on the user's own hardware [gCO2eq/kWh]; infinite where rejected.

        The building, the hardware and work that is done again after evictions are in it; moving data is not.
        """
        if self.window is None or self.run is None:
            return math.inf
        return self.window.intensity_g_per_kwh * self.run.carbon_per_intensity / (self.run.job.energy_kwh or 1.0)

    @property
    def carbon_g(self) -> float | None:
        """Emissions of the whole job [gCO2eq]; None where rejected, or the job's energy is not known."""
        if self.window is None or self.run is None or self.run.job.energy_kwh is None:
            return None
        return self.run.carbon(self.window)

    @property
    def cost(self) -> float | None:
        """Cost of the whole job, that of its delay included [currency]; None where rejected or not known."""
        if self.window is None or self.run is None:
            return None
        cost = self.run.cost(self.window.start)
        return None if math.isnan(cost) else cost

    def record(self) -> dict[str, Any]:
        """Give all that is known as plain JSON values."""
        window, forecast, run = self.window, self.candidate.forecast, self.run
        price, known = self.candidate.price, window is not None and run is not None
        return {
            "rank": self.rank,
            "region": self.name,
            "zone": self.candidate.zone or (forecast.zone if forecast else ""),
            "country": self.candidate.country,
            "purchase": str(self.candidate.purchase) if self.candidate.purchase else None,
            "sku": price.sku if price else None,
            "price_per_hour": price.per_hour if price else None,
            "currency": price.currency if price else None,
            "price_source": price.source if price else None,
            "intensity_g_per_kwh": window.intensity_g_per_kwh if window else None,
            "pue": self.pue,
            "pue_assumed": self.candidate.pue is None,
            "relative_energy": self.candidate.relative_energy,
            "effective_g_per_kwh": self.effective_g_per_kwh if window else None,
            "carbon_g": self.carbon_g,
            "transfer_g": run.transfer_g if run and known else None,
            "transfer_assumed": run.transfer_assumed if run and known else None,
            "cost": self.cost,
            "pareto": self.pareto,
            "start": window.start.isoformat() if window else None,
            "end": window.end.isoformat() if window else None,
            "expected_hours": run.duration.total_seconds() / 3600.0 if run and known else None,
            "expected_evictions": run.evictions if run and known else None,
            "queue_wait_seconds": self.candidate.queue_wait.total_seconds(),
            "horizon_cut": window.horizon_cut if window else None,
            "kind": str(forecast.kind) if forecast else None,
            "source": forecast.source if forecast else None,
            "signal": str(forecast.signal) if forecast else None,
            "accounting": str(forecast.accounting) if forecast else None,
            "rejected": self.rejected or None,
        }


@dataclass(frozen=True, slots=True)
class Ranking:
    """Hold every candidate: the possible ones from best to worst, then the rejected ones in the user's order."""

    placements: tuple[Placement, ...]

    @property
    def best(self) -> Placement:
        """The best placement.

        :raises NoFeasibleWindowError: if none is possible; the message gives each one's reason.
        """
        if self.placements[0].rank is None:
            reasons = "; ".join(f"{placement.candidate.label}: {placement.rejected}" for placement in self.placements)
            raise NoFeasibleWindowError(f"no region is left of {len(self.placements)}: {reasons}")
        return self.placements[0]

    @property
    def out_of_data(self) -> bool:
        """Tell whether nothing is possible, and for one candidate at least only because its source did not answer."""
        return self.placements[0].rank is None and any(each.rejected.startswith(NO_DATA) for each in self.placements)

    def records(self) -> list[dict[str, Any]]:
        """Give every placement as plain JSON values."""
        return [placement.record() for placement in self.placements]


def rank_placements(
    candidates: Sequence[Candidate],
    job: Job,
    *,
    limits: Limits = Limits(),  # noqa: B008 - frozen
    tradeoff: Tradeoff = LeastCarbon(),  # noqa: B008 - frozen
    home: Candidate | None = None,
    allow_mixed: bool = False,
) -> Ranking:
    """Rank what a job may run on by the carbon of the whole job, or by carbon and cost; equals in the user's order.

    With a deadline each candidate is judged at its own best time: the cleanest one, or, where delay costs, the best by
    the tradeoff itself. That is exact in continuous time for each tradeoff but ``Weighted``, which compares the
    cleanest time of each. On spot machines time, energy, carbon and cost are those that are expected with evictions.

    :param limits: hard constraints; what does not keep one is rejected, whatever it would save.
    :param tradeoff: what cleaner power may cost.
    :param home: where the job's data lie, where that is none of the candidates.
    :param allow_mixed: rank intensities of different signal or accounting against each other; the records tell which.
    :raises InvalidRequestError: if there is no candidate, the intensities do not compare and ``allow_mixed`` is not
        set, prices come in different currencies, or the tradeoff asks for grams and the job's energy is not known.
    """
    if not candidates:
        raise InvalidRequestError("candidates: there is none; give one region at least")
    if isinstance(tradeoff, CarbonPrice) and job.energy_kwh is None:
        raise InvalidRequestError(
            "power: a price per tonne needs grams, and so the energy of the job: say what it draws, for example "
            "power='2h@300W'"
        )
    home = next((candidate for candidate in candidates if candidate.name == job.transfer.home), home)
    counts = not isinstance(tradeoff, LeastCarbon) or limits.max_extra_cost_percent is not None
    placements = [_possible(candidate, job, limits, home, counts) for candidate in candidates]
    open_ = [each for each in placements if not each.rejected]
    if not allow_mixed:
        # Only what could be chosen is compared: a region that residency rules out must not block the others.
        refuse_mixed([(each.name, each.candidate.forecast) for each in open_ if each.candidate.forecast])
    _refuse_mixed_currencies(open_)
    price = _carbon_price(open_, tradeoff)
    placed = _placed(open_, limits, tradeoff, price)
    possible = [each for each in placed if not each.rejected]
    order = _order(possible, tradeoff, price)
    front = _front(possible)
    ranked = [
        replace(possible[index], rank=rank, pareto=None if front is None else index in front)
        for rank, index in enumerate(order, start=1)
    ]
    dear = {id(each.candidate): each for each in placed if each.rejected}
    rest = [dear.get(id(each.candidate), each) for each in placements]
    return Ranking((*ranked, *(each for each in rest if each.rejected)))


def _possible(candidate: Candidate, job: Job, limits: Limits, home: Candidate | None, counts: bool) -> Placement:
    """Tell what the job takes on a candidate at the soonest, or why it cannot run there."""
    reason = limits.fault(candidate) or candidate.rejected
    if reason or candidate.forecast is None:
        return Placement(candidate, rejected=reason or f"{NO_DATA}no intensities were given")
    if counts and candidate.price is None:
        return Placement(candidate, rejected="its price is not known, and cost counts")
    try:
        run = RunAt.of(candidate, job, home)
        return Placement(candidate, run=run, window=run.soonest())
    except NoFeasibleWindowError as error:
        return Placement(candidate, rejected=f"no feasible window: {error}")
    except SourceUnavailableError as error:
        return Placement(candidate, rejected=f"{NO_DATA}{error}")


def _placed(
    open_: Sequence[Placement], limits: Limits, tradeoff: Tradeoff, carbon_price: float | None
) -> list[Placement]:
    """Put each placement at its best time, and reject what costs too much."""
    soonest = [(each, each.run, each.run.cost(each.run.first)) for each in open_ if each.run]
    cheapest = min((cost for *_, cost in soonest if not math.isnan(cost)), default=math.nan)
    percents = [limits.max_extra_cost_percent, tradeoff.max_extra_percent if isinstance(tradeoff, Budget) else None]
    most = min((Budget(percent).limit(cheapest) for percent in percents if percent is not None), default=math.inf)
    placed = []
    for each, run, cost in soonest:
        if cost > most:
            extra = f"{100.0 * (cost / cheapest - 1.0):.1f} %" if cheapest else "infinitely"
            placed.append(
                replace(
                    each, window=None, rejected=f"it costs {cost:.4g}, {extra} more than the cheapest ({cheapest:.4g})"
                )
            )
            continue
        window = run.best(carbon_price=carbon_price, most=most)
        placed.append(replace(each, window=window))
    return placed


def _carbon_price(open_: Sequence[Placement], tradeoff: Tradeoff) -> float | None:
    """Give what a unit of carbon is worth, where the tradeoff is such a price [currency per unit of carbon]."""
    if isinstance(tradeoff, CarbonPrice):
        return tradeoff.per_tonne / GRAMS_PER_TONNE
    if not isinstance(tradeoff, ExchangeRate) or not open_:
        return None
    ways = []
    for each in open_:
        if each.run is not None and each.window is not None:
            # Where waiting costs nothing, the cleanest time is as cheap as the soonest.
            window = each.window if each.run.job.delay_cost_per_hour else each.run.best()
            ways.append((each.run.cost(window.start), each.run.carbon(window)))
    return tradeoff.price(*min(ways))


def _order(possible: Sequence[Placement], tradeoff: Tradeoff, carbon_price: float | None) -> list[int]:
    if not possible:
        return []
    costs = [math.nan if each.cost is None else each.cost for each in possible]
    carbon = [each.run.carbon(each.window) for each in possible if each.run and each.window]
    if carbon_price is not None:
        # A rate came to this price before the times were chosen.
        tradeoff = CarbonPrice(carbon_price * GRAMS_PER_TONNE)
    # What lies beyond a budget has been rejected by now.
    return LeastCarbon().order(costs, carbon) if isinstance(tradeoff, Budget) else tradeoff.order(costs, carbon)


def _front(possible: Sequence[Placement]) -> set[int] | None:
    costs = [each.cost for each in possible]
    if not possible or None in costs:
        return None
    carbon = [each.run.carbon(each.window) for each in possible if each.run and each.window]
    return set(pareto_front([cost for cost in costs if cost is not None], carbon))


def _refuse_mixed_currencies(open_: Sequence[Placement]) -> None:
    known = {each.candidate.price.currency: each.name for each in open_ if each.candidate.price}
    if len(known) > 1:
        (one, there), (other, elsewhere), *_ = known.items()
        raise InvalidRequestError(f"prices: {there} is in {one} but {elsewhere} in {other}; use one currency")
