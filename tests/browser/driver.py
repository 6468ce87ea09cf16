"""A real browser for tests, or the reason why there is none."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

#: Where the screenshots go; git ignores it.
SCREENS = Path(__file__).parent.parent.parent / ".artefacts" / "screens"
#: What a browser says of an answer that is an error, which the page says in words, and of Airflow's own frames.
EXPECTED = (
    "Failed to load resource: the server responded with a status of",
    "An iframe which has both allow-scripts and allow-same-origin",
)
#: Holds once every chart that has a place on the page is drawn.
DRAWN = (
    "() => document.querySelector('.drawn') && !document.body.innerText.includes('Loading.')"
    " && [...document.querySelectorAll('.drawn')].every((one) => one.dataset.painted || !one.clientWidth)"
)


def executable() -> str | None:
    """Find a browser of chromium's family."""
    names = (os.environ.get("CARBON_BROWSER", ""), "chromium", "chromium-browser", "google-chrome")
    return next((found for name in names if name and (found := shutil.which(name))), None)


@contextmanager
def launched() -> Iterator[Browser]:
    """Start a browser; skips the test where there is none."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="no browser driver: pip install playwright")
    found = executable()
    if found is None:
        pytest.skip("no browser: tools/browser.sh install puts Debian's chromium in place")
    with sync_api.sync_playwright() as driver:
        # Its own sandbox needs a kernel's right that root in a container has not.
        browser = driver.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-dev-shm-usage"])
        yield browser
        browser.close()


def axe_script() -> str:
    """Give axe-core as a script; skips the test where it is not installed."""
    package = pytest.importorskip("axe_playwright_python", reason="no axe: pip install axe-playwright-python")
    return (Path(package.__file__).parent / "axe.min.js").read_text()


def picture(page: Page, name: str) -> None:
    """Keep a picture of the whole page.

    :param name: a path below the folder of all pictures, without its end.
    """
    file = SCREENS / f"{name}.png"
    file.parent.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=file, full_page=True)
