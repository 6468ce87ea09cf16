"""The counter over a ledger on disk, and its push to a collector on a real socket."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from fakes.records import START, decision, impact
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_carbon.exceptions import InvalidRequestError, SourceResponseError
from airflow_carbon.hooks.counter import PERIODS, Period, Reduction, collector, count, push, pushed
from airflow_carbon.hooks.ledger import LedgerHook

pytestmark = pytest.mark.airflow

HOUR = timedelta(hours=1)
#: The work of ``impact()`` ends an hour after START.
NOW = START + 2 * HOUR


@pytest.fixture
def hook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LedgerHook:
    monkeypatch.setenv("AIRFLOW__CARBON__STATE_DIR", str(tmp_path))
    return LedgerHook()


def shifted(decision_id: str, **changed: Any) -> Any:
    return decision(decision_id, **{"promised_saving_percent": 60.0, **changed})


def ended(decision_id: str, ago: timedelta, **changed: Any) -> Any:
    return impact(decision_id, started_at=NOW - ago - HOUR, ended_at=NOW - ago, **changed)


def counted(hook: LedgerHook) -> dict[str, Period]:
    return {one.name: one for one in count(hook, NOW)}


def grams(period: Period) -> dict[str, float | None]:
    return {one.signal: one.reduction_g for one in period.reductions}


def test_each_period_holds_the_work_that_ended_in_it(hook: LedgerHook) -> None:
    agos = {"a": 0.5 * HOUR, "b": 5 * HOUR, "c": timedelta(days=20), "d": timedelta(days=400)}
    hook.ledger.write([shifted(name) for name in agos])
    hook.ledger.write([ended(name, ago) for name, ago in agos.items()])
    # 400 g each.
    assert {name: grams(one) for name, one in counted(hook).items()} == {
        "hour": {"average": 400.0},
        "day": {"average": 800.0},
        "month": {"average": 1200.0},
        "all_time": {"average": 1600.0},
    }


def test_an_empty_ledger_counts_nothing(hook: LedgerHook) -> None:
    assert [(one.tasks_shifted, list(one.reductions)) for one in count(hook, NOW)] == [(0, [])] * 4


def test_signals_and_accountings_are_never_added_up(hook: LedgerHook) -> None:
    hook.ledger.write([shifted(name) for name in "abc"])
    hook.ledger.write([
        ended("a", HOUR),
        ended("b", HOUR, signal="marginal"),
        ended("c", HOUR, accounting="life-cycle, consumption, CO2e"),
    ])  # fmt: skip
    rows = counted(hook)["all_time"].reductions
    assert [(one.signal, one.accounting, one.reduction_g) for one in rows] == [
        ("average", "", 400.0),
        ("average", "life-cycle, consumption, CO2e", 400.0),
        ("marginal", "", 400.0),
    ]
    assert [one.label for one in rows] == ["attributed reduction", "attributed reduction", "avoided (estimate)"]


def test_more_emitted_stays_negative_in_the_sum_and_in_kilometres(hook: LedgerHook) -> None:
    hook.ledger.write([shifted("a"), ended("a", HOUR, emitted_g=900.0, baseline_g=600.0)])
    (one,) = counted(hook)["all_time"].reductions
    assert one.reduction_g == -300.0
    # 300 g / 400 g per mile x 1.609344 km.
    assert one.equivalents[0].amount == pytest.approx(-1.207008)


def test_without_an_energy_there_are_no_grams_and_no_kilometres(hook: LedgerHook) -> None:
    hook.ledger.write([shifted("a"), ended("a", HOUR, energy_kwh=None, emitted_g=None, baseline_g=None)])
    (one,) = counted(hook)["all_time"].reductions
    assert (one.decisions, one.without_grams, one.reduction_g, one.equivalents) == (1, 1, None, [])


def test_an_unlinked_decision_claims_nothing(hook: LedgerHook) -> None:
    hook.ledger.write([shifted("a", governs=()), ended("a", HOUR), ended("unknown", HOUR)])
    assert counted(hook)["all_time"].reductions == []


def test_only_what_was_moved_and_so_done_has_shifted(hook: LedgerHook) -> None:
    hook.ledger.write([
        shifted("moved", task_id="one", owner="ann"),
        shifted("again", task_id="one", owner="ann"),
        shifted("at_once", task_id="two", owner="bob", promised_saving_percent=0.0),
        shifted("overridden", task_id="three", owner="cid", action="overridden"),
        shifted("elsewhere", task_id="four", owner="", promised_saving_percent=None),
        *(ended(name, HOUR) for name in ("moved", "again", "at_once", "overridden")),
        ended("elsewhere", HOUR, zone="SE", home_zone="GB"),
    ])  # fmt: skip
    period = counted(hook)["day"]
    assert (period.tasks_shifted, period.owners_shifted) == (2, 1)
    assert period.reductions[0].decisions == 5


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(
            st.integers(0, 60 * 24 * 40),
            st.sampled_from(["average", "marginal"]),
            st.one_of(st.none(), st.integers(-1000, 1000)),
        ),
        max_size=12,
    )
)
def test_it_is_what_adding_up_by_hand_gives(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[int, str, int | None]]
) -> None:
    hook = LedgerHook()
    from airflow_carbon.ledger.sql import SqlLedger

    hook.__dict__["ledger"] = SqlLedger(f"sqlite:///{tmp_path_factory.mktemp('counter')}/ledger.db")
    hook.ledger.write([
        record
        for number, (ago, signal, reduction) in enumerate(rows)
        for record in (
            shifted(str(number)),
            ended(str(number), timedelta(minutes=ago), signal=signal, emitted_g=None, baseline_g=None,
                  reduction_g=reduction),
        )
    ])  # fmt: skip
    for name, period in counted(hook).items():
        reach = PERIODS[name]
        for signal in ("average", "marginal"):
            within = [
                reduction
                for ago, one, reduction in rows
                if one == signal and (reach is None or timedelta(minutes=ago) < reach)
            ]
            known = [one for one in within if one is not None]
            assert grams(period).get(signal, "absent") == ("absent" if not within else sum(known) if known else None)
    totals = {one.signal: one.reduction_g for one in hook.reductions(())}
    assert {signal: value or 0.0 for signal, value in grams(counted(hook)["all_time"]).items()} == totals


# -- the push --------------------------------------------------------------------------------------------------------


@dataclass
class Collector:
    """A server that keeps what it is sent."""

    status: int = 202
    location: str = ""
    got: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)
    url: str = ""


@pytest.fixture
def server() -> Iterator[Collector]:
    kept = Collector()

    class Handler(BaseHTTPRequestHandler):
        def _keep(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            kept.got.append((self.command, self.path, dict(self.headers), body))
            self.send_response(kept.status)
            if kept.location:
                self.send_header("Location", kept.location)
            self.end_headers()

        do_POST = do_GET = _keep  # noqa: N815

        def log_message(self, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        kept.url = f"http://127.0.0.1:{http.server_address[1]}"
        yield kept
        http.shutdown()


PERIOD = Period("day", NOW - 24 * HOUR, NOW, 3, 2, [Reduction("average", "direct", 5, 4, 1, 1200.5)])


def test_it_is_off_by_default() -> None:
    assert collector() == ""
    with pytest.raises(InvalidRequestError, match="counter_url"):
        push([PERIOD])


def test_the_collector_gets_the_aggregates_alone(server: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__CARBON__COUNTER_URL", f"{server.url}/carbon")
    assert push([PERIOD]) == f"{server.url}/carbon"
    ((method, path, headers, body),) = server.got
    assert (method, path, headers["Content-Type"]) == ("POST", "/carbon", "application/json")
    assert not {"authorization", "cookie", "referer"} & {name.lower() for name in headers}
    assert json.loads(body) == pushed([PERIOD])
    assert json.loads(body) == {
        "form": "airflow-carbon-counter/1",
        "periods": [
            {
                "period": "day",
                "since": "2026-11-21T08:00:00+00:00",
                "until": "2026-11-22T08:00:00+00:00",
                "tasks_shifted": 3,
                "owners_shifted": 2,
                "reductions": [
                    {
                        "signal": "average",
                        "accounting": "direct",
                        "decisions": 5,
                        "measured": 4,
                        "without_grams": 1,
                        "reduction_g": 1200.5,
                    }
                ],
            }
        ],
    }


def test_no_name_of_a_dag_a_task_or_an_owner_is_sent(hook: LedgerHook) -> None:
    names = {"dag_id": "secret_dag", "task_id": "secret_task", "owner": "secret_owner", "run_id": "secret_run"}
    hook.ledger.write([shifted("secret_id", **names, governs=("secret_work",)), ended("secret_id", HOUR)])
    said = json.dumps(pushed(count(hook, NOW)))
    assert '"tasks_shifted": 1' in said
    assert "secret" not in said


def test_a_collector_that_sends_it_elsewhere_is_not_followed(
    server: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__CARBON__COUNTER_URL", server.url)
    server.status, server.location = 307, f"{server.url}/elsewhere"
    with pytest.raises(SourceResponseError, match="redirect"):
        push([PERIOD])
    assert len(server.got) == 1


def test_a_refusal_is_told(server: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__CARBON__COUNTER_URL", server.url)
    server.status = 422
    with pytest.raises(SourceResponseError, match="422"):
        push([PERIOD])


@pytest.mark.parametrize("wrong", ["https://user:password@host.example", "ftp://host.example", "no address"])
def test_what_is_no_address_is_refused(wrong: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__CARBON__COUNTER_URL", wrong)
    with pytest.raises(InvalidRequestError, match="counter_url"):
        collector()
