"""The power that a run draws as it goes on: a start-up at 50 W, hours at 300 W, an upload at 80 W."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from itertools import accumulate, pairwise
from typing import Any

from airflow_carbon.core.literal import literal
from airflow_carbon.core.moment import MICROSECOND, in_words, parse_duration
from airflow_carbon.core.units import WATT_HOURS_PER_KWH
from airflow_carbon.core.value import value
from airflow_carbon.exceptions import InvalidRequestError

#: More phases than this are a recording, not a profile; the search grows with their square.
MOST_PHASES = 100

# Compiled where it is used: few tasks give a profile, and each of their processes would pay for it.
_PHASE = r"(?P<duration>[^@]+)@\s*(?P<watts>[0-9.eE+-]+)\s*(?P<unit>k?)W?"
_EXAMPLE = "'10m@50W, 2h@300W, 15m@80W', or [['10m', 50], ['2h', 300], ['15m', 80]]"


@value
class PowerProfile:
    """Hold the power of a run as a step function of the time since its start; plain values, no numpy.

    :param phases: how long each lasts, and the power that is drawn meanwhile [W]; neighbours of equal power are joined.
    :raises InvalidRequestError: naming the phase (counted from 1) that is not longer than zero, or whose power is no
        finite number of zero or more; or if there is none, or none that draws power, or too many.
    """

    phases: tuple[tuple[timedelta, float], ...]

    def __post_init__(self) -> None:
        joined: list[tuple[timedelta, float]] = []
        for number, (length, watts) in enumerate(self.phases, start=1):
            # Plain ones: a subclass such as pendulum's answers `//` and `/` with itself, or not at all.
            length, watts = parse_duration(length, f"power: phase {number}"), _number(watts, number, "power")
            if not 0.0 <= watts < math.inf:
                raise InvalidRequestError(f"power: phase {number} draws {watts} W; it must be a number, zero or larger")
            if joined and joined[-1][1] == watts:
                length += joined.pop()[0]
            joined.append((length, watts))
        if not any(watts > 0.0 for _, watts in joined):
            raise InvalidRequestError(f"power: no phase draws any; write for example {_EXAMPLE}")
        if len(joined) > MOST_PHASES:
            raise InvalidRequestError(f"power: {len(joined)} phases are more than the {MOST_PHASES} that are searched")
        object.__setattr__(self, "phases", tuple(joined))

    @classmethod
    def flat(cls, duration: timedelta, watts: float = 1000.0) -> PowerProfile:
        """Draw the same power all along."""
        return cls(((duration, watts),))

    @classmethod
    def parse(cls, value: PowerProfile | str | Sequence[Any], field: str = "power") -> PowerProfile:
        """Read a profile, ``"10m@50W, 2h@300W"``, pairs of duration and watts, or mappings with these two keys.

        A list may come as its text, JSON or Python: so a template renders it, unless the DAG renders native objects.

        :raises InvalidRequestError: naming the phase (counted from 1) that cannot be read.
        """
        if isinstance(value, PowerProfile):
            return value
        if isinstance(value, str) and value.lstrip().startswith("["):
            value = literal(value.strip(), field)
        if isinstance(value, str):
            return cls(tuple(_of_text(text, number, field) for number, text in enumerate(value.split(","), start=1)))
        if not isinstance(value, Iterable):
            raise InvalidRequestError(f"{field}: {value!r} is no power profile; write for example {_EXAMPLE}")
        return cls(tuple(_of_pair(pair, number, field) for number, pair in enumerate(value, start=1)))

    def __str__(self) -> str:
        return ", ".join(f"{_exact(length)}s@{watts!r}W" for length, watts in self.phases)

    @property
    def duration(self) -> timedelta:
        """Length of the whole run."""
        return sum((length for length, _ in self.phases), timedelta(0))

    @property
    def energy_kwh(self) -> float:
        """Energy of the whole run [kWh]."""
        return sum(length / timedelta(hours=1) * watts for length, watts in self.phases) / WATT_HOURS_PER_KWH

    @property
    def edges_us(self) -> tuple[int, ...]:
        """Begin of the first phase, 0, and the end of each [us since the start of the run]."""
        return (0, *accumulate(length // MICROSECOND for length, _ in self.phases))

    @property
    def bends(self) -> tuple[tuple[int, float], ...]:
        """List each edge [us since the start of the run] with the power that ends there less the one that begins [W].

        The emission of a run is the sum over these of power x the integral of the intensity up to the edge.
        """
        watts = (0.0, *(one for _, one in self.phases), 0.0)
        return tuple((edge, watts[at] - watts[at + 1]) for at, edge in enumerate(self.edges_us))

    def stretched(self, length: timedelta) -> PowerProfile:
        """Draw the same powers over another length of time, each for the same share of it."""
        length = parse_duration(length, "length")
        edges = [edge * (length / self.duration) for edge in accumulate(one for one, _ in self.phases)]
        edges[-1] = length
        lengths = [edge - before for before, edge in pairwise([timedelta(0), *edges])]
        return PowerProfile(tuple((one, watts) for one, (_, watts) in zip(lengths, self.phases, strict=True)))

    def part(self, begin: timedelta, end: timedelta) -> PowerProfile:
        """Cut out what is drawn between two moments of the run, counted from its start.

        :raises InvalidRequestError: if nothing is drawn between them.
        """
        cut, at = [], timedelta(0)
        for length, watts in self.phases:
            inside = min(at + length, end) - max(at, begin)
            if inside > timedelta(0):
                cut.append((inside, watts))
            at += length
        return PowerProfile(tuple(cut))


def _exact(length: timedelta) -> str:
    return f"{length.total_seconds():.6f}".rstrip("0").rstrip(".")


def run_of(duration: timedelta | None, power: PowerProfile | None) -> tuple[timedelta, PowerProfile | None]:
    """Give the length of a run, and its profile where its power changes; a run of even power needs none.

    :raises InvalidRequestError: if neither is given, or the two do not agree.
    """
    if power is None:
        if duration is None:
            raise InvalidRequestError("duration: say how long the run takes, for example 2h; or give its power profile")
        return parse_duration(duration, "duration"), None
    length = power.duration
    if duration is not None and parse_duration(duration, "duration") != length:
        raise InvalidRequestError(
            f"power: the phases last {in_words(length)} together, but duration is {in_words(duration)}; make them "
            f"agree, or leave duration away"
        )
    return length, power if len(power.phases) > 1 else None


def _of_text(text: str, number: int, field: str) -> tuple[timedelta, float]:
    match = re.fullmatch(_PHASE, text.strip())
    if match is None:
        raise InvalidRequestError(f"{field}: phase {number}: {text.strip()!r} is none; write for example {_EXAMPLE}")
    watts = _number(match["watts"], number, field) * (1000.0 if match["unit"] else 1.0)
    return parse_duration(match["duration"], f"{field}: phase {number}"), watts


def _of_pair(pair: Any, number: int, field: str) -> tuple[timedelta, float]:
    if isinstance(pair, Mapping):
        if set(pair) != {"duration", "watts"}:
            raise InvalidRequestError(
                f"{field}: phase {number} has the keys {', '.join(map(str, pair))}; it must have duration and watts"
            )
        pair = pair["duration"], pair["watts"]
    if isinstance(pair, str) or not isinstance(pair, Sequence) or len(pair) != 2:
        raise InvalidRequestError(f"{field}: phase {number}: {pair!r} is none; write for example {_EXAMPLE}")
    return parse_duration(pair[0], f"{field}: phase {number}"), _number(pair[1], number, field)


def _number(value: Any, number: int, field: str) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise InvalidRequestError(f"{field}: phase {number}: {value!r} is no power [W]") from None
