"""Every page in every state and both themes: nothing to complain of, readable by all, and a picture of it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from browser.driver import picture
from browser.page_states import DAG_PAGE, STATES, TASK_PAGE

if TYPE_CHECKING:
    from browser.page_server import PageServer
    from playwright.sync_api import Page

PAGES = {"overview": "/", "dag": DAG_PAGE, "task": TASK_PAGE}
WITHOUT_CHARTS = {"empty", "ledger_down", "broken", "session_ended"}
#: How far away a planned start is; the hour of the day at which the test runs decides that.
AHEAD = re.compile(r"\bin \d+ (h|min)")
#: What each state must say, wherever it is seen.
SAYS: dict[tuple[str, str], list[str | re.Pattern[str]]] = {
    ("empty", "overview"): ["No decision yet", "Put a CarbonAwareSensor", "Nothing waits", "No source of intensities"],
    ("empty", "dag"): ["No decision yet"],
    ("empty", "task"): ["No decision of this task"],
    ("waiting", "overview"): ["Waiting tasks", "Attributed reduction", "Avoided (estimate)", AHEAD],
    ("waiting", "task"): ["Waits for the cleanest two hours", "At the latest", "Start now", "not in allowed_regions"],
    ("waiting", "dag"): ["Promised against realised", "Carbon per model", "What more flexibility would bring"],
    ("replanned", "task"): ["moved by 14 minutes"],
    ("replanned", "overview"): ["re-planned 2 times"],
    **{("ledger_down", page): ["The ledger does not answer", "airflow carbon doctor"] for page in PAGES},
    **{("broken", page): ["Something does not answer", "metadata database", "tries again by itself"] for page in PAGES},
    ("source_down", "overview"): ["No source answers for this location", "fails", "Quiet until"],
    ("session_ended", "overview"): ["Your session has ended", "log in again"],
    ("session_ended", "dag"): ["Your session has ended"],
    ("session_ended", "task"): ["Your session has ended"],
    ("thousand", "dag"): ["1 to 50 of 1,000"],
    ("thousand", "overview"): ["200 tasks wait"],
}


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("page", PAGES)
def test_a_page_can_be_read_by_everybody(
    opened: Callable[..., Page], server: PageServer, axe: str, page: str, state: str, theme: str
) -> None:
    server.answers = STATES[state]()
    shown = opened(PAGES[page], theme=theme, charts=state not in WITHOUT_CHARTS)
    for words in SAYS.get((state, page), []):
        shown.get_by_text(words).first.wait_for()
    picture(shown, f"states/{page}-{state}-{theme}")
    assert shown.evaluate("document.documentElement.dataset.theme") == theme
    assert shown.evaluate("document.documentElement.scrollWidth") <= 1024
    shown.evaluate(f"{axe}; null")
    found = shown.evaluate("axe.run(document, {resultTypes: ['violations']})")
    assert [(one["id"], one["nodes"][0]["html"]) for one in found["violations"]] == []
    assert found["passes"] or found["incomplete"] is not None
