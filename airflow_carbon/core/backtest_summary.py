"""What a backtest comes to: in one line, month by month, and by the saving that is asked for."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from airflow_carbon.core.outcome import saving_percent
from airflow_carbon.exceptions import InvalidRequestError

if TYPE_CHECKING:
    from airflow_carbon.core.backtest import Backtest
    from airflow_carbon.core.outcome import Outcome

#: Fewer shifted jobs than this say nothing of a share of 5 %.
EVIDENCE = 100
#: Least savings that a calibration tries [%].
TRIED = (0.0, 2.5, 5.0, 7.5, 10.0, 12.5, 15.0, 17.5, 20.0, 25.0, 30.0, 40.0)


@dataclass(frozen=True, slots=True)
class Summary:
    """Hold what many jobs come to; each counts by its duration, as if all drew the same power.

    :param jobs: how many.
    :param shifted: how many ran at another time or place than at once at home.
    :param emitted_more: how many of the shifted ones emitted more than at once.
    :param reduction_percent: against running at once [%]; None where that emitted nothing, and these did.
    :param oracle_reduction_percent: what knowing the future would have given [%].
    :param regret_percent: p50, p95 and p99 over all jobs of (emitted - oracle) / oracle [%]; infinite where the oracle
        emitted nothing.
    :param promised_percent: mean of what the shifted jobs were promised against running at once [%]; None where none
        was shifted. Jobs whose run at once would have emitted nothing have no percentage and are left out.
    :param realised_percent: mean of what the same jobs got, by the same measure [%].
    """

    jobs: int
    shifted: int
    emitted_more: int
    reduction_percent: float | None
    oracle_reduction_percent: float
    regret_percent: tuple[float, float, float]
    promised_percent: float | None
    realised_percent: float | None

    @property
    def kept_percent(self) -> float | None:
        """Share of the oracle's saving that was kept [%]; None where there was nothing to save."""
        if self.reduction_percent is None or self.oracle_reduction_percent <= 1e-9:
            return None
        return 100.0 * self.reduction_percent / self.oracle_reduction_percent

    @property
    def emitted_more_percent(self) -> float | None:
        """Share of the shifted jobs that emitted more than at once [%]; None where none was shifted."""
        return 100.0 * self.emitted_more / self.shifted if self.shifted else None

    @property
    def overpromised_points(self) -> float | None:
        """Mean of promised less realised saving over the shifted jobs [points]; None where none was shifted."""
        if self.promised_percent is None or self.realised_percent is None:
            return None
        return self.promised_percent - self.realised_percent


def summary(outcomes: Sequence[Outcome]) -> Summary:
    """Sum outcomes up.

    :raises InvalidRequestError: if there is none.
    """
    if not outcomes:
        raise InvalidRequestError("outcomes: no job could be replayed; take a longer history or a shorter max_delay")
    hours = [one.job.duration / timedelta(hours=1) for one in outcomes]

    def total(grams: Callable[[Outcome], float]) -> float:
        return math.fsum(grams(one) * weight for one, weight in zip(outcomes, hours, strict=True))

    baseline = total(lambda one: one.baseline_g_per_kwh)
    shifted = [one for one in outcomes if one.shifted]
    told = [(one.promised_saving_percent, one.saving_percent) for one in shifted]
    known = [(promised, got) for promised, got in told if promised is not None and got is not None]
    p50, p95, p99 = np.percentile([one.regret_percent for one in outcomes], (50, 95, 99), method="inverted_cdf")
    return Summary(
        jobs=len(outcomes),
        shifted=len(shifted),
        emitted_more=sum(one.emitted_more for one in shifted),
        reduction_percent=saving_percent(total(lambda one: one.emitted_g_per_kwh), baseline),
        # The oracle may run at once too: where that emitted nothing, so did the oracle.
        oracle_reduction_percent=saving_percent(total(lambda one: one.oracle_g_per_kwh), baseline) or 0.0,
        regret_percent=(float(p50), float(p95), float(p99)),
        promised_percent=math.fsum(one for one, _ in known) / len(known) if known else None,
        realised_percent=math.fsum(one for _, one in known) / len(known) if known else None,
    )


def by_month(outcomes: Iterable[Outcome]) -> list[tuple[str, Summary]]:
    """Sum up month by month, as ``2020-03``: the month (UTC) in which a job was ready."""
    return _by(outcomes, lambda ready_at: f"{ready_at:%Y-%m}")


def by_week(outcomes: Iterable[Outcome]) -> list[tuple[str, Summary]]:
    """Sum up week by week, each named after its Monday (UTC), as ``2020-03-02``."""
    return _by(outcomes, lambda ready_at: f"{ready_at - timedelta(days=ready_at.weekday()):%Y-%m-%d}")


def _by(outcomes: Iterable[Outcome], period: Callable[[datetime], str]) -> list[tuple[str, Summary]]:
    found: dict[str, list[Outcome]] = {}
    for one in outcomes:
        found.setdefault(period(one.job.ready_at), []).append(one)
    return [(name, summary(every)) for name, every in sorted(found.items())]


@dataclass(frozen=True, slots=True)
class Calibration:
    """Say which least saving keeps shifting from backfiring in a zone.

    :param min_saving_percent: the least one at which at most ``limit_percent`` of the shifted jobs emit more, and at
        the next that was tried too [%]; None where no tried one is, with evidence enough.
    :param limit_percent: the share that was asked for [%].
    :param rows: the summary for each that was tried [%].
    :param foresight: what the jobs were allowed to know.
    """

    min_saving_percent: float | None
    limit_percent: float
    rows: tuple[tuple[float, Summary], ...]
    foresight: str


def calibrate_min_saving(
    run: Callable[[float], Backtest], *, limit_percent: float = 5.0, tried: Sequence[float] = TRIED
) -> Calibration:
    """Find the least ``min_saving_percent`` at which few shifted jobs emit more than at once.

    One that keeps the limit by chance, while the next larger one breaks it, is not taken; nor is one with fewer than
    ``EVIDENCE`` shifted jobs.

    :param run: backtests one least saving [%].
    :param limit_percent: at most this share of the shifted jobs may emit more [%].
    :param tried: least savings, rising [%].
    :raises InvalidRequestError: if the limit is no percentage, or nothing is to be tried.
    """
    if not 0.0 <= limit_percent <= 100.0:
        raise InvalidRequestError(f"limit_percent: {limit_percent} must lie between 0 and 100 [%]")
    if not tried or sorted(tried) != list(tried):
        raise InvalidRequestError(f"tried: {list(tried)} must be one percentage or more, rising")
    backtests = [run(least) for least in tried]
    rows = tuple((least, summary(one.outcomes)) for least, one in zip(tried, backtests, strict=True))
    told = [(least, row) for least, row in rows if row.shifted >= EVIDENCE]
    keeps = [row.emitted_more <= limit_percent / 100.0 * row.shifted for _, row in told]
    found = next((least for at, (least, _) in enumerate(told) if all(keeps[at : at + 2])), None)
    return Calibration(found, limit_percent, rows, backtests[0].foresight)
