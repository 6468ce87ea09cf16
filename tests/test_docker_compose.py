"""docker-compose.yml, checked as far as can be without a Docker engine."""

from __future__ import annotations

import base64
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

AIRFLOW = {"init", "api-server", "scheduler", "dag-processor", "triggerer", "worker"}


@pytest.fixture(scope="module")
def compose(repository: Path) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((repository / "docker-compose.yml").read_text())
    return document


@pytest.fixture
def env_file(repository: Path, tmp_path: Path) -> Path:
    for name in ("Makefile", ".env.example"):
        shutil.copy(repository / name, tmp_path)
    subprocess.run(["make", "env", f"PYTHON={sys.executable}"], cwd=tmp_path, check=True, capture_output=True)
    return tmp_path / ".env"


def values(file: Path) -> dict[str, str]:
    lines = [line for line in file.read_text().splitlines() if line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


def test_it_is_what_the_compose_specification_allows(repository: Path) -> None:
    checked = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", "docker-compose.yml"],
        cwd=repository,
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout


def test_the_compose_plugin_accepts_it(repository: Path, env_file: Path) -> None:
    if not shutil.which("docker") or subprocess.run(["docker", "compose", "version"], capture_output=True).returncode:
        pytest.skip("the docker compose plugin is not installed here")
    subprocess.run(["docker", "compose", "--env-file", str(env_file), "config", "--quiet"], cwd=repository, check=True)


def test_every_component_has_its_service(compose: dict[str, Any]) -> None:
    assert set(compose["services"]) == AIRFLOW | {"postgres", "redis"}
    commands = {name: compose["services"][name]["command"].split()[0] for name in AIRFLOW - {"init"}}
    assert commands == {**{name: name for name in AIRFLOW - {"init"}}, "worker": "celery"}


def test_every_service_that_stays_has_a_health_check(compose: dict[str, Any]) -> None:
    assert {name for name, service in compose["services"].items() if "healthcheck" not in service} == {"init"}


def test_who_waits_for_health_waits_for_a_service_that_tells_it(compose: dict[str, Any]) -> None:
    services = compose["services"]
    for name, service in services.items():
        for other, how in service.get("depends_on", {}).items():
            if how["condition"] == "service_healthy":
                assert "healthcheck" in services[other], f"{name} waits for the health of {other}, which has no check"
            else:
                assert services[other]["restart"] == "no", f"{name} waits for the end of {other}, which restarts"


def test_no_component_starts_before_the_database_is_migrated(compose: dict[str, Any]) -> None:
    for name in AIRFLOW - {"init"}:
        assert compose["services"][name]["depends_on"]["init"] == {"condition": "service_completed_successfully"}


def test_all_components_share_settings_and_keys(compose: dict[str, Any]) -> None:
    shared = compose["x-environment"]
    assert {"AIRFLOW__CORE__FERNET_KEY", "AIRFLOW__API_AUTH__JWT_SECRET"} <= shared.keys()
    for name in AIRFLOW:
        assert shared.items() <= compose["services"][name]["environment"].items()
        assert compose["services"][name]["image"] == compose["x-airflow"]["image"]


def test_the_execution_api_is_the_api_server_of_this_file(compose: dict[str, Any]) -> None:
    url = compose["x-environment"]["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"]
    assert url == "http://api-server:8080/execution/"
    assert compose["services"]["api-server"]["ports"] == ["127.0.0.1:8080:8080"]


def test_the_image_holds_the_airflow_that_is_pinned_and_files_that_exist(
    compose: dict[str, Any], repository: Path
) -> None:
    recipe = compose["x-airflow"]["build"]["dockerfile_inline"]
    (version,) = re.findall(r"FROM apache/airflow:(\S+)", recipe)
    assert f"apache-airflow=={version}\n" in (repository / "constraints.txt").read_text()
    for sources in re.findall(r"COPY --chown=\S+ (.+) \S+\n", recipe):
        assert all((repository / source).exists() for source in sources.split())


def test_every_secret_comes_from_the_env_file_and_has_no_default(repository: Path) -> None:
    text = (repository / "docker-compose.yml").read_text()
    wanted = re.findall(r"(?<!\$)\$\{(\w+):\?[^}]+\}", text)
    assert len(re.findall(r"(?<!\$)\$\{", text)) == len(wanted), "a variable may be missing without an error"
    assert set(wanted) == set(values(repository / ".env.example"))
    for name, value in re.findall(r"^\s+(\w*(?:PASSWORD|SECRET|KEY)\w*): (.+)$", text, flags=re.MULTILINE):
        assert value.startswith("${"), f"{name} is written out"


def test_the_example_of_the_env_file_holds_no_secret(repository: Path) -> None:
    assert set(values(repository / ".env.example").values()) == {""}


def test_make_env_fills_every_secret_with_another_one_that_fits(env_file: Path) -> None:
    made = values(env_file)
    assert len(base64.urlsafe_b64decode(made["AIRFLOW_FERNET_KEY"])) == 32
    assert len(made["AIRFLOW_JWT_SECRET"].encode()) >= 64
    assert len(set(made.values())) == len(made)
    assert all(re.fullmatch(r"[\w=-]{32,}", value) for value in made.values())
    assert env_file.stat().st_mode & 0o077 == 0


def test_make_env_never_overwrites_secrets_in_use(env_file: Path) -> None:
    before = env_file.read_text()
    again = subprocess.run(["make", "env"], cwd=env_file.parent, capture_output=True, text=True, check=False)
    assert again.returncode != 0
    assert "remove it" in again.stderr
    assert env_file.read_text() == before
