"""Time the pages in a real browser: the overview over a large ledger, and what the browser loads for it.

Run it with the package and its ``dev`` extra installed: ``python benchmarks/pages.py``. It starts the api-server of an
Airflow of its own, with a ledger of 100,000 records and 200 waiting tasks.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from playwright.sync_api import sync_playwright

from airflow_carbon.cli.local_airflow import LocalAirflow

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext

FAKES = Path(__file__).parent.parent / "tests"
BROWSER = Path(__file__).parent.parent / "tools" / "browser.sh"
REPEATS = 7
#: Holds once every chart that has a place on the page is drawn.
DRAWN = """() => document.querySelector('.drawn') && !document.body.innerText.includes('Loading.')
  && [...document.querySelectorAll('.drawn')].every((one) => one.dataset.painted || !one.clientWidth)"""
#: When the first text of the data stands on the page [ms since the navigation].
PAINTED = """() => new Promise((done) => {
  const look = () => document.querySelector('#waiting tbody tr') && document.querySelector('#brought .figure')
    ? requestAnimationFrame(() => setTimeout(() => done(performance.now()))) : setTimeout(look, 5);
  look();
})"""
#: What came over the wire, by file: compressed bytes of the body, and how long the answer took [ms].
LOADED = """() => [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')]
  .map((one) => [one.name, one.encodedBodySize, one.responseEnd - one.startTime])"""


def opened(context: BrowserContext, url: str) -> tuple[float, float, list[Any]]:
    """Open the overview and give when it was painted, when its charts were drawn [ms], and what was loaded."""
    page = context.new_page()
    page.goto(url, wait_until="commit")
    painted = page.evaluate(PAINTED)
    page.wait_for_function(DRAWN)
    drawn, loaded = page.evaluate("performance.now()"), page.evaluate(LOADED)
    page.close()
    return painted, drawn, loaded


def report(figure: str, target: str, values: list[float]) -> None:
    print(f"{figure:<58}{target:>10}{min(values):>12,.0f}{statistics.median(values):>12,.0f}")


def main() -> None:
    sys.path.insert(0, str(FAKES))
    from fakes.many_records import ROWS, write

    asked = subprocess.run([BROWSER, "path"], capture_output=True, text=True, check=False)
    if asked.returncode:
        sys.exit(asked.stderr.strip())
    found = asked.stdout.strip()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        (home / "carbon").mkdir()
        write(str(home / "carbon" / "ledger.db"), datetime.now(UTC))
        with (
            LocalAirflow(home, dags=[], components=("api-server",)) as airflow,
            sync_playwright() as driver,
        ):
            browser = driver.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-dev-shm-usage"])
            runs = []
            for _ in range(REPEATS):
                # A context of its own: nothing is cached from the one before.
                context = browser.new_context(viewport={"width": 1280, "height": 900})
                page = context.new_page()
                page.goto(airflow.url)
                page.locator("input[name=username]").fill("admin")
                page.locator("input[name=password]").fill(airflow.passwords["admin"])
                page.keyboard.press("Enter")
                page.wait_for_url(lambda url: "login" not in url)
                page.goto("about:blank")
                runs.append((opened(context, f"{airflow.url}/carbon/"), opened(context, f"{airflow.url}/carbon/")))
                context.close()
            browser.close()

    first, again = [one for one, _ in runs], [two for _, two in runs]
    print(f"\noverview over {ROWS:,} records, 200 waiting tasks; {REPEATS} times\n")
    print(f"{'figure':<58}{'target':>10}{'min':>12}{'median':>12}")
    report("data painted, nothing cached [ms]", "1,500", [one[0] for one in first])
    report("data painted, files cached [ms]", "1,500", [one[0] for one in again])
    report("all charts drawn, nothing cached [ms]", "", [one[1] for one in first])
    report("all charts drawn, files cached [ms]", "", [one[1] for one in again])
    answers = [next(ms for name, _, ms in one[2] if name.endswith("api/overview")) for one in first + again]
    report("answer of api/overview, as the browser sees it [ms]", "300", answers)
    files = [sum(size for name, size, _ in one[2] if "/api/" not in name) for one in first]
    report("files loaded, compressed [bytes]", "1,500,000", files)
    data = [sum(size for name, size, _ in one[2] if "/api/" in name) for one in first]
    report("data loaded, compressed [bytes]", "", data)


if __name__ == "__main__":
    main()
