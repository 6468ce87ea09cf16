"""The chunks against every way to cut and place a small run, and against a plain recursion over real series.

The oracles count in whole numbers or fractions, so that they are exact, and share no formula with the search.
"""

from __future__ import annotations

import csv
import math
import random
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from itertools import accumulate, combinations_with_replacement
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_carbon.core.forecast import Forecast
from airflow_carbon.core.power import PowerProfile
from airflow_carbon.core.schedule import best_schedule

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
START = datetime(2026, 1, 5, tzinfo=UTC)
SLOT = timedelta(minutes=30)


def compositions(units, most, least):
    """List every way to cut ``units`` in at most ``most`` parts of at least ``least``."""
    if most >= 1 and units >= 1:
        yield (units,)
    for first in range(max(least, 1), units):
        if units - first >= least:
            yield from ((first, *rest) for rest in compositions(units - first, most - 1, least))


def placed(lengths, overhead, begin, end):
    """List every begin of work of each chunk, on slots from ``begin`` to ``end``."""
    spare = end - begin - sum(lengths) - overhead * (len(lengths) - 1)
    for pauses in combinations_with_replacement(range(spare + 1), len(lengths)) if spare >= 0 else ():
        before = [0, *accumulate(length + overhead for length in lengths[:-1])]
        yield [begin + pause + at for pause, at in zip(pauses, before, strict=True)]


def everything(values, watts, resume_watts, *, most, least, overhead, begin, end):
    """Try all: the least emission, then the fewest chunks, then the soonest end [slots]."""
    plans = []
    for lengths in compositions(len(watts), most, least):
        for starts in placed(lengths, overhead, begin, end):
            cost, work = Fraction(0), iter(watts)
            for index, (start, length) in enumerate(zip(starts, lengths, strict=True)):
                cost += sum(next(work) * values[slot] for slot in range(start, start + length))
                if index:
                    cost += resume_watts * sum(values[start - overhead : start])
            plans.append((cost, len(lengths), starts[-1] + lengths[-1]))
    return min(plans)


@st.composite
def problems(draw):
    per_step = draw(st.sampled_from([1, 2]))
    values = draw(st.lists(st.integers(0, 30), min_size=2, max_size=9 // per_step))
    usable = len(values) * per_step
    phases = draw(st.lists(st.tuples(st.integers(1, 3), st.sampled_from([0, 1, 50, 300])), min_size=1, max_size=3))
    watts = [watts for length, watts in phases for _ in range(length)][:usable]
    if not any(watts):
        watts = [1] * len(watts)
    begin = draw(st.integers(0, usable - len(watts)))
    end = draw(st.integers(begin + len(watts), usable))
    return per_step, values, watts, begin, end


@settings(max_examples=400)
@given(
    problem=problems(),
    most=st.sampled_from([1, 2, 3, 4, None]),
    least=st.integers(0, 3),
    overhead=st.integers(0, 2),
    resume_watts=st.sampled_from([None, 0, 20, 400]),
)
def test_no_cut_and_no_placing_on_slots_or_half_slots_emits_less(problem, most, least, overhead, resume_watts):
    per_step, values, watts, begin, end = problem
    found = best_schedule(
        Forecast("DE", START, per_step * SLOT, values),
        power=PowerProfile(tuple((SLOT, each) for each in watts)),
        earliest_start=START + begin * SLOT,
        deadline=START + end * SLOT,
        max_chunks=most,
        min_chunk=least * SLOT,
        resume_overhead=overhead * SLOT,
        resume_watts=resume_watts,
    )
    for halves in (1, 2) if end - begin <= 5 else (1,):
        cost, chunks, done = everything(
            [value for value in values for _ in range(per_step * halves)],
            [each for each in watts for _ in range(halves)],
            Fraction(sum(watts), len(watts)) if resume_watts is None else resume_watts,
            most=math.inf if most is None else most,
            least=least * halves,
            overhead=overhead * halves,
            begin=begin * halves,
            end=end * halves,
        )
        # Off the grid nothing is cleaner either: half slots find the same least emission.
        assert found.intensity_g_per_kwh == pytest.approx(float(cost / halves / sum(watts)), rel=1e-9, abs=1e-9)
        assert len(found.chunks) == chunks
    assert found.exact
    assert found.end <= START + end * SLOT
    if chunks > 1:
        assert found.end == START + done * SLOT / halves


def recursion(values, units, *, most, least, overhead):
    """Solve flat power over chunks, work and time, one number after the other."""
    sums = [0, *accumulate(values)]
    paused = [[0] * len(sums) if work == 0 else [math.inf] * len(sums) for work in range(units + 1)]
    best = math.inf
    for chunk in range(most):
        resume = overhead if chunk else 0
        after = [[math.inf] * len(sums) for _ in range(units + 1)]
        for work in range(least, units + 1):
            for end in range(1, len(sums)):
                costs = [
                    paused[work - length][end - length - resume] + sums[end] - sums[end - length - resume]
                    for length in range(least, work + 1)
                    if end >= length + resume
                ]
                after[work][end] = min(after[work][end - 1], *costs, math.inf)
        paused = after
        paused[0] = [math.inf] * len(sums)
        best = min(best, paused[units][-1])
    return best


@pytest.mark.skipif(not DATA.is_dir(), reason="the real series lie beside the repository, in ../shared/data")
@pytest.mark.parametrize("name", ["lwa_GB_2020_30min", "lwa_FR_2020_30min"])
def test_on_real_series_the_plan_is_as_clean_as_the_recursion(name):
    with (DATA / f"{name}.csv").open() as lines:
        rows = list(csv.reader(lines))[1:]
    rng = random.Random(f"recursion {name}")
    cut = 0
    for _ in range(12):
        first, length = rng.randrange(len(rows) - 96), rng.randint(48, 96)
        hundredths = [round(100 * Fraction(row[1])) for row in rows[first : first + length]]
        units, most, least, overhead = rng.randint(8, 24), rng.randint(1, 4), rng.randint(1, 4), rng.choice([0, 0, 1])
        found = best_schedule(
            Forecast("GB", START, SLOT, [value / 100 for value in hundredths]),
            duration=units * SLOT,
            max_chunks=most,
            min_chunk=least * SLOT,
            resume_overhead=overhead * SLOT,
        )
        cut += len(found.chunks) > 1
        expected = recursion(hundredths, units, most=most, least=least, overhead=overhead)
        assert found.intensity_g_per_kwh == pytest.approx(expected / units / 100, rel=1e-12)
    assert cut >= 3
