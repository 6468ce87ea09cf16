"""Fleets against HiGHS: the same problem written as a linear or a whole-number program, on many seeds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy.optimize import LinearConstraint, linprog, milp
from scipy.sparse import coo_array, vstack

from airflow_carbon.core.fleet import FleetRegion, Placements, TaskClass, place_fleet
from airflow_carbon.core.fleet_alike import alike, cheapest_flow_of_alike
from airflow_carbon.core.fleet_fill import marginal_cost
from airflow_carbon.core.fleet_flow import cheapest_flow
from airflow_carbon.core.fleet_network import Trade
from airflow_carbon.core.fleet_plan import emitted_by
from airflow_carbon.core.forecast import Forecast
from airflow_carbon.exceptions import NoFeasibleWindowError

if TYPE_CHECKING:
    from numpy.typing import NDArray

START, SLOT = datetime(2026, 1, 5, tzinfo=UTC), timedelta(minutes=30)


def problem(
    seed: int, *, widths: tuple[int, int] = (1, 2), cores: tuple[int, int] = (1, 2), load: float = 0.4
) -> tuple[list[TaskClass], list[FleetRegion]]:
    """Make classes with windows, regions and weights of their own; about ``load`` of all cores are asked for."""
    rng = np.random.default_rng(seed)
    regions, slots, kinds = int(rng.integers(1, 4)), int(rng.integers(8, 30)), int(rng.integers(2, 7))
    capacity = rng.integers(0, 12, size=(regions, slots))
    shape = rng.uniform(50, 500, size=(regions, 1)) + np.cumsum(rng.normal(0, 30, (regions, slots)), axis=1)
    values = np.round(np.clip(shape, 1, None), 0 if seed % 4 == 0 else 6)
    places = [
        FleetRegion(f"R{row}", Forecast("Z", START, SLOT, values[row]), capacity[row], pue=1.0 + row / 10)
        for row in range(regions)
    ]
    asked = load * capacity.sum() / kinds
    classes = []
    for kind in range(kinds):
        width, each = int(rng.integers(*widths)), int(rng.integers(*cores))
        opens = int(rng.integers(0, slots // 2))
        closes = int(rng.integers(min(slots, opens + max(width, slots // 3)), slots + 1))
        classes.append(
            TaskClass(
                f"c{kind}",
                max(1, int(asked * rng.uniform(0.3, 1.3) / width / each)),
                SLOT * width,
                cores=each,
                energy_kwh=float(rng.uniform(0.2, 5.0)) if seed % 3 else 1.0,
                earliest_start=START + SLOT * opens,
                deadline=START + SLOT * closes,
                regions=None if seed % 2 else [place.name for place in places if rng.random() < 0.8] or ["R0"],
            )
        )
    return classes, places


def by_highs(classes: list[TaskClass], places: list[FleetRegion], *, whole: bool) -> float | None:
    """Give the least emission of starting x[class, region, slot] tasks; None where there is no plan."""
    slots = len(places[0].forecast)
    grams, rows, columns, weights, owner = [], [], [], [], []
    for kind, each in enumerate(classes):
        width = each.duration // SLOT
        for row, place in enumerate(places):
            if each.regions is not None and place.name not in each.regions:
                continue
            for slot in range(slots - width + 1):
                begin = START + slot * SLOT
                if begin < each.earliest_start or begin + each.duration > each.deadline:
                    continue
                mean = place.forecast.intensity[slot : slot + width].mean()
                for held in range(slot, slot + width):
                    rows.append(row * slots + held)
                    columns.append(len(grams))
                    weights.append(each.cores)
                grams.append(each.energy_kwh * mean * place.pue)
                owner.append(kind)
    if not grams:
        return None
    number = len(grams)
    use = coo_array((weights, (rows, columns)), shape=(len(places) * slots, number))
    room = np.concatenate([place.capacity for place in places])
    all_placed = coo_array((np.ones(number), (owner, np.arange(number))), shape=(len(classes), number))
    counts = np.array([each.count for each in classes])
    if whole:
        result = milp(
            np.array(grams),
            integrality=np.ones(number),
            constraints=LinearConstraint(
                vstack([use, all_placed]),
                np.concatenate((np.full(room.size, -np.inf), counts)),
                np.concatenate((room, counts)),
            ),
            options={"mip_rel_gap": 1e-9, "time_limit": 20},
        )
    else:
        result = linprog(grams, A_ub=use, b_ub=room, A_eq=all_placed, b_eq=counts, method="highs")
    return float(result.fun) if result.status == 0 else None


def planned(classes: list[TaskClass], places: list[FleetRegion]) -> Placements | None:
    try:
        return place_fleet(classes, places, slot=SLOT)
    except NoFeasibleWindowError:
        return None


@pytest.mark.parametrize("load", [0.2, 0.5, 0.8])
@pytest.mark.parametrize("seed", range(25))
def test_tasks_of_one_slot_are_placed_as_highs_does(seed: int, load: float) -> None:
    classes, places = problem(seed, load=load)
    plan, optimum = planned(classes, places), by_highs(classes, places, whole=False)
    assert (plan is None) == (optimum is None)
    if plan is not None:
        assert plan.emitted_g == pytest.approx(optimum, rel=1e-9)
        assert plan.exact


def test_the_seeds_hold_problems_with_and_without_a_plan() -> None:
    plans = [planned(*problem(seed, load=load)) for seed in range(25) for load in (0.2, 0.5, 0.8)]
    assert sum(plan is not None for plan in plans) > 30
    assert sum(plan is None for plan in plans) > 5


@pytest.mark.parametrize("seed", range(10))
def test_one_class_is_placed_as_highs_does(seed: int) -> None:
    (first, *_), places = problem(seed)
    plan, optimum = planned([first], places), by_highs([first], places, whole=False)
    assert (plan is None) == (optimum is None)
    if plan is not None:
        assert plan.emitted_g == pytest.approx(optimum, rel=1e-9)


@pytest.mark.parametrize("seed", range(20))
def test_a_flow_of_any_costs_is_the_cheapest_and_leaves_out_as_few_as_possible(seed: int) -> None:
    rng = np.random.default_rng(seed)
    kinds, places = int(rng.integers(1, 9)), int(rng.integers(1, 40))
    costs = rng.integers(0, 9, (kinds, places)).astype(float) if seed % 2 else rng.uniform(0, 1e4, (kinds, places))
    costs[rng.random((kinds, places)) < 0.4] = np.inf
    supply, room = rng.integers(0, 20, kinds), rng.integers(0, 9, places)
    flow = cheapest_flow(costs, supply, room)
    assert (flow.placed.sum(axis=1) + flow.left_out == supply).all()
    assert (flow.placed.sum(axis=0) <= room).all()
    assert (flow.placed >= 0).all()
    assert (flow.left_out >= 0).all()
    assert not flow.placed[np.isinf(costs)].any()
    nowhere = 1e6
    padded = np.column_stack((np.where(np.isinf(costs), 1e9, costs), np.full(kinds, nowhere)))
    optimum = least(padded, supply, np.append(room, supply.sum()))
    ours = float(flow.placed[flow.placed > 0] @ costs[flow.placed > 0]) + nowhere * flow.left_out.sum()
    assert ours == pytest.approx(optimum, rel=1e-9)


@pytest.mark.parametrize("seed", range(40))
def test_kinds_that_cost_the_same_are_assigned_as_by_the_flow(seed: int) -> None:
    rng = np.random.default_rng(seed)
    kinds, places = int(rng.integers(1, 12)), int(rng.integers(1, 60))
    costs = np.tile(rng.integers(0, 30, places).astype(float), (kinds, 1))
    costs[rng.random((kinds, places)) < rng.uniform(0.1, 0.9)] = np.inf
    supply, room = rng.integers(0, 20, kinds), rng.integers(0, 9, places)
    assert alike(costs)
    greedy, flow = cheapest_flow_of_alike(costs, supply, room), cheapest_flow(costs, supply, room)
    assert (greedy.placed.sum(axis=1) + greedy.left_out == supply).all()
    assert (greedy.placed.sum(axis=0) <= room).all()
    assert (greedy.placed >= 0).all()
    assert not greedy.placed[np.isinf(costs)].any()
    assert greedy.left_out.sum() == flow.left_out.sum()
    assert emitted_by(greedy.placed, costs) == pytest.approx(emitted_by(flow.placed, costs), rel=1e-12)


def least(costs: NDArray[np.float64], supply: NDArray[np.int64], room: NDArray[np.int64]) -> float:
    kinds, places = costs.shape
    edges = np.arange(costs.size)
    use = coo_array((np.ones(costs.size), (edges % places, edges)), shape=(places, costs.size))
    every = coo_array((np.ones(costs.size), (edges // places, edges)), shape=(kinds, costs.size))
    return float(linprog(costs.ravel(), A_ub=use, b_ub=room, A_eq=every, b_eq=supply, method="highs").fun)


@pytest.mark.parametrize("seed", range(30))
def test_the_marginal_cost_is_that_of_a_full_sort(seed: int) -> None:
    rng = np.random.default_rng(seed)
    costs, room = rng.integers(0, 300, 700).astype(float), rng.integers(0, 5, 700)
    count = int(rng.integers(1, room.sum() + 1))
    order = costs.argsort()
    assert marginal_cost(costs, room, count) == costs[order][(room[order].cumsum() >= count).argmax()]
    assert marginal_cost(costs, room, int(room.sum()) + 1) == np.inf


@pytest.mark.parametrize("seed", range(20))
def test_cores_of_different_number_stay_near_the_best_whole_plan(seed: int) -> None:
    classes, places = problem(seed, cores=(1, 4))
    plan, optimum = planned(classes, places), by_highs(classes, places, whole=True)
    if plan is None:
        return
    assert optimum is not None
    assert plan.bound_g <= optimum * (1 + 1e-9)
    assert optimum * (1 - 1e-9) <= plan.emitted_g <= optimum * (1 + plan.gap + 1e-9)
    assert plan.emitted_g <= optimum * 1.05


@pytest.mark.parametrize("seed", range(30))
def test_long_tasks_stay_near_the_best_plan_and_the_bound_holds(seed: int) -> None:
    classes, places = problem(seed, widths=(1, 6), load=0.3)
    plan, optimum = planned(classes, places), by_highs(classes, places, whole=True)
    if plan is None:
        return
    assert optimum is not None
    assert plan.bound_g <= optimum * (1 + 1e-9)
    assert optimum * (1 - 1e-9) <= plan.emitted_g <= optimum * (1 + plan.gap + 1e-9)
    assert plan.emitted_g <= optimum * 1.10


def check_flow(costs: NDArray[np.float64], supply: NDArray[np.int64], room: NDArray[np.int64]) -> int:
    """Compare a flow with HiGHS, where leaving out a task costs more than any reassignment; give what is left out."""
    flow = cheapest_flow(costs, supply, room)
    assert (flow.placed.sum(axis=1) + flow.left_out == supply).all()
    assert (flow.placed.sum(axis=0) <= room).all()
    assert min(flow.placed.min(), flow.left_out.min()) >= 0
    assert not flow.placed[np.isinf(costs)].any()
    nowhere = 1e6
    padded = np.column_stack((np.where(np.isinf(costs), 1e9, costs), np.full(supply.size, nowhere)))
    optimum = least(padded, supply, np.append(room, supply.sum()))
    ours = emitted_by(flow.placed, costs) + nowhere * flow.left_out.sum()
    assert ours == pytest.approx(optimum, rel=1e-9, abs=1e-9)
    return int(flow.left_out.sum())


def weighted_windows(seed: int, load: float) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """Make kinds of their own energy and window on the same intensities, some of which are equal or zero."""
    rng = np.random.default_rng(seed)
    kinds, places = int(rng.integers(5, 21)), int(rng.integers(150, 500))
    intensity = np.clip(rng.normal(200, 150, places), 0, None)
    if seed % 3 == 0:
        intensity = np.round(intensity, -1)
    weights = rng.choice([0.5, 1.0, 2.0], kinds) if seed % 4 == 0 else rng.uniform(0.2, 5.0, kinds)
    costs = weights[:, None] * intensity
    for row in costs:
        opens = int(rng.integers(0, places // 2))
        row[:opens] = np.inf
        row[int(rng.integers(opens + places // 4, places + 1)) :] = np.inf
    room = rng.integers(0, 60, places)
    return costs, (load * room.sum() / kinds * rng.uniform(0.3, 1.7, kinds)).astype(np.int64), room


@pytest.mark.parametrize("load", [0.3, 0.6, 0.9])
@pytest.mark.parametrize("seed", range(16))
def test_many_kinds_of_own_energy_and_window_flow_as_highs_has_them(seed: int, load: float) -> None:
    check_flow(*weighted_windows(seed, load))


def test_more_tasks_than_room_leave_out_as_few_as_possible() -> None:
    assert all(check_flow(*weighted_windows(seed, 1.3)) > 0 for seed in range(6))


def test_a_flow_where_every_place_costs_nothing_places_all_it_can() -> None:
    assert check_flow(np.zeros((7, 90)), np.full(7, 20), np.full(90, 1)) == 50


def test_a_kind_that_needs_all_of_its_window_displaces_the_others() -> None:
    costs, supply, room = weighted_windows(1, 0.5)
    costs[0], supply[0] = np.inf, room[40:60].sum()
    costs[0, 40:60] = 300.0
    assert check_flow(costs, supply, room) == 0


def test_a_bad_guess_of_the_prices_costs_time_but_not_the_optimum() -> None:
    costs, supply, room = weighted_windows(2, 0.6)
    whole = np.rint(np.where(np.isinf(costs), 1e7, costs) * 1e6).astype(np.int64)
    whole = np.vstack((whole, np.zeros((1, room.size), dtype=np.int64)))
    wanted = np.append(supply, room.sum() - supply.sum())
    rng = np.random.default_rng(0)
    totals = set()
    for spread in (0.0, 1e6, 1e9):
        prices = np.append(rng.uniform(0.0, spread, supply.size), 0.0).astype(np.int64)
        held = Trade(whole, room, prices, wanted).settle()
        assert (held.sum(axis=1) == wanted).all()
        assert (held.sum(axis=0) == room).all()
        totals.add(int((held * whole).sum()))
    assert len(totals) == 1
