"""Who may choose what is asked and read: whoever writes a connection, and not who fills in a DAG's params."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import json
import os
import pkgutil
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from fakes.scripted import answered, service
from hypothesis import given
from hypothesis import strategies as st

from airflow_carbon.core.location import Location
from airflow_carbon.exceptions import CarbonError, InvalidForecastError, InvalidRequestError, SourceResponseError

HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    "to",
    [
        "http://169.254.169.254/latest/meta-data/",
        "http://[fe80::1]/",
        "http://metadata.google.internal/",
        "//10.0.0.1/",
    ],
)
def test_a_redirect_to_the_hosts_own_metadata_is_refused(to: str) -> None:
    with pytest.raises(SourceResponseError, match=r"^service redirects to "):
        answered(b"", 302, Location=to)


def test_no_request_goes_through_a_redirect_with_credentials_to_another_port() -> None:
    from airflow_carbon.hooks.asking import asked_in_time
    from airflow_carbon.web.http import Http

    with service() as other, service(307, Location=f"{other.url}/x") as first:
        with pytest.raises(SourceResponseError):
            asked_in_time(Http("service", first.url, headers={"auth-token": "s3cr3t"}).get("/"))
        assert [path for path, _ in first.asked] == ["/"]
        assert other.asked == []


@given(st.text(max_size=30) | st.from_regex(r"(zone|azure):[A-Za-z0-9_./%?#@:-]{1,20}", fullmatch=True))
def test_no_place_can_change_the_path_or_the_host_of_a_request(text: str) -> None:
    try:
        place = Location.parse(text)
    except InvalidRequestError:
        return
    for name in (place.provider, place.name):
        assert quote(name, safe="") == name
        assert not name.startswith(".")


@pytest.mark.airflow
def test_no_field_that_a_dag_param_can_fill_names_a_host_or_a_file() -> None:
    import airflow_carbon.notifications as notifications
    import airflow_carbon.operators as operators
    import airflow_carbon.sensors as sensors

    found: dict[str, set[str]] = {}
    for package in (operators, sensors, notifications):
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            for name, one in inspect.getmembers(importlib.import_module(module.name), inspect.isclass):
                if one.__module__ == module.name and getattr(one, "template_fields", ()):
                    found[name] = set(one.template_fields)
    assert {"CarbonAwareSensor", "BestRegionOperator", "PlaceFleetOperator", "CarbonNotifier"} <= set(found)
    for fields in found.values():
        assert not [one for one in fields if re.search("host|url|path|address|endpoint|file|through|notify", one)]
    # The one that may name a file takes a list of prices alone, as the next test tells.
    assert {name for name, fields in found.items() if "prices" in fields} == {
        "BestRegionOperator", "BestRegionBranchOperator",
    }  # fmt: skip


@pytest.mark.parametrize(
    "named",
    ["/etc/passwd", "../../etc/shadow", "file:///etc/passwd", "http://169.254.169.254/x.csv", "s3://a:b@c/d.csv"],
)
def test_prices_from_a_param_are_no_way_to_other_files_or_hosts(named: str) -> None:
    from airflow_carbon.prices.chosen import chosen

    with pytest.raises(InvalidRequestError, match="names no prices"):
        chosen(named)


@pytest.mark.airflow
def test_a_connection_id_from_a_param_is_an_id_and_no_address() -> None:
    from fakes.sensors import sensor
    from fakes.task_context import task_context

    with service() as one:
        for named in (one.url, f"uk-carbon-intensity://{one.url[7:]}", f"mine,{one.url}", "../mine"):
            with pytest.raises(InvalidRequestError, match=r"is not defined|must be"):
                sensor(carbon_conn_id=named).execute(task_context())
        assert one.asked == []


@pytest.mark.airflow
def test_a_connection_of_another_type_is_no_source_and_none_of_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    from fakes.sensors import sensor
    from fakes.task_context import task_context

    monkeypatch.setenv("AIRFLOW_CONN_OTHERS", "postgres://ann:s3cr3t@db.example/books")
    with pytest.raises(InvalidRequestError) as raised:
        sensor(carbon_conn_id="others").execute(task_context())
    assert "postgres" in str(raised.value)
    for part in ("s3cr3t", "db.example", "ann:"):
        assert part not in str(raised.value)


def history(path: Path, **more: Any) -> Any:
    from airflow_carbon.sources.history import History

    now = datetime(2026, 1, 1, tzinfo=UTC)
    source = History(path, **more)
    return asyncio.run(source.forecast(Location.parse("zone:GB"), now=now, until=now + HOUR))


@pytest.mark.parametrize("column", ["", "mine"])
def test_a_file_that_is_no_series_is_told_by_a_few_characters_alone(tmp_path: Path, column: str) -> None:
    secret = "x" * 45 + "s3cr3t"
    for text in (
        f"{secret}\n",
        f"a,{secret}\n1,2\n",
        f"time,intensity\n{secret},1\n2,3\n",
        f"time,mine\n2026-01-01T00Z,{secret}\n",
    ):
        (tmp_path / "own.csv").write_text(text)
        with pytest.raises(CarbonError) as raised:
            history(tmp_path / "own.csv", column=column)
        assert "s3cr3t" not in str(raised.value)


def test_a_zone_never_becomes_part_of_a_files_path(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequestError):
        Location.parse("zone:../../etc/passwd")
    rows = [f"2026-01-01T{hour:02d}:00:00Z,{7 + hour}" for hour in range(24)]
    (tmp_path / "own.csv").write_text("\n".join(["timestamp,intensity", *rows]))
    (tmp_path / "link.csv").symlink_to(tmp_path / "own.csv")
    assert history(tmp_path / "link.csv").intensity[0] == 7.0


def test_a_file_that_never_ends_is_not_read(tmp_path: Path) -> None:
    with pytest.raises(InvalidForecastError, match="larger than 64 MiB"):
        history(Path("/dev/zero"))
    huge = tmp_path / "huge.csv"
    huge.touch()
    os.truncate(huge, 65 * 1024**2)
    with pytest.raises(InvalidForecastError, match=r"huge\.csv: larger than 64 MiB"):
        history(huge)


@pytest.mark.airflow
def test_what_a_waiting_task_leaves_in_airflows_database_holds_no_secret(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from fakes.sensors import deferral, sensor
    from fakes.task_context import StateStore, task_context

    from airflow_carbon.hooks.chain import hooks_of

    secret = "s3cr3t-of-the-connection"
    monkeypatch.setenv("AIRFLOW__CARBON__STATE_DIR", str(tmp_path / "state"))
    for conn_id, extra in (("em", {}), ("wt", {"user": "ann"})):
        kind = {"em": "electricity_maps", "wt": "watttime"}[conn_id]
        told = {"conn_type": kind, "login": extra.get("user"), "password": secret, "host": "https://127.0.0.1:1"}
        monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(told))
    for hook in hooks_of(["em", "wt"]):
        source = hook.source()
        assert secret not in repr(hook) + str(hook) + repr(source) + str(source) + str(
            hook.shelf() and hook.shelf().folder
        )
        assert secret not in hook.test_connection()[1]
    store = StateStore()
    deferred = deferral(sensor(carbon_conn_id=["em", "wt"], location="zone:DE"), task_context(store=store))
    left = json.dumps([deferred.trigger.serialize(), deferred.kwargs, store.values], default=str)
    assert '"em", "wt"' in left
    assert secret not in left
    assert not [
        file for file in (tmp_path / "state").rglob("*") if file.is_file() and secret.encode() in file.read_bytes()
    ]
