"""What came of decisions: the work that they govern, in the hours in which it ran, against the same work at home."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow_carbon.core.foreseen import bounds, forecast_error_percent, oracle, windows_of
from airflow_carbon.core.governed import Governed, link
from airflow_carbon.core.impact import Impact, impact_of
from airflow_carbon.core.load import Arrangement, Load, Piece
from airflow_carbon.core.location import Location
from airflow_carbon.core.record import DecisionRecord, EmissionRecord, ImpactRecord
from airflow_carbon.exceptions import CarbonError, InvalidRequestError, SourceUnavailableError
from airflow_carbon.hooks.asking import ANSWER_TIMEOUT

if TYPE_CHECKING:
    from airflow_carbon.core.forecast import Forecast
    from airflow_carbon.ledger.base import Ledger
    from airflow_carbon.sources.base import CarbonSource

#: How the baseline's pieces lie: of a plan in chunks as a run without a cut, of a fleet all at once.
ARRANGEMENTS = {"schedule": Arrangement.END_TO_END, "fleet": Arrangement.AT_ONCE}
#: Work of no length still has an intensity: that of its moment.
SHORTEST = timedelta(microseconds=1)


@dataclass(slots=True)
class Concluded:
    """Hold what came of decisions.

    :param records: one for each decision whose work is known.
    :param left: of every other decision the reason why it claims nothing (yet), by its id.
    """

    records: list[ImpactRecord] = field(default_factory=list)
    left: dict[str, str] = field(default_factory=dict)


def conclude(
    ledger: Ledger,
    *,
    now: datetime,
    carbon_conn_id: str | Sequence[str] | None = None,
    since: datetime | None = None,
    dag_id: str | None = None,
    run_id: str | None = None,
) -> Concluded:
    """Make the impact of every decision in the ledger, and keep it there; again and again, it counts once.

    :param now: nothing after it is asked for.
    :param carbon_conn_id: one connection, or an ordered list of them; None uses the default.
    :param since: decisions made at this moment or later.
    :raises InvalidRequestError: naming the connection that is wrong.
    :raises LedgerError: if the ledger does not answer.
    """
    from airflow_carbon.hooks import chain

    source = chain.source_of(chain.hooks_of(chain.conn_ids(carbon_conn_id)))
    links, left = linked(ledger, until=now, since=since, dag_id=dag_id, run_id=run_id)
    told = asyncio.run(impacts_of(source, links, now=now))
    told.left |= left
    ledger.write(told.records)
    _teach(links, told.records)
    return told


def linked(
    ledger: Ledger, *, until: datetime, since: datetime | None, dag_id: str | None, run_id: str | None
) -> tuple[list[Governed], dict[str, str]]:
    """Read decisions and the work that they govern; see :func:`~airflow_carbon.core.governed.link`.

    :raises LedgerError: if the ledger does not answer.
    """
    from airflow_carbon.ledger.base import Selection

    which = Selection(since=since, until=until, dag_id=dag_id, run_id=run_id)
    decisions = list(ledger.read(DecisionRecord, which))
    runs = {(one.dag_id, one.run_id) for one in decisions if one.governs}
    emissions = [
        one
        for dag, run in sorted(runs)
        for one in ledger.read(EmissionRecord, Selection(dag_id=dag, run_id=run, until=until))
        if one.ended_at <= until
    ]
    return link(decisions, emissions)


def _teach(links: Sequence[Governed], records: Sequence[ImpactRecord]) -> None:
    """Hold what was measured against what was promised, so that the next promise is shrunk by it."""
    from airflow_carbon.hooks.settings import state_dir
    from airflow_carbon.sources.kept_promises import KeptPromises

    promises, decisions = KeptPromises(state_dir()), {one.decision.decision_id: one.decision for one in links}
    for came in records:
        decision = decisions[came.decision_id]
        taken = decision.sort == "wait" and decision.action == "taken" and came.measured
        if taken and came.promised_saving_percent is not None and came.saving_percent is not None:
            promises.observe(
                came.decision_id,
                zone=decision.zone,
                source=decision.intensity_source,
                promised_percent=came.promised_saving_percent,
                realised_percent=came.saving_percent,
            )


async def impacts_of(source: CarbonSource, links: Sequence[Governed], *, now: datetime) -> Concluded:
    """Ask for the hours in which governed work ran, and make the impact of each decision.

    One whose hours are not known, or that cannot be meant, stays behind with the reason.
    """
    told = Concluded()
    for one in links:
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT):
                told.records.append(await _impact(source, one, now))
        except TimeoutError:
            told.left[one.decision.decision_id] = "the source did not answer in time"
        except CarbonError as error:
            told.left[one.decision.decision_id] = " ".join(str(error).split())
    return told


def load_of(works: Sequence[EmissionRecord], location: str = "") -> Load:
    """Make the load of work that ran: of each try the energy that moves with it.

    :param location: of work whose own is not recorded.
    :raises InvalidRequestError: if there is no work, or none knows where it ran.
    """
    pieces = []
    for work in works:
        where = work.location or location
        if not where:
            raise InvalidRequestError(f"location: none is recorded of {work.task_id}; measure(location=...) says it")
        end = max(work.ended_at, work.started_at + SHORTEST)
        pieces.append(Piece(work.started_at, end, reducible_kwh(work), where))
    return Load(tuple(pieces))


def reducible_kwh(work: EmissionRecord) -> float | None:
    """Tell how much of the energy of a try moves with it [kWh]; on always-on hardware the dynamic part alone.

    :return: None where no energy is known, or its parts cannot be told apart.
    """
    raw: Mapping[str, Any] = work.raw
    if work.fault or work.energy_kwh is None:
        return None
    known = raw.get("reducible_kwh")
    if isinstance(known, int | float) and not isinstance(known, bool) and 0.0 <= known < math.inf:
        return float(known)
    # A record that was made without that word: all of it moves, unless its hardware is always on.
    return None if raw.get("always_on") or "reducible_kwh" in raw else work.energy_kwh


async def history(
    source: CarbonSource, locations: Sequence[str], *, start: datetime, end: datetime, needed: Sequence[str] = ()
) -> dict[str, Forecast]:
    """Ask for the past of several locations.

    :param needed: locations without which nothing can be said; of the others, one without an answer is left out.
    :raises CarbonError: what the source says of one that is needed.
    """
    found: dict[str, Forecast] = {}
    for name in dict.fromkeys([*needed, *locations]):
        try:
            found[name] = await source.history(Location.parse(name), start=start, end=end)
        except CarbonError:
            if name in needed:
                raise
    return found


async def _impact(source: CarbonSource, one: Governed, now: datetime) -> ImpactRecord:
    decision, load = one.decision, load_of(one.works, one.decision.location)
    if not one.home:
        raise InvalidRequestError("home: the decision does not say where its baseline runs")
    arrangement = ARRANGEMENTS.get(decision.sort, Arrangement.AS_IT_RAN)
    baseline = load.started(one.ready_at, arrangement)
    promise, windows = bounds(one), windows_of(decision)
    begins = [baseline.start, load.start, *(start for _, start, _ in _waited(one.works))]
    ends = [baseline.end, load.end]
    wide = [*begins, *ends, *(moment for window in windows for moment in window[:2])]
    wide += [] if promise is None else [promise[0], promise[1] + load.duration]
    needed = [*{piece.location for piece in load.pieces}, one.home]
    others = [name for each in (*one.before, decision) for name in each.recommended.get("regions") or ()]
    start, end = min(wide), max(max(ends), min(max(wide), now))
    series = await history(source, [decision.location, *others], start=start, end=end, needed=needed)
    if not (load.covered_by(series) and baseline.covered_by(series[one.home])):
        raise SourceUnavailableError("those hours are not measured yet")
    impact = impact_of(
        load,
        series,
        ready_at=one.ready_at,
        home=series[one.home],
        arrangement=arrangement,
        waiting_g=_waiting_g(one, series),
    )
    best = oracle(one, load, series, promise)
    promised = None if one.before else decision.promised_saving_percent
    error = forecast_error_percent(windows, series.get(decision.location))
    return _record(one, impact, None if best is None else best[1], promised, error, now)


def _record(
    one: Governed, impact: Impact, best: float | None, promised: float | None, error: float | None, now: datetime
) -> ImpactRecord:
    energy = impact.energy_kwh
    told = {
        "works": [[work.task_id, work.map_index, work.try_number, reducible_kwh(work)] for work in one.works],
        "with": [each.decision_id for each in one.before],
        "oracle_intensity_g_per_kwh": best,
    }
    return ImpactRecord(
        decision_id=one.decision.decision_id,
        started_at=impact.start,
        ended_at=impact.end,
        zone=impact.zone,
        home_zone=impact.home_zone,
        energy_kwh=energy,
        intensity_g_per_kwh=impact.intensity_g_per_kwh,
        baseline_intensity_g_per_kwh=impact.baseline_intensity_g_per_kwh,
        emitted_g=impact.emitted_g,
        baseline_g=impact.baseline_g,
        reduction_g=impact.reduction_g,
        oracle_g=None if best is None or energy is None else best * energy,
        saving_percent=impact.reduction_percent,
        promised_saving_percent=promised,
        forecast_error_percent=error,
        signal=impact.signal,
        accounting=impact.accounting,
        measured=impact.measured,
        made_at=now,
        raw={**impact.record(), **told},
    )


def _waited(works: Sequence[EmissionRecord]) -> list[tuple[EmissionRecord, datetime, float]]:
    """List the work for which hardware was reserved before, since when, and what it drew meanwhile [kWh].

    What is always on would have drawn the same without the wait.
    """
    found = []
    for work in works:
        raw: Mapping[str, Any] = work.raw
        drawn, seconds = raw.get("waiting_kwh"), raw.get("waited_seconds")
        if drawn and seconds and not raw.get("always_on"):
            found.append((work, work.started_at - timedelta(seconds=float(seconds)), float(drawn)))
    return found


def _waiting_g(one: Governed, series: Mapping[str, Forecast]) -> float:
    return math.fsum(
        drawn * series[work.location or one.decision.location].mean(since, work.started_at)
        for work, since, drawn in _waited(one.works)
    )
