from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from airflow_carbon.cli.main import main
from airflow_carbon.cli.manifest_file import MAX_BYTES
from airflow_carbon.cli.yaml_text import MAX_DEPTH, dumped, loaded

MANIFESTS = Path(__file__).parent.parent / "data" / "manifests"
VISITS = MANIFESTS / "visits_counted_apart.yml"


def refused(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    assert main(["sci", "run", *argv]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    return said.err.removeprefix("airflow-carbon: ").rstrip()


@pytest.fixture
def changed(tmp_path: Path) -> Any:
    """Write a manifest with one text in the place of another, and give its path."""

    def write(old: str, new: str) -> Path:
        text = VISITS.read_text()
        assert old in text
        file = tmp_path / "mine.yml"
        file.write_text(text.replace(old, new, 1))
        return file

    return write


def test_outputs_are_written_and_the_scis_are_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "out.yml"
    assert main(["sci", "run", str(VISITS), "-o", str(output)]) == 0
    tree = loaded(output.read_bytes(), "out.yml")["tree"]
    assert tree["aggregated"] == {"carbon": 20, "sci": 3.5}
    assert tree["sci-over-time"]["report"] == "carbon-over-functional-units"
    said = capsys.readouterr().out
    assert re.search(r"^tree +20 +10 +visits +2 +3\.5$", said, re.MULTILINE)
    assert re.search(r"^  front +6 +10 +visits +0\.6 +1\.125$", said, re.MULTILINE)
    assert "SCI is total carbon over total functional units, the one to report" in said
    assert f"outputs written to {output}" in said


def test_without_a_file_the_outputs_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sci", "run", str(VISITS)]) == 0
    printed = loaded(capsys.readouterr().out.encode(), "stdout")
    assert main(["sci", "run", str(VISITS), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == printed
    assert printed["tree"]["children"]["front"]["aggregated"]["carbon"] == 6


def test_small_numbers_are_not_rounded_away_in_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sci", "run", str(MANIFESTS / "issue_991.yml"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["tree"]["outputs"][0]["sci"] == 0.0027 / 228 + 0.0007 / 228


def test_notes_go_to_stderr_and_do_not_fail(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sci", "run", str(MANIFESTS / "no_orders_at_night.yml"), "--json"]) == 0
    said = capsys.readouterr()
    json.loads(said.out)
    assert said.err.startswith("airflow-carbon: note: tree.children.shop.inputs[0].orders: is 0")


def test_many_notes_are_cut(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document = loaded((MANIFESTS / "no_orders_at_night.yml").read_bytes(), "x")
    document["tree"]["children"]["shop"]["inputs"] *= 15
    (tmp_path / "long.yml").write_bytes(dumped(document))
    assert main(["sci", "run", str(tmp_path / "long.yml")]) == 0
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 11
    assert lines[-1] == "airflow-carbon: note: and 5 more"


def test_a_typo_is_told_with_file_place_and_remedy(changed: Any, capsys: pytest.CaptureFixture[str]) -> None:
    file = changed("carbon: 8, visits: 2", "carbn: 8, visits: 2")
    fault = refused(capsys, str(file))
    assert fault == (
        f"{file}: tree.children.back.inputs[1].carbon: is missing; the row has 'carbn', is 'carbon' meant?"
    )


def test_after_an_error_the_outputs_of_before_are_there_still(
    changed: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out.yml"
    output.write_text("of yesterday\n")
    refused(capsys, str(changed("carbon: 8", "carbon: eight")), "-o", str(output))
    assert output.read_text() == "of yesterday\n"
    assert sorted(one.name for one in tmp_path.iterdir()) == ["mine.yml", "out.yml"]


def test_the_outputs_replace_those_of_before_and_keep_their_mode(tmp_path: Path) -> None:
    output, link = tmp_path / "out.yml", tmp_path / "latest.yml"
    output.write_text("of yesterday\n" * 1000)
    output.chmod(0o640)
    link.symlink_to(output)
    assert main(["sci", "run", str(VISITS), "-o", str(link)]) == 0
    assert link.is_symlink()
    assert output.stat().st_mode & 0o777 == 0o640
    assert loaded(output.read_bytes(), "out.yml")["name"] == "visits counted apart"
    assert len(list(tmp_path.iterdir())) == 2


def test_the_manifest_itself_is_not_written_over(changed: Any, capsys: pytest.CaptureFixture[str]) -> None:
    file = changed("carbon: 8", "carbon: 9")
    before = file.read_bytes()
    assert "is the manifest itself" in refused(capsys, str(file), "-o", str(file))
    assert file.read_bytes() == before


def test_where_nothing_can_be_written_it_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    absent = tmp_path / "absent" / "out.yml"
    assert refused(capsys, str(VISITS), "-o", str(absent)).endswith("cannot be written: No such file or directory")
    assert "is no file" in refused(capsys, str(VISITS), "-o", str(tmp_path))
    assert "is no file" in refused(capsys, str(VISITS), "-o", os.devnull)


def test_a_manifest_that_cannot_be_read_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert refused(capsys, str(tmp_path / "absent.yml")).endswith("cannot be read: No such file or directory")
    assert refused(capsys, str(tmp_path)).endswith("cannot be read: Is a directory")


def test_a_manifest_beyond_all_bounds_is_refused_unread(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    huge = tmp_path / "huge.yml"
    with huge.open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    assert "is larger than 64 MB" in refused(capsys, str(huge))


BILLION = "a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (BILLION, "holds more than 2000000 values"),
        ("tree: &tree\n  children: {x: *tree}\n", "line 2, column 17: *tree contains itself"),
        ("tree: " + "[" * (MAX_DEPTH + 1), "is nested deeper than 64 levels"),
        ("name: a\nname: b\n", "line 2, column 1: the key 'name' is there twice"),
        ("name: !!python/object/apply:os.getcwd []\n", "line 1, column 7: could not determine a constructor"),
        ("name: [a\n", "line 2, column 1: "),
        ("name: a\n--- \nname: b\n", "line 2, column 1: "),
        ("? [a, b]\n: 1\n", "line 1, column 3: a key must be a text"),
        ("name: " + "9" * 5000, "line 1, column 7: is too long for a number"),
        ("name: *nobody\n", "line 1, column 7: found undefined alias"),
        ("", "manifest: nothing must be a manifest"),
        ("just a text", "manifest: 'just a text' must be a manifest"),
    ],
)
def test_a_document_that_is_no_manifest_is_refused_with_its_line(
    text: str, fault: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "bad.yml"
    file.write_text(text)
    said = refused(capsys, str(file))
    assert said.startswith(f"{file}")
    assert fault in said


def test_text_that_is_not_utf_8_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "latin.yml"
    file.write_bytes("name: Größe\n".encode("latin-1"))
    assert "is no YAML in UTF-8" in refused(capsys, str(file))


def test_yaml_is_read_as_impact_framework_reads_it() -> None:
    text = b"""
        NO: no
        on: on
        2026: 010
        time: 12:30
        begins: 2026-03-02T00:00:00
        floats: [1e3, 1.5e-7, 5.e-7, .5, -2E+2]
        integers: [0x1F, 0o17, 1_000, -3]
        nothing: [~, null, ]
        truth: [true, False]
        base: &base {a: 1, b: 2}
        more: {<<: *base, b: 3}
    """
    assert loaded(text, "x") == {
        "NO": "no",
        "on": "on",
        "2026": 10,
        "time": "12:30",
        "begins": "2026-03-02T00:00:00",
        "floats": [1000.0, 1.5e-7, 5e-7, 0.5, -200.0],
        "integers": [31, 15, 1000, -3],
        "nothing": [None, None],
        "truth": [True, False],
        "base": {"a": 1, "b": 2},
        "more": {"a": 1, "b": 3},
    }


def test_what_is_written_is_read_back_to_the_same_values() -> None:
    shared = {"a": 1}
    document = {
        "texts": ["no", "1e3", "0o7", "12", "2026-03-02T00:00:00Z", "", "~", "true", "=a", "Größe", "a: b", "12:30"],
        "numbers": [10, 1.2e-5, 1e17, 5e-324, -0.5, 1 / 3, 123456789012345680.0],
        "others": [None, True, {}, [], shared, shared],
    }
    text = dumped(document)
    assert loaded(text, "x") == document
    assert b"&" not in text
    assert b"\xc3\xb6" in text


def test_a_whole_number_is_written_without_a_point() -> None:
    assert dumped({"carbon": 10.0, "less": -0.25}) == b"carbon: 10\nless: -0.25\n"
