"""The project's own forecast as a link of the chain: from what a source has measured, where it foresees nothing."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from airflow_carbon.core.forecaster import FARTHEST, NAME, own_forecast
from airflow_carbon.exceptions import CarbonError, InvalidForecastError, SourceUnavailableError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from airflow_carbon.core.forecast import Forecast
    from airflow_carbon.core.location import Location
    from airflow_carbon.sources.kept_history import KeptHistory


class OwnForecast:
    """Foresee from the first source of a chain whose history suffices; signal and accounting are the history's.

    :param histories: of the chain's sources, the preferred one first.
    """

    name = NAME

    def __init__(self, histories: Sequence[KeptHistory]) -> None:
        self._histories = histories
        self._made: dict[tuple[int, str], tuple[int, Forecast]] = {}

    async def forecast(self, location: Location, *, now: datetime, until: datetime) -> Forecast:
        """Give the hours from the one that holds ``now``, a week at the most; made once for all who ask.

        :raises SourceUnavailableError: if no history suffices, with the reason of each.
        """
        failures = []
        for place, history in enumerate(self._histories):
            try:
                past = await history.past(location, now=now)
                key = place, past.zone
                asked_us, made = self._made.get(key, (0, None))
                if made is None or asked_us != past.asked_us or not made.start <= now < made.start + made.step:
                    # Milliseconds, and yet beside the loop: many zones may be due at once.
                    made = await asyncio.to_thread(own_forecast, past.parts(), now=now, until=now + FARTHEST)
                    self._made[key] = past.asked_us, made
                return made
            except InvalidForecastError as error:
                failures.append(f"{history.name}: {error}")
            except CarbonError as error:
                failures.append(str(error))
        raise SourceUnavailableError("; ".join(failures) or "no source of the chain has a history")
