"""An issued forecast blended with the project's own one, and re-planning on own forecasts, in replays.

Run: ``python benchmarks/blending.py [FOLDER]``; the folder holds ``pair_CISO_*.csv``, ``zones_45_*.csv``, ``lwa_*.csv``
and ``issued/``. Each blend knows only what was issued and measured by then. California's day-ahead forecast is stitched
from one issue a day: it is taken as issued at midnight UTC, 24 h long, and jobs stay within its day.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import numpy as np
from forecaster import DATA, Series, all_series, read
from numpy.lib.stride_tricks import sliding_window_view
from replanning import stretches

from airflow_carbon.core.blend import Blend
from airflow_carbon.core.forecast import Forecast
from airflow_carbon.core.forecast_error import ForecastError
from airflow_carbon.core.forecaster import own_forecast
from airflow_carbon.core.hourly import hourly
from airflow_carbon.core.replay import Issue, replay
from airflow_carbon.core.request import WaitRequest
from airflow_carbon.core.units import Kind
from airflow_carbon.exceptions import InvalidForecastError
from airflow_carbon.sources.kept_history import LENGTH

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
#: Jobs of California's day: length and slack [h].
WITHIN_A_DAY = tuple((length, slack) for length in (1, 2, 4) for slack in (8, 12, 18))
#: Jobs on own forecasts: length and slack [h], and hours between two of them.
JOBS, EVERY = tuple((length, slack) for length in (1, 4, 8) for slack in (12, 24, 36)), 13


def blended(issues: list[Forecast], measured: Forecast) -> tuple[list[Forecast], Blend, int]:
    """Blend each issue with what was known when it came; tell the last state, and how many were changed."""
    blend, told, changed = Blend(), [], 0
    for issue in issues:
        past = measured.between(max(measured.start, issue.start - LENGTH), issue.start + HOUR)
        past = past.between(past.start, issue.start) if past.start < issue.start else past
        blend = blend.noted(issue).learned([past])
        answer = issue
        if blend.helps:
            with suppress(InvalidForecastError):
                answer = blend.blended(issue, own_forecast([past], now=issue.start, until=issue.end))
        changed += answer is not issue
        told.append(answer)
    return told, blend, changed


def kept(came: np.ndarray, foreseen: np.ndarray, length: int, slack: int) -> float:
    """Give the share of the oracle's saving that plans of each third hour keep [%]; one row a day."""
    means, guess = (sliding_window_view(one, length, axis=1).mean(axis=2) for one in (came, foreseen))
    each, saved, possible = np.arange(len(came)), 0.0, 0.0
    for ready in range(0, came.shape[1] - length - slack + 1, 3):
        reach = slice(ready, ready + slack + 1)
        saved += (means[:, ready] - means[each, ready + guess[:, reach].argmin(axis=1)]).sum()
        possible += (means[:, ready] - means[:, reach].min(axis=1)).sum()
    return 100.0 * saved / possible


def california(folder: Path) -> None:
    """Print what blending does to a day-ahead forecast over two years."""
    (path,) = folder.glob("pair_CISO_*.csv")
    (measured,) = read(path, ["gCO2_per_kwh"])["gCO2_per_kwh"]
    (ahead,) = read(path, ["forecast_dayahead"])["forecast_dayahead"]
    days = [measured.start + day * DAY for day in range(28, len(measured) // 24 - 1)]
    issues = [ahead.between(day, day + DAY).replaced(kind=Kind.FORECAST, source="day-ahead") for day in days]
    told, blend, changed = blended(issues, measured)
    own = [own_forecast([measured.between(day - LENGTH, day)], now=day, until=day + DAY).intensity for day in days]
    came = np.stack([measured.between(day, day + DAY).intensity for day in days])
    ways = {"issued": [one.intensity for one in issues], "own": own, "blended": [one.intensity for one in told]}
    print(f"California, {len(days)} day-ahead issues, {changed} blended; last weights {np.round(blend.weights, 2)}")
    print(f"{'run':>5}{'slack':>7}" + "".join(f"{way:>10}" for way in ways) + f"{'- issued':>10}")
    gains = []
    for length, slack in WITHIN_A_DAY:
        shares = [kept(came, np.stack(way), length, slack) for way in ways.values()]
        gains.append(shares[2] - shares[0])
        print(f"{length:>3} h{slack:>5} h" + "".join(f"{share:>10.1f}" for share in shares) + f"{gains[-1]:>+10.1f}")
    print(f"blended less issued: worst {min(gains):+.1f}, mean {np.mean(gains):+.1f} points")


def great_britain(folder: Path) -> None:
    """Print how many of Great Britain's issues could be blended: an own forecast takes a week of history."""
    for stretch in stretches(folder / "issued"):
        _, _, changed = blended([issue.forecast for issue in stretch.issues], stretch.actual)
        print(f"Great Britain, {stretch.name}: {changed} of {len(stretch.issues)} issues blended, the others as issued")


def replanned(series: Series) -> tuple[float, float, float]:
    """Give what planning once and following ``policy.decide`` keep on own forecasts [%], and the moves per job."""
    part = max(series.parts, key=len)
    _, means = hourly(part)
    measured = Forecast(series.name, part.start, HOUR, means[:1416], kind=Kind.MEASURED)
    first, issues = measured.start + 14 * DAY, []
    last = min(measured.end - 2 * DAY, first + 20 * DAY)
    for hour in range((last - first) // HOUR):
        now = first + hour * HOUR
        past = measured.between(max(measured.start, now - LENGTH), now)
        issues.append(Issue(now, own_forecast([past], now=now, until=now + 44 * HOUR), ForecastError()))
    saved, possible, moves, jobs = np.zeros(2), 0.0, 0, 0
    for length, slack in JOBS:
        for hour in range(0, len(issues) - slack, EVERY):
            ready = first + hour * HOUR
            request = WaitRequest.checked(
                duration=length * HOUR, ready_at=ready, latest_start=ready + slack * HOUR, min_saving_percent=0.0
            )
            run = replay(request, issues[hour : hour + slack + 1])
            starts = replay(request, issues[hour : hour + 1]).start, run.start
            at_once = measured.mean(ready, ready + length * HOUR)
            oracle = min(measured.mean(ready + row * HOUR, ready + (row + length) * HOUR) for row in range(slack + 1))
            saved += [at_once - measured.mean(start, start + length * HOUR) for start in starts]
            possible, moves, jobs = possible + at_once - oracle, moves + run.moves, jobs + 1
    return 100.0 * saved[0] / possible, 100.0 * saved[1] / possible, moves / jobs


def main(folder: Path) -> None:
    california(folder)
    great_britain(folder)
    print(
        "re-planning each hour on own forecasts, share of the oracle's saving kept [%]; * = a constant was chosen on it"
    )
    print(f"{'series':<22}{'once':>8}{'decide':>8}{'- once':>8}{'moves':>8}")
    rows = []
    for series in [one for one in all_series(folder) if one.first == 0.0][::2]:
        once, ours, moves = replanned(series)
        rows.append(ours - once)
        mark = "*" if series.chosen_on else " "
        print(f"{mark} {series.name:<20}{once:>8.1f}{ours:>8.1f}{ours - once:>+8.2f}{moves:>8.2f}", flush=True)
    print(f"decide less planning once: worst {min(rows):+.2f}, mean {np.mean(rows):+.2f} points")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else DATA)
