"""The one table of energy and embodied coefficients: each named, dated, and with its source. They are estimates.

Where the documentation and the code of a source differ, the code is taken.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from types import MappingProxyType

from airflow_carbon.exceptions import InvalidRequestError

#: Version of the whole table; it stands in every estimate, and changes with any value.
VERSION = "2026-11"

#: A source and its date.
_CCF = ("Cloud Carbon Footprint, code at b7a049c", "2024-03")
_TEADS = ("Teads CPU power curve, as in Impact Framework's manifests", "looked up 2026-11")
_IMPACT_FRAMEWORK = ("Impact Framework 1.1.0, SciEmbodied", "looked up 2026-11")


@dataclass(frozen=True, slots=True)
class Coefficient:
    """Hold one coefficient.

    :param name: its name in the table, for example ``vcpu.aws.max_watts``.
    :param unit: of the value.
    :param source: who states it.
    :param dated: when, as a year or a month; or when it was last looked up, where the source gives no date.
    """

    name: str
    value: float
    unit: str
    source: str
    dated: str

    def __str__(self) -> str:
        return f"{self.name} = {self.value:g} {self.unit} ({self.source}, {self.dated})"


def _pairs(prefix: str, table: str, low: str, high: str) -> list[Coefficient]:
    rows = []
    for line in table.split(";"):
        name, least, most = line.split()
        rows.append(Coefficient(f"{prefix}.{name}.{low}", float(least), "W", *_CCF))
        rows.append(Coefficient(f"{prefix}.{name}.{high}", float(most), "W", *_CCF))
    return rows


#: Power of one vCPU at 0 and at 100 % utilisation [W]: each cloud's median, then by processor.
_VCPUS = (
    "aws 0.74 3.5; azure 0.74 3.54; gcp 0.68 4.11;"
    "cascade-lake 0.64 3.97; skylake 0.65 4.26; broadwell 0.71 3.69; haswell 1 4.74; coffee-lake 1.14 5.42;"
    "sandy-bridge 2.17 8.58; ivy-bridge 3.04 8.25; epyc-1 0.82 2.55; epyc-2 0.47 1.69; epyc-3 0.45 2.02;"
    "graviton2 0.47 1.69"
)
#: Power of one GPU, idle and at full load [W].
_GPUS = (
    "t4 8 71; v100 35 306; a100 46 407; a10g 18 153; k80 35 306; p100 36 306; p4 9 76.5; m60 35 306; k520 26 229;"
    "v520 26 229"
)

_ROWS = (
    *(
        Coefficient(f"cpu.teads.{percent}", factor, "of TDP", *_TEADS)
        for percent, factor in ((0, 0.12), (10, 0.32), (50, 0.75), (100, 1.02))
    ),
    *_pairs("vcpu", _VCPUS, "min_watts", "max_watts"),
    *_pairs("gpu", _GPUS, "idle_watts", "max_watts"),
    Coefficient("cpu.utilisation", 0.5, "1", "LBNL, as used by Cloud Carbon Footprint", "2016"),
    Coefficient("memory.kwh_per_gb_h", 0.000392, "kWh/(GB h)", *_CCF),
    Coefficient("pue.aws", 1.135, "1", *_CCF),
    Coefficient("pue.azure", 1.185, "1", *_CCF),
    Coefficient("pue.gcp", 1.1, "1", *_CCF),
    Coefficient("embodied.server_g", 1_000_000.0, "gCO2e, with 1 vCPU and 16 GB", *_IMPACT_FRAMEWORK),
    Coefficient("embodied.vcpu_g", 100_000.0, "gCO2e per further vCPU", *_IMPACT_FRAMEWORK),
    Coefficient("embodied.memory_g_per_gb", 533.0 / 384.0 * 1000.0, "gCO2e per further GB", *_IMPACT_FRAMEWORK),
    Coefficient("embodied.ssd_g", 50_000.0, "gCO2e each", *_IMPACT_FRAMEWORK),
    Coefficient("embodied.hdd_g", 100_000.0, "gCO2e each", *_IMPACT_FRAMEWORK),
    Coefficient("embodied.gpu_g", 150_000.0, "gCO2e each", *_IMPACT_FRAMEWORK),
    Coefficient("embodied.life_seconds", 126_144_000.0, "s (four years)", *_IMPACT_FRAMEWORK),
)

TABLE = MappingProxyType({row.name: row for row in _ROWS})


def coefficient(name: str) -> Coefficient:
    """Look a coefficient up.

    :raises InvalidRequestError: if the table does not have it, with the nearest names.
    """
    try:
        return TABLE[name]
    except KeyError:
        near = difflib.get_close_matches(name, TABLE, n=3)
        hint = f"did you mean {', '.join(near)}?" if near else f"it begins with {', '.join(families())}"
        raise InvalidRequestError(f"coefficient: {name!r} is not in the table of {VERSION}; {hint}") from None


def choices(family: str) -> tuple[str, ...]:
    """List what a family has values for: the processors and clouds of ``vcpu``, the models of ``gpu``."""
    found = dict.fromkeys(name.split(".")[1] for name in TABLE if name.startswith(f"{family}."))
    return tuple(found)


def families() -> tuple[str, ...]:
    """List the families of names."""
    return tuple(dict.fromkeys(name.partition(".")[0] for name in TABLE))


def chosen(family: str, choice: object, field: str) -> str:
    """Read the name of a processor, a cloud or a GPU.

    :param field: whose value it is, for the error.
    :raises InvalidRequestError: if the family has no such name, with those that it has.
    """
    name = str(choice).strip().lower().replace("_", "-").replace(" ", "-")
    if name not in choices(family):
        raise InvalidRequestError(
            f"{field}: {choice!r} is not in the table of {VERSION}; it has {', '.join(choices(family))}. "
            f"For other hardware give its power: energy={{'watts': ...}}"
        )
    return name
