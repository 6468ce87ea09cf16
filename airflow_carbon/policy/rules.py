"""The rules of a policy file: which tasks they mean, and what holds for those."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from airflow_carbon.exceptions import CarbonError, PolicyFileError
from airflow_carbon.policy.document import Entry, fault, opened, unknown
from airflow_carbon.policy.fields import ASKED, MODE, SHADOW, check, lacking
from airflow_carbon.policy.subject import TRAITS, Subject

#: Keys of the whole file, and of one rule beside what it asks for.
FILE_KEYS = ("defaults", "rules")
RULE_KEYS = ("name", "match")

#: Looks at what one file alone cannot tell, for example whether a cloud region exists.
Check = Callable[[str, Any], None]


@dataclass(frozen=True, slots=True)
class Rule:
    """Hold one rule, with the file's defaults filled in.

    :param number: place in the file, from 1.
    :param line: where it begins, from 1.
    :param name: what its author calls it; may be empty.
    :param match: for each trait that it looks at, the patterns of which one has to fit.
    :param asked: arguments of the wait, ``mode`` among them.
    """

    number: int
    line: int
    name: str
    match: Mapping[str, tuple[str, ...]]
    asked: Mapping[str, Any]

    @property
    def mode(self) -> str:
        """How far the rule reaches: ``enforce``, ``shadow`` or ``off``."""
        return str(self.asked[MODE])

    def fits(self, subject: Subject) -> bool:
        """Tell whether every trait that the rule names fits."""
        return all(subject.fits(trait, patterns) for trait, patterns in self.match.items())

    def __str__(self) -> str:
        called = f" ({self.name})" if self.name else ""
        return f"rule {self.number}{called}, line {self.line}"


@dataclass(frozen=True, slots=True)
class Rules:
    """Hold the rules of one file in their order, or its faults; never both.

    A file with a mistake rules nothing: with one rule left out, a later one could take the tasks that it exempts.
    """

    rules: tuple[Rule, ...] = ()
    faults: tuple[PolicyFileError, ...] = ()

    @classmethod
    def read(cls, text: str, also: Check | None = None) -> Rules:
        """Read the text of a policy file.

        :param also: one more look at each value, by its key; raises ``ValueError`` or a deliberate error.
        """
        reading = _Reading(also)
        try:
            rules = tuple(reading.rules(opened(text)))
        except PolicyFileError as error:
            reading.faults.append(error)
        if reading.faults:
            return cls(faults=tuple(sorted(reading.faults, key=lambda error: error.line)))
        return cls(rules)

    def of(self, subject: Subject) -> Rule | None:
        """Give the first rule that fits; none after it counts."""
        return next((rule for rule in self.rules if rule.fits(subject)), None)


@dataclass(slots=True)
class _Reading:
    """Go through one file, and gather every fault rather than stop at the first."""

    also: Check | None
    faults: list[PolicyFileError] = field(default_factory=list)

    def rules(self, whole: Entry) -> Iterator[Rule]:
        parts = dict(self._entries(whole, "", FILE_KEYS))
        defaults = dict(self._asked(parts["defaults"], "defaults", ())) if "defaults" in parts else {}
        if "rules" not in parts:
            raise fault(whole.line, "rules", "is missing; the file needs a list of rules, `rules: []` for none")
        for number, entry in enumerate(parts["rules"].items("rules"), start=1):
            try:
                rule = self._rule(number, entry, defaults)
            except PolicyFileError as error:
                self.faults.append(error)
                continue
            yield rule

    def _rule(self, number: int, entry: Entry, defaults: Mapping[str, Any]) -> Rule:
        at = f"rules[{number}]"
        before = len(self.faults)
        parts = dict(entry.pairs(at))
        asked = {MODE: SHADOW, **defaults, **dict(self._asked(entry, at, RULE_KEYS))}
        if "match" not in parts:
            raise fault(entry.line, f"{at}.match", "is missing; `match: {dag_id: '*'}` means every task")
        match = dict(self._match(parts["match"], f"{at}.match"))
        name = parts["name"].text(f"{at}.name") if "name" in parts else ""
        # A field that could not be read is not missing as well.
        if len(self.faults) == before and (missing := lacking(asked)):
            raise fault(entry.line, f"{at}.{missing[0]}", missing[1])
        return Rule(number, entry.line, name, match, asked)

    def _match(self, entry: Entry, at: str) -> Iterator[tuple[str, tuple[str, ...]]]:
        found, before = False, len(self.faults)
        for trait, value in self._entries(entry, at, TRAITS):
            found = True
            patterns = tuple(value.texts(f"{at}.{trait}"))
            if not patterns:
                raise fault(value.line, f"{at}.{trait}", "is empty, and would match nothing; name one at least")
            yield trait, patterns
        if not found and len(self.faults) == before:
            raise fault(entry.line, at, f"is empty; name one of {', '.join(TRAITS)}")

    def _asked(self, entry: Entry, at: str, besides: Iterable[str]) -> Iterator[tuple[str, Any]]:
        for key, value in self._entries(entry, at, (*ASKED, *besides)):
            if key not in ASKED:
                continue
            try:
                read = check(key, value, f"{at}.{key}")
                if self.also is not None:
                    self.also(key, read)
            except PolicyFileError as error:
                self.faults.append(error)
            except CarbonError as error:
                self.faults.append(fault(value.line, f"{at}.{key}", str(error).removeprefix(f"{key}: ")))
            else:
                yield key, read

    def _entries(self, entry: Entry, at: str, known: Iterable[str]) -> Iterator[tuple[str, Entry]]:
        """Give the known keys of a mapping; each other one is a fault, and so is one that stands there twice."""
        known, seen = tuple(known), set[str]()
        for key, value in entry.pairs(at):
            where = f"{at}.{key}".lstrip(".")
            if key in seen:
                self.faults.append(fault(value.line, where, "stands here a second time; keep one of them"))
            elif key not in known:
                self.faults.append(unknown(value.line, where, key, known))
            else:
                seen.add(key)
                yield key, value
