"""What ``make audit`` lets pass, and what it says where it knows nothing."""

from __future__ import annotations

import json
import stat
import time
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest


def tool(repository: Path, name: str) -> ModuleType:
    spec = spec_from_file_location(f"tool_{name}", repository / "tools" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("said", "allowed"),
    [
        ("MIT", True),
        ("MIT License", True),
        ("Apache-2.0 OR GPL-3.0-only", True),
        ("GPL-3.0-only OR MIT", True),
        ("MIT AND (BSD-3-Clause OR GPL-2.0-only)", True),
        ("MIT AND GPL-3.0-only", False),
        ("(MIT OR Apache-2.0) AND AGPL-3.0-only", False),
        ("GPL-3.0-only", False),
        ("GNU General Public License v3 (GPLv3)", False),
        ("Business Source License", False),
        ("GPL-3.0-only OR", False),
        ("", False),
    ],
)
def test_an_expression_of_licences_is_read_as_spdx_means_it(repository: Path, said: str, allowed: bool) -> None:
    assert tool(repository, "licences").is_allowed(said) is allowed


def test_every_run_time_dependency_has_a_licence_that_may_be_there(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tool(repository, "licences").main() == 0
    said = capsys.readouterr()
    assert said.err == ""
    assert "0 with a licence that is not on the list" in said.out


def test_a_licence_that_nobody_looked_at_is_refused_by_the_name_of_its_package(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    licences = tool(repository, "licences")
    licences.EXCEPTIONS = {"psycopg": ("MIT", "its licence was another one when it was looked at")}
    assert licences.main() == 1
    said = capsys.readouterr().err
    assert "no permissive licence: psycopg " in said
    assert "no permissive licence: certifi " in said


def answering(folder: Path, dependencies: Any) -> Path:
    """Make a program that answers as pip-audit does."""
    program = folder / "pip-audit"
    written = (
        "" if dependencies is None else f"open(words[words.index('-o') + 1], 'w').write({json.dumps(dependencies)!r})"
    )
    program.write_text(
        "#!/usr/bin/env python3\nimport sys\nwords = sys.argv\n"
        f"{written}\nprint('no name could be resolved', file=sys.stderr)\nsys.exit({int(dependencies is None)})\n"
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return program


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (None, "the service pypi does not answer: no name could be resolved"),
        ({"dependencies": [{"name": "a", "skip_reason": "not found"}]}, "the service pypi knows nothing: not found"),
        ({"dependencies": []}, "knows nothing"),
    ],
)
def test_a_service_that_says_nothing_is_never_taken_for_safety(
    repository: Path, tmp_path: Path, answer: Any, said: str
) -> None:
    audit = tool(repository, "audit")
    with pytest.raises(audit.NotAuditedError, match=said):
        audit.asked(answering(tmp_path, answer), ["a==1"], "pypi", time.monotonic() + 30.0)


def test_a_vulnerability_that_a_service_knows_is_given(repository: Path, tmp_path: Path) -> None:
    found = [{"name": "a", "version": "1", "vulns": [{"id": "PYSEC-1", "fix_versions": ["2"]}]}]
    program = answering(tmp_path, {"dependencies": found})
    assert tool(repository, "audit").asked(program, ["a==1"], "pypi", time.monotonic() + 30.0) == found


def test_an_audit_that_takes_too_long_is_none(repository: Path, tmp_path: Path) -> None:
    audit = tool(repository, "audit")
    program = tmp_path / "pip-audit"
    program.write_text("#!/bin/sh\nsleep 30\n")
    program.chmod(0o755)
    with pytest.raises(audit.NotAuditedError, match="took longer"):
        audit.asked(program, ["a==1"], "pypi", time.monotonic())
