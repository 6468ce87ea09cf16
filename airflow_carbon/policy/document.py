"""A YAML text as its author wrote it: every value with its line, nothing guessed from how a word looks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from airflow_carbon.exceptions import PolicyFileError

#: A policy is some dozens of rules; each task of the deployment reads it.
MAX_CHARACTERS = 1_000_000
#: A rule needs five levels.
MAX_DEPTH = 64


def fault(line: int, key: str, said: str) -> PolicyFileError:
    """Make the error of one place in the file."""
    return PolicyFileError(f"line {line}, {key}: {said}" if key else f"line {line}: {said}", line=line, key=key)


def unknown(line: int, where: str, word: str, known: Iterable[str]) -> PolicyFileError:
    """Make the error of a key that nobody reads."""
    # Only here: a file in order needs no guess.
    import difflib

    known = tuple(known)
    near = difflib.get_close_matches(word, known, n=1)
    meant = f"did you mean {near[0]!r}?" if near else f"write one of {', '.join(known)}"
    return fault(line, where, f"is no key here; {meant}")


@dataclass(frozen=True, slots=True)
class Entry:
    """Hold one value and where it stands.

    A word stays the text that it is: YAML itself would read ``off`` as False and ``1:30:00`` as 5400.

    :param line: from 1.
    """

    line: int
    node: Any

    def pairs(self, at: str) -> Iterator[tuple[str, Entry]]:
        """Give keys and values of a mapping.

        :raises PolicyFileError: if it is none.
        """
        if self.node is None or self.is_empty:
            return
        if self.node.id != "mapping":
            raise fault(self.line, at, f"must be a mapping, `key: value`, and is {self._kind}")
        for key, value in self.node.value:
            line = key.start_mark.line + 1
            if key.id != "scalar":
                raise fault(line, at, "has a key that is no word")
            yield key.value, Entry(line, value)

    def items(self, at: str) -> Iterator[Entry]:
        """Give the elements of a list.

        :raises PolicyFileError: if it is none.
        """
        if self.is_empty:
            return
        if self.node.id != "sequence":
            raise fault(self.line, at, f"must be a list, and is {self._kind}")
        for value in self.node.value:
            yield Entry(value.start_mark.line + 1, value)

    def texts(self, at: str) -> Iterator[str]:
        """Give the texts of a list, or the one text that stands in place of a list.

        :raises PolicyFileError: if it is neither.
        """
        if self.node.id == "sequence":
            for one in self.items(at):
                yield one.text(at)
        elif not self.is_empty:
            yield self.text(at)

    def text(self, at: str) -> str:
        """Give a value as it was written.

        :raises PolicyFileError: if it is a list or a mapping, or nothing.
        """
        if self.node.id != "scalar" or self.is_empty:
            raise fault(self.line, at, f"must be one value, and is {self._kind}")
        return str(self.node.value).strip()

    @property
    def is_empty(self) -> bool:
        """Tell whether nothing stands behind the key."""
        return bool(self.node.id == "scalar" and not self.node.style and self.node.value in ("", "~", "null"))

    @property
    def is_list(self) -> bool:
        """Tell whether it is a list."""
        return bool(self.node.id == "sequence")

    @property
    def _kind(self) -> str:
        if self.is_empty:
            return "empty"
        return {"mapping": "a mapping", "sequence": "a list"}.get(self.node.id, f"the text {self.node.value!r}")


def opened(text: str) -> Entry:
    """Give the whole of a document.

    :raises PolicyFileError: if it is no YAML, more than one document, empty, or far too long.
    """
    if len(text) > MAX_CHARACTERS:
        raise fault(1, "", f"the file has {len(text)} characters; a policy has {MAX_CHARACTERS} at most")
    # Airflow has it loaded; where a command runs without Airflow it is not paid at import.
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        depth = 0
        # Before the document is built, which is done by recursion in C: a process that nests too deep there dies.
        for event in yaml.parse(text, Loader=loader):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > MAX_DEPTH:
                raise fault(event.start_mark.line + 1, "", f"is nested deeper than {MAX_DEPTH} levels")
        node = yaml.compose(text, Loader=loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        said = " ".join(filter(None, (error.context, error.problem)))
        raise fault(mark.line + 1 if mark else 1, "", f"this is no YAML: {said}") from None
    except (yaml.YAMLError, RecursionError) as error:
        said = " ".join(str(error).split())
        raise fault(1, "", f"this is no YAML: {said}") from None
    if node is None:
        raise fault(1, "rules", "is missing: the file is empty; `rules: []` is a policy without rules")
    return Entry(node.start_mark.line + 1, node)
