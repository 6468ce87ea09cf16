"""A real browser, the pages in any state, and what must hold of each that is opened."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from browser.driver import DRAWN, EXPECTED, axe_script, launched
from browser.page_server import PageServer

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

HERE = Path(__file__).parent
ZONE = "Europe/Berlin"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what lies here."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.browser)


# For a module at most: as long as it is open its event loop runs, and no other test of this process could run one.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Start a browser for the tests of a module."""
    with launched() as started:
        yield started


@pytest.fixture(scope="session")
def served() -> Iterator[PageServer]:
    """Serve the pages."""
    with PageServer() as server:
        yield server


@pytest.fixture
def server(served: PageServer) -> PageServer:
    """Serve the pages, without a memory of other tests."""
    served.asked.clear()
    served.bodies.clear()
    served.answers = {}
    return served


@pytest.fixture
def opened(browser: Browser, server: PageServer) -> Iterator[Callable[..., Page]]:
    """Open pages; whatever the browser complains of fails the test, but for what is expected."""
    complaints: list[str] = []
    contexts = []

    def open_page(
        path: str, *, theme: str = "light", width: int = 1024, zone: str = ZONE, charts: bool = True,
        before: Callable[[Page], Any] | None = None,
    ) -> Page:  # fmt: skip
        context = browser.new_context(
            viewport={"width": width, "height": 800},
            timezone_id=zone,
            color_scheme="dark" if theme == "dark" else "light",
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(30_000)
        page.on("console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        if before is not None:
            before(page)
        page.goto(server.url + path)
        page.wait_for_selector("#loading", state="detached")
        if charts:
            page.wait_for_function(DRAWN)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert [said for said in complaints if not said.startswith(EXPECTED)] == []


@pytest.fixture(scope="session")
def axe() -> str:
    """Give axe-core as a script."""
    return axe_script()
