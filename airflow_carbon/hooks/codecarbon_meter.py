"""A meter beside the work: codecarbon, offline; it comes with the extra ``measure``."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from airflow_carbon.exceptions import InvalidRequestError

#: How often it looks [s]; what lies between two looks is power times time.
LOOK_SECONDS = 15
#: Its own grid factors are not used: energy is all that is asked of it. It wants a country all the same.
_ANY_COUNTRY = "FRA"


class CodecarbonMeter:
    """Measure the energy of what runs between start and stop, and reach no network.

    :param scope: ``process`` or ``machine``.
    :raises InvalidRequestError: if codecarbon is not installed.
    """

    def __init__(self, scope: str) -> None:
        try:
            from codecarbon import OfflineEmissionsTracker
        except ImportError as error:
            raise InvalidRequestError(
                f"energy: codecarbon cannot be imported ({error}); install airflow-provider-carbon[measure], or name "
                f"what to take instead: energy=['codecarbon', {{'watts': 95}}]"
            ) from None
        self._scope = scope
        self._version = version("codecarbon")
        # Each way that its own configuration, a file or the environment, could open to the network is closed here.
        self._tracker: Any = OfflineEmissionsTracker(
            country_iso_code=_ANY_COUNTRY,
            force_carbon_intensity_g_co2e_kwh=0.0,
            output_methods=[],
            output_handlers=[],
            emissions_endpoint=False,
            electricitymaps_api_token=False,
            tracking_mode=scope,
            measure_power_secs=LOOK_SECONDS,
            allow_multiple_runs=True,
            pue=1.0,
            log_level="error",
        )

    def start(self) -> None:
        """Begin; looking at the hardware for the first time takes a second or two, which is not the work's."""
        self._tracker.start()

    def stop(self) -> tuple[float, str]:
        """End, and give the energy [kWh] and how the meter came by it.

        :raises InvalidRequestError: if the meter did not measure.
        """
        self._tracker.stop()
        found = getattr(self._tracker, "final_emissions_data", None)
        if found is None:
            raise InvalidRequestError("energy: codecarbon measured nothing; its log says why")
        return float(found.energy_consumed), self._note(found)

    def _note(self, found: Any) -> str:
        parts = [
            f"{name} {1000.0 * value:.4g} Wh"
            for name, value in (("CPU", found.cpu_energy), ("RAM", found.ram_energy), ("GPU", found.gpu_energy))
            if value
        ]
        hardware = ", ".join(str(one.description()) for one in getattr(self._tracker, "_hardware", ()))
        # Where the host lends no counter, the meter takes load times rated power: its reader should know.
        counter = "; the CPU by load and rated power, without a counter" if "Cpu Load" in hardware else ""
        return f"codecarbon {self._version}, {self._scope}: {', '.join(parts) or 'nothing'} ({hardware}){counter}"
