"""Measure the project's own forecast by what a plan on it keeps of the oracle's saving, never looking ahead.

Run: ``python benchmarks/forecaster.py [FOLDER] [--every HOURS]``; the folder holds ``lwa_*.csv``, ``neso_*.csv``,
``pair_CISO_*.csv`` and ``zones_45_*.csv``. Jobs of 1, 2, 4 and 8 h are ready every few hours and may wait 12, 24 or
36 h; each plan is made once, on what was measured before the job was ready (28 days at most, which is what the chain
keeps), and judged by what came. A series' figure is the mean over these twelve kinds of jobs of the share of the
oracle's saving that is kept; the four zones that are flat to a third of a gram have none.

What the forecaster's constants were chosen on is marked ``*``: every other one of the zones, and the first half of each
long series, in some two hundred trials, on these alone. The others judge, and are no perfectly clean judges: six ways
were looked at on them too, France under a dozen weights more once it had failed, and an earlier form, some of whose
constants live on, was picked among eighteen with all of them seen. The way that was taken is the simplest of those that
did best on the marked ones.

A month of one zone is some twenty days: its figure would be another in another month. How far it would is told by
drawing two-day stretches of its jobs again and again, with replacement (Kuensch 1989, doi:10.1214/aos/1176347265).
"""

from __future__ import annotations

import argparse
import csv
import time
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from airflow_carbon.core.forecast import Forecast
from airflow_carbon.core.forecaster import own_forecast
from airflow_carbon.core.hourly import hourly
from airflow_carbon.core.units import Kind
from airflow_carbon.sources.kept_history import LENGTH

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
DURATIONS, SLACKS = (1, 2, 4, 8), (12, 24, 36)
AHEAD = max(DURATIONS) + max(SLACKS)
HOUR, DAY, WEEK = timedelta(hours=1), 24, 168
#: Targets [points]: over the 7-day hourly mean on average, and on each series.
ON_AVERAGE, ON_EACH = 1.0, -0.5
#: Target [ms] for one zone, its fit included.
MOST_MS = 50.0
METHODS = ("7-day mean", "yesterday", "last week", "own")
#: So often each series' jobs are drawn again, in stretches of so many hours.
DRAWS, STRETCH = 300, 48


class Series(NamedTuple):
    """Hold one series: its measured parts, and the jobs' part of it."""

    name: str
    parts: list[Forecast]
    chosen_on: bool
    first: float
    last: float


class Line(NamedTuple):
    """Say what plans on each method kept [%], how chance moves own less mean [points], what a forecast cost [ms]."""

    series: Series
    jobs: int
    kept: tuple[float, ...]
    drawn: np.ndarray
    cost_ms: tuple[float, ...]

    @property
    def apart(self) -> float:
        """Give how far the own forecast is over the 7-day mean [points]."""
        return self.kept[3] - self.kept[0]


def read(path: Path, columns: list[str] | None = None) -> dict[str, list[Forecast]]:
    """Read the measured parts of each column, cut at gaps."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    stamps = [datetime.fromisoformat(row["timestamp"]).astimezone(UTC) for row in rows]
    step = min(later - earlier for earlier, later in pairwise(stamps))
    cuts = [0, *(i for i in range(1, len(stamps)) if stamps[i] - stamps[i - 1] != step), len(stamps)]
    names = columns or [name for name in rows[0] if name != "timestamp"]
    return {
        name: [
            Forecast(name, stamps[a], step, [float(row[name]) for row in rows[a:b]], kind=Kind.MEASURED)
            for a, b in pairwise(cuts)
        ]
        for name in names
    }


def all_series(folder: Path) -> list[Series]:
    """Read every series of the folder."""
    found = []
    names = ("lwa_[DGF]*_2020_*.csv", "neso_GB_*.csv", "pair_CISO_*.csv")
    for path in sorted(path for name in names for path in folder.glob(name)):
        parts = read(path, ["gCO2_per_kwh"])["gCO2_per_kwh"]
        name = " ".join(path.stem.split("_")[:2])
        found += [
            Series(f"{name}, 1st half", parts, True, 0.0, 0.5),
            Series(f"{name}, 2nd half", parts, False, 0.5, 1.0),
        ]
    for path in sorted(folder.glob("zones_45_*.csv")):
        zones = read(path)
        useful = [zone for zone in zones if np.std(zones[zone][0].intensity) > 0.3]
        found += [Series(zone, zones[zone], index % 2 == 0, 0.0, 1.0) for index, zone in enumerate(useful)]
    return found


def replayed(series: Series, every: int) -> Line:
    """Plan each job on each method, and judge the plans by what came."""
    begin = hourly(series.parts[0])[0]
    size = hourly(series.parts[-1])[0] + hourly(series.parts[-1])[1].size - begin
    measured = np.full(size, np.nan)
    for part in series.parts:
        at, means = hourly(part)
        measured[at - begin : at - begin + means.size] = means
    ready = np.arange(max(WEEK, int(size * series.first)), min(int(size * series.last), size - AHEAD), every)
    came = sliding_window_view(measured, AHEAD)[ready]
    week = sliding_window_view(measured, WEEK)[ready - WEEK]
    usable = np.isfinite(came).all(axis=1) & np.isfinite(week).all(axis=1)
    ready, came, week = ready[usable], came[usable], week[usable]
    days = week.reshape(-1, 7, DAY)
    ahead = np.arange(AHEAD) % DAY
    own, cost = np.empty_like(came), []
    for row, hour in enumerate(ready):
        now = datetime.fromtimestamp((begin + int(hour)) * 3600, UTC)
        past = [
            part.between(max(part.start, now - LENGTH), now)
            for part in series.parts
            if part.start < now and now - LENGTH < part.end
        ]
        begun = time.perf_counter()
        own[row] = own_forecast(past, now=now, until=now + AHEAD * HOUR).intensity
        cost.append(1000.0 * (time.perf_counter() - begun))
    foreseen = days.mean(axis=1)[:, ahead], days[:, -1][:, ahead], week[:, :AHEAD], own
    saved, possible = zip(*(savings(came, one) for one in foreseen), strict=True)
    length = max(1, STRETCH // every)
    begins = np.random.default_rng(1).integers(0, max(1, len(ready) - length), (DRAWS, -(-len(ready) // length)))
    drawn = (begins[:, :, None] + np.arange(length)).reshape(DRAWS, -1)[:, : len(ready)]
    shares = tuple(float(np.mean(100.0 * one.sum(axis=0) / possible[0].sum(axis=0))) for one in saved)
    gains = 100.0 * (saved[3] - saved[0])[drawn].sum(axis=1) / possible[0][drawn].sum(axis=1)
    return Line(series, len(ready), shares, gains.mean(axis=1), tuple(cost))


def savings(came: np.ndarray, foreseen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give what each job saves, planned on a forecast, and what it could have, shape ``(jobs, kinds)`` [g/kWh]."""
    saved, possible, each = [], [], np.arange(len(came))
    for duration in DURATIONS:
        means, guess = (sliding_window_view(one, duration, axis=1).mean(axis=2) for one in (came, foreseen))
        # What differs by less than the last bit of a sum is no cleaner hour: the earliest counts.
        guess = guess.round(6)
        for slack in SLACKS:
            saved.append(means[:, 0] - means[each, guess[:, : slack + 1].argmin(axis=1)])
            possible.append(means[:, 0] - means[:, : slack + 1].min(axis=1))
    return np.stack(saved, axis=1), np.stack(possible, axis=1)


def summary(name: str, lines: list[Line]) -> list[float]:
    """Print the means over some series, and how far the own forecast is from the 7-day mean."""
    means = [float(np.mean([line.kept[index] for line in lines])) for index in range(len(METHODS))]
    apart = [line.apart for line in lines]
    columns = "".join(f"{mean:>12.1f}" for mean in means)
    print(f"{name:<27}{len(lines):>7}{columns}{np.mean(apart):>+12.2f}   worst {min(apart):+.2f}")
    return apart


def main(folder: Path, every: int) -> None:
    found = all_series(folder)
    if not found:
        raise SystemExit(f"{folder}: no series here; name the folder that holds them")
    print("share of the oracle's saving kept [%]; * = the forecaster's constants were chosen on it")
    heads = "".join(f"{name:>12}" for name in METHODS)
    print(f"{'series':<27}{'jobs':>7}{heads}{'own - mean':>12}{'+-':>6}")
    lines = []
    for series in found:
        line = replayed(series, every if series.last - series.first == 1.0 else 4 * every + 1)
        lines.append(line)
        columns = "".join(f"{share:>12.1f}" for share in line.kept)
        mark = "*" if series.chosen_on else " "
        print(
            f"{mark} {series.name:<25}{line.jobs:>7}{columns}{line.apart:>+12.2f}{line.drawn.std():>6.1f}", flush=True
        )
    print()
    apart = summary("all", lines)
    summary("* chosen on these", [line for line in lines if line.series.chosen_on])
    summary("  the others", [line for line in lines if not line.series.chosen_on])
    means = [float(np.mean([line.kept[index] for line in lines])) for index in range(len(METHODS))]
    below = np.mean([np.mean(line.drawn < ON_EACH) for line in lines])
    print(
        f"a series drawn again falls below {ON_EACH:+} in {below:.0%} of draws: none of {len(lines)} does by chance in "
        f"{np.prod([np.mean(line.drawn >= ON_EACH) for line in lines]):.1%}"
    )
    costs = np.concatenate([line.cost_ms for line in lines])
    for name, target, reached, met in (
        (
            "over the 7-day mean, on average [points]",
            f">= {ON_AVERAGE:+}",
            np.mean(apart),
            np.mean(apart) >= ON_AVERAGE,
        ),
        ("over the 7-day mean, worst series [points]", f">= {ON_EACH:+}", min(apart), min(apart) >= ON_EACH),
        ("over yesterday, on average [points]", "> 0", means[3] - means[1], means[3] > means[1]),
        ("over last week, on average [points]", "> 0", means[3] - means[2], means[3] > means[2]),
    ):
        print(f"{name:<46}{target:>10}{reached:>+10.2f}{'' if met else '  MISSED'}")
    least, median = costs.min(), float(np.median(costs))
    missed = "" if median <= MOST_MS else "  MISSED"
    print(f"{'one zone, with fit [ms], least, median':<46}{f'<= {MOST_MS:g}':>10}{least:>10.1f}{median:>8.1f}{missed}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", nargs="?", type=Path, default=DATA)
    parser.add_argument("--every", type=int, default=2, metavar="HOURS", help="between two jobs of a one-month series")
    given = parser.parse_args()
    main(given.folder, given.every)
