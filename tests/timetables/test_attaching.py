"""What a DAG looks like that was scheduled by ``carbon_schedule``: wherever it is loaded, one task waits before all."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.airflow

HEAD = """
from datetime import datetime
from airflow.sdk import DAG, Asset, AssetOrTimeSchedule, task, setup, teardown, TaskGroup
from airflow.providers.standard.operators.bash import BashOperator
from airflow_carbon import carbon_schedule
SCHEDULE = carbon_schedule("0 2 * * *", max_delay="6h", location="azure:uksouth", duration="1h")
"""
NAME = "wait_for_clean_power"


def bag(tmp_path: Path, body: str) -> Any:
    from airflow.dag_processing.dagbag import DagBag

    (tmp_path / "dag.py").write_text(HEAD + body)
    return DagBag(str(tmp_path), bundle_path=tmp_path)


def loaded(tmp_path: Path, body: str) -> Any:
    """Load the one DAG of a file as the dag-processor does, and read it back as the scheduler does."""
    from airflow.serialization.serialized_objects import DagSerialization

    found = bag(tmp_path, body)
    assert found.import_errors == {}
    (dag,) = found.dags.values()
    again = DagSerialization.from_dict(DagSerialization.to_dict(dag))
    assert set(again.task_dict) == set(dag.task_dict)
    return dag


def test_every_root_follows_the_wait_and_nothing_else_does(tmp_path: Path) -> None:
    dag = loaded(
        tmp_path,
        """
with DAG("d", schedule=SCHEDULE) as dag:
    @task
    def double(x): return x
    a, b, c = (BashOperator(task_id=name, bash_command="true") for name in "abc")
    with TaskGroup("group"):
        inner = BashOperator(task_id="inner", bash_command="true")
    mapped = double.expand(x=[1, 2])
    a >> b
""",
    )
    assert [task.task_id for task in dag.roots] == [NAME]
    assert dag.task_dict[NAME].downstream_task_ids == {"a", "c", "group.inner", "double"}
    assert dag.task_dict["b"].upstream_task_ids == {"a"}


def test_setup_and_teardown_wait_too(tmp_path: Path) -> None:
    dag = loaded(
        tmp_path,
        """
with DAG("d", schedule=SCHEDULE) as dag:
    s = BashOperator(task_id="s", bash_command="true").as_setup()
    w = BashOperator(task_id="w", bash_command="true")
    t = BashOperator(task_id="t", bash_command="true").as_teardown(setups=s)
    s >> w >> t
""",
    )
    assert dag.task_dict["s"].upstream_task_ids == {NAME}
    assert dag.task_dict["s"].is_setup
    assert dag.task_dict["t"].is_teardown


@pytest.mark.parametrize("rule", ["always", "one_failed", "all_failed", "all_skipped"])
def test_a_root_whose_rule_would_not_wait_or_never_run_runs_once_the_wait_is_over(tmp_path: Path, rule: str) -> None:
    dag = loaded(
        tmp_path,
        f"""
with DAG("d", schedule=SCHEDULE) as dag:
    a = BashOperator(task_id="a", bash_command="true", trigger_rule="{rule}")
    m = BashOperator.partial(task_id="m", trigger_rule="{rule}").expand(bash_command=["true"])
    b = BashOperator(task_id="b", bash_command="true", trigger_rule="none_failed")
""",
    )
    assert [dag.task_dict[name].trigger_rule.value for name in "amb"] == ["all_done", "all_done", "none_failed"]


def test_defaults_that_are_meant_for_the_work_do_not_hold_the_wait_up(tmp_path: Path) -> None:
    dag = loaded(
        tmp_path,
        """
defaults = dict(retries=0, pool="gpu", depends_on_past=True, soft_fail=True, owner="ada", queue="heavy",
                deadline="1h", governs=["x"], max_active_tis_per_dag=1)
with DAG("d", schedule=SCHEDULE, default_args=defaults) as dag:
    BashOperator(task_id="a", bash_command="true")
""",
    )
    wait = dag.task_dict[NAME]
    assert (wait.retries, wait.pool, wait.depends_on_past, wait.soft_fail) == (2, "default_pool", False, False)
    assert (wait.deadline, wait.governs, wait.max_active_tis_per_dag) == (None, None, None)
    assert (wait.owner, wait.queue) == ("ada", "heavy")
    assert (wait.location, wait.duration, wait.max_delay) == ("azure:uksouth", "1h", "6:00:00")


def test_one_schedule_serves_many_dags_each_in_its_own_timezone(tmp_path: Path) -> None:
    found = bag(
        tmp_path,
        """
import pendulum
for zone in ("Europe/Berlin", "Asia/Tokyo"):
    with DAG(zone[:4], schedule=SCHEDULE, start_date=pendulum.datetime(2026, 1, 1, tz=zone)):
        BashOperator(task_id="a", bash_command="true")
with DAG("said", start_date=pendulum.datetime(2026, 1, 1, tz="Asia/Tokyo"), schedule=carbon_schedule(
        "0 2 * * *", max_delay="6h", location="zone:GB", duration="1h", timezone="America/New_York")):
    BashOperator(task_id="a", bash_command="true")
""",
    )
    assert found.import_errors == {}
    zones = {name: dag.timetable.serialize()["timezone"] for name, dag in found.dags.items()}
    assert zones == {"Euro": "Europe/Berlin", "Asia": "Asia/Tokyo", "said": "America/New_York"}
    assert all(NAME in dag.task_dict for dag in found.dags.values())


def test_a_schedule_that_is_combined_with_assets_waits_as_well(tmp_path: Path) -> None:
    dag = loaded(
        tmp_path,
        """
with DAG("d", schedule=AssetOrTimeSchedule(timetable=SCHEDULE, assets=[Asset("x")])) as dag:
    BashOperator(task_id="a", bash_command="true")
""",
    )
    assert [task.task_id for task in dag.roots] == [NAME]


def test_a_dag_that_is_shown_twice_gets_one_wait(tmp_path: Path) -> None:
    dag = loaded(tmp_path, "with DAG('d', schedule=SCHEDULE):\n    BashOperator(task_id='a', bash_command='true')")
    from airflow_carbon.timetables.attaching import attach

    before = dag.timetable
    attach(dag)
    assert dag.timetable is before
    assert set(dag.task_dict) == {NAME, "a"}


def test_an_empty_dag_loads_and_has_nothing_that_waits(tmp_path: Path) -> None:
    assert loaded(tmp_path, "dag = DAG('d', schedule=SCHEDULE)").task_dict == {}


def test_a_dag_with_a_task_of_that_name_is_an_import_error_that_says_what_to_do(tmp_path: Path) -> None:
    found = bag(
        tmp_path,
        f"with DAG('d', schedule=SCHEDULE) as dag:\n    BashOperator(task_id='{NAME}', bash_command='true')",
    )
    (error,) = found.import_errors.values()
    assert "give it another name" in error
    assert found.dags == {}


def test_a_dag_with_a_plain_schedule_is_left_alone(tmp_path: Path) -> None:
    dag = loaded(tmp_path, "with DAG('d', schedule='@daily'):\n    BashOperator(task_id='a', bash_command='true')")
    assert set(dag.task_dict) == {"a"}


def test_a_deployment_that_did_not_load_the_policy_refuses_the_dag(tmp_path: Path) -> None:
    from airflow.exceptions import AirflowTimetableInvalid
    from airflow.settings import get_policy_plugin_manager

    from airflow_carbon import carbon_schedule
    from airflow_carbon.timetables import cluster_policy

    manager = get_policy_plugin_manager()
    made = carbon_schedule("0 2 * * *", max_delay="6h", location="azure:uksouth", duration="1h")
    assert made.serialize()["expression"] == "0 2 * * *"
    name = manager.get_name(cluster_policy)
    manager.unregister(cluster_policy)
    try:
        with pytest.raises(AirflowTimetableInvalid, match="nothing makes this DAG's runs wait"):
            made.serialize()
    finally:
        manager.register(cluster_policy, name)


def test_the_plugin_and_the_policy_import_no_timetable_before_one_is_asked_for() -> None:
    code = (
        "import sys, airflow.settings; airflow.settings.get_policy_plugin_manager()\n"
        "from airflow.sdk.plugins_manager import AirflowPlugin\n"
        "before = set(sys.modules)\n"
        "from airflow_carbon.timetables import cluster_policy, plugin\n"
        "print(*sorted(set(sys.modules) - before))\n"
        "print(len(list(plugin.TimetablesPlugin.timetables)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded_modules, count = done.stdout.splitlines()[-2:]
    # The package's other policy may have been loaded with Airflow's settings; nothing but this package comes on top.
    assert all(name.startswith("airflow_carbon") for name in loaded_modules.split())
    assert not any("carbon_cron" in name or "sensors" in name for name in loaded_modules.split())
    assert count == "2"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            "schedule=carbon_schedule('0 */4 * * *', max_delay='6h', location='zone:GB', duration='1h')",
            "longer than the 4 h",
        ),
        (
            "schedule=SCHEDULE, max_active_runs=1",
            "with max_active_runs=1 no other run begins while one waits, up to 6 h",
        ),
        (
            "schedule=SCHEDULE, default_args={'depends_on_past': True}",
            "with depends_on_past all later runs stand still",
        ),
        ("schedule=SCHEDULE", None),
    ],
)
def test_a_schedule_that_holds_up_its_own_runs_is_warned_of_where_dags_are_read_and_not_in_tasks(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, options: str, said: str | None
) -> None:
    body = f"""
with DAG("held_up", start_date=datetime(2026, 1, 1), {options}) as dag:
    BashOperator(task_id="work", bash_command="true")
"""
    loaded(tmp_path, body)
    told = [one.getMessage() for one in caplog.records if "carbon_schedule, DAG held_up" in one.getMessage()]
    assert (said is None and told == []) or (said is not None and len(told) == 1 and said in told[0])
    caplog.clear()
    monkeypatch.setenv("_AIRFLOW_PARSING_CONTEXT_TASK_ID", "work")
    loaded(tmp_path, body)
    assert [one for one in caplog.records if "carbon_schedule" in one.getMessage()] == []
