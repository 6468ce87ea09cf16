"""The package as users meet it: its version, its lazy names, and what importing it costs nobody."""

from __future__ import annotations

import json
import pickle
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import airflow_carbon
from airflow_carbon import exceptions

HEAVY = ["fastapi", "httpx", "numpy", "sqlalchemy"]
PUBLIC = sorted(set(airflow_carbon.__all__) - {"__version__"})

# Imports what a DAG file imports, and prints who in this package imported something heavy. Airflow's own authoring
# names come first: what they bring along is Airflow's. A heavy module counts if one of our modules asks for it itself,
# or if it is loaded for the first time below one of ours.
WATCH = """
import builtins, json, sys

from airflow.sdk import DAG, BaseHook, BaseOperator, BaseOperatorLink, BaseSensorOperator, task, timezone
from airflow.triggers.base import BaseTrigger, TriggerEvent

heavy, code = json.loads(sys.argv[1])
blamed = []
plain_import = builtins.__import__

def ours(frame):
    while frame is not None:
        if frame.f_globals.get("__name__", "").startswith("airflow_carbon"):
            return frame.f_globals["__name__"]
        frame = frame.f_back

def watched_import(name, globals=None, locals=None, fromlist=(), level=0):
    root = name.partition(".")[0]
    if level == 0 and root in heavy:
        importer = (globals or {}).get("__name__", "")
        if importer.startswith("airflow_carbon"):
            blamed.append(f"{importer} imports {name}")
        elif root not in sys.modules and (culprit := ours(sys._getframe(1))):
            blamed.append(f"{culprit} causes {importer} to import {name}")
    return plain_import(name, globals, locals, fromlist, level)

builtins.__import__ = watched_import
exec(compile(code, "dag.py", "exec"), {"__name__": "dag"})
print(json.dumps(blamed))
"""


def blamed_imports(code: str, environment: dict[str, str] | None = None) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", WATCH, json.dumps([HEAVY, code])],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    blamed: list[str] = json.loads(done.stdout.splitlines()[-1])
    return blamed


def test_the_version_is_one_that_packaging_understands() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+((a|b|rc)\d+)?", airflow_carbon.__version__)


def test_the_changelog_knows_this_version(repository: Path) -> None:
    assert f"## {airflow_carbon.__version__}" in (repository / "CHANGELOG.md").read_text()


def test_the_version_is_written_in_one_place(repository: Path) -> None:
    project = tomllib.loads((repository / "pyproject.toml").read_text())["project"]
    assert "version" not in project
    assert project["dynamic"] == ["version"]


def test_every_dependency_is_pinned_and_no_index_is_named(repository: Path) -> None:
    project = tomllib.loads((repository / "pyproject.toml").read_text())["project"]
    listed = (*project["dependencies"], *project["optional-dependencies"]["dev"])
    wanted = {re.split(r"[^\w.-]", line)[0] for line in listed}
    lines = (repository / "constraints.txt").read_text().splitlines()
    assert [line for line in lines if not re.fullmatch(r"[\w.-]+==[\w.+!-]+( ; .+)?", line)] == []
    assert wanted <= {line.partition("==")[0] for line in lines}


def test_importing_the_package_imports_nothing_but_itself() -> None:
    code = "import sys; before = set(sys.modules); import airflow_carbon; print(*sorted(set(sys.modules) - before))"
    loaded = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True, check=True, cwd=_root())
    roots = {name.partition(".")[0] for name in loaded.stdout.split()}
    assert roots - set(sys.stdlib_module_names) == {"airflow_carbon"}
    assert {name for name in loaded.stdout.split() if name.startswith("airflow_carbon")} == {"airflow_carbon"}


@pytest.mark.airflow
@pytest.mark.parametrize("name", PUBLIC)
def test_a_public_name_is_there_and_listed(name: str) -> None:
    assert getattr(airflow_carbon, name).__name__ == name
    assert name in dir(airflow_carbon)


def test_a_name_that_is_not_public_is_refused_with_those_that_are() -> None:
    with pytest.raises(AttributeError, match=r"no attribute 'CarbonSensor'; public names: .*CarbonAwareSensor"):
        airflow_carbon.CarbonSensor  # noqa: B018


@pytest.mark.airflow
@pytest.mark.parametrize("name", PUBLIC)
def test_importing_a_public_name_in_a_dag_imports_nothing_heavy(name: str) -> None:
    assert blamed_imports(f"from airflow_carbon import {name}") == []


@pytest.mark.airflow
def test_parsing_the_example_dags_imports_nothing_heavy(repository: Path) -> None:
    examples = sorted((repository / "example_dags").glob("*.py"))
    assert examples
    for example in examples:
        assert blamed_imports(f"import runpy; runpy.run_path({str(example)!r})") == [], example.name


@pytest.mark.airflow
def test_importing_the_trigger_and_the_hooks_imports_nothing_heavy(repository: Path) -> None:
    folders = ("hooks", "triggers")
    files = [file for folder in folders for file in (repository / "airflow_carbon" / folder).glob("*.py")]
    modules = [f"airflow_carbon.{file.parent.name}.{file.stem}" for file in files if file.stem != "__init__"]
    assert len(modules) >= 3
    assert blamed_imports("import " + ", ".join(modules)) == []


@pytest.mark.airflow
def test_the_watch_on_imports_sees_a_heavy_import_direct_or_through_another(tmp_path: Path) -> None:
    package = tmp_path / "airflow_carbon_spoilt"
    package.mkdir()
    (package / "__init__.py").write_text("def late():\n    import httpx\n")
    (package / "direct.py").write_text("import numpy.linalg\n")
    (package / "through.py").write_text("import bystander\n")
    (tmp_path / "bystander.py").write_text("import fastapi_stand_in as fastapi\nimport sqlalchemy\n")
    (tmp_path / "fastapi_stand_in.py").write_text("")
    path = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); sys.modules.pop('sqlalchemy', None); "
    assert blamed_imports(path + "import airflow_carbon_spoilt") == []
    assert blamed_imports(path + "import airflow_carbon_spoilt.direct") == [
        "airflow_carbon_spoilt.direct imports numpy.linalg"
    ]
    assert blamed_imports(path + "import airflow_carbon_spoilt.through") == [
        "airflow_carbon_spoilt.through causes bystander to import sqlalchemy"
    ]
    assert blamed_imports(path + "import airflow_carbon_spoilt as p; p.late()") == [
        "airflow_carbon_spoilt imports httpx"
    ]


def test_every_error_of_the_tree_survives_pickling() -> None:
    errors = [kind for kind in vars(exceptions).values() if isinstance(kind, type) and issubclass(kind, Exception)]
    assert exceptions.CarbonError in errors
    for kind in errors:
        copy = pickle.loads(pickle.dumps(kind("deadline: too early")))
        assert (type(copy), str(copy)) == (kind, "deadline: too early")
        assert issubclass(kind, exceptions.CarbonError)


def _root() -> Path:
    return Path(airflow_carbon.__file__).parent.parent
