"""From a connection that names a function to a source."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from airflow_carbon.core.location import Location
from airflow_carbon.exceptions import InvalidRequestError

pytestmark = pytest.mark.airflow

NOW = datetime(2026, 11, 22, 12, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)

GRID = """
from datetime import timedelta
from os import system
from subprocess import run
from hook_company_parts.inner import borrowed

LIMIT = 7

def intensity(location, start, end):
    return [(start + timedelta(hours=hour), 100.0 + hour) for hour in range(int((end - start).total_seconds() // 3600))]

async def later(location, start, end):
    return intensity(location, start, end)
"""


@pytest.fixture(autouse=True)
def company(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Install a package of somebody's own."""
    package = tmp_path / "hook_company"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "grid.py").write_text(GRID)
    (package / "needy.py").write_text("import not_installed_anywhere\n")
    (package / "broken.py").write_text("raise RuntimeError('token-7f3a')\n")
    (package / "watched.py").write_text("raise SystemError('imported')\n")
    parts = tmp_path / "hook_company_parts"
    parts.mkdir()
    (parts / "__init__.py").touch()
    (parts / "inner.py").write_text("def borrowed(location, start, end): return [(start, 1.0), (end, 2.0)]\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    return package


def hook(path: str, **extra: Any) -> Any:
    from airflow.sdk import Connection

    from airflow_carbon.hooks.computed import ComputedHook

    extra = {"callable": path, **extra}
    return ComputedHook(connection=Connection(conn_id="own", conn_type="carbon_callable", extra=json.dumps(extra)))


def allow(monkeypatch: pytest.MonkeyPatch, listed: str) -> None:
    monkeypatch.setenv("AIRFLOW__CARBON__CALLABLES", listed)


def ask(source: Any) -> Any:
    return asyncio.run(source.forecast(Location.parse("zone:DE"), now=NOW, until=NOW + 3 * HOUR))


@pytest.mark.parametrize(
    "listed", ["hook_company", "hook_company.grid", "hook_company.grid.intensity", "x.y, hook_company.grid ,z"]
)
def test_a_listed_function_serves(monkeypatch: pytest.MonkeyPatch, listed: str) -> None:
    allow(monkeypatch, listed)
    answer = ask(hook("hook_company.grid.intensity").source())
    assert answer.intensity.tolist() == [100.0, 101.0, 102.0]
    assert (answer.zone, answer.source, answer.signal) == ("DE", "callable", "average")


def test_an_async_function_serves_too(monkeypatch: pytest.MonkeyPatch) -> None:
    allow(monkeypatch, "hook_company.grid")
    assert ask(hook("hook_company.grid.later").source()).intensity[0] == 100.0


def test_zone_signal_and_refresh_come_from_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    allow(monkeypatch, "hook_company.grid")
    source = hook("hook_company.grid.intensity", zone="DE", signal="marginal", refresh="5m").source()
    assert source.refresh == timedelta(minutes=5)
    assert ask(source).signal == "marginal"
    assert asyncio.run(source.zone(Location.parse("azure:germanywestcentral"))) == "DE"
    assert hook("hook_company.grid.intensity").source().refresh == HOUR


@pytest.mark.parametrize("listed", ["", " , ", "hook_company.gri", "hook_company.grid.intensity.x", "company.watched"])
def test_a_function_that_is_not_listed_is_not_even_imported(monkeypatch: pytest.MonkeyPatch, listed: str) -> None:
    allow(monkeypatch, listed)
    with pytest.raises(InvalidRequestError) as caught:
        hook("hook_company.watched.intensity").source()
    assert str(caught.value).startswith(
        "connection 'own': field 'callable': 'hook_company.watched.intensity' is not allowed; add hook_company.watched "
        "to the option callables in section [carbon]"
    )
    assert "AIRFLOW__CARBON__CALLABLES" in str(caught.value)


def test_without_the_option_nothing_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AIRFLOW__CARBON__CALLABLES", raising=False)
    for path in ("os.system", "hook_company.grid.intensity"):
        with pytest.raises(InvalidRequestError, match="is not allowed"):
            hook(path).source()


@pytest.mark.parametrize("name", ["system", "run", "borrowed"])
def test_what_a_listed_module_imports_is_not_listed_with_it(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    allow(monkeypatch, "hook_company.grid")
    with pytest.raises(InvalidRequestError, match=rf"comes from .*add hook_company\.grid\.{name} itself to \[carbon\]"):
        hook(f"hook_company.grid.{name}").source()


def test_it_serves_where_it_is_listed_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    allow(monkeypatch, "hook_company.grid.borrowed")
    assert ask(hook("hook_company.grid.borrowed").source()).intensity[0] == 1.0


@pytest.mark.parametrize(
    ("path", "fault"),
    [
        ("hook_company.gird.intensity", "no module 'hook_company.gird' here; install it where tasks"),
        ("hook_company.needy.intensity", "no module 'not_installed_anywhere' here; install it"),
        ("hook_company.broken.intensity", "importing hook_company.broken failed with RuntimeError"),
        ("hook_company.grid.intensty", "has no 'intensty'; did you mean hook_company.grid.intensity"),
        ("hook_company.grid.LIMIT", "is of type int, not a function"),
        ("intensity", "'intensity' is no dotted path; write for example my_company.grid.intensity"),
        ("hook_company.grid:intensity", "is no dotted path"),
        ("hook_company..grid", "is no dotted path"),
        ("", "field 'callable' is needed"),
    ],
)
def test_a_path_that_leads_nowhere_is_named_with_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, path: str, fault: str
) -> None:
    allow(monkeypatch, "hook_company")
    with pytest.raises(InvalidRequestError, match="connection 'own'") as caught:
        hook(path).source()
    assert fault in str(caught.value)
    assert "token-7f3a" not in str(caught.value)


@pytest.mark.parametrize(
    ("extra", "fault"),
    [
        ({"refresh": "5"}, "field 'refresh': '5' is no duration"),
        ({"refresh": "0m"}, "must be longer than zero"),
        ({"signal": "both"}, "field 'signal': 'both' must be one of average, marginal"),
        ({"functon": "x"}, "unknown field 'functon'"),
    ],
)
def test_a_field_that_is_wrong_is_named(monkeypatch: pytest.MonkeyPatch, extra: dict[str, str], fault: str) -> None:
    allow(monkeypatch, "hook_company")
    with pytest.raises(InvalidRequestError) as caught:
        hook("hook_company.grid.intensity", **extra).source()
    assert fault in str(caught.value)


def test_test_connection_answers_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    allow(monkeypatch, "hook_company.grid")
    good, said = hook("hook_company.grid.intensity", zone="DE").test_connection()
    assert good
    assert "callable answers for DE" in said
    bad, said = hook("hook_company.needy.intensity", zone="DE").test_connection()
    assert not bad
    assert "is not allowed; add hook_company.needy" in said
