"""The checks of the doctor on Airflow itself: each looks at one thing and yields what it found."""

from __future__ import annotations

import os
import platform
import stat
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from airflow_carbon import __version__
from airflow_carbon.cli.finding import Finding, Health
from airflow_carbon.core.moment import in_words
from airflow_carbon.exceptions import CarbonError

_PACKAGE = "airflow-provider-carbon"
#: Name on the command line, type of its row in the metadata database, and what is missed without it.
_COMPONENTS = (
    ("scheduler", "SchedulerJob", "no task starts without one"),
    ("dag-processor", "DagProcessorJob", "no DAG is read without one"),
    ("triggerer", "TriggererJob", "without one a deferred wait looks for no clean hour: it runs at its latest start"),
)


def installation() -> Iterator[Finding]:
    """Look whether Airflow has discovered this provider."""
    from airflow import __version__ as airflow_version
    from airflow.providers_manager import ProvidersManager

    said = f"Python {platform.python_version()}, Airflow {airflow_version}, {_PACKAGE} {__version__}"
    if _PACKAGE in ProvidersManager().providers:
        yield Finding("installation", Health.OK, f"{said}; the provider is discovered")
    else:
        remedy = f"pip install {_PACKAGE} into the environment that this Airflow runs in"
        yield Finding("installation", Health.FAIL, f"{said}; Airflow has not discovered the provider", remedy)


def database() -> Iterator[Finding]:
    """Look whether the metadata database answers, and which components have a heartbeat in it."""
    from airflow.jobs.job import most_recent_job
    from sqlalchemy.exc import SQLAlchemyError

    try:
        jobs = [most_recent_job(job_type) for _, job_type, _ in _COMPONENTS]
    except SQLAlchemyError as error:
        # The statement and its parameters stand below the first line.
        said = str(error).partition("\n")[0]
        remedy = "run `airflow db migrate`; if that fails too, look at [database] sql_alchemy_conn"
        yield Finding("database", Health.FAIL, said, remedy)
        return
    yield Finding("database", Health.OK, "the metadata database answers")
    for (name, _, missed), job in zip(_COMPONENTS, jobs, strict=True):
        beat = job and job.latest_heartbeat
        ago = f"its last heartbeat was {in_words(datetime.now(UTC) - beat)} ago" if beat else "it has never run here"
        if job and job.is_alive():
            yield Finding(name, Health.OK, f"alive; {ago}")
        else:
            yield Finding(name, Health.WARN, f"not alive: {ago}; {missed}", f"run `airflow {name}`")


def options() -> Iterator[Finding]:
    """Look whether the options of ``[carbon]`` can be read, and the state directory be written."""
    from airflow_carbon.hooks import settings

    try:
        said = (
            f"mode {settings.mode()}, start_margin {in_words(settings.start_margin())}, "
            f"min_defer {in_words(settings.min_defer())}"
        )
    except CarbonError as error:
        yield Finding("options", Health.FAIL, str(error), "correct it in airflow.cfg or in the environment")
        return
    yield Finding("options", Health.OK, f"[carbon] {said}")
    folder = settings.state_dir()
    if folder.is_dir() and folder.stat().st_mode & stat.S_IWOTH:
        remedy = f"chmod o-w {folder}, or set [carbon] state_dir to a folder of Airflow's own user"
        yield Finding("state", Health.WARN, f"{folder} can be written by everybody on this host", remedy)
    elif os.access(_nearest_existing(folder), os.W_OK):
        yield Finding("state", Health.OK, f"{folder} can be written")
    else:
        yield Finding("state", Health.WARN, f"{folder} cannot be written", "set [carbon] state_dir to another folder")


def button() -> Iterator[Finding]:
    """Look whether connections can be tested in the web interface."""
    from airflow.sdk.configuration import conf

    setting = str(conf.get("core", "test_connection", fallback="Disabled"))
    said = f"[core] test_connection is {setting}"
    if setting.lower() != "enabled":
        said += ", Airflow's default: no Test button in the web interface; the checks below ask the same"
    yield Finding("test button", Health.OK, said)


def _nearest_existing(folder: Path) -> Path:
    return next(one for one in (folder, *folder.parents) if one.exists())
