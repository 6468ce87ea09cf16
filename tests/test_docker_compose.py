"""docker-compose.yml, checked as far as can be without a Docker engine."""

from __future__ import annotations

import base64
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml
from distributed.engine import RECOVERY, REPLACED, SHORT_WAITS, Engine

from airflow_carbon.provider_info import get_provider_info

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


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """Give the engine of ``make test-distributed``, which is not started."""
    made = Engine(tmp_path_factory.mktemp("engine"), dags=[])
    yield made
    made.stop()


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


def test_the_ledger_is_one_for_all_containers_and_so_is_the_folder_of_their_state(compose: dict[str, Any]) -> None:
    shared = compose["x-environment"]
    ledger = shared[f"AIRFLOW_CONN_{shared['AIRFLOW__CARBON__LEDGER_CONN_ID'].upper()}"]
    assert ledger.startswith("postgres://")
    assert ledger.endswith("@postgres/airflow")
    folder = shared["AIRFLOW__CARBON__STATE_DIR"]
    for name in AIRFLOW:
        assert f"carbon:{folder}" in compose["services"][name]["volumes"]
    assert "carbon" in compose["volumes"]
    assert f"mkdir --mode=775 {folder}\n" in compose["x-airflow"]["build"]["dockerfile_inline"]


def test_there_are_two_triggerers_and_two_workers(compose: dict[str, Any]) -> None:
    replicas = {name: one["deploy"]["replicas"] for name, one in compose["services"].items() if "deploy" in one}
    assert replicas == {"triggerer": 2, "worker": 2}


def test_the_tests_run_the_same_processes_with_the_same_commands(compose: dict[str, Any], engine: Engine) -> None:
    services = {name: compose["services"][name] for name in AIRFLOW - {"init"}}
    expected = {
        name if count == 1 else f"{name}-{number}": service["command"]
        for name, service in services.items()
        for count in [service.get("deploy", {}).get("replicas", 1)]
        for number in range(1, count + 1)
    }
    units = engine.supervisor.units
    # Told apart by name where containers are by host; and no log server.
    assert {name: unit.command.partition(" --celery-hostname")[0] for name, unit in units.items()} == expected


def test_the_tests_run_with_the_same_settings_on_other_hosts(compose: dict[str, Any], engine: Engine) -> None:
    elsewhere = {
        "@postgres/": f"@{engine.servers.postgres.address}/",
        "@redis:6379/": f"@{engine.servers.redis.address}/",
        "//api-server:8080/": f"//127.0.0.1:{engine.port}/",
        "/opt/airflow/": f"{engine.shared}/",
    }
    for name in engine.supervisor.units:
        service = compose["services"][name.rstrip("-0123456789")]
        environment = engine.environment(name)
        for key, written in service["environment"].items():
            if key in REPLACED:
                assert key not in environment
                continue
            pattern = re.escape(str(written))
            for here, there in elsewhere.items():
                pattern = pattern.replace(re.escape(here), re.escape(there))
            # Each secret is some text, and never the name of the variable that holds it.
            pattern = re.sub(r"\\\$\\\{\w+:\\\?.+?\\\}", r"[\\w=-]{32,}", pattern)
            assert re.fullmatch(pattern, environment[key]), f"{name}: {key} is {environment[key]!r}, not {written!r}"


def test_what_the_tests_set_besides_is_named_and_overrides_nothing(compose: dict[str, Any], engine: Engine) -> None:
    written = {key for name in AIRFLOW for key in compose["services"][name]["environment"]}
    assert not written & (RECOVERY.keys() | SHORT_WAITS.keys())
    assert REPLACED.keys() <= written
    of_this_machine = {
        "AIRFLOW__API__BASE_URL",
        "AIRFLOW__API__HOST",
        "AIRFLOW__API__PORT",
        "AIRFLOW__CORE__DAGS_FOLDER",
        "AIRFLOW__CORE__HOSTNAME_CALLABLE",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS",
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER",
        "AIRFLOW__LOGGING__COLORED_CONSOLE_LOG",
        "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_SERVER_PORT",
    }
    for name in engine.supervisor.units:
        set_besides = {key for key in engine.environment(name) if key.startswith("AIRFLOW")} - written
        assert set_besides == of_this_machine | RECOVERY.keys() | SHORT_WAITS.keys()


def test_every_unit_has_secrets_in_common_and_a_host_of_its_own(engine: Engine) -> None:
    environments = [engine.environment(name) for name in engine.supervisor.units]
    for key in ("AIRFLOW__CORE__FERNET_KEY", "AIRFLOW__API_AUTH__JWT_SECRET", "AIRFLOW__API__SECRET_KEY"):
        assert len({one[key] for one in environments}) == 1
    assert len({one["CARBON_ENGINE_HOST"] for one in environments}) == len(environments)
    assert len({unit.folder for unit in engine.supervisor.units.values()}) == len(environments)


def test_the_helm_values_of_the_docs_name_settings_that_exist(repository: Path) -> None:
    text = (repository / "docs" / "deployment.md").read_text()
    [block] = re.findall(r"```yaml\n(.+?)```", text, flags=re.DOTALL)
    values = yaml.safe_load(block)
    assert f"apache-airflow=={values['airflowVersion']}\n" in (repository / "constraints.txt").read_text()
    known = set(get_provider_info()["config"]["carbon"]["options"])
    assert set(values["config"].pop("carbon")) <= known
    default = package_folder("airflow") / "config_templates" / "config.yml"
    airflow_options = yaml.safe_load(default.read_text())
    for section, options in values["config"].items():
        assert set(options) <= set(airflow_options[section]["options"])
    for section, option in re.findall(r"`\[(\w+)\] (\w+)`", text):
        assert option in (known if section == "carbon" else airflow_options[section]["options"]), option
    assert {one["envName"] for one in values["secret"]} == {"AIRFLOW_CONN_CARBON_LEDGER", "AIRFLOW_CONN_CARBON_DEFAULT"}
    [volume], [mount] = values["volumes"], values["volumeMounts"]
    assert volume["name"] == mount["name"]


def package_folder(package: str) -> Path:
    """Tell where an installed package lies, without importing it."""
    found = find_spec(package)
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent
