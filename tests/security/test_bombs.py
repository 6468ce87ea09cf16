"""What is small when it comes and large, deep or slow when it is read; a process that reads it may not die of it."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from fakes.scripted import answered

from airflow_carbon.exceptions import SourceResponseError
from airflow_carbon.web.http import MOST_VALUES

#: Far above what any of them takes; without a bound they take hours, or the process dies of a full stack.
PATIENCE_SECONDS = 120.0


def survives(code: str) -> str:
    """Run code in a process; give what it prints."""
    begin = "from airflow_carbon.exceptions import CarbonError\n"
    done = subprocess.run(
        [sys.executable, "-c", begin + code], capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False
    )
    assert done.returncode == 0, f"{done.returncode}: {done.stderr[-2000:]}"
    return done.stdout.strip()


@pytest.mark.parametrize("unit", ["[],", "{},", "0,", '{"a":1},', '"",'])
def test_an_answer_of_more_values_than_any_service_has_is_not_built(unit: str) -> None:
    body = f"[{unit * (MOST_VALUES + 1)}0]".encode()
    assert len(body) < 4 * 1024**2
    with pytest.raises(SourceResponseError, match=f"values, and {MOST_VALUES} are the most"):
        answered(body)


def test_a_million_points_are_refused_and_a_month_of_five_minutes_is_not() -> None:
    point = {"period_start": "2026-01-01T00:00:00Z", "carbon": 1, "a": "", "b": "", "c": "", "d": "", "e": "", "f": ""}
    month = 31 * 288
    assert len(answered(json.dumps([point] * month).encode())) == month
    with pytest.raises(SourceResponseError):
        answered(json.dumps([0] * 1_000_000).encode())


@pytest.mark.parametrize("text", ['"[" * {n}', '"{{a: " * {n}', '"- " * {n}', '"a: &a [*a]\\n" * 3', '"? " * {n}'])
@pytest.mark.parametrize("n", [1_000, 300_000])
def test_a_policy_file_that_is_nested_too_deep_is_a_fault_and_no_dead_process(text: str, n: int) -> None:
    code = f"""
from airflow_carbon.policy.rules import Rules
rules = Rules.read({text.format(n=n)})
assert rules.faults or not rules, rules
"""
    survives(code)


@pytest.mark.parametrize(
    "text",
    [
        '"[" * 300_000',
        '"{a: " * 300_000',
        '"- " * 300_000',
        # Nine levels of ten: a billion laughs.
        r'"a0: &a0 [x,x]\n" + "".join(f"a{i}: &a{i} [" + ",".join([f"*a{i-1}"] * 10) + "]\n" for i in range(1, 10))',
        r'"a0: &a0 {x: 1}\n" + "".join(f"a{i}: &a{i} {{<<: [" + ",".join([f"*a{i-1}"] * 10) + "]}\n"'
        " for i in range(1, 12))",
        # The same key at the end of many.
        r'"".join(f"k{i}: 1\n" for i in range(100_000)) + "k99999: 1\n"',
        '"x: " + "9" * 100_000',
    ],
)
def test_a_manifest_that_would_fill_the_memory_or_the_day_is_refused(text: str) -> None:
    code = f"""
from airflow_carbon.cli.yaml_text import loaded
try:
    loaded(({text}).encode(), "m.yml")
except CarbonError as error:
    print(error)
"""
    assert survives(code).startswith("m.yml")


@pytest.mark.parametrize(
    "text",
    [
        '"[" * 300_000',
        '"{" * 300_000',
        '"-" * 300_000 + "1"',
        '"1+" * 100_000 + "1"',
        '"(" * 300_000',
        '"[" + "9" * 100_000 + "]"',
    ],
)
def test_a_list_from_a_template_that_nobody_could_read_is_refused(text: str) -> None:
    code = f"""
from airflow_carbon.core.literal import literal
try:
    literal({text}, "regions")
except CarbonError as error:
    print(str(error)[:8])
"""
    assert survives(code) == "regions:"


#: Readers of texts that others write.
READERS = {
    "durations": ("core.moment", "parse_duration(text, 'duration')"),
    "moments": ("core.moment", "parse_moment(text, 'deadline')"),
    "places": ("core.location", "Location.parse(text)"),
    "powers": ("core.power", "PowerProfile.parse(text)"),
    "energies": ("core.energy_given", "parse_basis(text)"),
    "addresses": ("hooks.fields", "address(text, 'host')"),
    "paths": ("hooks.fields", "dotted_path(text, 'callable')"),
    "postcodes": ("hooks.fields", "region_or_postcode(text, 'region')"),
    "words": ("web.service_words", "words_of(text.encode(), {})"),
    "rests": ("web.service_words", "rest_asked_for({'retry-after': text})"),
    "prices": ("prices.table", "read_csv('region,sku,purchase,per_hour\\nazure:x,y,spot,' + text, file='f')"),
    "moments of the WebApi": ("plugin.webapi.wire", "_STRICT.fullmatch(text)"),
    "percentiles": ("decorators.wished", "_PERCENTILE.fullmatch(text)"),
}
#: What makes a careless expression try every way to split a text.
TEXTS = """
n = 200_000
texts = ["1" + " " * n + "x", " " * n, "1" * n, "1." * n, "a" + " " * n, "0" * n + "d" + "0" * n, "A-" * n, "a." * n,
         "<" * n, "1h" * n, "http://" + "a" * n + "@", "//" * n, "-" * n, "1_" * n, "P" + "1" * n, "1,1" * n, "9@" * n,
         "1@1" + " " * n + "x", "," * n, "1:" * n, "(" * n, "e" * n, "1e" * n]
for text in texts:
    try:
        {read}
    except (CarbonError, ValueError, OverflowError):
        pass
"""


@pytest.mark.airflow
@pytest.mark.parametrize("what", READERS)
def test_no_text_however_long_keeps_an_expression_busy(what: str) -> None:
    module, read = READERS[what]
    survives(f"import airflow_carbon.{module} as m\nglobals().update(vars(m))\n{TEXTS.replace('{read}', read)}")
