"""What decisions changed, as people read it: a line for each, sums that cross no signal, and the table of what-ifs."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from airflow_carbon.cli import ink
from airflow_carbon.cli.clock import dated, utc
from airflow_carbon.cli.table import table
from airflow_carbon.core.impact import reduction_label
from airflow_carbon.core.units import Signal

if TYPE_CHECKING:
    from airflow_carbon.core.counterfactual import Counterfactual
    from airflow_carbon.core.governed import Governed
    from airflow_carbon.core.impact import Impact
    from airflow_carbon.core.record import ImpactRecord
    from airflow_carbon.hooks.impact import Concluded

NONE = "-"


@dataclass(frozen=True, slots=True)
class Sum:
    """Hold the sum of what decisions changed, of one signal and accounting.

    :param decisions: how many are in the sum.
    :param without_energy: how many more have no energy, and so no grams.
    :param measured: how many of the sum stand on measured intensities on both sides.
    """

    signal: str
    accounting: str
    reduction_label: str
    decisions: int
    without_energy: int
    measured: int
    emitted_g: float
    baseline_g: float
    reduction_g: float

    def record(self) -> dict[str, Any]:
        """Give all as plain JSON values."""
        return asdict(self)


def totals(records: Iterable[ImpactRecord]) -> list[Sum]:
    """Add up impacts, one sum for each signal and accounting; a decision counts once."""
    groups: dict[tuple[str, str], dict[str, ImpactRecord]] = defaultdict(dict)
    for record in records:
        groups[record.signal, str(record.accounting)][record.decision_id] = record
    sums = []
    for (signal, accounting), found in sorted(groups.items()):
        known = [one for one in found.values() if one.reduction_g is not None]
        emitted, baseline, reduction = (
            math.fsum(getattr(one, name) or 0.0 for one in known) for name in ("emitted_g", "baseline_g", "reduction_g")
        )
        label = reduction_label(Signal(signal)) if signal else "reduction"
        measured = sum(one.measured for one in known)
        sums.append(
            Sum(signal, accounting, label, len(known), len(found) - len(known), measured, emitted, baseline, reduction)
        )
    return sums


def lines(
    dag: str,
    run: str | None,
    links: Sequence[Governed],
    concluded: Concluded,
    whole: Impact | None,
    others: Sequence[Counterfactual],
) -> list[str]:
    """Set all of it as text."""
    told = [ink.bold(f"{dag}, {run}" if run else dag)]
    if concluded.records:
        told += _impacts(links, concluded.records)
    for one in totals(concluded.records):
        told.append(_sum(one))
    reasons: dict[str, int] = defaultdict(int)
    for reason in concluded.left.values():
        reasons[reason] += 1
    told += [ink.dim(f"{count} decision{'s' * (count > 1)} without a claim: {why}") for why, count in reasons.items()]
    if not concluded.records and not reasons and whole is None:
        told.append("nothing in the ledger: no decision, and no measured work")
    if whole is not None:
        told += ["", *_whole(whole, others)]
    return told


def _impacts(links: Sequence[Governed], records: Sequence[ImpactRecord]) -> list[str]:
    decisions = {one.decision.decision_id: one.decision for one in links}
    rows = []
    for one in records:
        decision = decisions[one.decision_id]
        rows.append(
            [decision.run_id, decision.task_id, decision.action, utc(one.started_at), _number(one.energy_kwh),
             _number(one.intensity_g_per_kwh, 0), _number(one.baseline_intensity_g_per_kwh, 0),
             _number(one.emitted_g), _number(one.baseline_g), _number(one.reduction_g), _percent(one.saving_percent),
             _percent(one.promised_saving_percent), _number(one.oracle_g), _percent(one.forecast_error_percent),
             "measured" if one.measured else "estimate"]
        )  # fmt: skip
    head, *body = table(
        ["run", "decision", "done", "ran (UTC)", ">kWh", ">g/kWh", ">baseline", ">g emitted", ">g baseline",
         ">g reduction", ">saving", ">promised", ">g best", ">forecast error", "stands on"],
        rows,
    )  # fmt: skip
    return [ink.dim(head), *body]


def _sum(one: Sum) -> str:
    what = f"{one.signal or 'signal not stated'}; {one.accounting or 'accounting not stated'}"
    if not one.decisions:
        return f"no grams: of {one.without_energy} decision{'s' * (one.without_energy > 1)} no energy is known ({what})"
    more = f"; {one.without_energy} more without an energy" if one.without_energy else ""
    return (
        f"{one.reduction_label}: {_number(one.reduction_g)} g ({_number(one.emitted_g)} g instead of "
        f"{_number(one.baseline_g)} g) by {one.decisions} decision{'s' * (one.decisions > 1)}, {one.measured} of them "
        f"measured ({what}){more}"
    )


def _whole(whole: Impact, others: Sequence[Counterfactual]) -> list[str]:
    ran = whole.intensity_g_per_kwh
    rows = [
        ["as it ran", utc(whole.start), _number(ran, 0), _number(whole.emitted_g), ""],
        [f"when first ready, in {whole.home_zone}", utc(whole.ready_at), _number(whole.baseline_intensity_g_per_kwh, 0),
         _number(whole.baseline_g), _against(whole.baseline_intensity_g_per_kwh, ran)],
    ]  # fmt: skip
    for one in others:
        mean = one.intensity_g_per_kwh
        told = one.fault if mean is None else _against(mean, ran)
        rows.append([one.words, utc(one.start), _number(mean, 0), _number(one.emitted_g), told])
    head, *body = table(["had it started", "at (UTC)", ">g/kWh", ">g", "against as it ran"], rows)
    energy = "no energy is known, so there are no grams" if whole.energy_kwh is None else f"{whole.energy_kwh:.4g} kWh"
    note = f"{dated(whole.start)}; {energy}; {whole.signal} intensity, {whole.accounting}; source: {whole.source}"
    return [ink.dim(head), *body, ink.dim(note)]


def _against(mean: float, ran: float) -> str:
    return f"{100.0 * (mean / ran - 1.0):+.0f} %" if ran else NONE


def _percent(value: float | None) -> str:
    return NONE if value is None else f"{value:.0f} %"


def _number(value: float | None, digits: int = 4) -> str:
    if value is None:
        return NONE
    return f"{value:.0f}" if not digits or abs(value) >= 1000.0 else f"{value:.{digits}g}"
