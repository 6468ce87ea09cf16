"""How the pages behave: towards hostile names, other themes, time, faults, the keyboard, and who acts."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from browser import page_states
from browser.page_states import DAG_PAGE, HOSTILE, TASK_PAGE

if TYPE_CHECKING:
    from browser.page_server import PageServer
    from playwright.sync_api import Page

RELEASE = "Start now"


def asked(server: PageServer, path: str) -> int:
    return sum(one == ("GET", f"/carbon{path}") for one in ((method, where) for method, where, _ in server.asked))


@pytest.mark.parametrize("path", ["/", DAG_PAGE, TASK_PAGE])
def test_a_name_that_would_be_a_script_is_shown_as_a_text(
    opened: Callable[..., Page], server: PageServer, path: str
) -> None:
    server.answers = page_states.hostile()
    page = opened(path)
    assert HOSTILE in page.inner_text("main") or path == TASK_PAGE
    for button in page.get_by_role("button", name=RELEASE).all():
        button.click()
        page.keyboard.press("Escape")
    page.mouse.move(400, 300)
    assert page.locator("img, script:not([src])").count() == 0
    assert "owned" not in page.title()


def test_a_hostile_address_is_shown_as_a_text(opened: Callable[..., Page], server: PageServer) -> None:
    page = opened(f"/dag/{quote(HOSTILE, safe='')}", charts=False)
    assert HOSTILE in page.inner_text("h1")
    assert page.locator("img").count() == 0


def test_the_theme_follows_the_page_around_and_changes_with_it(opened: Callable[..., Page], server: PageServer) -> None:
    server.answers = page_states.waiting()
    page = opened("/")
    page.goto(f"{server.url.removesuffix('/carbon')}/frame?dark=1&page={quote('/carbon' + TASK_PAGE, safe='')}")
    frame = page.frame_locator("iframe")
    frame.locator("[data-theme=dark] .drawn[data-painted]").wait_for()
    page.evaluate("document.documentElement.className = 'light'")
    frame.locator("[data-theme=light]").wait_for()
    inner = page.frames[1]
    inner.wait_for_function("document.getElementById('decision').data[0].line.color.toLowerCase() === '#0072b2'")


def test_without_a_page_around_it_the_stored_theme_counts_and_then_the_systems(
    opened: Callable[..., Page], server: PageServer
) -> None:
    server.answers = page_states.empty()
    stored = opened(
        "/", theme="light", charts=False,
        before=lambda page: page.add_init_script("localStorage.setItem('theme', 'dark')"),
    )  # fmt: skip
    assert stored.evaluate("document.documentElement.dataset.theme") == "dark"
    system = opened("/", theme="light", charts=False)
    system.emulate_media(color_scheme="dark")
    system.wait_for_selector("[data-theme=dark]")


def test_times_stand_in_the_viewers_zone_and_in_utc(opened: Callable[..., Page], server: PageServer) -> None:
    server.answers = page_states.waiting()
    page = opened(TASK_PAGE, zone="Asia/Colombo")
    shown = page.locator("#facts time").first.inner_text().split("\n")
    local, utc = (re.search(r"(\d\d):(\d\d)", line) for line in shown)
    assert local is not None
    assert utc is not None
    minutes = [60 * int(one[1]) + int(one[2]) for one in (local, utc)]
    assert (minutes[0] - minutes[1]) % (24 * 60) == 5 * 60 + 30
    assert "Asia/Colombo" in page.inner_text("#fresh")


def test_the_zone_chosen_in_airflow_counts(opened: Callable[..., Page], server: PageServer) -> None:
    server.answers = page_states.empty()
    chosen = "localStorage.setItem('timezone', 'America/New_York')"
    page = opened("/", charts=False, before=lambda page: page.add_init_script(chosen))
    assert "America/New_York" in page.inner_text("#fresh")


def test_a_countdown_counts_by_the_servers_clock_and_stays_silent(
    opened: Callable[..., Page], server: PageServer
) -> None:
    server.answers = page_states.waiting()
    page = opened("/")
    timer = page.get_by_role("timer").first
    assert timer.get_attribute("aria-live") == "off"
    assert re.fullmatch(r"in \d+ h \d\d min", timer.inner_text())


def test_a_hidden_page_asks_nothing_and_asks_at_once_when_seen_again(
    opened: Callable[..., Page], server: PageServer
) -> None:
    server.answers = page_states.waiting()
    page = opened(TASK_PAGE, before=lambda page: page.clock.install())
    hide = (
        "(hidden) => { Object.defineProperty(document, 'hidden', {value: hidden, configurable: true});"
        " document.dispatchEvent(new Event('visibilitychange')) }"
    )
    page.evaluate(hide, True)
    before = asked(server, page_states.TASK_API)
    page.clock.run_for(120_000)
    assert asked(server, page_states.TASK_API) == before
    with page.expect_response(lambda answer: page_states.TASK in answer.url):
        page.evaluate(hide, False)


def test_a_page_asks_seldom_while_it_gets_no_answer_and_goes_on_by_itself(
    opened: Callable[..., Page], server: PageServer
) -> None:
    server.answers = page_states.broken()
    page = opened(DAG_PAGE, charts=False, before=lambda page: page.clock.install())
    for _ in range(20):
        page.clock.run_for(15_000)
        page.wait_for_timeout(20)
    # Five minutes at one question in twenty seconds would be fifteen.
    assert 2 <= asked(server, f"/api/dags/{page_states.DAG}") <= 6
    server.answers = page_states.waiting()
    page.clock.run_for(301_000)
    page.locator("#decisions table").wait_for()
    assert "does not answer" not in page.inner_text("main")


@pytest.mark.parametrize("path", ["/", DAG_PAGE, TASK_PAGE])
def test_what_was_known_stays_and_is_called_old_while_the_ledger_is_silent(
    opened: Callable[..., Page], server: PageServer, path: str
) -> None:
    server.answers = page_states.waiting()
    page = opened(path, before=lambda page: page.clock.install())
    charts = page.locator(".drawn:visible").count()
    server.answers = page_states.ledger_down()
    page.clock.fast_forward(21_000)
    page.get_by_text("What stands below may be old").wait_for()
    assert page.locator(".drawn:visible").count() == charts
    assert "Nothing waits" not in page.inner_text("main")


def test_a_ledger_that_is_silent_from_the_start_is_not_taken_for_an_empty_one(
    opened: Callable[..., Page], server: PageServer
) -> None:
    server.answers = page_states.ledger_down()
    page = opened("/", charts=False)
    assert "Nothing waits" not in page.inner_text("main")
    assert "none yet" not in page.inner_text("main")
    page = opened(DAG_PAGE, charts=False)
    assert "No decision yet" not in page.inner_text("main")


def test_a_session_that_ended_is_not_asked_again_and_can_be_renewed(
    opened: Callable[..., Page], server: PageServer
) -> None:
    server.answers = page_states.session_ended()
    page = opened(DAG_PAGE, charts=False, before=lambda page: page.clock.install())
    before = asked(server, f"/api/dags/{page_states.DAG}")
    page.clock.run_for(900_000)
    assert asked(server, f"/api/dags/{page_states.DAG}") == before
    server.answers = page_states.waiting()
    page.get_by_role("button", name="Reload Airflow").click()
    page.locator("#decisions table").wait_for()


def test_a_main_page_in_place_of_data_is_named_as_what_it_is(opened: Callable[..., Page], server: PageServer) -> None:
    page = opened(
        DAG_PAGE, charts=False,
        before=lambda page: page.route(
            "**/api/dags/**", lambda route: route.fulfill(status=200, content_type="text/html", body="<p>Airflow")
        ),
    )  # fmt: skip
    page.get_by_text("The carbon pages are not loaded").wait_for()


def test_who_starts_a_task_gives_a_reason_and_acts_by_the_header_alone(
    opened: Callable[..., Page], server: PageServer
) -> None:
    server.answers = page_states.waiting()
    page = opened(TASK_PAGE)
    page.context.add_cookies([{"name": "_token", "value": "cookie", "url": server.url}])
    page.get_by_role("button", name=RELEASE).focus()
    page.keyboard.press("Enter")
    page.get_by_label("Reason").wait_for()
    assert page.evaluate("document.activeElement.id") == "release-reason"
    page.keyboard.type("   ")
    page.locator("dialog").get_by_role("button", name=RELEASE).click()
    page.get_by_text("A reason is missing").wait_for()
    assert server.bodies == []
    page.get_by_label("Reason").fill("the board meets at noon")
    page.locator("dialog").get_by_role("button", name=RELEASE).click()
    page.locator("dialog").wait_for(state="detached")
    assert server.bodies == [
        {"dag_id": page_states.DAG, "run_id": page_states.RUN, "task_id": page_states.TASK, "map_index": -1,
         "reason": "the board meets at noon"}
    ]  # fmt: skip
    [headers] = [headers for method, _, headers in server.asked if method == "POST"]
    assert headers["Authorization"] == "Bearer a-token"
    assert "Cookie" not in headers
    [asking] = [headers for _, path, headers in server.asked if path == "/carbon/api/token"]
    assert asking["X-Carbon-Page"] == "1"
    assert page.inner_text("#voice") == "It starts within a minute."


def test_a_refused_start_says_why_and_keeps_the_reason(opened: Callable[..., Page], server: PageServer) -> None:
    server.answers = {**page_states.waiting(), "/api/release": (403, "Forbidden: your role may not edit this task")}
    page = opened(TASK_PAGE)
    page.get_by_role("button", name=RELEASE).click()
    page.get_by_label("Reason").fill("why not")
    page.locator("dialog").get_by_role("button", name=RELEASE).click()
    page.get_by_text("your role may not edit this task").wait_for()
    assert page.get_by_label("Reason").input_value() == "why not"
    page.keyboard.press("Escape")
    page.locator("dialog").wait_for(state="detached")
    assert page.evaluate("document.activeElement.id").startswith("release-")


def test_all_that_can_be_used_can_be_reached_by_the_tab_key(opened: Callable[..., Page], server: PageServer) -> None:
    server.answers = page_states.waiting()
    page = opened("/")
    usable = page.evaluate(
        "[...document.querySelectorAll('a[href], button:not(:disabled), summary, [tabindex=\"0\"]')]"
        ".filter((one) => one.checkVisibility()).length"
    )
    reached = set()
    for _ in range(usable):
        page.keyboard.press("Tab")
        reached.add(page.evaluate(
            "[...document.querySelectorAll('*')].indexOf(document.activeElement)"
        ))  # fmt: skip
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
    assert len(reached) == usable


def test_a_refresh_keeps_the_focus_and_what_is_open(opened: Callable[..., Page], server: PageServer) -> None:
    server.answers = page_states.waiting()
    page = opened("/", before=lambda page: page.clock.install())
    page.locator("#done summary").click()
    page.locator("#period-month").focus()
    server.answers = page_states.replanned()
    shown = server.answers["/api/overview"]
    assert not isinstance(shown, tuple)
    shown.done[0].decisions += 1
    page.clock.fast_forward(16_000)
    page.get_by_text("re-planned 2 times").wait_for()
    page.wait_for_function("document.getElementById('done-table').innerText.includes('372')")
    assert page.evaluate("document.activeElement.id") == "period-month"
    assert page.locator("#done").get_attribute("open") is not None


def test_many_waiting_tasks_can_be_leafed_through(opened: Callable[..., Page], server: PageServer) -> None:
    server.answers = page_states.thousand()
    page = opened("/")
    assert page.locator("#waiting tbody tr").count() == 100
    page.get_by_role("navigation", name="pages of waiting").get_by_role("button", name="Older").click()
    page.get_by_text("101 to 200 of 200").wait_for()
    assert page.locator("#waiting tbody tr").count() == 100


def test_a_period_is_chosen_by_a_button_that_says_so(opened: Callable[..., Page], server: PageServer) -> None:
    server.answers = page_states.waiting()
    page = opened("/")
    page.get_by_role("button", name="All time").click()
    assert page.get_by_role("button", name="All time").get_attribute("aria-pressed") == "true"
    assert "1.35 t" in page.inner_text("#brought")


@pytest.mark.parametrize("width", [360, 1024])
def test_no_page_scrolls_sideways(opened: Callable[..., Page], server: PageServer, width: int) -> None:
    server.answers = page_states.thousand()
    for path in ("/", DAG_PAGE, TASK_PAGE):
        page = opened(path, width=width)
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_chart_that_cannot_be_drawn_opens_its_table(opened: Callable[..., Page], server: PageServer) -> None:
    server.answers = page_states.waiting()
    page = opened(
        TASK_PAGE, charts=False,
        before=lambda page: page.route("**/plotly.min.js", lambda route: route.fulfill(status=404, body="")),
    )  # fmt: skip
    page.get_by_text("The chart library could not be loaded").wait_for()
    assert page.locator("#decision-table").is_visible()
