"""What an energy stands on: a meter, a statement, or a model of the machine."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from airflow_carbon.core.amount import amount
from airflow_carbon.core.coefficients import VERSION, choices, chosen, coefficient
from airflow_carbon.core.energy import Energy, How, billed, kwh, linear_watts, teads_kwh
from airflow_carbon.core.units import WATT_HOURS_PER_KWH
from airflow_carbon.exceptions import InvalidRequestError

_NO_WAIT = timedelta(0)
_HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Metered:
    """Have a meter run beside the work.

    :param meter: ``codecarbon``, the only one.
    :param scope: ``process`` (the work's own processes, where no counter forbids it) or ``machine``, all that runs
        on the host: right where the host works for nobody else.
    :param idle_watts: what the hardware draws without work [W]; None where not known.
    :param pue: overhead of the data center, total over IT energy [1]; None takes the region's, or 1.
    :raises InvalidRequestError: naming the field that is wrong.
    """

    meter: str = "codecarbon"
    scope: str = "process"
    idle_watts: float | None = None
    pue: float | None = None

    def __post_init__(self) -> None:
        if self.meter != "codecarbon":
            raise InvalidRequestError(f"energy: meter {self.meter!r} is not known; it must be 'codecarbon'")
        if self.scope not in ("process", "machine"):
            raise InvalidRequestError(f"energy: scope {self.scope!r} must be 'process' or 'machine'")

    def energy(self, worked: timedelta, waited: timedelta = _NO_WAIT, *, read_kwh: float, note: str) -> Energy:
        """Give the energy of what the meter read [kWh].

        :raises InvalidRequestError: as :func:`~airflow_carbon.core.energy.billed`.
        """
        pue = 1.0 if self.pue is None else self.pue
        return billed(
            amount(read_kwh, "energy_kwh", "kWh"), How.MEASURED, note,
            idle_watts=self.idle_watts, pue=pue, worked=worked, waited=waited,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Declared:
    """Take the user's word: an energy, or a power over the time on the worker.

    :param kwh: energy of the work, overhead included unless ``pue`` is given [kWh].
    :param watts: mean power at work, the same [W].
    :param idle_watts: what the hardware draws without work [W]; None where not known.
    :param pue: overhead of the data center, where the numbers do not hold it yet [1].
    :raises InvalidRequestError: if there is not exactly one of energy and power, or it is no number or negative.
    """

    kwh: float | None = None
    watts: float | None = None
    idle_watts: float | None = None
    pue: float = 1.0

    def __post_init__(self) -> None:
        if (self.kwh is None) == (self.watts is None):
            raise InvalidRequestError("energy: give one of kwh and watts")
        amount(self.kwh if self.watts is None else self.watts, "kwh" if self.watts is None else "watts", "kWh or W")

        if self.watts is not None and self.idle_watts is not None and self.idle_watts > self.watts:
            raise InvalidRequestError(
                f"idle_watts: {self.idle_watts:g} W without work and {self.watts:g} W at work; idle power must not "
                f"exceed the power at work"
            )

    def energy(self, worked: timedelta, waited: timedelta = _NO_WAIT) -> Energy:
        """Give the energy of a piece of work.

        :raises InvalidRequestError: as :func:`~airflow_carbon.core.energy.billed`.
        """
        if self.watts is None:
            working, note = self.kwh or 0.0, f"declared: {self.kwh:g} kWh"
        else:
            working = kwh(self.watts, worked)
            note = f"declared: {self.watts:g} W x {worked / _HOUR:.6g} h on the worker"
        return billed(
            working, How.DECLARED, note, idle_watts=self.idle_watts, pue=self.pue, worked=worked, waited=waited
        )


@dataclass(frozen=True, slots=True)
class Machine:
    """Estimate from the machine: its vCPUs by one of two models, memory, GPUs, and the data center's overhead.

    With ``tdp_watts`` the Teads curve, else Cloud Carbon Footprint's line from idle to full load for the processor.

    :param vcpus: how many were reserved for the work.
    :param utilisation: of the vCPUs [1], in 0..1; None takes the usual one of the table, 0.5.
    :param processor: ``aws``, ``azure``, ``gcp`` (the cloud's median) or a processor of the table.
    :param tdp_watts: thermal design power of the chip [W].
    :param vcpus_of_chip: how many vCPUs the chip has; with ``tdp_watts``.
    :param memory_gb: what was reserved [GB]; for AWS and Azure only what exceeds the processor's usual share, since
        their coefficients hold that.
    :param gpu: model of the table.
    :param gpus: how many were reserved.
    :param gpu_utilisation: of them [1], in 0..1; None takes the same usual one.
    :param pue: overhead of the data center [1]; None takes the cloud's, or 1.
    :raises InvalidRequestError: naming the field that is wrong.
    """

    vcpus: float = 0.0
    utilisation: float | None = None
    processor: str = ""
    tdp_watts: float | None = None
    vcpus_of_chip: float | None = None
    memory_gb: float = 0.0
    gpu: str = ""
    gpus: float = 1.0
    gpu_utilisation: float | None = None
    pue: float | None = None

    def __post_init__(self) -> None:
        if not self.vcpus and not self.gpu:
            raise InvalidRequestError("energy: give vcpus, a gpu or both, so that there is a machine to estimate")
        if self.vcpus and self.tdp_watts is None and not self.processor:
            raise InvalidRequestError(
                "energy: vcpus need a processor (aws, azure, gcp, skylake, ...) or tdp_watts and vcpus_of_chip"
            )
        if self.tdp_watts is not None and self.vcpus_of_chip is None:
            raise InvalidRequestError("energy: tdp_watts is that of a chip; give vcpus_of_chip too")
        if self.processor:
            object.__setattr__(self, "processor", chosen("vcpu", self.processor, "energy: processor"))
        if self.gpu:
            object.__setattr__(self, "gpu", chosen("gpu", self.gpu, "energy: gpu"))
        self.kwh(_HOUR, self._usual(self.utilisation), self._usual(self.gpu_utilisation))

    def energy(self, worked: timedelta, waited: timedelta = _NO_WAIT) -> Energy:
        """Estimate the energy of a piece of work.

        :raises InvalidRequestError: as :func:`~airflow_carbon.core.energy.billed`.
        """
        working = self.kwh(worked, self._usual(self.utilisation), self._usual(self.gpu_utilisation))
        # In one hour a power of 1000 W takes 1 kWh.
        idle_watts = self.kwh(_HOUR, 0.0, 0.0) * WATT_HOURS_PER_KWH
        pue = pue_of(self.processor) or 1.0 if self.pue is None else self.pue
        return billed(
            working, How.ESTIMATED, self._note(), idle_watts=idle_watts, pue=pue, worked=worked, waited=waited
        )

    def kwh(self, duration: timedelta, utilisation: float, gpu_utilisation: float) -> float:
        """Estimate the energy of the hardware alone, without overhead [kWh].

        :param utilisation: of the vCPUs [1].
        :param gpu_utilisation: of the GPUs [1].
        :raises InvalidRequestError: naming the field that is out of its range.
        """
        hours, taken = duration / _HOUR, 0.0
        if self.vcpus and self.tdp_watts is not None:
            taken += teads_kwh(
                tdp_watts=self.tdp_watts, utilisation=utilisation, duration=duration,
                vcpus=self.vcpus, vcpus_of_chip=self.vcpus_of_chip or 0.0,
            )  # fmt: skip
        elif self.vcpus:
            least, most = _ends(f"vcpu.{self.processor}", "min_watts")
            watts = linear_watts(least, most, utilisation) * amount(self.vcpus, "vcpus", "1")
            taken += watts * hours / WATT_HOURS_PER_KWH
        if self.gpu:
            least, most = _ends(f"gpu.{self.gpu}", "idle_watts")
            watts = linear_watts(least, most, gpu_utilisation) * amount(self.gpus, "gpus", "1")
            taken += watts * hours / WATT_HOURS_PER_KWH
        per_gb_h = coefficient("memory.kwh_per_gb_h").value
        return taken + amount(self.memory_gb, "memory_gb", "GB") * per_gb_h * hours

    def _usual(self, utilisation: float | None) -> float:
        return coefficient("cpu.utilisation").value if utilisation is None else utilisation

    def _note(self) -> str:
        parts = []
        if self.vcpus:
            assumed = " (assumed)" if self.utilisation is None else ""
            model = f"{self.processor}, linear" if self.tdp_watts is None else f"TDP {self.tdp_watts:g} W, Teads curve"
            parts.append(f"{self.vcpus:g} vCPU at {100 * self._usual(self.utilisation):g} %{assumed} ({model})")
        if self.gpu:
            assumed = " (assumed)" if self.gpu_utilisation is None else ""
            parts.append(f"{self.gpus:g} x {self.gpu} at {100 * self._usual(self.gpu_utilisation):g} %{assumed}")
        if self.memory_gb:
            parts.append(f"{self.memory_gb:g} GB")
        return f"estimated: {', '.join(parts)}; coefficients of {VERSION}"


Basis = Metered | Declared | Machine


def pue_of(cloud: str) -> float | None:
    """Give the data centers' overhead of a cloud [1], None where the table has none."""
    return coefficient(f"pue.{cloud}").value if cloud in choices("pue") else None


def _ends(prefix: str, least: str) -> tuple[float, float]:
    return coefficient(f"{prefix}.{least}").value, coefficient(f"{prefix}.max_watts").value
