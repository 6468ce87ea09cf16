"""What administrators and newcomers do: rules, a release, a check-up, a look around."""

from __future__ import annotations

from airflow_carbon.cli.commands.arguments import CONN_ID, JSON, URL, USER, WHERE
from airflow_carbon.cli.commands.declared import Command, Group, argument

OPERATING: tuple[Command | Group, ...] = (
    Group(
        "policy",
        "Rules of the deployment",
        "The rules of [carbon] policy_file: which tasks wait for clean power though their DAGs say nothing of it.",
        (
            Command(
                "check",
                "Look for mistakes",
                "Read the policy file and name every mistake by line and key. Exits with 1 where there is one.",
                (
                    argument("file", nargs="?", metavar="FILE", help="a YAML file (default: [carbon] policy_file)"),
                    JSON,
                ),
                "airflow_carbon.cli.policy.run_check",
            ),
            Command(
                "explain",
                "What applies to a DAG",
                "Read a DAG from its file, and tell what applies to each of its tasks and why. "
                "Exits with 1 where the policy file has a mistake.",
                (
                    argument("dag", metavar="DAG"),
                    argument("--file", metavar="FILE", help="the policy (default: [carbon] policy_file)"),
                    argument("--dags", metavar="PATH", help="file or folder of the DAG (default: the DAG bundles)"),
                    JSON,
                ),
                "airflow_carbon.cli.policy.run_explain",
            ),
        ),
    ),
    Command(
        "release",
        "Start a waiting task now",
        "Start a task that waits for clean power now, and keep who asked and why in the ledger, as an override. Asks "
        "the api-server with the token in AIRFLOW_CARBON_TOKEN, or --user and the password in AIRFLOW_CARBON_PASSWORD.",
        (
            argument("dag_id", metavar="DAG"),
            argument("run_id", metavar="RUN"),
            argument("task_id", metavar="TASK"),
            argument("--map-index", type=int, default=-1, metavar="N", help="of a mapped task"),
            argument("--reason", required=True, metavar="TEXT", help="why; kept with the decision"),
            URL,
            USER,
            JSON,
        ),
        "airflow_carbon.cli.release.run",
    ),
    Command(
        "doctor",
        "Check this installation",
        "Check Airflow, its triggerer, the [carbon] options and the connections, and make one plan. "
        "Exits with 1 if a check failed; warnings do not count.",
        (
            argument("--location", default="zone:GB", metavar="LOCATION", help=f"where your work runs: {WHERE}"),
            CONN_ID,
            JSON,
        ),
        "airflow_carbon.cli.doctor.run",
    ),
    Command(
        "demo",
        "See it work",
        "Start an Airflow of its own in a folder of its own, run the examples on it, and show what they decided.",
        (
            argument("--stay", action="store_true", help="leave Airflow running, and say where to log in"),
            argument("--home", metavar="PATH", help="keep that Airflow in this folder"),
            argument("--dags", metavar="PATH", help="folder of DAGs to run instead of the examples"),
            JSON,
        ),
        "airflow_carbon.cli.demo.run",
    ),
)
