"""Impact Framework itself, installed once; skipped with the reason where that is not possible."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from airflow_carbon.cli.yaml_text import dumped, loaded


@dataclass(frozen=True)
class ImpactFramework:
    """Run it.

    :param folder: of the package.
    :param work: an empty folder to run in.
    """

    folder: Path
    work: Path

    def trees(self, manifests: Sequence[Any]) -> list[dict[str, Any]]:
        """Compute many manifests in one process: ``{"tree": ...}`` or ``{"error": ...}`` for each."""
        source, target = self.work / "manifests.json", self.work / "answers.json"
        source.write_text(json.dumps(manifests))
        script = Path(__file__).parent / "many.js"
        subprocess.run(
            ["node", str(script), str(source), str(target), str(self.folder)],
            check=True,
            capture_output=True,
            cwd=self.work,
        )
        answers: list[dict[str, Any]] = json.loads(target.read_text())
        return answers

    def run(self, manifest: Any) -> dict[str, Any]:
        """Run the command ``if-run`` on one manifest, as a user does, and give what it wrote."""
        source, target = self.work / "in.yml", self.work / "out.yaml"
        source.write_bytes(dumped(manifest))
        target.unlink(missing_ok=True)
        command = [str(self.folder.parent.parent / ".bin" / "if-run"), "-m", str(source), "-o", str(target)]
        subprocess.run(command, check=True, capture_output=True, cwd=self.work)
        answer: dict[str, Any] = loaded(target.read_bytes(), "out.yaml")
        return answer


@pytest.fixture(scope="session")
def impact_framework(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> ImpactFramework:
    """Install Impact Framework unless it is there, and skip where it cannot be."""
    tool = repository / "tools" / "impact_framework.py"
    done = subprocess.run([sys.executable, str(tool)], capture_output=True, text=True, check=False, env=os.environ)
    if done.returncode:
        pytest.skip(done.stderr.strip())
    if shutil.which("node") is None:
        pytest.skip("node not found; install Node.js 18 or newer to compare with Impact Framework")
    folder = repository / ".if" / "node_modules" / "@grnsft" / "if"
    return ImpactFramework(folder, tmp_path_factory.mktemp("if-run"))
