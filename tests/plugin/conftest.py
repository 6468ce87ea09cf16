"""Airflow's real web app, in this process: its login, its database, and the plugin mounted as Airflow mounts it."""

from __future__ import annotations

import os
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

SECRET = "a secret of the tests alone, long enough for HS512: 0123456789abcdef0123456789abcdef"
SETTINGS = {
    "AIRFLOW__CORE__AUTH_MANAGER": "fakes.auth_manager.SomeDagsAuthManager",
    "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": "admin:admin,viewer:viewer,editor:user,stranger:viewer",
    "AIRFLOW__API_AUTH__JWT_SECRET": SECRET,
    "AIRFLOW__API__SECRET_KEY": SECRET,
    "_AIRFLOW_PROCESS_CONTEXT": "server",
}


@pytest.fixture(scope="session")
def metadata_database() -> None:
    """Make Airflow's own database, with the DAGs "mine" and "other" in it."""
    from airflow.models.dag import DagModel
    from airflow.models.dagbundle import DagBundleModel
    from airflow.utils.db import initdb
    from airflow.utils.session import create_session

    initdb()
    with create_session() as session:
        session.merge(DagBundleModel(name="tests"))
        session.flush()
        for dag_id in ("mine", "other"):
            session.merge(DagModel(dag_id=dag_id, bundle_name="tests", fileloc="/dags/x.py", is_paused=False))


@pytest.fixture(scope="session")
def airflow_app(metadata_database: None) -> Iterator[Any]:
    """Make Airflow's web app; its plugins come from the installed packages."""
    before = {name: os.environ.get(name) for name in SETTINGS}
    os.environ.update(SETTINGS)
    with warnings.catch_warnings():
        # Airflow's own: it imports a client for tests that wants another package.
        warnings.filterwarnings("ignore", message="Using `httpx` with `starlette.testclient`")
        from airflow.api_fastapi.app import create_app, purge_cached_app

        purge_cached_app()
        app = create_app(apps="core")
    yield app
    purge_cached_app()
    for name, value in before.items():
        if value is None:
            del os.environ[name]
        else:
            os.environ[name] = value


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give this host a folder of its own, and so an empty ledger."""
    monkeypatch.setenv("AIRFLOW__CARBON__STATE_DIR", str(tmp_path / "carbon"))
    return tmp_path / "carbon"


@pytest.fixture
def carbon(airflow_app: Any, state: Path) -> Any:
    """Give the plugin's app, built anew: what it keeps in memory is of no other test."""
    from starlette.routing import Mount

    from airflow_carbon.plugin.app import build
    from airflow_carbon.plugin.asgi import LazyApp
    from airflow_carbon.plugin.guard import Guard

    [mount] = [one for one in airflow_app.routes if isinstance(one, Mount) and isinstance(one.app, LazyApp)]
    app = build()
    mount.app._app = Guard(app)
    return app


@pytest.fixture
def token(airflow_app: Any) -> Callable[[str], str]:
    """Make tokens, as a login does."""
    from airflow.api_fastapi.app import get_auth_manager
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser

    roles = dict(pair.split(":") for pair in SETTINGS["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS"].split(","))

    def made(name: str) -> str:
        return str(get_auth_manager().generate_jwt(SimpleAuthManagerUser(username=name, role=roles[name])))

    return made


@pytest.fixture(scope="session")
def address(airflow_app: Any) -> Iterator[str]:
    """Serve Airflow's web app on a socket, with the server that the api-server runs, and give its address."""
    import uvicorn

    server = uvicorn.Server(uvicorn.Config(airflow_app, host="127.0.0.1", port=0, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until = time.monotonic() + 60.0
    while not server.started and time.monotonic() < until:
        time.sleep(0.05)
    assert server.started, "the web app did not start"
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join(timeout=30.0)


@pytest.fixture
def client(address: str, carbon: Any) -> Iterator[httpx.Client]:
    """Give a browser without a login."""
    with httpx.Client(base_url=address, timeout=60.0) as browser:
        yield browser


@pytest.fixture
def logged_in(token: Callable[[str], str]) -> Callable[[str], dict[str, str]]:
    """Give the header of a user."""
    return lambda name: {"Authorization": f"Bearer {token(name)}"}
