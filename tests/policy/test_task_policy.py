"""The cluster policy on real tasks: what it changes, what it leaves alone, and that it never breaks a DAG."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.standard.operators.bash import BashOperator
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.providers.standard.operators.python import PythonOperator
from airflow.providers.standard.sensors.bash import BashSensor
from airflow.sdk import DAG, setup, task, teardown
from airflow.sdk.exceptions import TaskDeferred
from fakes.task_context import StateStore, TaskInstance, task_context

from airflow_carbon import CarbonAwareSensor
from airflow_carbon.decorators.carbon_aware import carbon_aware, is_carbon_aware
from airflow_carbon.policy import task_policy
from airflow_carbon.policy.govern import verdict
from airflow_carbon.policy.guard import cautions
from airflow_carbon.policy.ruleless import FAILED
from airflow_carbon.policy.rules import Rules
from airflow_carbon.policy.task_policy import COMPLETE

pytestmark = pytest.mark.airflow

HOUR = timedelta(hours=1)
RULES = """
defaults: {location: "zone:DE", duration: 1h, max_delay: 8h}
rules:
- {match: {task_id: exempt}, mode: off}
- {match: {tags: [batch]}, mode: enforce}
- {match: {operator: BashSensor}, mode: enforce}
"""
Policy = Callable[[str], Path]


@pytest.fixture
def policy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Policy]:
    """Configure a policy file, as a process finds it at its start."""

    def write(text: str) -> Path:
        path = tmp_path / "carbon.yaml"
        path.write_text(text)
        monkeypatch.setenv("AIRFLOW__CARBON__POLICY_FILE", str(path))
        task_policy.configured.cache_clear()
        task_policy._said.clear()
        return path

    yield write
    task_policy.configured.cache_clear()


@pytest.fixture
def running(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Be the process of one task."""
    return lambda task_id: monkeypatch.setenv("_AIRFLOW_PARSING_CONTEXT_TASK_ID", task_id)


def add(one: int, other: int) -> int:
    return one + other


def dag_of(*tags: str, **options: Any) -> DAG:
    return DAG(
        "a_dag",
        schedule=options.pop("schedule", None),
        start_date=datetime(2026, 1, 1, tzinfo=UTC),
        tags=list(tags),
        **options,
    )


def apply(dag: DAG) -> dict[str, bool]:
    for one in dag.tasks:
        task_policy.task_policy(one)
    return {one.task_id: is_carbon_aware(one) for one in dag.tasks}


def test_it_covers_work_of_every_form_and_nothing_else(policy: Policy) -> None:
    policy(RULES)
    with dag_of("batch") as dag:
        BashOperator(task_id="bash", bash_command="true")
        BashOperator.partial(task_id="mapped").expand(bash_command=["true"])
        PythonOperator(task_id="exempt", python_callable=add)
        EmptyOperator(task_id="nothing")
        BashSensor(task_id="look", bash_command="true")
        CarbonAwareSensor(task_id="waits", location="zone:DE", duration="1h", max_delay="1h")
        carbon_aware(
            BashOperator(task_id="own", bash_command="true"), location="zone:GB", duration="1h", max_delay="1h"
        )

        @task
        def flow() -> int:
            return 7

        @setup
        def up() -> None: ...

        @teardown
        def down() -> None: ...

        up() >> flow() >> down()
    own = dag.get_task("own").operator_class
    told = apply(dag)
    covered = {name for name, aware in told.items() if aware}
    assert covered == {"bash", "mapped", "flow", "own"}
    # What its author asked for stands: it is not made aware a second time.
    assert dag.get_task("own").operator_class is own


def test_work_behind_a_sensor_of_this_provider_does_not_wait_a_second_time(policy: Policy) -> None:
    policy(RULES)
    with dag_of("batch") as dag:
        waits = CarbonAwareSensor(task_id="waits", location="zone:DE", duration="1h", max_delay="1h")
        waits >> BashOperator(task_id="work", bash_command="true") >> BashOperator(task_id="after", bash_command="true")
    assert apply(dag) == {"waits": False, "work": False, "after": True}


def test_a_sensor_is_covered_where_a_rule_names_its_operator_outright(policy: Policy) -> None:
    policy(RULES)
    with dag_of() as dag:
        BashSensor(task_id="look", bash_command="true")
    assert apply(dag) == {"look": True}


def test_a_tag_opts_a_dag_out(policy: Policy) -> None:
    policy(RULES)
    with dag_of("batch", "carbon-off") as dag:
        BashOperator(task_id="bash", bash_command="true")
    assert apply(dag) == {"bash": False}
    assert verdict(dag.get_task("bash"), Rules.read(RULES)).why == "the DAG has the tag carbon-off"


@pytest.mark.parametrize("text", ["rules: [", "rules: 3", "", "rules:\n- {match: {tag: batch}}", "\x00", "a: &x [*x]"])
def test_a_broken_file_changes_nothing_and_is_named_once(
    policy: Policy, caplog: pytest.LogCaptureFixture, text: str
) -> None:
    path = policy(text)
    with dag_of("batch") as dag, caplog.at_level(logging.WARNING, "airflow_carbon.policy"):
        for number in range(3):
            BashOperator(task_id=f"bash_{number}", bash_command="true")
        assert set(apply(dag).values()) == {False}
        assert set(apply(dag).values()) == {False}
    told = [record.getMessage() for record in caplog.records]
    assert any(str(path) in one and "rules nothing until it is corrected" in one for one in told)
    assert len(told) == len(set(told))


def test_a_file_that_is_missing_or_a_folder_changes_nothing(policy: Policy) -> None:
    path = policy(RULES)
    path.unlink()
    with dag_of("batch") as dag:
        BashOperator(task_id="bash", bash_command="true")
    assert apply(dag) == {"bash": False}
    path.mkdir()
    assert apply(dag) == {"bash": False}


def test_a_file_is_read_again_when_it_changes(policy: Policy) -> None:
    path = policy("rules: []")
    with dag_of("batch") as dag:
        BashOperator(task_id="bash", bash_command="true")
    assert apply(dag) == {"bash": False}
    path.write_text(RULES)
    assert apply(dag) == {"bash": True}


def test_what_only_the_task_itself_can_refuse_leaves_it_as_it_is(
    policy: Policy, caplog: pytest.LogCaptureFixture
) -> None:
    asked = "location: 'zone:DE', duration: p90, duration_default: 1h, power: 1h@5W, max_delay: 1h"
    policy(f"rules: [{{match: {{dag_id: '*'}}, {asked}}}]")
    with dag_of() as dag:
        BashOperator(task_id="bash", bash_command="true")
    assert apply(dag) == {"bash": False}
    assert "leaves a_dag.bash as it is: InvalidRequestError" in caplog.text


def test_a_task_that_is_no_task_breaks_nothing(policy: Policy) -> None:
    policy(RULES)
    task_policy.task_policy(object())
    task_policy.task_policy(None)


def test_in_the_process_of_one_task_the_others_are_left_alone(policy: Policy, running: Callable[[str], None]) -> None:
    policy(RULES)
    running("second")
    with dag_of("batch") as dag:
        for name in ("first", "second"):
            BashOperator(task_id=name, bash_command="true")
    assert apply(dag) == {"first": False, "second": True}


def test_without_a_policy_file_no_class_changes(running: Callable[[str], None]) -> None:
    task_policy.configured.cache_clear()
    with dag_of("batch") as dag:
        BashOperator(task_id="bash", bash_command="true")
    running("bash")
    assert apply(dag) == {"bash": False}
    assert type(dag.get_task("bash")) is BashOperator


def a_wait(policy: Policy, running: Callable[[str], None], store: StateStore, *, mapped: bool = False) -> Any:
    """Let a task defer under the rules; give its DAG as the next process reads it, with what it deferred."""
    with dag_of("batch") as dag:
        a_task(mapped)
    running("work")
    apply(dag)
    work = dag.get_task("work")
    work = work.unmap({"op_args": [3, 4]}) if mapped else work
    with pytest.raises(TaskDeferred) as deferred:
        work.execute(context_of(work, store))
    return deferred.value


def a_task(mapped: bool) -> None:
    if mapped:
        PythonOperator.partial(task_id="work", python_callable=add).expand(op_args=[[1, 2], [3, 4]])
    else:
        PythonOperator(task_id="work", python_callable=add, op_args=[3, 4])


def context_of(work: Any, store: StateStore) -> Any:
    return task_context(store=store, ti=TaskInstance(task_id="work")) | {"task": work, "dag": work.dag}


def resumed(policy: Policy, store: StateStore, text: str | None, *, mapped: bool = False) -> tuple[Any, Any]:
    """Read the DAG in a new process, where the rules are others; give its task and its context."""
    if text is None:
        os.environ.pop("AIRFLOW__CARBON__POLICY_FILE")
        task_policy.configured.cache_clear()
    else:
        policy(text)
    with dag_of("batch") as dag:
        a_task(mapped)
    apply(dag)
    work = dag.get_task("work")
    work = work.unmap({"op_args": [3, 4]}) if mapped else work
    return work, context_of(work, store)


EVENT = {"record": {"reason": "started as planned", "zone": "DE", "source": "somebody"}}


@pytest.mark.parametrize("mapped", [False, True])
@pytest.mark.parametrize("then", [RULES, "rules: []", "rules: [", RULES.replace("enforce", "off"), None])
def test_a_task_that_waits_does_its_work_whatever_became_of_its_rule(
    policy: Policy, running: Callable[[str], None], then: str | None, mapped: bool
) -> None:
    store = StateStore()
    policy(RULES)
    deferred = a_wait(policy, running, store, mapped=mapped)
    assert deferred.method_name == COMPLETE
    work, context = resumed(policy, store, then, mapped=mapped)
    assert work.resume_execution(deferred.method_name, {"event": EVENT}, context) == 7
    assert work.task_type == "PythonOperator"
    if then is not None:
        # With a policy configured the decision is kept as well.
        record = context["ti"].xcoms["carbon_decision"]
        assert (record["location"], record["reason"]) == ("zone:DE", "started as planned")


@pytest.mark.parametrize("then", [RULES, "rules: []", "rules: ["])
def test_a_task_whose_wait_failed_does_its_work_whatever_became_of_its_rule(
    policy: Policy, running: Callable[[str], None], then: str
) -> None:
    store = StateStore()
    policy(RULES)
    a_wait(policy, running, store)
    work, context = resumed(policy, store, then)
    assert work.resume_execution(FAILED, {"error": "Trigger timeout"}, context) == 7


def test_a_trigger_of_the_operators_own_that_fails_still_fails_it(
    policy: Policy, running: Callable[[str], None]
) -> None:
    policy("rules: []")
    running("work")
    work, context = resumed(policy, StateStore(), "rules: []")
    with pytest.raises(Exception, match="broke"):
        work.resume_execution(FAILED, {"error": "broke"}, context)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"schedule": "0 */6 * * *"}, "a wait of up to 8 h is longer than the 6 h between two runs"),
        ({"schedule": timedelta(hours=6)}, "longer than the 6 h between two runs"),
        ({"schedule": "0 0,20 * * *"}, "longer than the 4 h between two runs"),
        ({"max_active_runs": 1}, "with max_active_runs=1 no other run begins while one waits, up to 8 h"),
        ({"default_args": {"depends_on_past": True}}, "with depends_on_past all later runs stand still"),
        ({"schedule": "0 0 * * *"}, None),
        ({"schedule": None}, None),
        ({"schedule": "@once"}, None),
    ],
)
def test_the_guard_warns_of_what_a_wait_would_hold_up(options: dict[str, Any], said: str | None) -> None:
    with dag_of("batch", **options) as dag:
        BashOperator(task_id="bash", bash_command="true")
    told = list(cautions(dag.get_task("bash"), Rules.read(RULES).rules[1]))
    assert (said is None and told == []) or any(said in one for one in told if said)


def test_the_guard_speaks_once_when_a_dag_is_parsed_and_not_in_task_processes(
    policy: Policy, running: Callable[[str], None], caplog: pytest.LogCaptureFixture
) -> None:
    policy(RULES)
    with dag_of("batch", max_active_runs=1) as dag:
        for number in range(3):
            BashOperator(task_id=f"bash_{number}", bash_command="true")
    apply(dag)
    assert [one.getMessage().count("max_active_runs=1 no other") for one in caplog.records] == [1]
    caplog.clear()
    policy(RULES)
    running("bash_0")
    with dag_of("batch", max_active_runs=1) as again:
        BashOperator(task_id="bash_0", bash_command="true")
    apply(again)
    assert caplog.records == []
