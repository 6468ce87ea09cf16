"""The carbon plugins of Impact Framework 1.1.0: SciEmbodied and Sci."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow_carbon.core.manifest.arithmetic import Config, parameter

if TYPE_CHECKING:
    from airflow_carbon.core.manifest.place import Place
    from airflow_carbon.core.manifest.row import PlacedRow, Step

#: The server that SciEmbodied takes for the baseline: 1 vCPU, 16 GB, 1 t, four years.
EMBODIED_CONFIG: Mapping[str, float] = {
    "baseline-vcpus": 1.0,
    "baseline-memory": 16.0,
    "baseline-emissions": 1_000_000.0,
    "lifespan": 126_144_000.0,
    "vcpu-emissions-constant": 100_000.0,
    "memory-emissions-constant": 533 / 384,
    "ssd-emissions-constant": 50_000.0,
    "hdd-emissions-constant": 100_000.0,
    "gpu-emissions-constant": 150_000.0,
}
#: What a row that says nothing has, in the order in which it is written to the outputs.
EMBODIED_INPUTS: Mapping[str, float] = {"vCPUs": 1, "memory": 16, "ssd": 0, "hdd": 0, "gpu": 0, "usage-ratio": 1}
_LIMITS: Mapping[str, Mapping[str, float]] = {
    name: {"above": 0.0} if name in ("vCPUs", "memory", "usage-ratio") else {"least": 0.0} for name in EMBODIED_INPUTS
}


def read_sci_embodied(config: Config, place: Place) -> Step:
    """Estimate embodied emissions [g] from what the hardware has more than a baseline server.

    ``(baseline + vCPUs + memory + ssd + hdd + gpu) x usage-ratio x time / lifespan``; time is the row's ``time`` or
    its ``duration`` [s]. The result goes to ``embodied-carbon`` or ``output-parameter``.

    :raises InvalidRequestError: if a constant is no number or negative, or the lifespan is 0.
    """
    place.refuse_misspelt(config, (*EMBODIED_CONFIG, "output-parameter"), "ignored")
    constant = {
        name: default if config.get(name) is None else place.key(name).number(config[name], least=0.0)
        for name, default in EMBODIED_CONFIG.items()
    }
    place.key("lifespan").number(constant["lifespan"], above=0.0)
    # A gigabyte beyond the baseline weighs more where the baseline has more of them: as Impact Framework has it.
    per_gb = constant["memory-emissions-constant"] * constant["baseline-memory"] / 16
    output = "embodied-carbon"
    if config.get("output-parameter") is not None:
        output = parameter(config, "output-parameter", place)

    def embodied(row: PlacedRow) -> dict[str, Any]:
        row.place.refuse_misspelt(row.values, (*EMBODIED_INPUTS, "duration", "time"), cutoff=0.85)
        seconds = row.number("duration" if row.values.get("time") is None else "time", above=0.0)
        absent = {name: default for name, default in EMBODIED_INPUTS.items() if row.values.get(name) is None}
        has = {name: absent[name] if name in absent else row.number(name, **_LIMITS[name]) for name in EMBODIED_INPUTS}
        total = (
            constant["baseline-emissions"]
            + (has["vCPUs"] - constant["baseline-vcpus"]) * constant["vcpu-emissions-constant"]
            + (has["memory"] - constant["baseline-memory"]) * per_gb * 1000
            + has["ssd"] * constant["ssd-emissions-constant"]
            + has["hdd"] * constant["hdd-emissions-constant"]
            + has["gpu"] * constant["gpu-emissions-constant"]
        )
        grams = total * has["usage-ratio"] * (seconds / constant["lifespan"])
        return {**row.values, **absent, output: row.having(output, grams)[output]}

    return embodied


def read_sci(config: Config, place: Place) -> Step:
    """Divide ``carbon`` by the count of the ``functional-unit`` into ``sci``; where that is 0, sci is the carbon.

    ISO/IEC 21031:2024 knows no SCI for R = 0; what stands here is Impact Framework's.

    :raises InvalidRequestError: if no functional unit is named.
    """
    place.refuse_misspelt(config, ("functional-unit",), "ignored")
    unit = parameter(config, "functional-unit", place)

    def sci(row: PlacedRow) -> dict[str, Any]:
        carbon, units = row.number("carbon", least=0.0), row.number(unit, least=0.0)
        row.number("duration", least=1.0)
        if units == 0.0:
            row.at(unit).note("is 0, so sci is the whole carbon, as in Impact Framework; there is no SCI without units")
            return row.having("sci", carbon)
        return row.having("sci", carbon / units)

    return sci


def unit_of(config: Config) -> str:
    """Give the name of the functional unit that a Sci plugin counts."""
    return str(config["functional-unit"])
