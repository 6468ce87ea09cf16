"""Reproduce the savings of "Let's Wait Awhile" (Wiesner et al., Middleware 2021, doi:10.1145/3464298.3493399).

Run: ``python benchmarks/lets_wait_awhile.py [FOLDER]``; the folder holds ``lwa_*.csv``. Without noise every job is
placed by the package's own search; with noise, ten draws of every row are placed by the same choice written over
arrays, which the tests hold against the package's.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable, Container, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import numpy as np

from airflow_carbon.core.forecast import Forecast
from airflow_carbon.core.schedule import best_schedule
from airflow_carbon.core.units import Kind
from airflow_carbon.core.window import best_window

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
FILES = {"ger": "lwa_DE_2020_15min.csv", "gb": "lwa_GB_2020_30min.csv", "fr": "lwa_FR_2020_30min.csv"}
BEGIN = datetime(2020, 1, 1, tzinfo=UTC)
SLOT = timedelta(minutes=30)
#: The table counts 365 nights, the first on 1 January: the leap year's last day is not among them.
NIGHTS = 365
SEEDS = 10
#: How far a row may lie from the table, by the noise [points].
TOLERANCE = {0: 0.05, 5: 0.2, 10: 0.2}


class Row(NamedTuple):
    """Hold one row of the table and what was got for it [%]."""

    region: str
    scenario: str
    variant: str
    noise: int
    expected: float
    got: float


class Jobs(NamedTuple):
    """Hold jobs by slots counted from the first: when each is ready, how long it runs, by when it has to end."""

    ready: np.ndarray
    length: np.ndarray
    deadline: np.ndarray


def series(folder: Path, region: str) -> Forecast:
    """Read one region, by the stamps at :00 and :30 alone: what lies between them is left out, not averaged."""
    values = []
    with (folder / FILES[region]).open(newline="") as file:
        for row in csv.DictReader(file):
            stamp = datetime.fromisoformat(row["timestamp"])
            if stamp >= BEGIN and stamp.minute in (0, 30):
                assert stamp == BEGIN + len(values) * SLOT, f"{region}: a gap before {stamp}"
                values.append(float(row["gCO2_per_kwh"]))
    return Forecast(region, BEGIN, SLOT, values, kind=Kind.MEASURED)


def nights(half_width: int, slots: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Give the slots of 01:00, and the first and last slot in which each night's job may run."""
    at = np.arange(NIGHTS) * 48 + 2
    return at, np.maximum(at - half_width, 0), np.minimum(at + half_width, slots - 1)


def next_workday(finish: datetime) -> datetime:
    """Give the next working hour after a job would have ended; the end itself within working hours."""
    day, weekday = finish.replace(hour=0, minute=0), finish.weekday()
    morning = day + timedelta(hours=9)
    if weekday == 5:
        return morning + timedelta(days=2)
    if weekday == 6:
        return morning + timedelta(days=1)
    if finish > day + timedelta(hours=17):
        return morning + timedelta(days=3 if weekday == 4 else 1)
    return max(finish, morning)


def semi_weekly(finish: datetime) -> datetime:
    """Give the next Monday or Thursday at 09:00."""
    monday = finish.replace(hour=9, minute=0) - timedelta(days=finish.weekday())
    if finish <= monday:
        return monday
    return monday + timedelta(days=3 if finish <= monday + timedelta(days=3) else 7)


DEADLINES: dict[str, Callable[[datetime], datetime]] = {"next_workday": next_workday, "semi_weekly": semi_weekly}


def ml_jobs(folder: Path, rule: str, slots: int) -> Jobs:
    """Read the jobs and give each the deadline that a rule makes of its original finish, within the series."""
    with (folder / "lwa_ml_jobs.csv").open(newline="") as file:
        rows = [(int(row["start_min_since_2020_01_01"]), int(row["duration_min"])) for row in csv.DictReader(file)]
    ready, length = (np.array(column) // 30 for column in zip(*rows, strict=True))
    finish = [DEADLINES[rule](BEGIN + timedelta(minutes=start + duration)) for start, duration in rows]
    return Jobs(ready, length, np.minimum([(moment - BEGIN) // SLOT for moment in finish], slots))


# -- by the package's own search -------------------------------------------------------------------------------------


def nightly_by_the_core(actual: Forecast, forecast: Forecast, half_width: int) -> float:
    """Give the saving of the nightly jobs [%]."""
    emitted = baseline = 0.0
    for at, first, last in zip(*(slots.tolist() for slots in nights(half_width, len(actual))), strict=True):
        deadline = BEGIN + (last + 1) * SLOT
        window = best_window(forecast, duration=SLOT, earliest_start=BEGIN + first * SLOT, deadline=deadline)
        emitted += actual.mean(window.start, window.end)
        baseline += actual.intensity[at]
    return 100.0 * (1.0 - emitted / baseline)


def whole_by_the_core(actual: Forecast, forecast: Forecast, jobs: Jobs) -> float:
    """Give the saving of jobs that run in one piece [%]."""
    emitted = 0.0
    for ready, length, deadline in zip(*(slots.tolist() for slots in jobs), strict=True):
        earliest, latest = BEGIN + ready * SLOT, BEGIN + deadline * SLOT
        window = best_window(forecast, duration=length * SLOT, earliest_start=earliest, deadline=latest)
        emitted += length * actual.mean(window.start, window.end)
    return 100.0 * (1.0 - emitted / at_once(actual, jobs))


def pieces_by_the_core(actual: Forecast, forecast: Forecast, jobs: Jobs) -> float:
    """Give the saving of jobs that run in the cheapest slots [%]."""
    emitted = 0.0
    for ready, length, deadline in zip(*(slots.tolist() for slots in jobs), strict=True):
        schedule = best_schedule(
            forecast,
            duration=length * SLOT,
            earliest_start=BEGIN + ready * SLOT,
            deadline=BEGIN + deadline * SLOT,
            max_chunks=None,
        )
        emitted += sum(chunk.duration / SLOT * actual.mean(chunk.start, chunk.end) for chunk in schedule.chunks)
    return 100.0 * (1.0 - emitted / at_once(actual, jobs))


# -- over arrays -----------------------------------------------------------------------------------------------------


def at_once(actual: Forecast, jobs: Jobs) -> float:
    """Add up the intensity of every slot of jobs that do not wait."""
    return float((actual.cumulative[jobs.ready + jobs.length] - actual.cumulative[jobs.ready]).sum())


def nightly(actual: Forecast, forecast: np.ndarray, half_width: int) -> float:
    """Give the saving of the nightly jobs [%]."""
    at, first, last = nights(half_width, len(actual))
    chosen = [begin + forecast[begin : end + 1].argmin() for begin, end in zip(first, last, strict=True)]
    return 100.0 * float(1.0 - actual.intensity[chosen].sum() / actual.intensity[at].sum())


def whole(actual: Forecast, forecast: np.ndarray, jobs: Jobs) -> float:
    """Give the saving of jobs that run in one piece [%]."""
    summed = np.concatenate(([0.0], forecast.cumsum()))
    chosen = np.array(
        [
            ready + (summed[ready + length : deadline + 1] - summed[ready : deadline + 1 - length]).argmin()
            for ready, length, deadline in zip(*(slots.tolist() for slots in jobs), strict=True)
        ]
    )
    emitted = (actual.cumulative[chosen + jobs.length] - actual.cumulative[chosen]).sum()
    return 100.0 * float(1.0 - emitted / at_once(actual, jobs))


def pieces(actual: Forecast, forecast: np.ndarray, jobs: Jobs) -> float:
    """Give the saving of jobs that run in the cheapest slots, however many pieces that makes [%]."""
    widest = int((jobs.deadline - jobs.ready).max())
    slots = jobs.ready[:, None] + np.arange(widest)
    allowed = slots < jobs.deadline[:, None]
    slots = np.where(allowed, slots, 0)
    order = np.where(allowed, forecast[slots], np.inf).argsort(axis=1)
    emitted = np.take_along_axis(actual.intensity[slots], order, axis=1).cumsum(axis=1)
    emitted = np.take_along_axis(emitted, jobs.length[:, None] - 1, axis=1).sum()
    return 100.0 * float(1.0 - emitted / at_once(actual, jobs))


def noised(actual: Forecast, noise: int, seed: int) -> np.ndarray:
    """Draw a forecast: what came, and an error of its own in each slot [g/kWh]."""
    spread = noise / 100.0 * float(actual.intensity.mean())
    return actual.intensity + np.random.default_rng(seed).normal(0.0, spread, len(actual))


# -- the table -------------------------------------------------------------------------------------------------------


def saved(folder: Path, actual: Forecast, scenario: str, variant: str, noise: int, *, quick: bool = False) -> float:
    """Give the saving of one row [%]: the mean over ten draws where there is noise.

    :param quick: place interruptible jobs over arrays without noise too.
    """
    if scenario == "nightly":
        half_width = round(float(variant.removeprefix("+-").removesuffix("h")) * 2)
        if noise == 0:
            return nightly_by_the_core(actual, actual, half_width)
        return float(np.mean([nightly(actual, noised(actual, noise, seed), half_width) for seed in range(SEEDS)]))
    rule, _, sort = variant.rpartition("_")
    jobs = ml_jobs(folder, rule, len(actual))
    if noise == 0:
        if sort == "I" and quick:
            return pieces(actual, actual.intensity, jobs)
        return (whole_by_the_core if sort == "N" else pieces_by_the_core)(actual, actual, jobs)
    place = whole if sort == "N" else pieces
    return float(np.mean([place(actual, noised(actual, noise, seed), jobs) for seed in range(SEEDS)]))


def rows(folder: Path = DATA, *, quick: Container[str] = ()) -> Iterator[Row]:
    """Compute every exact row of the table.

    :param quick: regions whose interruptible jobs are placed over arrays in every row.
    """
    with (folder / "lwa_expected.csv").open(newline="") as file:
        wanted = [row for row in csv.DictReader(file) if row["semantics"] == "exact"]
    known = {region: series(folder, region) for region in FILES}
    for row in wanted:
        region, scenario, variant, noise = row["region"], row["scenario"], row["variant"], int(row["noise_pct"])
        got = saved(folder, known[region], scenario, variant, noise, quick=region in quick)
        yield Row(region, scenario, variant, noise, float(row["saved_pct"]), got)


def line(row: Row) -> str:
    """Print one row of the table, and whether it lies further from the published number than it may."""
    apart = row.got - row.expected
    names = f"{row.region:<8}{row.scenario:<10}{row.variant:<16}{row.noise:>4} %"
    missed = "" if abs(apart) <= TOLERANCE[row.noise] else "  MISSED"
    return f"{names}{row.expected:>10.3f}{row.got:>10.3f}{apart:>+9.3f}{missed}"


def main(folder: Path) -> None:
    if not (folder / "lwa_expected.csv").exists():
        sys.exit(f"{folder}: no lwa_expected.csv here; name the folder that holds it and the series")
    print("reduction against running at once [%]")
    print(f"{'region':<8}{'scenario':<10}{'variant':<16}{'noise':>6}{'expected':>10}{'got':>10}{'apart':>9}")
    worst: dict[int, float] = {}
    for row in rows(folder):
        worst[row.noise] = max(worst.get(row.noise, 0.0), abs(row.got - row.expected))
        print(line(row))
    for noise, apart in sorted(worst.items()):
        missed = "" if apart <= TOLERANCE[noise] else "  MISSED"
        print(f"noise {noise:>2} %: at most {apart:.3f} points apart (allowed {TOLERANCE[noise]:.2f}){missed}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else DATA)
