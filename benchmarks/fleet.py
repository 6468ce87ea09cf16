"""Time the placing of fleets beside HiGHS (through scipy) and networkx, and compare what is emitted.

Run it with the package installed: ``python benchmarks/fleet.py``. On one core, over synthetic days with noise.
"""

from __future__ import annotations

import statistics
import timeit
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import networkx
import numpy as np
from scipy.optimize import LinearConstraint, linprog, milp
from scipy.sparse import coo_array, vstack

from airflow_carbon.core.fleet import FleetRegion, Placements, TaskClass, place_fleet
from airflow_carbon.core.forecast import Forecast

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

START, SLOT = datetime(2026, 1, 5, tzinfo=UTC), timedelta(minutes=6)
LENGTHS = (288, 1152, 4608, 18432)

Problem = tuple[list[TaskClass], list[FleetRegion]]


def days(rng: np.random.Generator, slots: int) -> NDArray[np.float64]:
    hours = np.arange(slots) / 10
    level, swing, phase = rng.uniform(100, 500), rng.uniform(20, 150), rng.uniform(0, 24)
    noise = np.cumsum(rng.normal(0, 2, slots)) / (1 + slots / 5000)
    return np.clip(level + swing * np.cos(2 * np.pi * (hours - phase) / 24) + noise, 5, None)


def regions(count: int, slots: int, cores: tuple[int, int], seed: int = 0) -> list[FleetRegion]:
    rng = np.random.default_rng(seed)
    return [
        FleetRegion(f"R{row}", Forecast(f"R{row}", START, SLOT, days(rng, slots)), int(rng.integers(*cores)), pue=1.1)
        for row in range(count)
    ]


def fleet(arcs: int, seed: int, *, load: float = 0.5, alike: bool, longest: int = 1, kinds: int = 20) -> Problem:
    """Make classes with windows of their own, which ask for about ``load`` of all cores of four regions."""
    rng = np.random.default_rng(seed)
    slots = arcs // 4
    places = regions(4, slots, (20, 60), seed)
    asked = load * sum(place.capacity for place in places) * slots / kinds
    classes = []
    for kind in range(kinds):
        opens = int(rng.integers(0, slots // 2))
        closes = int(rng.integers(opens + slots // 3, slots + 1))
        width = int(rng.integers(1, longest + 1))
        classes.append(
            TaskClass(
                f"class {kind}",
                max(1, int(asked * rng.uniform(0.3, 1.5) / width)),
                SLOT * width,
                energy_kwh=1.0 if alike else float(rng.uniform(0.2, 5.0)),
                earliest_start=START + SLOT * opens,
                deadline=START + SLOT * closes,
                regions=[place.name for place in places if rng.random() < 0.7] or None,
            )
        )
    return classes, places


def program(problem: Problem) -> tuple[NDArray[np.float64], NDArray[np.int64], list[tuple[int, int, int]]]:
    """Write out every allowed start: its emission, its class, and its class, region and slot."""
    classes, places = problem
    slots = len(places[0].forecast)
    grams, kinds, at = [], [], []
    for kind, each in enumerate(classes):
        width = each.duration // SLOT
        for row, place in enumerate(places):
            if each.regions is not None and place.name not in each.regions:
                continue
            first = 0 if each.earliest_start is None else (each.earliest_start - START) // SLOT
            end = slots if each.deadline is None else (each.deadline - START) // SLOT
            total = np.concatenate(([0.0], np.cumsum(place.forecast.intensity)))
            for slot in range(first, end - width + 1):
                grams.append(each.energy_kwh * place.pue * (total[slot + width] - total[slot]) / width)
                kinds.append(kind)
                at.append((kind, row, slot))
    return np.array(grams), np.array(kinds), at


def by_highs(problem: Problem, *, whole: bool = False) -> tuple[Callable[[], float], float]:
    """Give a call of HiGHS alone, and a check value; building the program is not timed."""
    classes, places = problem
    grams, kinds, at = program(problem)
    slots, number = len(places[0].forecast), len(grams)
    held = [
        (row * slots + slot + more, column)
        for column, (kind, row, slot) in enumerate(at)
        for more in range(classes[kind].duration // SLOT)
    ]
    rows, columns = np.array(held).T
    use = coo_array((np.ones(len(held)), (rows, columns)), shape=(len(places) * slots, number))
    every = coo_array((np.ones(number), (kinds, np.arange(number))), shape=(len(classes), number))
    room = np.repeat([place.capacity for place in places], slots)
    counts = np.array([each.count for each in classes])

    def linear() -> float:
        return float(linprog(grams, A_ub=use, b_ub=room, A_eq=every, b_eq=counts, method="highs").fun)

    def integral() -> float:
        limits = LinearConstraint(
            vstack([use, every]),
            np.concatenate((np.full(room.size, -np.inf), counts)),
            np.concatenate((room, counts)),
        )
        options = {"time_limit": 60, "mip_rel_gap": 1e-6}
        return float(milp(grams, integrality=np.ones(number), constraints=limits, options=options).fun)

    return (integral if whole else linear), number


def by_networkx(problem: Problem) -> Callable[[], float]:
    """Give a call of networkx's network simplex; its costs must be whole numbers, here of a thousandth of a gram."""
    classes, places = problem
    grams, _, at = program(problem)
    graph = networkx.DiGraph()
    for kind, each in enumerate(classes):
        graph.add_node(("class", kind), demand=-each.count)
    graph.add_node("sink", demand=sum(each.count for each in classes))
    for gram, (kind, row, slot) in zip(grams.tolist(), at, strict=True):
        graph.add_edge(("class", kind), (row, slot), weight=round(gram * 1000))
        graph.add_edge((row, slot), "sink", weight=0, capacity=places[row].capacity)
    return lambda: networkx.network_simplex(graph)[0] / 1000


def timed_ms(call: Callable[[], object], repeats: int) -> tuple[float, float]:
    """Give the least and the median time of a call [ms]."""
    times = timeit.repeat(call, repeat=repeats, number=1)
    return min(times) * 1e3, statistics.median(times) * 1e3


def line(figure: str, target: str, call: Callable[[], object], repeats: int = 21, note: str = "") -> None:
    least, median = timed_ms(call, repeats)
    print(f"{figure:<62}{target:>8}{least:>10.2f}{median:>10.2f}  {note}".rstrip(), flush=True)


def planned(problem: Problem) -> Placements:
    return place_fleet(problem[0], problem[1], slot=SLOT)


def one_class() -> None:
    print("\none class: 20,000 tasks of 3 min, 45 regions x 48 h at 6 min (21,600 places)\n")
    task = [TaskClass("frames", 20_000, timedelta(minutes=3))]
    for cores in (400_000, 1000, 100, 10):
        problem = task, regions(45, 480, (cores, cores + 1))
        plan = planned(problem)
        line(f"{cores} cores each", "1", lambda problem=problem: planned(problem), 101, f"{plan.counts.size} batches")
    line("  and every Batch made", "", lambda: planned(problem).batches, 21)
    costs = np.concatenate([place.forecast.intensity for place in problem[1]])
    line("  for comparison: sort the bare costs by numpy", "", costs.argsort, 101)
    call, number = by_highs((task_of(task), problem[1]))
    ours = planned((task_of(task), problem[1])).emitted_g
    line(f"  HiGHS, {number} variables", "", call, 1, f"emits {call() / ours - 1:+.1e} of ours")


def task_of(task: list[TaskClass]) -> list[TaskClass]:
    """Fill the slot, so that HiGHS and we speak of the same task."""
    return [TaskClass(task[0].name, task[0].count, SLOT, energy_kwh=1.0)]


def twenty_classes() -> None:
    for alike, sort in ((True, "equal energy, own windows and regions"), (False, "own energy, windows and regions")):
        print(f"\n20 classes on 1,152 places, {sort}\n")
        worst = 0.0
        for seed in range(5):
            for load in (0.3, 0.6):
                problem = fleet(1152, seed, load=load, alike=alike)
                plan = planned(problem)
                call, _ = by_highs(problem)
                worst = max(worst, abs(plan.emitted_g / call() - 1.0))
                line(
                    f"seed {seed}, {load:.0%} of the cores asked for",
                    "10",
                    lambda problem=problem: planned(problem),
                    11,
                )
        print(f"largest difference from the optimum of HiGHS: {worst:.1e}")
        line("  for comparison, the last: HiGHS", "", call, 3)
        simplex = by_networkx(problem)
        line("  networkx, network simplex", "", simplex, 1)


def growth() -> None:
    print("\nas the number of places grows\n")
    print(f"{'places':<34}" + "".join(f"{length:>12}" for length in LENGTHS))
    one = [TaskClass("frames", 20_000, timedelta(minutes=3))]
    cases: list[tuple[str, Callable[[int], Problem]]] = [
        ("one class", lambda length: (one, regions(1, length, (400, 401)))),
        ("20 classes of equal energy", lambda length: fleet(length, 1, alike=True)),
        ("20 classes", lambda length: fleet(length, 1, alike=False)),
        ("20 classes of up to 8 slots", lambda length: fleet(length, 1, alike=False, longest=8, load=0.3)),
    ]
    for name, make in cases:
        found = []
        for length in LENGTHS:
            problem = make(length)
            found.append(timed_ms(lambda problem=problem: planned(problem), 5 if length < 5000 else 2)[0])
        print(f"{name + ' [ms]':<34}" + "".join(f"{ms:>12.2f}" for ms in found), flush=True)
        each = (ms / length * 1e3 for ms, length in zip(found, LENGTHS, strict=True))
        print(f"{'  us per place':<34}" + "".join(f"{us:>12.2f}" for us in each), flush=True)


def long_tasks() -> None:
    print("\ntasks of 1 to 8 slots, not interrupted: how far from the best plan, and how far the bound tells\n")
    print(f"{'6 classes on 160 places':<34}{'ms':>9}{'gap told':>10}{'over HiGHS':>12}{'HiGHS ms':>11}")
    for load in (0.2, 0.4, 0.6):
        for seed in range(4):
            problem = fleet(160, seed, load=load, alike=False, longest=8, kinds=6)
            plan = planned(problem)
            ours = timed_ms(lambda problem=problem: planned(problem), 3)[0]
            call, _ = by_highs(problem, whole=True)
            begin = timeit.default_timer()
            optimum = call()
            took = (timeit.default_timer() - begin) * 1e3
            name = f"seed {seed}, {load:.0%} of the cores"
            excess = plan.emitted_g / optimum - 1.0
            print(f"{name:<34}{ours:>9.1f}{plan.gap:>10.2%}{excess:>12.2%}{took:>11.0f}", flush=True)


def main() -> None:
    print("in ms; what HiGHS and networkx are given is built before the clock starts")
    print(f"\n{'figure':<62}{'target':>8}{'min':>10}{'median':>10}")
    one_class()
    twenty_classes()
    growth()
    long_tasks()


if __name__ == "__main__":
    main()
