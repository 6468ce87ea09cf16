"""What WattTime answers, checked: its pounds of CO2 per MWh become grams per kWh here, and only here."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow_carbon.core.units import Accounting, Kind, Signal, g_per_kwh_from_lb_per_mwh
from airflow_carbon.exceptions import SourceResponseError, SourceUnavailableError
from airflow_carbon.sources.series import Meaning, Series, moment

if TYPE_CHECKING:
    from airflow_carbon.core.forecast import Forecast

NAME = "watttime"
MARGINAL, AVERAGE = "co2_moer", "co2_aoer"
SIGNALS = {MARGINAL: Signal.MARGINAL, AVERAGE: Signal.AVERAGE}
POUNDS, PERCENTILE = "lbs_co2_per_mwh", "percentile"
#: So much later than asked an answer may begin: a service's next step has begun, or the clocks differ.
LATE = timedelta(minutes=5)
_NUMBERS = (int, float)


@dataclass(frozen=True, slots=True)
class SignalIndex:
    """Tell where the marginal intensity of now stands among the coming 24 hours; a rank, no grams.

    :param zone: WattTime's region.
    :param at: begin of the step it is about.
    :param percentile: from 0 to 100; 100 is the dirtiest [%].
    """

    zone: str
    at: datetime
    percentile: float


def read_forecast(payload: Any, *, region: str, signal_type: str, now: datetime) -> Forecast:
    """Read an answer of ``/v3/forecast``, from the step that holds a moment on.

    Where the answer begins less than five minutes after the moment, because the service's next step had begun, its
    first step stands for the one before it as well.

    :raises SourceResponseError: if it is not as documented, or about another region, signal or unit.
    :raises SourceUnavailableError: if it does not cover the moment.
    """
    answer = _Answer(payload, region=region, signal_type=signal_type)
    return _series([answer], Kind.FORECAST).holding(now, late=LATE)


def read_history(payloads: Iterable[Any], *, region: str, signal_type: str, start: datetime, end: datetime) -> Forecast:
    """Read answers of ``/v3/historical``, one for each piece of the time.

    :raises SourceResponseError: if one is not as documented, or about another region, signal or unit.
    :raises SourceUnavailableError: if they hold nothing of the time.
    """
    answers = [_Answer(payload, region=region, signal_type=signal_type) for payload in payloads]
    steps = sorted({answer.step for answer in answers})
    if len(steps) > 1:
        raise SourceResponseError(f"{NAME}: {region}: steps of {steps[0]} and of {steps[-1]} in one series")
    return _series(answers, Kind.MEASURED).overlapping(start, end)


def read_signal_index(payload: Any, *, region: str) -> SignalIndex:
    """Read an answer of ``/v3/signal-index``.

    :raises SourceResponseError: if it is not as documented, or about another region, signal or unit.
    :raises SourceUnavailableError: if it holds no number.
    """
    answer = _Answer(payload, region=region, signal_type=MARGINAL, units=PERCENTILE)
    told = [(moment(at, f"{NAME}: row {row}"), value) for row, (at, value) in enumerate(answer.rows)]
    # Of two rows for one step the first one counts.
    rows = {at: value for at, value in reversed(told) if value is not None}
    if not rows:
        raise SourceUnavailableError(f"{NAME}: no signal index for {answer.zone}")
    (at, value), *others = rows.items()
    if others or type(value) not in _NUMBERS or not 0.0 <= value <= 100.0:
        raise SourceResponseError(f"{NAME}: the signal index of {answer.zone} is no single number from 0 to 100")
    return SignalIndex(answer.zone, at, float(value))


def read_region(payload: Any, *, signal_type: str) -> str:
    """Read an answer of ``/v3/region-from-loc``.

    :raises SourceResponseError: if it names no region, or one of another signal type.
    """
    given = payload if isinstance(payload, dict) else {}
    region = given.get("region")
    if not isinstance(region, str) or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.\-]{0,63}", region):
        raise SourceResponseError(f"{NAME}: the answer names no region for the coordinates")
    if given.get("signal_type", signal_type) != signal_type:
        raise SourceResponseError(f"{NAME}: the answer names the region of another signal type than {signal_type}")
    return region


def read_access(payload: Any, *, signal_type: str, endpoint: str) -> list[str]:
    """Read from an answer of ``/v3/my-access`` the regions for which an endpoint is allowed, in order.

    :raises SourceResponseError: if it is not as documented.
    """
    try:
        regions = {
            region["region"]
            for signal in payload["signal_types"]
            if signal["signal_type"] == signal_type
            for region in signal["regions"]
            if any(allowed["endpoint"].strip("/") == endpoint for allowed in region["endpoints"])
        }
        if all(isinstance(region, str) for region in regions):
            return sorted(regions)
    except (KeyError, TypeError, AttributeError):
        pass
    raise SourceResponseError(f"{NAME}: /v3/my-access does not list signal types, their regions and endpoints")


class _Answer:
    """Check what an answer is about, and read its rows."""

    def __init__(self, payload: Any, *, region: str, signal_type: str, units: str = POUNDS) -> None:
        given = payload if isinstance(payload, dict) else {}
        data, meta = given.get("data"), given.get("meta")
        if not isinstance(data, list) or not isinstance(meta, dict):
            raise SourceResponseError(f"{NAME}: the answer for {region} holds no data and meta")
        for key, wanted in (("units", units), ("signal_type", signal_type), ("region", region)):
            if str(meta.get(key)).casefold() != wanted.casefold():
                raise SourceResponseError(f"{NAME}: {key} is {str(meta.get(key))[:40]!r}, and {wanted!r} was asked for")
        seconds = meta.get("data_point_period_seconds")
        if type(seconds) is not int or not 1 <= seconds <= 86_400:
            raise SourceResponseError(
                f"{NAME}: data_point_period_seconds is {str(seconds)[:40]!r}, no length of a step"
            )
        self.zone: str = meta["region"]
        self.step = timedelta(seconds=seconds)
        self.issued_at = None if meta.get("generated_at") is None else moment(meta["generated_at"], f"{NAME}: meta")
        self.signal = SIGNALS[signal_type]
        try:
            self.rows: list[tuple[Any, Any]] = [(one["point_time"], one["value"]) for one in data]
        except (KeyError, TypeError):
            wrong = next(row for row, one in enumerate(data) if not _is_row(one))
            raise SourceResponseError(f"{NAME}: row {wrong} is no object with point_time and value") from None


def _is_row(one: Any) -> bool:
    return isinstance(one, dict) and one.keys() >= {"point_time", "value"}


def _series(answers: Sequence[_Answer], kind: Kind) -> Series:
    first = answers[0]
    meaning = Meaning(NAME, first.signal, Accounting("direct", "", "CO2"), kind, first.issued_at)
    rows = [(stamp, _grams(value)) for answer in answers for stamp, value in answer.rows]
    # One row alone does not tell its step; more of them must agree with what is stated.
    several = any(stamp != rows[0][0] for stamp, _ in rows)
    series = Series(first.zone, rows, meaning, step=None if several else first.step)
    if series.step != first.step:
        raise SourceResponseError(f"{NAME}: {first.zone}: rows lie {series.step} apart, and meta tells of {first.step}")
    return series


def _grams(value: Any) -> Any:
    # What is no number, or none that a grid has, goes on as it is, to be refused by name.
    return g_per_kwh_from_lb_per_mwh(value) if type(value) in _NUMBERS and -1e9 < value < 1e9 else value
