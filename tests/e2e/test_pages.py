"""Someone logs in to a real Airflow, opens the pages in its own UI, and starts a waiting task."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from browser.driver import DRAWN, EXPECTED, axe_script, launched, picture
from fakes.records import decision, impact

from airflow_carbon.ledger.sql import SqlLedger

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Frame, Page

    from airflow_carbon.cli.airflow_api import AirflowApi
    from airflow_carbon.cli.local_airflow import LocalAirflow

DAG = "waits"
#: Monday before the evening peak, after which Great Britain's profile falls until three in the morning.
EVENING = "2026-01-05T16:00:00+00:00"
#: Of the ledger alone: its DAG is known to Airflow, its thousand runs are not.
MANY = "waits_rescheduled"


def connect(api: AirflowApi, conn_id: str, conn_type: str, **extra: Any) -> None:
    body = {"connection_id": conn_id, "conn_type": conn_type, "extra": json.dumps(extra)}
    api.request("POST", "connections", body=body)


def connect_evening(api: AirflowApi, conn_id: str, speed: int) -> None:
    since = datetime.now(UTC).isoformat()
    connect(api, conn_id, "carbon_typical", speed=speed, played_since=since, plays_from=EVENING)


@pytest.fixture(scope="module")
def runs(api: AirflowApi) -> dict[str, str]:
    """Give a run that has waited and run, one that waits for long, and one whose source is gone."""
    for dag_id in (DAG, MANY):
        api.wait_for_dag(dag_id)
    connect_evening(api, "pages_fast", speed=360)
    connect(api, "pages_gone", "carbon_history", path="no-such-file.csv")
    done = api.trigger(DAG, {"conn_id": "pages_fast", "max_delay": "130s"})
    lost = api.trigger(DAG, {"conn_id": "pages_gone", "location": "zone:DE", "max_delay": "130s"})
    assert api.wait_for_run(DAG, done, timeout=420) == "success"
    assert api.wait_for_run(DAG, lost, timeout=420) == "success"
    # The least of its night comes ten minutes after the start.
    connect_evening(api, "pages_slow", speed=60)
    waits = api.trigger(DAG, {"conn_id": "pages_slow", "max_delay": "14m"})
    api.wait_for_task(DAG, waits, "wait", states={"deferred"}, timeout=180)
    return {"done": done, "lost": lost, "waits": waits}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launched() as started:
        yield started


@pytest.fixture
def complaints() -> Iterator[list[str]]:
    """Collect what the browser says of our pages; a test in which it complained fails."""
    said: list[str] = []
    yield said
    assert said == []


@pytest.fixture
def logged_in(browser: Browser, airflow: LocalAirflow, complaints: list[str]) -> Iterator[Callable[..., Page]]:
    """Log in by Airflow's own form, in a theme of Airflow's own."""
    contexts = []

    def log_in(theme: str = "light") -> Page:
        context = browser.new_context(viewport={"width": 1024, "height": 2400}, timezone_id="Europe/Berlin")
        context.add_init_script(f"localStorage.setItem('theme', '{theme}')")
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(60_000)
        page.on("console", lambda said: _note(complaints, said.type, said.text, said.location.get("url", "")))
        page.goto(airflow.url)
        page.locator("input[name=username]").fill("admin")
        page.locator("input[name=password]").fill(airflow.passwords["admin"])
        page.keyboard.press("Enter")
        page.wait_for_url(lambda url: "login" not in url)
        return page

    yield log_in
    for context in contexts:
        context.close()


def _note(complaints: list[str], kind: str, text: str, url: str) -> None:
    # Airflow's own pages have complaints of their own.
    if kind in ("error", "warning") and "/carbon/" in url and not text.startswith(EXPECTED):
        complaints.append(f"{text} ({url})")


def framed(page: Page, url: str, *, charts: bool = True) -> Frame:
    """Open a page of Airflow's and give the frame with ours, once it is drawn."""
    page.goto(url)
    page.locator("iframe[src*='carbon/']").wait_for()
    frame = page.locator("iframe[src*='carbon/']").element_handle().content_frame()
    assert frame is not None
    frame.wait_for_url("**/carbon/**")
    frame.wait_for_selector("#loading", state="detached")
    if charts:
        frame.wait_for_function(DRAWN)
    return frame


def task_url(airflow: LocalAirflow, run: str, task: str = "wait") -> str:
    return f"{airflow.url}/dags/{DAG}/runs/{quote(run, safe='')}/tasks/{task}/plugin/carbon-task"


def chosen(frame: Frame) -> list[list[str]]:
    bands: list[list[str]] = frame.evaluate(
        "document.getElementById('decision').layout.shapes.filter((one) => one.name === 'chosen')"
        ".map((one) => [one.x0, one.x1])"
    )
    return bands


def is_sound(frame: Frame) -> None:
    """Hold a page against what everybody needs of it."""
    assert frame.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    frame.evaluate(f"{axe_script()}; null")
    found = frame.evaluate("axe.run(document, {resultTypes: ['violations']})")
    assert [(one["id"], one["nodes"][0]["html"]) for one in found["violations"]] == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_overview_stands_in_the_navigation_and_shows_who_waits(
    logged_in: Callable[..., Page], airflow: LocalAirflow, runs: dict[str, str], theme: str
) -> None:
    page = logged_in(theme)
    frame = framed(page, f"{airflow.url}/plugin/carbon")
    frame.locator("#waiting tbody tr").first.wait_for()
    assert "wait" in frame.locator("#waiting tbody").inner_text()
    frame.locator("#sources tbody tr").first.wait_for()
    assert frame.evaluate("document.documentElement.dataset.theme") == theme
    picture(page, f"airflow/overview-{theme}")
    is_sound(frame)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_tab_of_a_task_shows_the_window_that_its_record_holds(
    logged_in: Callable[..., Page], airflow: LocalAirflow, api: AirflowApi, runs: dict[str, str], theme: str
) -> None:
    page = logged_in(theme)
    frame = framed(page, task_url(airflow, runs["done"]))
    record = api.xcom(DAG, runs["done"], "wait")
    [[start, end]] = chosen(frame)
    assert abs(datetime.fromisoformat(start) - datetime.fromisoformat(record["start"])) < timedelta(milliseconds=1)
    assert abs(datetime.fromisoformat(end) - datetime.fromisoformat(record["end"])) < timedelta(milliseconds=1)
    assert record["reason"][1:40] in frame.locator("#reason").inner_text()
    picture(page, f"airflow/task-{theme}")
    is_sound(frame)


def test_the_tab_of_a_task_whose_source_was_gone_says_so(
    logged_in: Callable[..., Page], airflow: LocalAirflow, runs: dict[str, str]
) -> None:
    page = logged_in()
    frame = framed(page, task_url(airflow, runs["lost"]), charts=False)
    frame.get_by_text("no source answered").first.wait_for()
    picture(page, "airflow/task-outage")
    is_sound(frame)


def test_the_tab_of_a_task_that_decided_nothing_says_what_to_do(
    logged_in: Callable[..., Page], airflow: LocalAirflow, runs: dict[str, str]
) -> None:
    page = logged_in()
    frame = framed(page, task_url(airflow, runs["done"], "work"), charts=False)
    frame.locator(".notice").first.wait_for()
    picture(page, "airflow/task-empty")
    is_sound(frame)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_tab_of_a_dag_with_a_thousand_decisions_shows_them_page_by_page(
    logged_in: Callable[..., Page], airflow: LocalAirflow, runs: dict[str, str], theme: str
) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    records: list[Any] = []
    for number in range(1000):
        at, name = now - timedelta(hours=number + 1), f"many-{number}"
        records.append(
            decision(
                name, dag_id=MANY, decided_at=at, run_id=f"run-{number}", signal="average", promised_saving_percent=40.0
            )
        )
        records.append(impact(name, started_at=at, ended_at=at + timedelta(minutes=30), saving_percent=30.0))
    SqlLedger(f"sqlite:///{airflow.home / 'carbon' / 'ledger.db'}").write(records)
    page = logged_in(theme)
    frame = framed(page, f"{airflow.url}/dags/{MANY}/plugin/carbon-dag")
    frame.get_by_text("1 to 50 of 1,000").wait_for()
    picture(page, f"airflow/dag-thousand-{theme}")
    is_sound(frame)
    frame.get_by_role("button", name="Older").click()
    frame.get_by_text("51 to 100 of 1,000").wait_for()


def test_a_session_that_ends_is_told_in_words(
    logged_in: Callable[..., Page], airflow: LocalAirflow, runs: dict[str, str]
) -> None:
    page = logged_in()
    frame = framed(page, f"{airflow.url}/plugin/carbon")
    page.context.clear_cookies()
    frame.get_by_text("Your session has ended").wait_for()
    picture(page, "airflow/session-ended")


def test_a_waiting_task_starts_at_a_click_and_a_reason(
    logged_in: Callable[..., Page], airflow: LocalAirflow, api: AirflowApi, runs: dict[str, str]
) -> None:
    page = logged_in()
    frame = framed(page, task_url(airflow, runs["waits"]))
    picture(page, "airflow/task-waiting")
    frame.get_by_role("button", name="Start now").click()
    frame.get_by_label("Reason").fill("the numbers are needed at noon")
    picture(page, "airflow/task-release")
    frame.locator("dialog").get_by_role("button", name="Start now").click()
    frame.locator("dialog").wait_for(state="detached")
    assert api.wait_for_task(DAG, runs["waits"], "wait", timeout=180) == "success"
    record = api.xcom(DAG, runs["waits"], "wait")
    assert "the numbers are needed at noon" in json.dumps(record)
    assert datetime.fromisoformat(record["started_at"]) < datetime.fromisoformat(record["start"])
