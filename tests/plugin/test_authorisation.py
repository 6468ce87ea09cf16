"""Who may see what: every route of the app, for everyone who may knock."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from fakes.records import START, decision, impact

from airflow_carbon.ledger.sql import SqlLedger

if TYPE_CHECKING:
    import httpx

pytestmark = pytest.mark.airflow

BATCH = "[]"
RELEASE = {"dag_id": "mine", "run_id": "r", "task_id": "t", "reason": "a test"}


class Rule(NamedTuple):
    """How to ask a route, and who is let in.

    :param url: an address of it that names the DAG "mine" where it names one.
    :param others: the same for the DAG "other", which the viewer may not read; None where no DAG is named.
    """

    url: str
    method: str = "GET"
    body: Any = None
    others: str | None = None
    page: bool = False


#: Every route of the app has its line here; one that has none fails the first test.
RULES = {
    ("GET", "/"): Rule("/"),
    ("GET", "/dag/{dag_id}"): Rule("/dag/mine"),
    ("GET", "/task/{dag_id}/{run_id}/{task_id}/{map_index}"): Rule("/task/mine/r/t/-1"),
    ("GET", "/static/{path:path}"): Rule("{static}/page.css"),
    ("GET", "/openapi.json"): Rule("/openapi.json"),
    ("GET", "/api/overview"): Rule("/api/overview"),
    ("GET", "/api/waiting"): Rule("/api/waiting"),
    ("GET", "/api/regions"): Rule("/api/regions?location=zone:GB"),
    ("GET", "/api/forecast"): Rule("/api/forecast?location=zone:GB"),
    ("GET", "/api/sources"): Rule("/api/sources"),
    ("GET", "/api/dags/{dag_id}"): Rule("/api/dags/mine", others="/api/dags/other"),
    ("GET", "/api/dags/{dag_id}/runs/{run_id}/tasks/{task_id}"): Rule(
        "/api/dags/mine/runs/r/tasks/t", others="/api/dags/other/runs/r/tasks/t"
    ),
    ("GET", "/api/token"): Rule("/api/token", page=True),
    ("POST", "/api/release"): Rule("/api/release", "POST", RELEASE),
    ("GET", "/emissions/bylocation"): Rule("/emissions/bylocation?location=zone:GB"),
    ("GET", "/emissions/bylocations"): Rule("/emissions/bylocations?location=zone:GB"),
    ("GET", "/emissions/bylocations/best"): Rule("/emissions/bylocations/best?location=zone:GB"),
    ("GET", "/emissions/average-carbon-intensity"): Rule(
        "/emissions/average-carbon-intensity?location=zone:GB&startTime=2026-01-01T00:00Z&endTime=2026-01-01T01:00Z"
    ),
    ("POST", "/emissions/average-carbon-intensity/batch"): Rule(
        "/emissions/average-carbon-intensity/batch", "POST", []
    ),
    ("GET", "/emissions/forecasts/current"): Rule("/emissions/forecasts/current?location=zone:GB"),
    ("POST", "/emissions/forecasts/batch"): Rule("/emissions/forecasts/batch", "POST", []),
    ("GET", "/locations"): Rule("/locations"),
}


def routes_of(routes: Any, before: str = "") -> Iterator[tuple[str, str]]:
    """List every route, those below a mount and those of routers that were included included."""
    for route in routes:
        inner = getattr(route, "routes", None) or getattr(getattr(route, "original_router", None), "routes", None)
        if inner is not None:
            yield from routes_of(inner, before + getattr(route, "path", ""))
        else:
            for method in (route.methods or {"GET"}) - {"HEAD"}:
                yield method, before + route.path


def test_every_route_of_the_app_has_a_rule(carbon: Any) -> None:
    found = set(routes_of(carbon.routes))

    assert found == set(RULES)
    assert len(found) > 15


@pytest.fixture
def ask(client: httpx.Client, carbon: Any) -> Any:
    def asked(rule: Rule, url: str = "", **headers: str) -> httpx.Response:
        address = (url or rule.url).replace("{static}", f"/{carbon.state.files.own}")
        if rule.page:
            headers["X-Carbon-Page"] = "1"
        return client.request(rule.method, f"/carbon{address}", json=rule.body, headers=headers)

    return asked


@pytest.mark.parametrize("route", RULES, ids=lambda route: " ".join(route))
def test_no_route_answers_without_a_login_or_with_a_token_that_is_wrong(route: tuple[str, str], ask: Any) -> None:
    rule = RULES[route]

    assert ask(rule).status_code == 401
    assert ask(rule, Authorization="Bearer no.such.token").status_code == 403
    assert ask(rule, Cookie="_token=no.such.token").status_code in (401, 403)


@pytest.mark.parametrize("route", RULES, ids=lambda route: " ".join(route))
def test_whoever_is_logged_in_gets_what_is_no_dags_and_their_own_dags(
    route: tuple[str, str], ask: Any, logged_in: Any
) -> None:
    rule = RULES[route]
    for user in ("admin", "viewer"):
        answer = ask(rule, **logged_in(user))
        # What may be missing here is a wait to release and a past to average, never a permission.
        allowed = (403,) if (user, route) == ("viewer", ("POST", "/api/release")) else (200, 204, 400, 404, 409, 502)
        assert answer.status_code in allowed, (user, answer.text)


@pytest.mark.parametrize("route", [one for one, rule in RULES.items() if rule.others], ids=" ".join)
def test_a_dag_that_the_user_may_not_read_is_refused(route: tuple[str, str], ask: Any, logged_in: Any) -> None:
    rule = RULES[route]

    assert ask(rule, rule.others, **logged_in("viewer")).status_code == 403
    assert ask(rule, rule.others, **logged_in("stranger")).status_code == 200
    assert ask(rule, rule.others, **logged_in("admin")).status_code == 200


def test_the_cookie_of_a_login_opens_what_reads_and_nothing_that_acts(ask: Any, token: Any) -> None:
    for rule in RULES.values():
        answer = ask(rule, Cookie=f"_token={token('admin')}")
        if rule.method == "GET":
            assert answer.status_code not in (401, 403), (rule.url, answer.text)
        else:
            assert answer.status_code == 401, (rule.url, answer.text)
            assert "Bearer" in answer.headers["www-authenticate"]


@pytest.mark.parametrize("header", ["Bearer", "Basic YTpi", "Token x", ""])
def test_a_header_without_a_bearer_token_does_not_let_the_cookie_act(ask: Any, token: Any, header: str) -> None:
    rule = RULES["POST", "/api/release"]

    answer = ask(rule, Cookie=f"_token={token('admin')}", Authorization=header)

    assert answer.status_code == 401


def test_a_wrong_token_in_the_header_is_refused_though_the_cookie_is_right(ask: Any, token: Any) -> None:
    rule = RULES["POST", "/api/release"]

    answer = ask(rule, Cookie=f"_token={token('admin')}", Authorization="Bearer no.such.token")

    assert answer.status_code == 403


def test_releasing_takes_the_permission_to_edit_that_dags_task_instances(ask: Any, logged_in: Any) -> None:
    rule = RULES["POST", "/api/release"]
    of_other = rule._replace(body={**RELEASE, "dag_id": "other"})

    assert ask(rule, **logged_in("viewer")).status_code == 403
    assert ask(rule, **logged_in("stranger")).status_code == 403
    assert ask(of_other, **logged_in("editor")).status_code == 403
    allowed = ask(rule, **logged_in("editor"))
    # Let in, and told that there is nothing of that name to start.
    assert allowed.status_code == 404
    assert "there is no 'mine'" in allowed.json()["detail"]


def test_the_overview_adds_up_the_dags_that_the_user_may_read_and_no_others(
    client: httpx.Client, state: Any, logged_in: Any
) -> None:
    ledger = SqlLedger(f"sqlite:///{state}/ledger.db")
    for name, dag_id, grams in (("one", "mine", 600.0), ("two", "other", 1000.0), ("three", "gone", 5000.0)):
        ledger.write([decision(name, dag_id=dag_id, location=f"zone:{dag_id}", decided_at=START)])
        ledger.write([impact(name, baseline_g=grams + 200.0, started_at=START.replace(year=2025),
                             ended_at=START.replace(year=2025, hour=7))])  # fmt: skip

    def seen(user: str) -> tuple[float, bool, list[str]]:
        told = client.get("/carbon/api/overview", headers=logged_in(user)).json()
        [reduction] = told["periods"][-1]["reductions"]
        return reduction["reduction_g"], told["all_dags"], sorted(told["locations"])

    assert seen("viewer") == (600.0, False, ["zone:mine"])
    # "gone" is a DAG that Airflow knows no more: whoever may read every DAG reads it too.
    assert seen("admin") == (6600.0, True, ["zone:gone", "zone:mine", "zone:other"])
    assert seen("viewer") == (600.0, False, ["zone:mine"])


def test_a_token_for_a_page_lives_two_minutes_and_no_longer_than_the_login(client: httpx.Client, token: Any) -> None:
    from datetime import UTC, datetime

    from airflow.api_fastapi.app import get_auth_manager
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser

    def given(credential: str, **headers: str) -> httpx.Response:
        return client.get("/carbon/api/token", headers={"Cookie": f"_token={credential}", **headers})

    def left(answer: httpx.Response) -> float:
        return (datetime.fromisoformat(answer.json()["expires_at"]) - datetime.now(UTC)).total_seconds()

    long = given(token("admin"), **{"X-Carbon-Page": "1"})
    user = SimpleAuthManagerUser(username="admin", role="admin")
    brief = given(get_auth_manager().generate_jwt(user, expiration_time_in_seconds=60), **{"X-Carbon-Page": "1"})

    assert long.status_code == 200
    assert 60.0 < left(long) <= 120.0
    assert left(brief) <= 60.0
    assert client.get("/carbon/api/overview", headers={"Authorization": f"Bearer {long.json()['token']}"}).is_success
    # What another site can have a browser send: no header of its own, or one with where it comes from.
    assert given(token("admin")).status_code == 403
    assert given(token("admin"), **{"X-Carbon-Page": "1", "Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert given(token("admin"), **{"X-Carbon-Page": "1", "Sec-Fetch-Site": "same-site"}).status_code == 403
