"""Re-planning against planning once, on forecasts as they were really issued; and what one decision costs.

Run: ``python benchmarks/replanning.py [FOLDER]``; the folder holds ``forecasts_*.csv`` and ``actuals_*.csv``.
"""

from __future__ import annotations

import csv
import sys
import timeit
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import numpy as np

from airflow_carbon.core.backtest import Issue, learn, replay
from airflow_carbon.core.forecast import Forecast
from airflow_carbon.core.policy import decide
from airflow_carbon.core.request import WaitRequest
from airflow_carbon.core.units import Kind
from airflow_carbon.core.window import best_window, window_at

ISSUED = Path(__file__).resolve().parents[2] / "shared" / "data" / "issued"
DURATIONS = tuple(timedelta(hours=hours) for hours in (1, 2, 4, 8))
SLACKS = tuple(timedelta(hours=hours) for hours in (12, 24, 36))
HALF_HOUR = timedelta(minutes=30)


class Stretch(NamedTuple):
    """Hold what was issued over some days, cold at their beginning, and what came."""

    name: str
    issues: list[Issue]
    actual: Forecast


class Kept(NamedTuple):
    """Say which share of the oracle's saving a policy kept [%], and its moves per job."""

    percent: float
    moves: float


Policy = Callable[[WaitRequest, list[Issue]], tuple[datetime, int]]


def stretches(folder: Path = ISSUED) -> list[Stretch]:
    """Read every stretch in the folder; an issue is usable from the next half hour."""
    found = []
    for path in sorted(folder.glob("forecasts_*.csv")):
        name = path.stem.removeprefix("forecasts_")
        rows: dict[datetime, list[tuple[datetime, float]]] = {}
        with path.open(newline="") as file:
            for row in csv.DictReader(file):
                point = (datetime.fromisoformat(row["timestamp"]), float(row["forecast_g_per_kwh"]))
                rows.setdefault(datetime.fromisoformat(row["issued_at"]), []).append(point)
        forecasts = [
            Forecast.from_points("GB", *zip(*points, strict=True), issued_at=issued_at)
            for issued_at, points in sorted(rows.items())
        ]
        usable = [moment.replace(minute=moment.minute // 30 * 30) + HALF_HOUR for moment in sorted(rows)]
        with (folder / f"actuals_{name}.csv").open(newline="") as file:
            points = [(datetime.fromisoformat(row["timestamp"]), float(row["actual"])) for row in csv.DictReader(file)]
        actual = Forecast.from_points("GB", *zip(*points, strict=True), kind=Kind.MEASURED)
        found.append(Stretch(name, learn(zip(usable, forecasts, strict=True)), actual))
    return found


def jobs(stretch: Stretch, duration: timedelta, slack: timedelta) -> list[WaitRequest]:
    """Give a job at every half hour, from the first usable issue to the last, whose latest finish was measured."""
    first, last = stretch.issues[0].usable_from, stretch.issues[-1].usable_from
    last = min(last, stretch.actual.end - slack - duration)
    return [
        WaitRequest.checked(duration=duration, ready_at=ready, latest_start=ready + slack, min_saving_percent=0.0)
        for ready in (first + index * HALF_HOUR for index in range((last - first) // HALF_HOUR + 1))
    ]


def kept(stretch: Stretch, requests: list[WaitRequest], policy: Policy) -> Kept:
    """Measure a policy over jobs: savings summed, over the oracle's savings summed, both by what came."""
    saved = possible = 0.0
    moves = 0
    for request in requests:
        start, moved = policy(request, stretch.issues)
        baseline = stretch.actual.mean(request.ready_at, request.ready_at + request.duration)
        finish = request.latest_start + request.duration
        oracle = best_window(
            stretch.actual, duration=request.duration, earliest_start=request.ready_at, deadline=finish
        )
        saved += baseline - stretch.actual.mean(start, start + request.duration)
        possible += baseline - oracle.intensity_g_per_kwh
        moves += moved
    return Kept(100.0 * saved / possible, moves / len(requests))


def ours(request: WaitRequest, issues: list[Issue]) -> tuple[datetime, int]:
    """Follow ``policy.decide``."""
    told = replay(request, issues)
    return told.start, told.moves


def plain(hysteresis: float) -> Policy:
    """Follow the newest issue as it stands; a plan is given up for a gain beyond a fixed share."""

    def policy(request: WaitRequest, issues: list[Issue]) -> tuple[datetime, int]:
        newest = sum(issue.usable_from <= request.ready_at for issue in issues) - 1
        finish, start, moves = request.latest_start + request.duration, None, 0
        for issue in issues[newest:]:
            now = max(request.ready_at, issue.usable_from)
            if start is not None and start <= now:
                break
            best = best_window(issue.forecast, duration=request.duration, earliest_start=now, deadline=finish)
            if start is not None:
                held = window_at(issue.forecast, start=start, duration=request.duration)
                if best.intensity_g_per_kwh >= held.intensity_g_per_kwh * (1.0 - hysteresis):
                    continue
                moves += 1
            start = best.start
        assert start is not None
        return start, moves

    return policy


def once(request: WaitRequest, issues: list[Issue]) -> tuple[datetime, int]:
    """Plan on the newest issue when ready, and keep to it."""
    return plain(1.0)(request, issues)


def belief_once(request: WaitRequest, issues: list[Issue]) -> tuple[datetime, int]:
    """Plan as ``policy.decide`` does when ready, and keep to it: what belief alone gives, without re-planning."""
    return ours(request, [issue for issue in issues if issue.usable_from <= request.ready_at])


def cold(request: WaitRequest, issues: list[Issue]) -> tuple[datetime, int]:
    """Follow ``policy.decide`` with nothing learned before the job was ready."""
    newest = sum(issue.usable_from <= request.ready_at for issue in issues) - 1
    return ours(request, learn([(issue.usable_from, issue.forecast) for issue in issues[newest:]]))


def main(folder: Path) -> None:
    found = stretches(folder)
    if not found:
        sys.exit(f"{folder}: no forecasts_*.csv here; name the folder that holds them")
    print("share of the oracle's saving kept [%] (moves per job)")
    heads = "".join(f"{head:>15}" for head in ("newest says so", "beyond 2 %", "belief once", "decide cold", "decide"))
    print(f"{'stretch':<12}{'run':>5}{'slack':>6}{'jobs':>6}{'once':>8}{heads}{'- once':>8}")
    policies = once, plain(0.0), plain(0.02), belief_once, cold, ours
    differences, unlearned = [], []
    for stretch in found:
        for duration in DURATIONS:
            for slack in SLACKS:
                requests = jobs(stretch, duration, slack)
                one, *others = (kept(stretch, requests, policy) for policy in policies)
                differences.append(others[-1].percent - one.percent)
                unlearned.append(others[-2].percent - one.percent)
                columns = "".join(f"{other.percent:8.1f} ({other.moves:.2f})" for other in others)
                hours = f"{duration // HALF_HOUR / 2:>3.0f} h{slack // HALF_HOUR / 2:>4.0f} h{len(requests):>6}"
                print(f"{stretch.name:<12}{hours}{one.percent:>8.1f}{columns}{differences[-1]:>+8.1f}")
    for name, rows in (("decide", differences), ("decide cold", unlearned)):
        print(f"{name} less planning once: worst {min(rows):+.1f}, mean {np.mean(rows):+.1f} points")

    issue, later = found[0].issues[-2:]
    request = jobs(found[0], DURATIONS[2], SLACKS[1])[0]
    finish = later.usable_from + SLACKS[1]
    request = WaitRequest.checked(duration=DURATIONS[2], ready_at=issue.usable_from, latest_start=finish, spread=0.3)
    standing = decide(request, issue.forecast, now=issue.usable_from, error=issue.error).window
    costs = {
        "a first decision": lambda: decide(request, later.forecast, now=later.usable_from, error=later.error),
        "a decision on a standing plan": lambda: decide(
            request, later.forecast, now=later.usable_from, standing=standing, error=later.error
        ),
        "learning from an issue": lambda: issue.error.observed(later.forecast),
    }
    for name, call in costs.items():
        print(f"{name}: {min(timeit.repeat(call, number=200, repeat=5)) / 200 * 1e6:.0f} us")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ISSUED)
