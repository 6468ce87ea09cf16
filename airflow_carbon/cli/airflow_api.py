"""Airflow's REST API, as far as a demo or an end-to-end test needs it, on the standard library alone."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote, urlencode

from airflow_carbon.exceptions import LocalAirflowError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

T = TypeVar("T")

#: Pauses before a request is tried again that met a busy database [s].
BUSY_PAUSES = (0.5, 1.0, 2.0, 4.0)
FINISHED = frozenset({"success", "failed"})
# A proxy in the environment would swallow requests to a server on this machine.
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def poll(probe: Callable[[], T | None], *, what: str, timeout: float, interval: float = 0.5) -> T:
    """Ask again and again until there is an answer, and give up after a bounded time.

    :param probe: gives None while there is no answer yet.
    :param what: is awaited, for the message.
    :param timeout: [s].
    :param interval: pause between two questions [s].
    :raises TimeoutError: if no answer came in time; one last question is asked at the very end.
    """
    end = time.monotonic() + timeout
    while True:
        last_chance = time.monotonic() >= end
        answer = probe()
        if answer is not None:
            return answer
        if last_chance:
            raise TimeoutError(f"waited {timeout:g} s in vain for {what}")
        time.sleep(min(interval, max(0.0, end - time.monotonic())))


class AirflowApi:
    """One user's view of one Airflow.

    :param url: of the api-server, for example ``http://127.0.0.1:8080``.
    :param username: to log in as, at the first request that needs it.
    :param password: of that user.
    :param request_timeout: of one request [s].
    """

    def __init__(self, url: str, username: str, password: str, *, request_timeout: float = 30.0) -> None:
        self.url = url.rstrip("/")
        self.username = username
        self._password = password
        self._request_timeout = request_timeout
        self._token: str | None = None

    def __repr__(self) -> str:
        return f"AirflowApi({self.url!r}, {self.username!r})"

    # -- any route ---------------------------------------------------------------------------------------------------

    def request(self, method: str, *path: str, body: object = None, query: Mapping[str, object] | None = None) -> Any:
        """Call a route under ``/api/v2`` and give the decoded JSON answer, or None for an empty one.

        :param path: segments, each encoded on its own: ids hold ``:``, ``+`` and ``/``.
        :raises LocalAirflowError: if Airflow answers with an error, which it quotes.
        """
        for pause in (*BUSY_PAUSES, None):
            status, answer = self._ask(method, path, body, query)
            if status < 400:
                return answer
            if pause is None or status != 500 or "Database error" not in str(answer):
                break
            # SQLite lets one writer in at a time and turns the others away; what it refused was not done.
            time.sleep(pause)
        raise LocalAirflowError(f"{method} /{'/'.join(path)}: {status} {answer}")

    def post(self, route: str, body: object) -> dict[str, Any]:
        """Send JSON to a route of a plugin, with the token in the header, and give its answer.

        :param route: from the root of the server, beginning with ``/``.
        :raises LocalAirflowError: if it refuses, in its own words, or no plugin answers there.
        """
        if self._token is None:
            self._token = self._log_in()
        status, answer = self._send("POST", route, body, {"Authorization": f"Bearer {self._token}"})
        if status < 400 and isinstance(answer, dict):
            return answer
        said = answer
        with suppress(ValueError, TypeError, KeyError):
            said = json.loads(answer)["detail"]
        raise LocalAirflowError(f"{self.url}{route}: {status} {said}")

    def health(self) -> dict[str, Any]:
        """Tell how the components are; needs no login.

        :raises LocalAirflowError: if the api-server answers with an error.
        """
        status, answer = self._send("GET", "/api/v2/monitor/health", None, {})
        if status >= 400:
            raise LocalAirflowError(f"health: {status} {answer}")
        return dict(answer)

    # -- DAGs and runs -----------------------------------------------------------------------------------------------

    def wait_for_dag(self, dag_id: str, *, timeout: float = 60.0) -> dict[str, Any]:
        """Wait until the dag-processor has brought a DAG in.

        :param timeout: [s].
        :raises LocalAirflowError: if it is absent still and there are import errors, which it quotes.
        :raises TimeoutError: if it does not come in time.
        """

        def found() -> dict[str, Any] | None:
            status, answer = self._ask("GET", ("dags", dag_id), None, None)
            return dict(answer) if status == 200 else None

        try:
            return poll(found, what=f"DAG {dag_id} to be parsed", timeout=timeout)
        except TimeoutError:
            errors = self.import_errors()
            if not errors:
                raise
            raise LocalAirflowError(
                f"DAG {dag_id} is not there; import errors:\n"
                + "\n".join(f"{error['filename']}:\n{error['stack_trace']}" for error in errors)
            ) from None

    def import_errors(self) -> list[dict[str, Any]]:
        """List what the dag-processor could not import."""
        errors: list[dict[str, Any]] = self.request("GET", "importErrors")["import_errors"]
        return errors

    def set_paused(self, dag_id: str, paused: bool) -> None:
        """Pause a DAG or let it run."""
        self.request("PATCH", "dags", dag_id, body={"is_paused": paused})

    def trigger(self, dag_id: str, conf: Mapping[str, Any] | None = None, *, run_id: str | None = None) -> str:
        """Start a run without a logical date, as the UI does, and give its id."""
        body: dict[str, Any] = {"logical_date": None, "conf": dict(conf or {})}
        if run_id is not None:
            body["dag_run_id"] = run_id
        run = self.request("POST", "dags", dag_id, "dagRuns", body=body)
        return str(run["dag_run_id"])

    def run(self, dag_id: str, run_id: str) -> dict[str, Any]:
        """Give one run."""
        answer: dict[str, Any] = self.request("GET", "dags", dag_id, "dagRuns", run_id)
        return answer

    def wait_for_run(
        self, dag_id: str, run_id: str, *, states: Collection[str] = FINISHED, timeout: float = 120.0
    ) -> str:
        """Wait until a run is in one of these states and give that state.

        :param timeout: [s].
        :raises TimeoutError: naming the tasks' states, if it does not get there in time.
        """

        def reached() -> str | None:
            state = str(self.run(dag_id, run_id)["state"])
            return state if state in states else None

        try:
            return poll(reached, what=f"run {run_id} of {dag_id} to be {' or '.join(sorted(states))}", timeout=timeout)
        except TimeoutError as error:
            seen = {instance["task_id"]: instance["state"] for instance in self.task_instances(dag_id, run_id)}
            raise TimeoutError(f"{error}; tasks: {seen}") from None

    # -- tasks -------------------------------------------------------------------------------------------------------

    def task_instances(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """List the tasks of a run, mapped ones each by its ``map_index``."""
        answer: list[dict[str, Any]] = self.request("GET", "dags", dag_id, "dagRuns", run_id, "taskInstances")[
            "task_instances"
        ]
        return answer

    def task_instance(self, dag_id: str, run_id: str, task_id: str, *, map_index: int = -1) -> dict[str, Any]:
        """Give one task of a run."""
        path = ["dags", dag_id, "dagRuns", run_id, "taskInstances", task_id]
        answer: dict[str, Any] = self.request("GET", *path, *([] if map_index < 0 else [str(map_index)]))
        return answer

    def wait_for_task(
        self,
        dag_id: str,
        run_id: str,
        task_id: str,
        *,
        map_index: int = -1,
        states: Collection[str] = FINISHED,
        timeout: float = 120.0,
    ) -> str:
        """Wait until a task is in one of these states and give that state.

        :param timeout: [s].
        :raises TimeoutError: naming the state it stands in, if it does not get there in time.
        """
        seen: list[str | None] = []

        def reached() -> str | None:
            state = self.task_instance(dag_id, run_id, task_id, map_index=map_index)["state"]
            seen[:] = [state]
            return str(state) if state in states else None

        try:
            return poll(reached, what=f"task {task_id} to be {' or '.join(sorted(states))}", timeout=timeout)
        except TimeoutError as error:
            raise TimeoutError(f"{error}; it is {seen[0]}") from None

    def xcom(self, dag_id: str, run_id: str, task_id: str, key: str = "return_value", *, map_index: int = -1) -> Any:
        """Give what a task pushed under a key.

        :raises LocalAirflowError: if it pushed nothing there.
        """
        path = ("dags", dag_id, "dagRuns", run_id, "taskInstances", task_id, "xcomEntries", key)
        return self.request("GET", *path, query={"map_index": map_index, "deserialize": "true"})["value"]

    def log(self, dag_id: str, run_id: str, task_id: str, *, try_number: int = 1, map_index: int = -1) -> str:
        """Give what a task wrote to its log in one try, a line for each event and each exception."""
        path = ("dags", dag_id, "dagRuns", run_id, "taskInstances", task_id, "logs", str(try_number))
        content = self.request("GET", *path, query={"map_index": map_index, "full_content": "true"})["content"]
        return "\n".join(text for line in content for text in _spoken(line))

    # -- the wire ----------------------------------------------------------------------------------------------------

    def _ask(
        self, method: str, path: Sequence[str], body: object, query: Mapping[str, object] | None
    ) -> tuple[int, Any]:
        route = "/api/v2/" + "/".join(quote(segment, safe="") for segment in path)
        if query:
            route += "?" + urlencode(query)
        if self._token is not None:
            status, answer = self._send(method, route, body, {"Authorization": f"Bearer {self._token}"})
            # The key of a restarted Airflow may be another one: then log in anew.
            if status != 401:
                return status, answer
        self._token = self._log_in()
        return self._send(method, route, body, {"Authorization": f"Bearer {self._token}"})

    def _log_in(self) -> str:
        status, answer = self._send("POST", "/auth/token", {"username": self.username, "password": self._password}, {})
        if status >= 400:
            raise LocalAirflowError(f"log in to {self.url} as {self.username}: {status} {answer}")
        return str(answer["access_token"])

    def _send(self, method: str, route: str, body: object, headers: Mapping[str, str]) -> tuple[int, Any]:
        data = None if body is None else json.dumps(body).encode()
        sent = {"Accept": "application/json", "Content-Type": "application/json", **headers}
        request = urllib.request.Request(self.url + route, data=data, headers=sent, method=method)  # noqa: S310 (our own server)
        try:
            with _DIRECT.open(request, timeout=self._request_timeout) as response:
                answer = response.read()
                return response.status, json.loads(answer) if answer else None
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read(2000).decode(errors="replace")


def _spoken(line: str | dict[str, Any]) -> list[str]:
    if isinstance(line, str):
        return [line]
    raised = line.get("error_detail") or []
    return [str(line.get("event", "")), *(f"{one.get('exc_type')}: {one.get('exc_value')}" for one in raised)]
