"""Every form in which a task stands in a DAG file, made carbon-aware: its name, links, templates and dependencies."""

from __future__ import annotations

import asyncio
import copy
import pickle
from typing import Any

import pytest
from fakes.task_context import task_context

pytestmark = pytest.mark.airflow

OURS = ("carbon_wait_location", "carbon_wait_duration", "carbon_wait_max_delay")


def a_dag() -> Any:
    from airflow.sdk import DAG

    return DAG("a_dag", schedule=None)


def run_context(dag: Any, **params: Any) -> dict[str, Any]:
    return {**task_context(), "dag": dag, "params": params}


def test_the_task_is_changed_and_given_back_under_its_own_name() -> None:
    from airflow.providers.standard.operators.bash import BashOperator
    from fakes.aware import WAIT

    from airflow_carbon import carbon_aware

    task = BashOperator(task_id="a_task", bash_command="true")
    assert carbon_aware(task, **WAIT) is task
    assert isinstance(task, BashOperator)
    assert (task.task_type, task.operator_name, repr(task)) == (
        "BashOperator",
        "BashOperator",
        "<Task(BashOperator): a_task>",
    )
    assert task.template_fields == ("bash_command", "env", "cwd", *OURS)


def test_the_serialized_dag_shows_the_operators_own_class_and_what_was_asked() -> None:
    from airflow.providers.standard.operators.bash import BashOperator
    from airflow.serialization.serialized_objects import DagSerialization
    from fakes.aware import WAIT

    from airflow_carbon import carbon_aware

    with a_dag() as dag:
        carbon_aware(BashOperator(task_id="one", bash_command="true"), **WAIT)
        carbon_aware(BashOperator.partial(task_id="many").expand(bash_command=["true", "false"]), **WAIT)
    document = DagSerialization.to_dict(dag)
    one, many = (task["__var"] for task in document["dag"]["tasks"])
    for task in (one, many):
        assert (task["task_type"], task["_task_module"]) == (
            "BashOperator",
            "airflow.providers.standard.operators.bash",
        )
        assert task["_operator_extra_links"] == {"Carbon source": "_link_CarbonSourceLink"}
        assert task["template_fields"] == ["bash_command", "env", "cwd", *OURS]
    assert one["carbon_wait_location"] == "azure:uksouth"
    restored = DagSerialization.from_dict(document)
    assert [task.task_type for task in restored.tasks] == ["BashOperator", "BashOperator"]


def test_what_is_asked_is_templated_beside_the_operators_own_fields() -> None:
    from fakes.aware import deferral, worker

    with a_dag() as dag:
        one = worker(said="{{ params.said }}", location="{{ params.place }}", max_delay="{{ params.wait }}")
    context = run_context(dag, said="hello", place="zone:GB", wait="9h")
    one.render_template_fields(context)
    trigger = deferral(one, context).trigger
    assert one.said == "hello"
    assert trigger.location == "zone:GB"
    # The class, of which another try makes another task, still holds what was written.
    assert type(one).carbon_wait_location == "{{ params.place }}"


def test_a_mapped_task_is_made_anew_by_its_own_arguments_and_waits() -> None:
    from fakes.aware import WAIT, Worker, deferral

    from airflow_carbon import carbon_aware

    with a_dag() as dag:
        mapped = carbon_aware(
            Worker.partial(task_id="a_task").expand(said=["{{ params.said }} 1", "2"]),
            **{**WAIT, "location": "{{ params.place }}"},
        )
    assert (mapped.task_type, mapped.operator_name, repr(mapped)) == ("Worker", "Worker", "<Mapped(Worker): a_task>")
    context = run_context(dag, said="hello", place="zone:GB")
    one = mapped.unmap({"said": "{{ params.said }} 1"})
    one._do_render_template_fields(one, mapped.template_fields, context, dag.get_template_env(), set())
    assert one.said == "hello 1"
    assert deferral(one, context).trigger.location == "zone:GB"


@pytest.mark.parametrize("form", ["called", "mapped", "stacked", "stacked and mapped"])
def test_a_taskflow_function_keeps_its_own_name_arguments_and_result(form: str) -> None:
    from airflow.sdk import task
    from fakes.aware import WAIT, deferral, event, process

    from airflow_carbon import carbon_aware

    with a_dag() as dag:

        def double(number: int) -> int:
            return 2 * number

        decorated: Any
        if form.startswith("stacked"):
            decorated = carbon_aware(**WAIT)(task(retries=3)(double))
        else:
            decorated = task.carbon_aware(**WAIT, retries=3)(double)
        made = decorated.expand(number=[4]) if form.endswith("mapped") else decorated(4)
    one = made.operator
    assert (one.task_id, one.operator_name, one.retries) == ("double", "@task", 3)
    if form.endswith("mapped"):
        one = one.unmap({"op_kwargs": {"number": 4}})
    one.show_return_value_in_logs = False
    context = run_context(dag)
    deferral(one, context)
    context["outlet_events"] = {}
    assert process(one, context, "carbon_wait_complete", event()) == 8


def test_a_taskflow_function_keeps_multiple_outputs_setup_and_override() -> None:
    from airflow.sdk import setup, task, teardown
    from fakes.aware import WAIT

    with a_dag():

        @task.carbon_aware(**WAIT, multiple_outputs=True)
        def both() -> dict[str, int]:
            return {"one": 1}

        @setup
        @task.carbon_aware(**WAIT)
        def begin() -> None: ...

        @teardown(on_failure_fail_dagrun=True)
        @task.carbon_aware(**WAIT)
        def end() -> None: ...

        assert both().operator.multiple_outputs
        renamed = both.override(task_id="renamed")().operator
        assert (renamed.task_id, renamed.template_fields[-3:]) == ("renamed", OURS)
        assert begin().operator.is_setup
        last = end().operator
        assert (last.is_teardown, last.on_failure_fail_dagrun) == (True, True)


def test_a_decorated_function_that_is_made_carbon_aware_leaves_the_plain_one_as_it_was() -> None:
    from airflow.sdk import setup, task
    from fakes.aware import WAIT

    from airflow_carbon import carbon_aware
    from airflow_carbon.decorators.carbon_aware import is_carbon_aware

    with a_dag():

        @setup
        @task
        def plain() -> None: ...

        aware: Any = carbon_aware(plain, **WAIT)
        assert not is_carbon_aware(plain().operator)
        waiting = aware().operator
        assert is_carbon_aware(waiting)
        assert waiting.is_setup


def test_what_a_bash_or_virtualenv_function_runs_is_free_of_this_packages_decorator() -> None:
    from airflow.sdk import task
    from fakes.aware import WAIT

    import airflow_carbon
    from airflow_carbon import carbon_aware

    with a_dag():

        @carbon_aware(**WAIT)
        @task.virtualenv(requirements=["idna"])
        def encode() -> str:
            return "one"

        @airflow_carbon.carbon_aware(**WAIT)
        @task.bash
        def shell() -> str:
            return "echo hello"

        source = encode().operator.get_python_source()
        assert source.startswith("def encode() -> str:")
        assert shell().operator.operator_name == "@task.bash"
        assert shell().operator.get_python_source().startswith("def shell() -> str:")


@pytest.mark.parametrize("form", ["operator", "mapped", "called", "expanded", "stacked"])
def test_a_task_follows_the_one_that_tells_it_where_it_runs(form: str) -> None:
    from airflow.sdk import task
    from fakes.aware import WAIT, Worker

    from airflow_carbon import carbon_aware

    with a_dag() as dag:

        @task
        def choose() -> str:
            return "zone:GB"

        wait = {**WAIT, "location": choose()}

        @task.carbon_aware(**wait)
        def flow(number: int) -> int:
            return number

        if form == "operator":
            carbon_aware(Worker(task_id="a_task"), **wait)
        elif form == "mapped":
            carbon_aware(Worker.partial(task_id="a_task").expand(said=["1"]), **wait)
        elif form == "called":
            flow.override(task_id="a_task")(1)
        elif form == "expanded":
            flow.override(task_id="a_task").expand(number=[1])
        else:
            carbon_aware(task(task_id="a_task")(lambda: 1)(), **wait)
    assert dag.get_task("a_task").upstream_task_ids == {"choose"}


def test_it_keeps_the_operators_own_links_and_leads_to_its_own_source() -> None:
    from airflow.sdk import BaseOperator, BaseOperatorLink
    from fakes.aware import WAIT

    from airflow_carbon import carbon_aware

    class Elsewhere(BaseOperatorLink):
        name = "Elsewhere"

        def get_link(self, operator: Any, *, ti_key: Any) -> str:
            return "https://elsewhere.example"

    class OnTheClass(BaseOperator):
        operator_extra_links = (Elsewhere(),)
        source_url = "https://data.example"

    class OnTheInstance(BaseOperator):
        def __init__(self, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.operator_extra_links = [Elsewhere()]
            self.template_fields = ["task_note"]
            self.task_note = "{{ ds }}"

    class AsProperty(BaseOperator):
        @property
        def operator_extra_links(self) -> Any:
            return (Elsewhere(),)

    for kind in (OnTheClass, OnTheInstance, AsProperty):
        one: Any = carbon_aware(kind(task_id=kind.__name__), **WAIT)
        assert [link.name for link in one.operator_extra_links] == ["Elsewhere", "Carbon source"]
        assert one.operator_extra_links[1].get_link(one, ti_key=None) == ""
        one.carbon_source_url = "https://grid.example"
        assert one.operator_extra_links[1].get_link(one, ti_key=None) == "https://grid.example"
        if kind is OnTheInstance:
            assert tuple(one.template_fields) == ("task_note", *OURS)


def test_the_operators_own_trigger_never_starts_in_its_place() -> None:
    from airflow.sdk import BaseOperator
    from fakes.aware import WAIT

    from airflow_carbon import carbon_aware

    class Eager(BaseOperator):
        start_from_trigger = True

        def __init__(self, *, start_from_trigger: bool = True, word: str = "", **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.start_from_trigger = start_from_trigger

    one = carbon_aware(Eager(task_id="one"), **WAIT)
    one.start_from_trigger = True
    assert one.start_from_trigger is False
    with a_dag():
        mapped = carbon_aware(Eager.partial(task_id="many", start_from_trigger=True).expand(word=["a"]), **WAIT)
    assert mapped.start_from_trigger is False
    assert mapped.partial_kwargs["start_from_trigger"] is False
    assert type(one).start_from_trigger is False


def test_fields_of_the_same_name_stay_the_operators_own() -> None:
    from airflow.sdk import BaseOperator
    from fakes.aware import WAIT, deferral

    from airflow_carbon import carbon_aware

    class Located(BaseOperator):
        template_fields = ("location",)

        def __init__(self, *, location: str, duration: int, carbon_conn_id: str, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.location, self.duration, self.carbon_conn_id = location, duration, carbon_conn_id

    one = Located(task_id="a_task", location="bucket", duration=3, carbon_conn_id="mine")
    trigger = deferral(carbon_aware(one, **WAIT), task_context()).trigger
    assert (one.location, one.duration, one.carbon_conn_id) == ("bucket", 3, "mine")
    assert (trigger.location, trigger.carbon_conn_id) == ("azure:uksouth", [])


def test_its_class_survives_copies_and_pickling() -> None:
    from fakes.aware import WAIT, Worker, deferral, worker

    from airflow_carbon import carbon_aware

    one = worker(said="hello", max_delay="9h")
    prepared = one.prepare_for_execution()
    assert type(prepared) is type(one)
    for again in (copy.deepcopy(one), pickle.loads(pickle.dumps(one))):
        assert (again.task_id, again.said, again.task_type) == ("a_task", "hello", "Worker")
        assert deferral(again, task_context()).trigger.location == "azure:uksouth"
    with a_dag() as dag:
        carbon_aware(Worker.partial(task_id="a_task").expand(said=["1"]), **WAIT)
    mapped = pickle.loads(pickle.dumps(dag)).get_task("a_task")
    assert deferral(mapped.unmap({"said": "1"}), task_context()).trigger.location == "azure:uksouth"


def test_an_operator_of_a_class_made_in_a_way_of_its_own() -> None:
    from airflow.sdk.bases.operator import BaseOperatorMeta
    from fakes.aware import WAIT, Worker, deferral

    from airflow_carbon import carbon_aware

    class Registering(BaseOperatorMeta):
        pass

    class Odd(Worker, metaclass=Registering):
        pass

    one = carbon_aware(Odd(task_id="a_task"), **WAIT)
    deferral(one, task_context())
    assert isinstance(type(one), Registering)


def test_an_asynchronous_function_is_awaited_after_the_wait() -> None:
    from airflow.providers.standard.operators.python import PythonOperator
    from fakes.aware import WAIT, deferral, event, process

    from airflow_carbon import carbon_aware

    async def answer() -> int:
        return 42

    one, context = carbon_aware(PythonOperator(task_id="a_task", python_callable=answer), **WAIT), task_context()
    deferral(one, context)
    context["outlet_events"] = {}
    # Without one of its own Airflow makes a loop for the task, and closes it.
    asyncio.set_event_loop(None)
    assert process(one, context, "carbon_wait_complete", event()) == 42
