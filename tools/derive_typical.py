"""Derive airflow_carbon/sources/data/typical_GB.csv from ../shared/data/neso_GB_2020_2022_60min.csv.

Run it from anywhere: ``python tools/derive_typical.py``. Each number is the mean over every hour of 2020 to 2022 that
falls into one month, one kind of day and one local hour (Europe/London, so an evening peak stays in the evening when
the clocks change).
"""

from __future__ import annotations

import csv
from collections import defaultdict
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

ROOT = Path(__file__).resolve().parents[1]
SERIES = ROOT.parent / "shared" / "data" / "neso_GB_2020_2022_60min.csv"
TABLE = ROOT / "airflow_carbon" / "sources" / "data" / "typical_GB.csv"
LONDON = ZoneInfo("Europe/London")


def cells() -> dict[tuple[int, bool, int], float]:
    """Mean intensity [gCO2/kWh] of each (month, weekend, local hour)."""
    values: dict[tuple[int, bool, int], list[float]] = defaultdict(list)
    with SERIES.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            local = datetime.fromisoformat(row["timestamp"]).astimezone(LONDON)
            values[local.month, local.weekday() >= 5, local.hour].append(float(row["gCO2_per_kwh"]))
    return {cell: sum(hours) / len(hours) for cell, hours in values.items()}


def main() -> None:
    """Write one row for each month and kind of day, one column for each local hour."""
    means = cells()
    with TABLE.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["month", "weekend", *(f"h{hour:02d}" for hour in range(24))])
        for month in range(1, 13):
            for weekend in (False, True):
                hours = (f"{means[month, weekend, hour]:.1f}" for hour in range(24))
                writer.writerow([month, "yes" if weekend else "no", *hours])
    print(f"{TABLE.relative_to(ROOT)}: {len(means)} cells")  # noqa: T201 - a script speaks to its user


if __name__ == "__main__":
    main()
