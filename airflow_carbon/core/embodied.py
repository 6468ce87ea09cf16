"""M of an SCI: the work's share of what making the hardware emitted, ``TE x TS x RS`` (ISO/IEC 21031:2024)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import timedelta
from typing import Any

from airflow_carbon.core.amount import amount, parse_amount
from airflow_carbon.core.coefficients import VERSION, coefficient
from airflow_carbon.core.moment import in_words, parse_duration, stated
from airflow_carbon.core.sci import embodied_share_g
from airflow_carbon.exceptions import InvalidRequestError


@dataclass(frozen=True, slots=True)
class Embodied:
    """State the hardware by its own values.

    :param total_g: TE, embodied emissions of the hardware over its whole life [gCO2eq].
    :param life: EL, how long it is expected to serve.
    :param resource_share: RS, the share of its resources that was reserved [1], in 0..1.
    :param note: what the values stand on.
    :raises InvalidRequestError: naming the field that is wrong.
    """

    total_g: float
    life: timedelta
    resource_share: float = 1.0
    note: str = "own values"

    def __post_init__(self) -> None:
        self.share_g(timedelta(0))

    def share_g(self, reserved: timedelta) -> float:
        """Compute M of a piece of work [gCO2eq].

        :param reserved: TiR, how long the hardware was reserved for it, waits included.
        :raises InvalidRequestError: naming the field that is wrong.
        """
        return embodied_share_g(
            self.total_g, reserved=reserved, expected_life=self.life, resource_share=self.resource_share
        )

    def __str__(self) -> str:
        share = f"{100.0 * self.resource_share:.4g} % of {self.total_g / 1000.0:.6g} kg over {in_words(self.life)}"
        return f"{share} ({self.note})"


def default_server(
    *,
    vcpus: float = 1.0,
    memory_gb: float = 16.0,
    ssd: float = 0.0,
    hdd: float = 0.0,
    gpus: float = 0.0,
    usage_ratio: float = 1.0,
    life: timedelta | None = None,
) -> Embodied:
    """Build the Impact Framework's default server (plugin SciEmbodied of version 1.1.0).

    One million grams with 1 vCPU and 16 GB, and a fixed amount for each further part; four years.

    :param memory_gb: [GB]; less than 16 takes off what more would add.
    :param ssd: how many solid-state disks.
    :param hdd: how many hard disks.
    :param usage_ratio: the share of the server that was reserved [1], in 0..1.
    :param life: how long it serves; the table's four years where not given.
    :raises InvalidRequestError: naming the field that is wrong.
    """
    total = coefficient("embodied.server_g").value
    total += (amount(vcpus, "vcpus", "1") - 1.0) * coefficient("embodied.vcpu_g").value
    total += (amount(memory_gb, "memory_gb", "GB") - 16.0) * coefficient("embodied.memory_g_per_gb").value
    total += amount(ssd, "ssd", "1") * coefficient("embodied.ssd_g").value
    total += amount(hdd, "hdd", "1") * coefficient("embodied.hdd_g").value
    total += amount(gpus, "gpus", "1") * coefficient("embodied.gpu_g").value
    life = timedelta(seconds=coefficient("embodied.life_seconds").value) if life is None else life
    note = f"Impact Framework's default server, coefficients of {VERSION}"
    return Embodied(total, life, usage_ratio, note)


def host_share(total_kg: float, *, vcpus: float, vcpus_of_host: float, life: timedelta | None = None) -> Embodied:
    """Build a virtual machine's share of its host, by vCPUs (Cloud Carbon Footprint, "Embodied Emissions").

    :param total_kg: of the whole host [kgCO2eq].
    :param vcpus: what was reserved.
    :param vcpus_of_host: what the host has.
    :param life: how long the host serves; the table's four years where not given.
    :raises InvalidRequestError: naming the field that is wrong.
    """
    used, there = amount(vcpus, "vcpus", "1"), amount(vcpus_of_host, "vcpus_of_host", "1")
    if not there or used > there:
        raise InvalidRequestError(f"vcpus: {vcpus} of {vcpus_of_host} that the host has; it cannot be more than all")
    life = timedelta(seconds=coefficient("embodied.life_seconds").value) if life is None else life
    note = f"{used:g} of the host's {there:g} vCPU"
    return Embodied(1000.0 * amount(total_kg, "total_kg", "kgCO2eq"), life, used / there, note)


def parse_embodied(value: Any) -> Embodied | None:
    """Read the hardware's embodied emissions; None or an empty text leaves M out.

    :param value: ``"default server"``; a mapping with ``total_kg`` or ``total_g`` and, if wanted, ``life`` and
        ``resource_share`` or ``vcpus`` and ``vcpus_of_host``; a mapping with parts of the default server (``vcpus``,
        ``memory_gb``, ``ssd``, ``hdd``, ``gpus``, ``usage_ratio``, ``life``); or an :class:`Embodied`.
    :raises InvalidRequestError: naming what cannot be read.
    """
    value = stated(value)
    if value is None or isinstance(value, Embodied):
        return value
    if isinstance(value, str) and value.strip().lower() == "default server":
        return default_server()
    if not isinstance(value, Mapping):
        raise InvalidRequestError(
            f"embodied: {value!r} cannot be read; write 'default server', {{'total_kg': 1000, 'life': '1460d', "
            f"'resource_share': 0.1}} or {{'vcpus': 4, 'memory_gb': 32}}"
        )
    read: dict[str, Any] = {
        name: parse_duration(one, "embodied: life") if name == "life" else parse_amount(one, f"embodied: {name}", "1")
        for name, one in value.items()
        if one is not None and name in _KNOWN
    }
    for name in value:
        if name not in _KNOWN:
            raise InvalidRequestError(f"embodied: {name!r} is not known; there may be {', '.join(_KNOWN)}")
    own = {"total_g", "total_kg"} & set(read)
    if not own:
        return _built(default_server, read)
    total_g = read.pop("total_g", None)
    total_kg = read.pop("total_kg", None)
    grams: float = 1000.0 * total_kg if total_g is None else total_g
    if "vcpus_of_host" in read:
        return _built(host_share, {"total_kg": grams / 1000.0, **read})
    read.setdefault("life", timedelta(seconds=coefficient("embodied.life_seconds").value))
    return _built(Embodied, {"total_g": grams, **read})


_PARTS = ("vcpus", "memory_gb", "ssd", "hdd", "gpus", "usage_ratio")
_KNOWN = tuple(
    dict.fromkeys(("total_kg", *(one.name for one in fields(Embodied) if one.name != "note"), "vcpus_of_host", *_PARTS))
)


def _built(build: Any, given: Mapping[str, Any]) -> Embodied:
    try:
        built: Embodied = build(**given)
    except TypeError:
        raise InvalidRequestError(
            f"embodied: {', '.join(given)} do not go together; write total_kg with life and resource_share, total_kg "
            f"with vcpus and vcpus_of_host, or parts of the default server: {', '.join(_PARTS)}"
        ) from None
    return built
