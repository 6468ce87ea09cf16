"""Read what an energy stands on, as users write it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields, replace
from datetime import timedelta
from typing import Any

from airflow_carbon.core.amount import parse_amount
from airflow_carbon.core.energy_basis import Basis, Declared, Machine, Metered, pue_of
from airflow_carbon.core.moment import stated
from airflow_carbon.core.power import PowerProfile
from airflow_carbon.core.units import WATT_HOURS_PER_KWH
from airflow_carbon.exceptions import InvalidRequestError

_HOUR = timedelta(hours=1)
_QUANTITY = re.compile(r"\s*(?P<number>[0-9.eE+-]+)\s*(?P<unit>[kM]?Wh?)\s*")
#: How many kWh, or watts, one unit has.
_UNITS = {"Wh": 1e-3, "kWh": 1.0, "MWh": 1e3, "W": 1.0, "kW": 1e3, "MW": 1e6}
_FORMS = "'codecarbon', '0.4 kWh', '95 W', {'kwh': 0.4}, {'watts': 95, 'idle_watts': 40} or {'vcpus': 2, ...}"


def parse_basis(value: Any, *, cloud: str = "", pue: float | None = None) -> Basis | None:
    """Read what an energy stands on; None or an empty text says that it is not known.

    :param value: ``"codecarbon"``, ``"0.4 kWh"``, ``"95 W"``, ``"10m@50W, 2h@300W"`` (its mean power), a mapping with
        the fields of one of the three, or one of them.
    :param cloud: where it ran, ``aws``, ``azure`` or ``gcp``; the processor of a machine that names none.
    :param pue: of that region; None takes the cloud's. For a machine or a meter that names none; what is declared
        holds it already.
    :raises InvalidRequestError: naming what cannot be read.
    """
    value = stated(value)
    if value is None:
        return None
    if isinstance(value, Mapping):
        value = _of_mapping(value, cloud)
    elif isinstance(value, PowerProfile):
        value = _of_profile(value)
    elif isinstance(value, str):
        value = _of_text(value)
    if not isinstance(value, Metered | Declared | Machine):
        raise InvalidRequestError(f"energy: {value!r} has no unit; write {_FORMS}")
    if isinstance(value, Declared) or value.pue is not None:
        return value
    return replace(value, pue=pue_of(cloud) if pue is None else pue)


def _of_mapping(given: Mapping[str, Any], cloud: str) -> Basis:
    kind = Metered if "meter" in given else Declared if {"kwh", "watts"} & set(given) else Machine
    known = [field.name for field in fields(kind)]
    for name in given:
        if name not in known:
            raise InvalidRequestError(f"energy: {name!r} is not known; beside {_anchor(kind)} there may be {known}")
    read: dict[str, Any] = {
        name: value if name in ("meter", "scope", "processor", "gpu") else parse_amount(value, name, "a number")
        for name, value in given.items()
        if value is not None
    }
    if kind is Machine and "tdp_watts" not in read and "vcpus" in read:
        read.setdefault("processor", cloud)
    return kind(**read)


def _anchor(kind: type[Basis]) -> str:
    return {Metered: "'meter'", Declared: "'kwh' or 'watts'", Machine: "'vcpus' or 'gpu'"}[kind]


def _of_text(text: str) -> Basis:
    if text.strip().lower() == "codecarbon":
        return Metered()
    if "@" in text:
        return _of_profile(PowerProfile.parse(text, "energy"))
    match = _QUANTITY.fullmatch(text)
    if match is None:
        raise InvalidRequestError(f"energy: {text!r} cannot be read; write {_FORMS}")
    number = parse_amount(match["number"], "energy", match["unit"]) * _UNITS[match["unit"]]
    return Declared(kwh=number) if match["unit"].endswith("h") else Declared(watts=number)


def _of_profile(profile: PowerProfile) -> Declared:
    return Declared(watts=profile.energy_kwh * WATT_HOURS_PER_KWH / (profile.duration / _HOUR))
