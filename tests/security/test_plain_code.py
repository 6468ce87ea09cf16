"""What the package never does, looked for in its source."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import airflow_carbon

ROOT = Path(airflow_carbon.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))
#: Calls that run what they are given, or read what may run.
NEVER = {
    "eval", "exec", "compile", "os.system", "os.popen", "pickle.load", "pickle.loads", "marshal.load", "marshal.loads",
    "shelve.open", "yaml.unsafe_load", "yaml.full_load", "tempfile.mktemp", "numpy.load", "np.load",
    "ssl._create_unverified_context",
}  # fmt: skip
#: Modules that nothing here needs.
NO_IMPORT = {"pickle", "marshal", "shelve", "dill", "cloudpickle", "telnetlib", "ftplib", "xml"}


def calls(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


def faults(source: str) -> list[str]:
    """Name what must not be."""
    tree, found = ast.parse(source), []
    for name, call in calls(tree):
        keywords = {one.arg: ast.unparse(one.value) for one in call.keywords}
        if name in NEVER or keywords.get("shell") == "True" or keywords.get("verify") in ("False", "0"):
            found.append(f"line {call.lineno}: {name}")
        if name == "yaml.load" and keywords.get("Loader") != "_Loader":
            found.append(f"line {call.lineno}: yaml.load with {keywords.get('Loader')}")
    for node in ast.walk(tree):
        names = (
            [one.name for one in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
        found += [f"line {node.lineno}: import {one}" for one in names if one.partition(".")[0] in NO_IMPORT]
    return found


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_no_file_runs_what_it_reads(file: Path) -> None:
    assert faults(file.read_text()) == []


@pytest.mark.parametrize(
    "source",
    ["import pickle", "from xml.etree import ElementTree", "eval(x)", "yaml.load(x, Loader=yaml.Loader)",
     "subprocess.run(x, shell=True)", "httpx.get(x, verify=False)", "np.load(x)"],
)  # fmt: skip
def test_the_watch_sees_what_must_not_be(source: str) -> None:
    assert faults(source)


def test_every_file_is_watched() -> None:
    assert len(FILES) > 300
