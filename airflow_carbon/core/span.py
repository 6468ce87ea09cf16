"""What one request allows on one forecast: its starts, and how they lie to the grid of steps."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from airflow_carbon.core.moment import MICROSECOND, in_words, microseconds, moment_at, parse_duration, parse_moment
from airflow_carbon.exceptions import NoFeasibleWindowError

if TYPE_CHECKING:
    from airflow_carbon.core.forecast import Forecast

#: Sums over k steps that differ by less than this share of (k + 2) whole integrals are equal: it bounds the rounding of
#: a difference of prefix sums (Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., section 4.2) eightfold.
ROUNDING = 2.0**-50


class Span(NamedTuple):
    """Hold the starts that one forecast allows a run of one length [us since the Unix epoch; us]."""

    earliest: int
    latest: int
    duration: int
    horizon_cut: bool

    @classmethod
    def of(
        cls, forecast: Forecast, duration: timedelta, earliest_start: datetime | None, deadline: datetime | None
    ) -> Span:
        """Read a request against one forecast.

        :raises InvalidRequestError: if a moment is naive or the duration is not positive.
        :raises NoFeasibleWindowError: if no start ends by the deadline, or within the forecast.
        """
        length = parse_duration(duration, "duration") // MICROSECOND
        earliest = horizon_start = forecast.start_us
        if earliest_start is not None:
            earliest = max(horizon_start, microseconds(parse_moment(earliest_start, "earliest_start")))
        horizon = forecast.end_us
        limit = horizon if deadline is None else microseconds(parse_moment(deadline, "deadline"))
        if earliest + length > limit and deadline is not None:
            raise NoFeasibleWindowError(
                f"deadline: a run of {words(length)} that starts at {moment_at(earliest).isoformat()} or later cannot "
                f"end by {moment_at(limit).isoformat()}; allow {moment_at(earliest + length).isoformat()} or later, or "
                f"a shorter duration"
            )
        if earliest + length > horizon:
            raise NoFeasibleWindowError(
                f"duration: a run of {words(length)} that starts at {moment_at(earliest).isoformat()} or later does "
                f"not fit into the series for {forecast.zone}, which ends at {forecast.end.isoformat()}; use one that "
                f"reaches {moment_at(earliest + length).isoformat()}, an earlier start or a shorter duration"
            )
        return cls(earliest, min(limit, horizon) - length, length, horizon < limit)


class Cores(NamedTuple):
    """Tell where the windows to look at lie on a grid.

    :param whole: length of a core [steps].
    :param rest: length of its extension [us], shorter than a step.
    :param first: first step at which a core begins that may be extended to either side.
    :param last: last such step; before ``first`` where there is none.
    :param corners: the starts that these leave out, and both ends, sorted [us from the begin of the grid].
    """

    whole: int
    rest: int
    first: int
    last: int
    corners: list[int]

    @classmethod
    def of(cls, span: Span, start: int, step: int) -> Cores:
        """Lay a span over the grid that begins at ``start`` and has steps of length ``step`` [us]."""
        whole, rest = divmod(span.duration, step)
        earliest, latest = span.earliest - start, span.latest - start
        first, last = -(-(earliest + rest) // step), latest // step
        if rest:
            # The core before the first may still be extended to the right, the one after the last to the left.
            to_the_right, to_the_left = -(-earliest // step), (latest + rest) // step
            corners = {earliest, latest}
            if to_the_right < first and to_the_right * step <= latest:
                corners.add(to_the_right * step)
            if to_the_left > last and to_the_left * step - rest >= earliest:
                corners.add(to_the_left * step - rest)
            return cls(whole, rest, first, last, sorted(corners))
        return cls(whole, rest, first, last, sorted(start for start in {earliest, latest} if start % step))


def words(duration: int) -> str:
    """Say a length of time [us] as people do."""
    return in_words(timedelta(microseconds=duration))
