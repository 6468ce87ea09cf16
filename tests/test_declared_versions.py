"""What ``pyproject.toml`` says that this runs on is among what ``make test-compat`` runs."""

from __future__ import annotations

import sys
import tomllib
from datetime import date
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

if TYPE_CHECKING:
    from packaging.specifiers import SpecifierSet

PYTHON = "Programming Language :: Python :: 3."


@pytest.fixture
def compat(repository: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = spec_from_file_location("tool_compat", repository / "tools" / "compat.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def project(repository: Path) -> dict[str, Any]:
    declared: dict[str, Any] = tomllib.loads((repository / "pyproject.toml").read_text())["project"]
    return declared


def airflow_declared(project: dict[str, Any]) -> SpecifierSet:
    wanted = [Requirement(one) for one in project["dependencies"]]
    return next(one.specifier for one in wanted if one.name == "apache-airflow")


def pinned(repository: Path) -> Version:
    lines = (repository / "constraints.txt").read_text().splitlines()
    return Version(next(line.partition("==")[2] for line in lines if line.startswith("apache-airflow==")))


def test_no_airflow_is_declared_below_the_lowest_that_is_run(compat: ModuleType, project: dict[str, Any]) -> None:
    floors = [Version(one.version) for one in airflow_declared(project) if one.operator == ">="]
    assert Version(compat.COMBINATIONS["lowest"].airflow) <= floors[0]


def test_the_highest_that_is_run_is_the_one_that_is_pinned(compat: ModuleType, repository: Path) -> None:
    ran = [Version(one.airflow) for one in compat.COMBINATIONS.values()]
    assert max(ran) == Version(compat.COMBINATIONS["highest"].airflow) == pinned(repository)


def test_no_airflow_is_declared_behind_the_minor_version_of_the_highest_that_is_run(
    compat: ModuleType, project: dict[str, Any]
) -> None:
    highest = max(Version(one.airflow) for one in compat.COMBINATIONS.values())
    declared = airflow_declared(project)
    assert f"{highest}" in declared
    assert f"{highest.major}.{highest.minor + 1}.0" not in declared


def test_each_python_that_is_declared_is_run(compat: ModuleType, project: dict[str, Any]) -> None:
    ran = {one.python for one in compat.COMBINATIONS.values()}
    named = {f"3.{one.removeprefix(PYTHON)}" for one in project["classifiers"] if one.startswith(PYTHON)}
    assert named
    assert named <= ran


def test_an_older_airflow_gets_nothing_that_is_younger_than_itself(compat: ModuleType) -> None:
    for name, one in compat.COMBINATIONS.items():
        assert bool(one.released) is (name != "highest")
        if one.released:
            date.fromisoformat(one.released)


def test_a_combination_that_is_not_there_is_refused_by_name(compat: ModuleType) -> None:
    with pytest.raises(SystemExit, match="oldest: no such combination; there are lowest, middle, highest"):
        compat.main(["oldest"])


def test_the_light_part_is_run_unless_all_is_asked_for(compat: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("E2E", raising=False)
    monkeypatch.setenv("WORKERS", "1")
    monkeypatch.setenv("PYTEST", "-x 'tests/core'")
    words = compat.words()
    assert words[words.index("-m") + 1] == "not e2e and not browser"
    assert words[-4:] == ["-n", "1", "-x", "tests/core"]
    monkeypatch.setenv("E2E", "1")
    assert "-m" not in compat.words()


def test_an_interpreter_that_does_not_run_is_passed_over(
    compat: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    for folder, line in (("shims", "exit 127"), ("bin", f'exec "{sys.executable}" "$@"')):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / f"python{version}").write_text(f"#!/bin/sh\n{line}\n")
        (tmp_path / folder / f"python{version}").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'shims'}:{tmp_path / 'bin'}")
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "none"))
    monkeypatch.delenv(f"PYTHON{version.replace('.', '')}", raising=False)
    assert compat.interpreter(version) == str(tmp_path / "bin" / f"python{version}")
    assert compat.interpreter("3.99") == "3.99"
