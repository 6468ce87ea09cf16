"""What each service answers, one file each."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from fakes.answers.azure_retail import azure_retail
from fakes.answers.carbon_aware_sdk import carbon_aware_sdk
from fakes.answers.electricity_maps import electricity_maps
from fakes.answers.energy_charts import energy_charts
from fakes.answers.uk_carbon_intensity import uk_carbon_intensity
from fakes.answers.watttime import watttime

if TYPE_CHECKING:
    from fakes.answers.common import Answer, Ask
    from fakes.grid_server import GridServer

ANSWERS: dict[str, Callable[[GridServer, Ask], Answer]] = {
    "em": electricity_maps,
    "wt": watttime,
    "sdk": carbon_aware_sdk,
    "uk": uk_carbon_intensity,
    "ec": energy_charts,
    "az": azure_retail,
}
