"""A manifest of a DAG run, which Impact Framework 1.1.0 accepts and computes to the same SCI."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow_carbon.core.manifest.carbon import EMBODIED_INPUTS
from airflow_carbon.core.manifest.place import finite
from airflow_carbon.core.moment import aware
from airflow_carbon.exceptions import InvalidRequestError

_TAKEN = frozenset(
    ("timestamp", "duration", "time", "energy", "carbon", "carbon-operational", "embodied-carbon", "sci")
) | frozenset(EMBODIED_INPUTS)


@dataclass(frozen=True, slots=True)
class Hardware:
    """Describe a machine that tasks share.

    :param total_embodied_g: TE, its embodied emissions over its whole life [gCO2eq].
    :param expected_life: EL, how long it is expected to serve.
    """

    total_embodied_g: float
    expected_life: timedelta


@dataclass(frozen=True, slots=True)
class TaskRow:
    """Hold what one try of one task used.

    :param task_id: the task.
    :param energy_kwh: E, data-center overhead included [kWh].
    :param intensity_g_per_kwh: I [gCO2eq/kWh].
    :param embodied_g: M [gCO2eq]; where ``hardware`` is given it is computed of that instead.
    :param hardware: the machine; with it the manifest tells how M comes about.
    :param reserved: TiR, how long the machine was reserved.
    :param resource_share: RS, the share of it that was reserved [1], in 0..1.
    :param map_index: of a mapped task; -1 for any other.
    :param try_number: 1 for the first try.
    :param signal: whether I is average or marginal; empty where it is not known.
    :param accounting: what else I means.
    :param about: more to tell, for example the sources of E and I.
    """

    task_id: str
    energy_kwh: float
    intensity_g_per_kwh: float
    embodied_g: float = 0.0
    hardware: Hardware | None = None
    reserved: timedelta = timedelta(0)
    resource_share: float = 1.0
    map_index: int = -1
    try_number: int = 1
    signal: str = ""
    accounting: str = ""
    about: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Name the component, for example ``train[3] try 2``."""
        mapped = f"[{self.map_index}]" if self.map_index >= 0 else ""
        return self.task_id + mapped + (f" try {self.try_number}" if self.try_number > 1 else "")


def manifest_of_run(
    *,
    dag_id: str,
    run_id: str,
    started: datetime,
    ended: datetime,
    tasks: Sequence[TaskRow],
    functional_unit: str,
    functional_units: float,
) -> dict[str, Any]:
    """Write the manifest of a DAG run: its tasks as components, each with one row over the whole run.

    The run has one R, so every task carries it and components copy it; the SCIs of the tasks then add up to the run's,
    and there is one row, so the mean of ratios is total carbon over total R.

    :param started: when the run began; aware.
    :param ended: when it ended.
    :param functional_unit: what is counted, for example ``order``.
    :param functional_units: R, how many the run did [1]; larger than zero.
    :raises InvalidRequestError: naming the field that is wrong; tasks of different signal or accounting too.
    """
    begin, seconds = aware(started, "started"), (aware(ended, "ended") - aware(started, "started")).total_seconds()
    if seconds < 0.0:
        raise InvalidRequestError(f"ended: {ended.isoformat()} must not be earlier than started, {started.isoformat()}")
    if not isinstance(functional_unit, str) or not functional_unit.strip():
        raise InvalidRequestError(
            f"functional_unit: {functional_unit!r} must name what is counted, for example 'order'"
        )
    units = _amount(functional_units, "functional_units", "1")
    if units == 0.0:
        raise InvalidRequestError("functional_units: R is 0; emissions per unit need more than zero units of work done")
    _refuse_unlike(tasks)
    unit = parameter_of(functional_unit)
    # Impact Framework takes no duration below a second.
    when = {"timestamp": begin.astimezone(UTC).isoformat().replace("+00:00", "Z"), "duration": max(1.0, seconds)}
    machines: dict[Hardware, str] = {}
    children = {}
    for index, task in enumerate(tasks):
        row, machine = _row(task, f"tasks[{index}]", machines)
        steps = ["operational", *([machine] if machine else []), "total", "sci"]
        told = {"signal": task.signal, "accounting": task.accounting, **task.about}
        about = {name: value for name, value in told.items() if value}
        children[task.name] = {
            **({"about": about} if about else {}),
            "pipeline": {"compute": steps},
            "inputs": [{**when, **row, unit: units}],
        }
    return {
        "name": f"{dag_id} {run_id}",
        "description": f"SCI (ISO/IEC 21031:2024) of an Airflow DAG run, in gCO2eq per {functional_unit}",
        "aggregation": {"metrics": ["energy", "carbon", unit, "sci"], "type": "both"},
        "initialize": {"plugins": _plugins(unit, functional_unit, machines)},
        "tree": {"children": children},
    }


def parameter_of(functional_unit: str) -> str:
    """Write a functional unit as a name that Impact Framework takes: letters, joined by ``-``; no digits."""
    name = "-".join(re.findall(r"[A-Za-z]+", functional_unit))
    # A parameter of the plugins must not be overwritten by the count.
    return name if name and name not in _TAKEN else f"{name}-count".lstrip("-")


def _row(task: TaskRow, where: str, machines: dict[Hardware, str]) -> tuple[dict[str, Any], str]:
    row: dict[str, Any] = {
        "energy": _amount(task.energy_kwh, f"{where}.energy_kwh", "kWh"),
        "grid/carbon-intensity": _amount(task.intensity_g_per_kwh, f"{where}.intensity_g_per_kwh", "gCO2eq/kWh"),
    }
    if task.hardware is None:
        return {**row, "embodied-carbon": _amount(task.embodied_g, f"{where}.embodied_g", "gCO2eq")}, ""
    _amount(task.hardware.total_embodied_g, f"{where}.hardware.total_embodied_g", "gCO2eq")
    if task.hardware.expected_life <= timedelta(0):
        raise InvalidRequestError(
            f"{where}.hardware.expected_life: {task.hardware.expected_life} must be longer than 0"
        )
    share = _amount(task.resource_share, f"{where}.resource_share", "1")
    reserved = _amount(task.reserved.total_seconds(), f"{where}.reserved", "s")
    if share > 1.0:
        raise InvalidRequestError(f"{where}.resource_share: {share} is more than the whole; it must lie in 0..1")
    if not share or not reserved:
        # Impact Framework refuses a share or a time of 0.
        return {**row, "embodied-carbon": 0.0}, ""
    machine = machines.setdefault(task.hardware, "embodied" if not machines else f"embodied-{len(machines) + 1}")
    return {**row, "usage-ratio": share, "time": reserved}, machine


def _plugins(unit: str, functional_unit: str, machines: Mapping[Hardware, str]) -> dict[str, Any]:
    def product(method: str, names: list[str], output: str) -> dict[str, Any]:
        return {"path": "builtin", "method": method, "config": {"input-parameters": names, "output-parameter": output}}

    def metadata(unit_of_measure: str, description: str, component: str) -> dict[str, Any]:
        methods = {"time": "sum", "component": component}
        return {"unit": unit_of_measure, "description": description, "aggregation-method": methods}

    operational = product("Multiply", ["energy", "grid/carbon-intensity"], "carbon-operational")
    energy = metadata("kWh", "energy of all hardware reserved for the task", "sum")
    counted = metadata(functional_unit, "units of work done by the whole run", "copy")
    return {
        "operational": {**operational, "parameter-metadata": {"inputs": {"energy": energy}}},
        **{
            name: {
                "path": "builtin",
                "method": "SciEmbodied",
                "config": {
                    "baseline-emissions": machine.total_embodied_g,
                    "lifespan": machine.expected_life.total_seconds(),
                },
            }
            for machine, name in machines.items()
        },
        "total": product("Sum", ["carbon-operational", "embodied-carbon"], "carbon"),
        "sci": {
            "path": "builtin",
            "method": "Sci",
            "config": {"functional-unit": unit},
            "parameter-metadata": {"inputs": {unit: counted}},
        },
    }


def _refuse_unlike(tasks: Sequence[TaskRow]) -> None:
    if not tasks:
        raise InvalidRequestError("tasks: there is none; a manifest needs at least one")
    names = [task.name for task in tasks]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise InvalidRequestError(f"tasks: {twice} is there twice; give each task, map index and try once")
    for what in ("signal", "accounting"):
        kinds = sorted({str(getattr(task, what)) for task in tasks})
        if len(kinds) > 1:
            raise InvalidRequestError(
                f"tasks: their {what} differs ({', '.join(kind or 'not stated' for kind in kinds)}); "
                f"emissions of one {what} alone can be added, so write a manifest for each"
            )


def _amount(value: object, where: str, unit: str) -> float:
    number = finite(value)
    if number is None or number < 0.0:
        raise InvalidRequestError(f"{where}: {value!r} must be a finite number, zero or larger [{unit}]")
    return number
