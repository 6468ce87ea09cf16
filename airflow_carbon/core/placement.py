"""Where to run: regions ranked by the intensity of the power times the overhead of the building."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow_carbon.core.moment import parse_duration, parse_moment
from airflow_carbon.core.window import Window, best_window, window_at
from airflow_carbon.core.windows import refuse_mixed
from airflow_carbon.exceptions import InvalidRequestError, NoFeasibleWindowError

if TYPE_CHECKING:
    from airflow_carbon.core.forecast import Forecast

#: Power usage effectiveness of a region that publishes none: a little above the mean of the cloud regions that do
#: (1.17), so that silence is no advantage. Records say where it was taken.
ASSUMED_PUE = 1.2


#: How the reason of a candidate begins whose source did not answer.
NO_DATA = "no data: "


@dataclass(frozen=True, slots=True)
class Candidate:
    """Hold one region that may run the work.

    :param name: the region as the user wrote it.
    :param zone: the grid zone it lies in, in its source's words.
    :param country: ISO 3166 code of two letters; empty where not known.
    :param pue: power usage effectiveness of its data centers [1]; None where not published.
    :param forecast: its intensities; None where its source failed.
    :param rejected: why it cannot be chosen, where that is known already.
    """

    name: str
    zone: str = ""
    country: str = ""
    pue: float | None = None
    forecast: Forecast | None = None
    rejected: str = ""


@dataclass(frozen=True, slots=True)
class Placement:
    """Hold one candidate's place in a ranking.

    :param rank: 1 for the best; None where rejected.
    :param window: when it would run there; None where rejected.
    :param rejected: why it was rejected, empty where it was not.
    """

    candidate: Candidate
    rank: int | None = None
    window: Window | None = None
    rejected: str = ""

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
        """Emissions of one kWh used by the computer itself [gCO2eq/kWh]; infinite where rejected."""
        return math.inf if self.window is None else self.window.intensity_g_per_kwh * self.pue

    def record(self) -> dict[str, Any]:
        """Give all that is known as plain JSON values."""
        window, forecast = self.window, self.candidate.forecast
        return {
            "rank": self.rank,
            "region": self.name,
            "zone": self.candidate.zone or (forecast.zone if forecast else ""),
            "country": self.candidate.country,
            "intensity_g_per_kwh": window.intensity_g_per_kwh if window else None,
            "pue": self.pue,
            "pue_assumed": self.candidate.pue is None,
            "effective_g_per_kwh": self.effective_g_per_kwh if window else None,
            "start": window.start.isoformat() if window else None,
            "end": window.end.isoformat() if window else None,
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
            reasons = "; ".join(f"{placement.name}: {placement.rejected}" for placement in self.placements)
            raise NoFeasibleWindowError(f"no region is left of {len(self.placements)}: {reasons}")
        return self.placements[0]

    @property
    def out_of_data(self) -> bool:
        """Tell whether nothing is possible, and for one candidate at least only because its source did not answer."""
        return self.placements[0].rank is None and any(each.rejected.startswith(NO_DATA) for each in self.placements)

    def records(self) -> list[dict[str, Any]]:
        """Give every placement as plain JSON values."""
        return [placement.record() for placement in self.placements]


def of_one_sort(
    candidates: Sequence[Candidate], *, allowed_countries: Collection[str] | None = None
) -> list[Candidate]:
    """Keep the intensities that most candidates share the meaning of, and reject the others with the reason.

    A chain of sources can answer one region with other numbers than the rest; that must not fail the whole choice.

    :param allowed_countries: only candidates in them count; None counts all.
    """
    countries = None if allowed_countries is None else {country.strip().upper() for country in allowed_countries}
    sorts: list[tuple[Forecast, int]] = []
    for candidate in candidates:
        forecast = candidate.forecast
        if forecast is None or (countries is not None and candidate.country.upper() not in countries):
            continue
        known = next((index for index, (one, _) in enumerate(sorts) if one.comparable_with(forecast)), None)
        if known is None:
            sorts.append((forecast, 1))
        else:
            sorts[known] = sorts[known][0], sorts[known][1] + 1
    if len(sorts) < 2:
        return list(candidates)
    chosen, _ = max(sorts, key=lambda sort: sort[1])
    return [
        candidate
        if candidate.forecast is None or candidate.forecast.comparable_with(chosen)
        else replace(candidate, forecast=None, rejected=f"{NO_DATA}{_unlike(candidate.forecast, chosen)}")
        for candidate in candidates
    ]


def _unlike(one: Forecast, chosen: Forecast) -> str:
    return (
        f"{one.signal} intensity ({one.accounting}) from {one.source} does not compare with {chosen.signal} "
        f"({chosen.accounting}) of the others"
    )


def rank_placements(
    candidates: Sequence[Candidate],
    *,
    duration: timedelta,
    earliest_start: datetime,
    deadline: datetime | None = None,
    allowed_countries: Collection[str] | None = None,
    allow_mixed: bool = False,
) -> Ranking:
    """Rank regions by mean intensity x PUE; of equal ones, the one that the user wrote first.

    :param earliest_start: when the run can start. Without a deadline it starts then, wherever it runs.
    :param deadline: latest finish; with one, each region is judged by its own best window.
    :param allowed_countries: ISO 3166 codes of two letters; a region whose country is not known is rejected too.
        None allows all.
    :param allow_mixed: rank intensities of different signal or accounting against each other; the records tell which.
    :raises InvalidRequestError: if there is no candidate, a PUE is below 1, a moment is naive, the duration is not
        positive, or the intensities do not compare and ``allow_mixed`` is not set.
    """
    if not candidates:
        raise InvalidRequestError("candidates: there is none; give one region at least")
    if isinstance(allowed_countries, str):
        raise InvalidRequestError(f"allowed_countries: {allowed_countries!r} must be a list, for example ['DE', 'SE']")
    parse_duration(duration, "duration")
    parse_moment(earliest_start, "earliest_start")
    if deadline is not None:
        parse_moment(deadline, "deadline")
    countries = None if allowed_countries is None else {country.strip().upper() for country in allowed_countries}
    placements = []
    for candidate in candidates:
        if candidate.pue is not None and not 1.0 <= candidate.pue < math.inf:
            raise InvalidRequestError(f"pue: {candidate.pue} of {candidate.name} must be a number, 1 or larger")
        placements.append(_placed(candidate, duration, earliest_start, deadline, countries))
    possible = [placement for placement in placements if placement.window is not None]
    if not allow_mixed:
        # Only what could be chosen is compared: a region that residency rules out must not block the others.
        refuse_mixed([(each.name, each.candidate.forecast) for each in possible if each.candidate.forecast])
    # Rounded to a nanogram, so that float noise does not decide between equals; sorting is stable.
    possible.sort(key=lambda each: round(each.effective_g_per_kwh, 9))
    ranked = [Placement(each.candidate, rank, each.window) for rank, each in enumerate(possible, start=1)]
    return Ranking((*ranked, *(placement for placement in placements if placement.window is None)))


def _placed(
    candidate: Candidate,
    duration: timedelta,
    earliest_start: datetime,
    deadline: datetime | None,
    countries: set[str] | None,
) -> Placement:
    reason = candidate.rejected
    if countries is not None and not candidate.country:
        reason = "its country is not known, and only stated countries are allowed"
    elif countries is not None and candidate.country.upper() not in countries:
        reason = f"country {candidate.country} is not allowed (allowed: {', '.join(sorted(countries)) or 'none'})"
    if reason or candidate.forecast is None:
        return Placement(candidate, rejected=reason or f"{NO_DATA}no intensities were given")
    try:
        if deadline is None:
            window = window_at(candidate.forecast, start=earliest_start, duration=duration)
        else:
            window = best_window(
                candidate.forecast, duration=duration, earliest_start=earliest_start, deadline=deadline
            )
    except NoFeasibleWindowError as error:
        return Placement(candidate, rejected=f"no feasible window: {error}")
    return Placement(candidate, window=window)
