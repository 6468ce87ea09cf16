"""What the browser loads: small, complete, and free of what the policy would refuse."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import pytest
from browser.page_server import PLOTLY, STATIC

FILES = sorted(one for one in STATIC.iterdir() if one.is_file())
#: [bytes]
MOST = 1_500_000


def loaded(name: str, seen: set[str]) -> set[str]:
    """Give a file and all that it links and imports."""
    if name not in seen:
        seen.add(name)
        for link in re.findall(r'(?:from "\./|"\{\{static\}\}/)([^"]+)"', (STATIC / name).read_text()):
            loaded(link, seen)
    return seen


@pytest.mark.parametrize("page", ["index.html", "dag.html", "task.html"])
def test_a_page_with_all_that_it_loads_is_at_most_one_and_a_half_megabytes_compressed(page: str) -> None:
    files = [STATIC / name for name in loaded(page, set())]
    assert len(files) > 15
    assert sum(len(gzip.compress(one.read_bytes(), 9)) for one in [*files, PLOTLY]) <= MOST


@pytest.mark.parametrize("file", FILES, ids=lambda one: one.name)
def test_no_file_holds_what_the_policy_refuses_or_what_reads_a_text_as_html(file: Path) -> None:
    text = file.read_text()
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", text)
    assert not re.search(r"\son[a-z]+\s*=\s*[\"']|javascript:|https?://", text)
    assert not re.search(r"<style|style=|<script(?![^>]*\ssrc=)", text)


def test_every_import_and_every_link_has_its_file() -> None:
    for page in ("index.html", "dag.html", "task.html"):
        assert loaded(page, set()) <= {one.name for one in FILES}


def test_every_file_is_used() -> None:
    used = set().union(*(loaded(page, set()) for page in ("index.html", "dag.html", "task.html")))
    assert used == {one.name for one in FILES}
