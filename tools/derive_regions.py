"""Derive airflow_carbon/sources/data/regions.csv from ../shared/facts/cloud_regions.csv.

Run it from anywhere: ``python tools/derive_regions.py``. It prints what it wrote and changes nothing else.
"""

from __future__ import annotations

import csv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FACTS = ROOT.parent / "shared" / "facts" / "cloud_regions.csv"
TABLE = ROOT / "airflow_carbon" / "sources" / "data" / "regions.csv"

#: Column of the table -> column of the facts.
COLUMNS = {
    "provider": "provider",
    "region": "region",
    "display_name": "display_name",
    "country": "country",
    "latitude": "latitude",
    "longitude": "longitude",
    "zone": "zone",
    "zone_confirmed": "zone_source",
    "watttime_region": "watttime_region",
    "country_avg_g_per_kwh": "country_avg_gco2_kwh",
    "country_avg_year": "country_avg_year",
    "pue": "pue",
    "pue_year": "pue_year",
}
#: A zone counts as confirmed where a published table names it or the country has no other.
CONFIRMED = {"real-time-cloud", "country has one zone"}


def main() -> None:
    """Write the table, sorted as the facts are."""
    with FACTS.open(encoding="utf-8", newline="") as file:
        facts = list(csv.DictReader(file))
    with TABLE.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for fact in facts:
            row = {column: fact[origin] for column, origin in COLUMNS.items()}
            row["zone_confirmed"] = "yes" if fact["zone_source"] in CONFIRMED else "no"
            writer.writerow(row.values())
    print(f"{TABLE.relative_to(ROOT)}: {len(facts)} regions")  # noqa: T201 - a script speaks to its user


if __name__ == "__main__":
    main()
