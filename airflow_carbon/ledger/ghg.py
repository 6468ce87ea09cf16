"""Emissions as the GHG Protocol asks for them: location-based kilograms for each account and month.

Scope 2 Guidance (World Resources Institute, 2015), chapter 4: the location-based method multiplies energy by the
average intensity of the grid. So only averages are in it: no marginal intensity, no certificate, no reduction, no
offset.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from airflow_carbon.core.units import Signal
from airflow_carbon.exceptions import InvalidRequestError
from airflow_carbon.ledger.totals import emission_totals

if TYPE_CHECKING:
    from airflow_carbon.ledger.sql import SqlLedger

#: The account of what has no owner.
NO_ACCOUNT = "(no account)"
GRAMS_PER_KG = 1000.0


@dataclass(frozen=True, slots=True)
class AccountMonth:
    """Hold what one account emitted in one month, by one accounting.

    Whether ``operational_kg`` is scope 2 (own machines) or scope 3 (a cloud's) is for who reports to say; the embodied
    part is scope 3 for both, and so is never added to it.

    :param accounting: what the intensities mean; direct and life-cycle ones stand in rows of their own.
    :param operational_kg: location-based [kgCO2eq].
    :param embodied_kg: share of the hardware's [kgCO2eq].
    :param records: how many tries are in it.
    :param provisional: how many of them are not final.
    """

    account: str
    month: str
    accounting: str
    energy_kwh: float
    operational_kg: float
    embodied_kg: float
    records: int
    provisional: int

    def record(self) -> dict[str, Any]:
        """Give all as plain JSON values."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class GhgView:
    """Hold the rows, and how many tries are in none of them.

    :param marginal: how many stand on a marginal intensity, which this method does not take.
    :param not_stated: how many have grams by an intensity that does not say which it is.
    :param without_grams: how many have no grams.
    """

    rows: list[AccountMonth]
    marginal: int
    not_stated: int
    without_grams: int


def ghg_view(
    ledger: SqlLedger,
    accounts: Mapping[str, str] | None = None,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
) -> GhgView:
    """Give the kilograms of each account and month; each try is in one account alone.

    :param accounts: ``dag:ID``, ``tag:NAME`` or ``owner:NAME`` to the account; of several that fit, the first counts.
        What fits none has its owner for an account.
    :raises InvalidRequestError: if a key names something else.
    :raises LedgerError: if the ledger does not answer.
    """
    wrong = [key for key in accounts or {} if key.partition(":")[0] not in ("dag", "tag", "owner")]
    if wrong:
        raise InvalidRequestError(f"accounts: {wrong[0]!r} must begin with dag:, tag: or owner:")
    sums: dict[tuple[str, str, str], list[float]] = {}
    marginal = not_stated = without = 0
    for one in emission_totals(ledger, ("dag", "owner", "tags", "month"), since=since, until=until):
        without += one.without_grams
        counted = one.records - one.without_grams
        if one.signal != Signal.AVERAGE:
            marginal += counted if one.signal else 0
            not_stated += 0 if one.signal else counted
            continue
        key = _account(one.group, accounts or {}), one.group["month"], one.accounting
        values = one.energy_kwh, one.operational_g, one.embodied_g, counted, one.provisional
        sums[key] = [have + more for have, more in zip(sums.get(key, [0.0] * 5), values, strict=True)]
    rows = [
        AccountMonth(*key, energy, operational / GRAMS_PER_KG, embodied / GRAMS_PER_KG, int(records), int(provisional))
        for key, (energy, operational, embodied, records, provisional) in sorted(sums.items())
    ]
    return GhgView(rows, marginal, not_stated, without)


def _account(group: Mapping[str, str], accounts: Mapping[str, str]) -> str:
    names = {f"dag:{group['dag']}", f"owner:{group['owner']}", *(f"tag:{tag}" for tag in json.loads(group["tags"]))}
    return next((account for key, account in accounts.items() if key in names), group["owner"] or NO_ACCOUNT)
