"""What SECURITY.md says of tests."""

from __future__ import annotations

import re
from pathlib import Path

NAMED = re.compile(r"`(test_\w+)`")


def lines(repository: Path) -> list[list[str]]:
    """Give the rows of its tables that end with tests."""
    rows, header = [], ""
    for line in (repository / "SECURITY.md").read_text(encoding="utf-8").splitlines():
        if line.startswith("| "):
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            if cells[-1] == "tests":
                header = "tests"
            elif header and not set(cells[0]) <= {"-"}:
                rows.append(cells)
        else:
            header = ""
    return rows


def test_every_test_that_is_named_exists(repository: Path) -> None:
    text = (repository / "SECURITY.md").read_text(encoding="utf-8")
    known = {
        name
        for file in (repository / "tests").rglob("test_*.py")
        for name in re.findall(r"^ *(?:async )?def (test_\w+)\(", file.read_text(encoding="utf-8"), re.MULTILINE)
    }
    named = set(NAMED.findall(text))
    assert len(named) > 80
    assert named - known == set()


def test_every_line_of_the_threat_model_has_a_test(repository: Path) -> None:
    rows = lines(repository)
    assert len(rows) > 50
    assert [cells for cells in rows if len(cells) != 3 or not NAMED.findall(cells[-1])] == []
