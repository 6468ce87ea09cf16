"""The rules of a policy file: what is read, which rule counts, and how each mistake is named."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from airflow_carbon.policy.fields import ASKED
from airflow_carbon.policy.rules import Rules
from airflow_carbon.policy.subject import TRAITS, Subject

GOOD = """
defaults:
  location: zone:DE
  duration: 1h
rules:
  - name: exempt
    match: {dag_id: "billing_*"}
    mode: off
  - match:
      tags: [batch, "night*"]
      pool: etl
    max_delay: 8h
  - match: {owner: data}
    location: azure:swedencentral
    duration: p90
    duration_default: 20m
    max_delay: 1:30:00
    min_saving_percent: 15%
    carbon_conn_id: [first, second]
    spread: no
    mode: enforce
"""


def subject(**traits: object) -> Subject:
    plain = {"pool": "default_pool", "queue": "default", "owner": "airflow", "dag_id": "a_dag", "task_id": "a_task"}
    told = {"tags": (), "operator": "BashOperator", **plain, **traits}
    return Subject({name: (value,) if isinstance(value, str) else tuple(value) for name, value in told.items()})  # type: ignore[call-overload]


def faults(text: str) -> list[str]:
    rules = Rules.read(text)
    assert rules.rules == ()
    return [str(one) for one in rules.faults]


def test_a_rule_holds_what_it_says_then_the_defaults_and_is_in_shadow_unless_it_says_otherwise() -> None:
    rules = Rules.read(GOOD)
    assert rules.faults == ()
    exempt, batch, data = rules.rules
    assert exempt.mode == "off"
    assert dict(batch.asked) == {"location": "zone:DE", "duration": "1h", "max_delay": "8h", "mode": "shadow"}
    assert dict(data.asked) == {
        "location": "azure:swedencentral",
        "duration": "p90",
        "duration_default": "20m",
        "max_delay": "1:30:00",
        "min_saving_percent": 15.0,
        "carbon_conn_id": ["first", "second"],
        "spread": False,
        "mode": "enforce",
    }
    assert [(rule.number, rule.line, str(rule)) for rule in rules.rules][:2] == [
        (1, 6, "rule 1 (exempt), line 6"),
        (2, 9, "rule 2, line 9"),
    ]


@pytest.mark.parametrize(
    ("traits", "number"),
    [
        ({"dag_id": "billing_eu", "owner": "data"}, 1),
        ({"tags": ["x", "batch"], "pool": "etl"}, 2),
        ({"tags": ["nightly"], "pool": "etl", "owner": "data"}, 2),
        ({"tags": ["batch"], "pool": "other"}, None),
        ({"tags": ["Batch"], "pool": "etl"}, None),
        ({"owner": "data"}, 3),
        ({"owner": ["ops", "data"]}, 3),
        ({}, None),
    ],
)
def test_the_first_rule_of_which_every_trait_fits_counts(traits: dict[str, object], number: int | None) -> None:
    rule = Rules.read(GOOD).of(subject(**traits))
    assert (rule and rule.number) == number


def test_an_operator_is_known_by_its_class_and_by_its_name_on_the_graph() -> None:
    rules = Rules.read("rules: [{match: {operator: '@task'}, mode: off}]")
    assert rules.of(subject(operator=["_PythonDecoratedOperator", "@task"])) is rules.rules[0]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "line 1, rules: is missing: the file is empty; `rules: []` is a policy without rules"),
        ("rules: 3", "line 1, rules: must be a list, and is the text '3'"),
        ("- a", "line 1: must be a mapping, `key: value`, and is a list"),
        ("rulez: []", "line 1, rulez: is no key here; did you mean 'rules'?"),
        ("rules:\n- match: {pool: x}\n  mode: shadw", "'shadw' must be one of enforce, shadow, off"),
        ("rules:\n- match: {tag: x}\n  mode: off", "line 2, rules[1].match.tag: is no key here; did you mean 'tags'?"),
        ("rules:\n- match: {tags: []}\n  mode: off", "line 2, rules[1].match.tags: is empty, and would match nothing"),
        ("rules:\n- match: {pool: }\n  mode: off", "line 2, rules[1].match.pool: is empty, and would match nothing"),
        ("rules:\n- match: {}\n  mode: off", "line 2, rules[1].match: is empty; name one of tags, pool, "),
        ("rules:\n- mode: off", "line 2, rules[1].match: is missing; `match: {dag_id: '*'}` means every task"),
        ("rules:\n- 3", "line 2, rules[1]: must be a mapping, `key: value`, and is the text '3'"),
        ("rules:\n- match: {pool: x}", "line 2, rules[1].location: is missing, here and in defaults"),
        ("rules:\n- match: {pool: x}\n  location: DE\n", "did you mean 'zone:DE'?"),
        ("rules:\n- match: {pool: x}\n  location: zone:DE", "line 2, rules[1].duration: is missing"),
        (
            "rules:\n- match: {pool: x}\n  location: zone:DE\n  duration: p90\n  max_delay: 1h",
            "line 2, rules[1].duration_default: is missing",
        ),
        ("rules:\n- match: {pool: x}\n  location: zone:DE\n  duration: 1h", "line 2, rules[1].max_delay: is missing"),
        ("defaults:\n  max_delay: 3\nrules: []", "line 2, defaults.max_delay: '3' is no duration; write for example"),
        ("defaults:\n  duration: p91\nrules: []", "or p90 for what the task's past runs took"),
        ("defaults:\n  min_saving_percent: 101\nrules: []", "must be a number between 0 and 100 [%]"),
        ("defaults:\n  spread: perhaps\nrules: []", "line 2, defaults.spread: 'perhaps' must be true or false"),
        ("defaults:\n  tail: 1h\n  tail: 2h\nrules: []", "line 3, defaults.tail: stands here a second time"),
        ("defaults:\n  location: [zone:DE]\nrules: []", "line 2, defaults.location: must be one value, and is a list"),
        ("rules: [\n", "this is no YAML"),
        ("rules: []\n---\nrules: []", "line 2: this is no YAML: expected a single document"),
        ("rules: &r\n- *r", "must be a mapping"),
        ("rules:\n- ? [a]\n  : b", "has a key that is no word"),
    ],
)
def test_each_mistake_is_named_by_line_and_key_with_what_would_be_right(text: str, said: str) -> None:
    assert said in "\n".join(faults(text))


def test_all_mistakes_are_named_in_the_order_of_the_file() -> None:
    text = "defaults:\n  max_dellay: 3h\nrules:\n- match: {tag: x}\n  mode: shadw\n- mode: off\n"
    assert [one.split(",")[0] for one in faults(text)] == ["line 2", "line 4", "line 5", "line 6"]


def test_a_mistake_in_one_rule_leaves_no_other_in_force() -> None:
    # With the exemption left out, the rule after it would take the tasks that it exempts.
    text = GOOD.replace('dag_id: "billing_*"', 'dag: "billing_*"')
    assert len(faults(text)) == 1


def test_words_that_yaml_takes_for_something_else_are_what_they_look_like() -> None:
    rules = Rules.read("rules:\n- {match: {owner: yes, queue: 10, tags: [off, null_tag]}, mode: off}")
    assert rules.rules[0].match == {"owner": ("yes",), "queue": ("10",), "tags": ("off", "null_tag")}


def test_a_template_is_left_to_the_running_task() -> None:
    text = "rules:\n- {match: {pool: x}, location: 'zone:{{ params.zone }}', duration: 1h, max_delay: '{{ params.d }}'}"
    assert Rules.read(text).faults == ()


def test_a_fault_survives_pickling_with_its_place() -> None:
    (fault,) = Rules.read("rulez: []\nrules: []").faults
    again = pickle.loads(pickle.dumps(fault))
    assert (str(again), again.line, again.key) == (str(fault), 1, "rulez")


words = st.sampled_from(
    [*ASKED, *TRAITS, "match", "rules", "defaults", "x", "off", "1h", "p90", "zone:DE", "", "~", "3"]
)
trees = st.recursive(words, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=4))


@given(trees)
def test_whatever_the_tree_it_is_rules_or_faults_and_never_an_error(tree: object) -> None:
    rules = Rules.read(yaml.safe_dump({"rules": tree, "defaults": tree} if isinstance(tree, str) else tree))
    assert bool(rules.faults) != bool(rules.rules) or rules == Rules()
    assert all(fault.line > 0 for fault in rules.faults)


@given(st.text(max_size=60))
def test_whatever_the_text_it_is_rules_or_faults_and_never_an_error(text: str) -> None:
    rules = Rules.read(text)
    assert rules.rules == ()
    assert all(str(fault) for fault in rules.faults)


def test_the_example_and_the_rules_in_the_docs_are_in_order(repository: Path) -> None:
    example = (repository / "example_dags" / "carbon_policy.yaml").read_text()
    documented = (repository / "docs" / "policy.md").read_text().split("```yaml")[1].split("```")[0]
    assert [(rule.name, rule.mode) for rule in Rules.read(example).rules] == [
        ("never billing", "off"),
        ("nightly batch", "shadow"),
    ]
    assert [(rule.name, rule.mode) for rule in Rules.read(documented).rules] == [
        ("never billing", "off"),
        ("nightly batch", "enforce"),
        ("what analysts start", "shadow"),
    ]
