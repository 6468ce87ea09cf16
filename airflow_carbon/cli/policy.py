"""``policy``: look at the rules of a deployment before tasks follow them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_carbon.cli import ink
from airflow_carbon.cli.document import print_document
from airflow_carbon.cli.source import logs_on_stderr, see_the_database
from airflow_carbon.cli.table import table
from airflow_carbon.exceptions import InvalidRequestError

if TYPE_CHECKING:
    from argparse import Namespace

    from airflow_carbon.policy.govern import Verdict
    from airflow_carbon.policy.rules import Rule, Rules


def run_check(args: Namespace) -> int:
    """Read a policy file and name every mistake in it; status 1 where there is one.

    :raises InvalidRequestError: if no file is named and none is configured.
    """
    path = _file(args.file)
    rules = _thorough(path)
    if args.json:
        print_document(
            {
                "file": str(path),
                "rules": [_document(rule) for rule in rules.rules],
                "faults": [{"line": one.line or None, "key": one.key, "said": str(one)} for one in rules.faults],
            }
        )
    elif rules.faults:
        for fault in rules.faults:
            print(ink.red(f"{path}: {fault}"))
        print(f"\nUntil that is corrected the file rules nothing: {_count(rules)}, and no task waits by it.")
    else:
        rows = ([str(rule.number), rule.name, _meant(rule), _asked(rule), rule.mode] for rule in rules.rules)
        for number, line in enumerate(table([">", "name", "tasks with", "wait", "mode"], rows)):
            print(ink.dim(line) if number == 0 else line)
        print(f"\n{path}: {_count(rules)}; the first that fits a task counts.")
    return 1 if rules.faults else 0


def run_explain(args: Namespace) -> int:
    """Tell what applies to each task of a DAG, and why.

    :raises InvalidRequestError: if no file is named and none is configured, or no DAG file has the DAG.
    """
    from airflow_carbon.cli.dag_files import dag_of
    from airflow_carbon.policy.govern import verdict
    from airflow_carbon.policy.guard import cautions

    path = _file(args.file)
    rules = _thorough(path)
    see_the_database()
    with logs_on_stderr():
        dag = dag_of(args.dag, args.dags)
    found = {task.task_id: (task, verdict(task, rules)) for task in dag.topological_sort()}
    warned: dict[str, list[str]] = {}
    for task, one in found.values():
        for said in cautions(task, one.rule) if one.rule and one.applies else ():
            warned.setdefault(said, []).append(task.task_id)
    if args.json:
        tasks = [_told(task, one) for task, one in found.values()]
        told = [{"said": said, "tasks": names} for said, names in warned.items()]
        print_document({"file": str(path), "dag": dag.dag_id, "tasks": tasks, "warnings": told})
        return 1 if rules.faults else 0
    rows = ([name, str(task.operator_name), *_cells(one), one.why] for name, (task, one) in found.items())
    for number, line in enumerate(table(["task", "operator", "mode", "wait", "why"], rows)):
        print(ink.dim(line) if number == 0 else line)
    warnings = [f"{', '.join(names)}: {said}" for said, names in warned.items()]
    for said in (*map(str, rules.faults), *warnings):
        print(f"\n{ink.yellow('warning')}: {said}")
    waiting = sum(one.applies for _, one in found.values())
    print(f"\n{waiting} of {len(found)} tasks of {dag.dag_id} follow {path}.")
    return 1 if rules.faults else 0


def _file(given: str | None) -> Path:
    from airflow_carbon.policy.task_policy import policy_file

    path = Path(given) if given else policy_file()
    if path is None:
        raise InvalidRequestError(
            "[carbon] policy_file is not set, so no policy is in force; set it, or name the file to look at"
        )
    return path


def _thorough(path: Path) -> Rules:
    """Read a file, and look up its cloud regions as well, which each task process would pay for."""
    from airflow_carbon.core.location import Location
    from airflow_carbon.policy.fields import templated
    from airflow_carbon.policy.file import read
    from airflow_carbon.sources import regions

    def known(key: str, value: Any) -> None:
        if key == "location" and not templated(value) and (location := Location.parse(value)).is_region:
            regions.lookup(location)

    return read(path, known)


def _count(rules: Rules) -> str:
    faults, count = len(rules.faults), len(rules.rules)
    if faults:
        return f"{faults} mistake{'s' if faults > 1 else ''}"
    return f"{count} rule{'s' if count != 1 else ''}, no mistake"


def _meant(rule: Rule) -> str:
    return " and ".join(f"{trait} {' or '.join(patterns)}" for trait, patterns in rule.match.items())


def _asked(rule: Rule) -> str:
    return "" if rule.mode == "off" else ", ".join(_words(rule))


def _words(rule: Rule) -> Iterator[str]:
    asked = rule.asked
    if "max_delay" in asked:
        yield f"up to {asked['max_delay']}"
    if "deadline" in asked:
        yield f"done {asked['deadline']} after its tick"
    length = f"{asked['duration']} of work" if "duration" in asked else "work"
    yield f"for {length} in {asked['location']}"


def _cells(one: Verdict) -> tuple[str, str]:
    return (one.rule.mode, _asked(one.rule)) if one.rule and one.applies else ("-", "-")


def _document(rule: Rule) -> dict[str, Any]:
    return {"number": rule.number, "line": rule.line, "name": rule.name, "match": dict(rule.match), **rule.asked}


def _told(task: Any, one: Verdict) -> dict[str, Any]:
    return {
        "task": task.task_id,
        "operator": str(task.operator_name),
        "applies": one.applies,
        "mode": one.rule.mode if one.rule and one.applies else None,
        "why": one.why,
        "rule": _document(one.rule) if one.rule else None,
    }
