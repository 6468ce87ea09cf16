"""The plugin in Airflow's real web app: where it stands, what it says when its import breaks, and its headers."""

from __future__ import annotations

import gzip
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from airflow_carbon.plugin.asgi import LazyApp

if TYPE_CHECKING:
    import httpx

pytestmark = pytest.mark.airflow


def test_the_overview_is_answered_as_json_behind_airflows_login(client: httpx.Client, logged_in: Any) -> None:
    answer = client.get("/carbon/api/overview", headers=logged_in("admin"))

    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json"
    assert [one["code"] for one in answer.json()["hints"]] == ["no_decision"]


def test_airflow_shows_the_pages_where_they_belong(airflow_app: Any, client: httpx.Client, logged_in: Any) -> None:
    plugins = client.get("/api/v2/plugins", headers=logged_in("admin")).json()["plugins"]
    [own] = [one for one in plugins if one["name"] == "airflow_carbon"]
    faults = client.get("/api/v2/plugins/importErrors", headers=logged_in("admin")).json()

    views = {one["destination"]: one for one in own["external_views"]}
    assert {name: (one["href"], one["url_route"]) for name, one in views.items()} == {
        "nav": ("carbon/", "carbon"),
        "dag": ("carbon/dag/{DAG_ID}", "carbon-dag"),
        "task_instance": ("carbon/task/{DAG_ID}/{RUN_ID}/{TASK_ID}/{MAP_INDEX}", "carbon-task"),
    }
    assert all(one["icon"] != one["icon_dark_mode"] for one in views.values())
    assert own["fastapi_apps"][0]["url_prefix"] == "/carbon"
    assert own["listeners"] == []
    assert faults["total_entries"] == 0


def test_an_app_that_cannot_be_imported_says_so_with_status_500(airflow_app: Any, client: httpx.Client) -> None:
    def broken() -> Any:
        raise ImportError("no module named anything")

    mounted = next(one.app for one in airflow_app.routes if isinstance(getattr(one, "app", None), LazyApp))
    built = mounted._app
    mounted._app, mounted._build, mounted._failed_at = None, broken, None
    try:
        answers = [client.get(path) for path in ("/carbon/", "/carbon/api/overview", "/carbon/dag/x")]
    finally:
        mounted._app, mounted._failed_at = built, None

    for answer in answers:
        assert answer.status_code == 500
        assert answer.headers["content-type"] == "application/json"
        assert "could not be loaded" in answer.json()["detail"]
        assert "anything" not in answer.text


def test_pages_say_where_they_lie_and_let_no_foreign_script_run(client: httpx.Client, logged_in: Any) -> None:
    for path, base in (("/", "./"), ("/dag/mine", "../"), ("/task/mine/a+b%3Ac/t/%7BMAP_INDEX%7D", "../../../../")):
        answer = client.get(f"/carbon{path}", headers=logged_in("viewer"))
        policy = dict(part.strip().partition(" ")[::2] for part in answer.headers["content-security-policy"].split(";"))

        assert answer.status_code == 200
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert f'<base href="{base}">' in answer.text
        assert "{{" not in answer.text
        assert policy["default-src"] == "'none'"
        assert policy["script-src"] == policy["connect-src"] == policy["frame-ancestors"] == "'self'"
        assert "unsafe" not in answer.headers["content-security-policy"]
        assert answer.headers["cache-control"] == "no-store"


def test_every_answer_carries_the_headers_that_keep_it_at_home(client: httpx.Client, logged_in: Any) -> None:
    paths = ("/carbon/", "/carbon/api/overview", "/carbon/locations", "/carbon/no/such", "/carbon/openapi.json")
    for answer in [client.get(path, headers=logged_in("admin")) for path in paths] + [client.get("/carbon/")]:
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "same-origin"
        assert answer.headers["x-frame-options"] == "SAMEORIGIN"
        assert "frame-ancestors 'self'" in answer.headers["content-security-policy"]


def test_the_chart_library_comes_packed_from_its_own_package_and_stays_in_the_browser(
    client: httpx.Client, carbon: Any, logged_in: Any
) -> None:
    files = carbon.state.files
    answer = client.get(f"/carbon/{files.plotly}", headers=logged_in("viewer"))
    again = client.get(
        f"/carbon/{files.plotly}", headers={**logged_in("viewer"), "If-None-Match": answer.headers["etag"]}
    )
    import plotly

    script = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"
    assert answer.status_code == 200
    assert answer.headers["content-encoding"] == "gzip"
    assert int(answer.headers["content-length"]) < 1_500_000
    assert answer.content == script.read_bytes()
    assert "immutable" in answer.headers["cache-control"]
    assert (again.status_code, again.content) == (304, b"")


def test_all_that_a_page_loads_is_at_most_a_megabyte_and_a_half(carbon: Any) -> None:
    files = carbon.state.files

    def sent(name: str) -> int:
        file = files.file(name)
        return len(file.packed or file.plain)

    for page in files._folder.glob("*.html"):
        text = page.read_text(encoding="utf-8")
        loaded, ahead = set[str](), re.findall(r"\{\{static\}\}/([\w.-]+)", text)
        while ahead:
            name = ahead.pop()
            if name not in loaded:
                loaded.add(name)
                ahead += re.findall(
                    r'(?:from|import) "\./([\w.-]+)"', (files._folder / name).read_text(encoding="utf-8")
                )
        whole = (
            sum(sent(f"{files.own}/{name}") for name in loaded) + sent(files.plotly) + len(gzip.compress(text.encode()))
        )

        assert len(loaded) > 5
        assert whole <= 1_500_000, (page.name, whole)


@pytest.mark.parametrize(
    "path", ["page.css", "../plugin.py", "%2e%2e/plugin.py", "plotly.min.js", "index.html", "", "/etc/passwd"]
)
def test_a_file_is_given_under_its_version_and_nothing_else_is(
    client: httpx.Client, carbon: Any, logged_in: Any, path: str
) -> None:
    own = client.get(f"/carbon/{carbon.state.files.own}/{path}", headers=logged_in("viewer"))
    unversioned = client.get(f"/carbon/static/{path}", headers=logged_in("viewer"))

    assert own.status_code == (200 if path == "page.css" else 404)
    assert unversioned.status_code == 404


def test_a_body_that_is_too_large_is_refused_before_it_is_read(client: httpx.Client, logged_in: Any) -> None:
    def endless() -> Any:
        for _ in range(30):
            yield b"x" * 100_000

    stated = client.post("/carbon/api/release", headers=logged_in("admin"), content=b"x" * 1_000_001)
    streamed = client.post("/carbon/api/release", headers=logged_in("admin"), content=endless())

    assert stated.status_code == streamed.status_code == 413


@pytest.mark.parametrize(
    "question",
    ["api/forecast?location=zone:GB&hours=1000", "api/forecast?location=" + "x" * 200, "api/forecast",
     "api/forecast?location=nowhere", "api/dags/mine?limit=1000", "api/dags/mine?offset=-1",
     "api/waiting?limit=100000", "api/regions?" + "&".join(f"location=zone:Z{n}" for n in range(51)),
     "api/dags/mine/runs/r/tasks/t?map_index=x"],
)  # fmt: skip
def test_what_is_out_of_bounds_is_refused_in_one_sentence(client: httpx.Client, logged_in: Any, question: str) -> None:
    answer = client.get(f"/carbon/{question}", headers=logged_in("admin"))

    assert answer.status_code == 422, answer.text
    assert isinstance(answer.json()["detail"], str)


def test_the_api_is_described_behind_the_login_and_no_page_of_it_loads_from_elsewhere(
    client: httpx.Client, logged_in: Any
) -> None:
    described = client.get("/carbon/openapi.json", headers=logged_in("viewer")).json()

    assert {"/api/overview", "/api/release", "/emissions/forecasts/current"} <= set(described["paths"])
    assert described["servers"] == [{"url": "/carbon"}]
    for path in ("docs", "redoc"):
        assert client.get(f"/carbon/{path}", headers=logged_in("admin")).status_code == 404


def test_loading_the_plugin_imports_no_web_framework_and_no_numbers() -> None:
    code = (
        "import sys, airflow.sdk.plugins_manager; before = set(sys.modules); import airflow_carbon.plugin.plugin;"
        "print(sorted({one.partition('.')[0] for one in set(sys.modules) - before}))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    assert eval(said.splitlines()[-1]) == ["airflow_carbon"]
