"""What the answers of all services share: the places they know, and how a question is read."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
#: g/kWh = lb/MWh x this: grams in a pound over kilowatt-hours in a megawatt-hour.
KILOGRAMS_PER_POUND = 0.45359237

#: latitude, longitude, zone of Electricity Maps, region of WattTime, data centers that stand there.
PLACES = (
    (51.5, -0.12, "GB", "UK", "azure:uksouth aws:eu-west-2 gcp:europe-west2"),
    (50.11, 8.68, "DE", "DE", "azure:germanywestcentral aws:eu-central-1 gcp:europe-west3"),
    (48.86, 2.35, "FR", "FR", "azure:francecentral aws:eu-west-3 gcp:europe-west9"),
    (60.67, 17.14, "SE", "SE", "azure:swedencentral aws:eu-north-1"),
    (60.17, 24.94, "FI", "FI", "gcp:europe-north1"),
    (52.37, 4.9, "NL", "NL", "azure:westeurope gcp:europe-west4"),
    (53.35, -6.26, "IE", "IE", "azure:northeurope aws:eu-west-1"),
    (52.23, 21.02, "PL", "PL", "azure:polandcentral gcp:europe-central2"),
    (38.5, -78.7, "US-MIDA-PJM", "PJM_DC", "azure:eastus aws:us-east-1 gcp:us-east4"),
    (37.4, -121.5, "US-CAL-CISO", "CAISO_NORTH", "azure:westus aws:us-west-1"),
    (41.57, -93.61, "US-MIDW-MISO", "MISO_MASON_CITY", "azure:centralus gcp:us-central1"),
    (39.7, -105.0, "US-NW-PSCO", "PSCO", ""),
    (-33.87, 151.2, "AU-NSW", "NEM_NSW", "azure:australiaeast aws:ap-southeast-2"),
)
DATA_CENTERS = {tuple(name.split(":")): row for row in PLACES for name in row[4].split()}
#: The Carbon Aware SDK names its locations by Azure's regions and reads them from WattTime.
SDK_LOCATIONS = {region: row for (provider, region), row in DATA_CENTERS.items() if provider == "azure"}
WORDS = {
    "zones": "AE AT AU-VIC BE BG BR-CS CA-AB CA-ON CA-QC CH CL-SEN CZ DK-DK1 DK-DK2 EE ES GR HK HR HU ID IL IN-NO "
    "IN-SO IN-WE IS IT-NO IT-SO JP-KN JP-TK KR LT LV NO-NO1 NO-NO2 NZ PT RO RS SE-SE1 SE-SE2 SE-SE3 SE-SE4 SG SI SK "
    "TR TW UA US-CAR-SC US-NW-BPAT US-NW-PACE US-SW-AZPS US-TEX-ERCO ZA",
    "countries": "at be bg ch cz de dk ee es fi fr gr hr hu ie it lt lv nl no pl pt ro rs se si sk",
    "great britain": "North Scotland,South Scotland,North West England,North East England,Yorkshire,"
    "North Wales & Merseyside,South Wales,West Midlands,East Midlands,East England,South West England,South England,"
    "London,South East England,England,Scotland,Wales",
}
EM_ZONES = {row[2] for row in PLACES} | set(WORDS["zones"].split())
WT_REGIONS = {row[3] for row in PLACES}
EC_COUNTRIES = set(WORDS["countries"].split())
UK_REGIONS = tuple(WORDS["great britain"].split(","))
#: Region by the letters that a postcode begins with; those with W alone match nothing, as on the wire.
UK_POSTCODES = {"AB": 1, "EH": 2, "G": 2, "M": 3, "NE": 4, "LS": 5, "L": 6, "CF": 7, "B": 8, "NG": 9, "CB": 10}
UK_POSTCODES |= {"BS": 11, "RG": 12, "OX": 12, "SE": 13, "EC": 13, "N": 13, "E": 13, "BN": 14}
#: Past half hours: what Great Britain's forecast was, less what came [g/kWh].
UK_FORECAST_ERROR = 2


@dataclass
class Answer:
    """An answer before it is sent: a dict or list goes out as JSON, text and bytes as they stand."""

    body: Any = None
    status: int = 200
    content_type: str = "application/json; charset=utf-8"
    headers: dict[str, str] = field(default_factory=dict)

    def content(self) -> bytes:
        if isinstance(self.body, bytes):
            return self.body
        return (self.body if isinstance(self.body, str) else json.dumps(self.body)).encode()


class RefusedError(Exception):
    """Carry the answer that ends a request early."""

    def __init__(self, status: int, body: Any, content_type: str = "application/json; charset=utf-8") -> None:
        super().__init__(status)
        self.answer = Answer(body, status, content_type)


@dataclass(frozen=True)
class Ask:
    """A request as a vendor sees it; `path` is without the vendor's prefix, `now` the vendor's own clock."""

    vendor: str
    method: str
    path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    body: bytes
    now: datetime

    def get(self, name: str, default: str = "") -> str:
        return self.query[name][-1] if name in self.query else default

    def flag(self, name: str) -> bool:
        return self.get(name).lower() == "true"


def floor(moment: datetime, step: timedelta) -> datetime:
    return EPOCH + (moment - EPOCH) // step * step


def starts(first: datetime, end: datetime, step: timedelta) -> Iterator[datetime]:
    while first < end:
        yield first
        first += step


def number(value: float) -> float | int:
    return int(value) if value == int(value) else value


def instant(text: str) -> datetime | None:
    """Read a moment that carries its zone, else None."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment.astimezone(UTC) if moment.tzinfo else None


def nearest(latitude: str, longitude: str) -> tuple[Any, ...] | None:
    """Find the place within some 300 km of the coordinates, or None."""
    try:
        here = (float(latitude), float(longitude))
    except ValueError:
        return None
    far, row = min((math.dist(here, place[:2]), place) for place in PLACES)
    return row if far <= 3 else None
