"""What the cluster policy costs a task process, with a DAG of 100 tasks: CPU time, beside a process without it."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

RUNS = 7
TARGET_MS = 1.0
RULES = "rules: [{match: {tags: [batch]}, location: 'zone:DE', duration: 1h, max_delay: 8h}]"
#: Airflow's own modules are loaded first: each task process has them, whoever is installed.
PROCESS = """
import os, sys, time
import airflow.sdk.execution_time.task_runner, airflow.dag_processing.dagbag
for name in [name for name in sys.modules if name.startswith("airflow_carbon.policy")]:
    del sys.modules[name]
from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG
with DAG("a_dag", tags=["batch"]) as dag:
    for number in range(100):
        BashOperator(task_id=f"task_{number}", bash_command="true")
os.environ["_AIRFLOW_PARSING_CONTEXT_TASK_ID"] = "task_50"
begin = time.process_time_ns()
from airflow_carbon.policy.task_policy import task_policy
for task in dag.tasks:
    task_policy(task)
print((time.process_time_ns() - begin) / 1e6)
"""


def measured(home: str, policy: Path | None) -> list[float]:
    """Give the CPU time [ms] of the policy in some processes."""
    environment = {"AIRFLOW_HOME": home, "AIRFLOW__CORE__LOAD_EXAMPLES": "False", "PATH": "/usr/bin:/bin"}
    if policy is not None:
        environment["AIRFLOW__CARBON__POLICY_FILE"] = str(policy)
    command = [sys.executable, "-c", PROCESS]
    told = [subprocess.run(command, env=environment, capture_output=True, text=True, check=True) for _ in range(RUNS)]
    return [float(one.stdout.split()[-1]) for one in told]


def main() -> None:
    with tempfile.TemporaryDirectory() as home:
        policy = Path(home) / "carbon.yaml"
        policy.write_text(RULES)
        print(f"{'policy in a task process, DAG of 100 tasks':44}{'target':>12}{'least':>12}{'median':>12}")
        for name, target, file in (
            ("no policy file", f"{TARGET_MS:.0f} ms", None),
            ("one rule, in shadow", "", policy),
        ):
            took = measured(home, file)
            print(f"{name:44}{target:>12}{min(took):>9.2f} ms{statistics.median(took):>9.2f} ms")


if __name__ == "__main__":
    main()
