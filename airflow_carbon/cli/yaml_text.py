"""YAML as Impact Framework reads and writes it (js-yaml's rules), within bounds, and safe."""

from __future__ import annotations

import math
import re
from collections import Counter
from typing import Any

import yaml

from airflow_carbon.exceptions import InvalidRequestError

#: More is no manifest, or one that was made to fill the memory; aliases count as often as they are used.
MAX_VALUES, MAX_DEPTH = 2_000_000, 64

_BOOL = re.compile(r"true|True|TRUE|false|False|FALSE")
_NULL = re.compile(r"~|null|Null|NULL|")
_INT = re.compile(r"[-+]?(?:0b[01_]+|0x[0-9a-fA-F_]+|0o[0-7_]+|[0-9][0-9_]*)")
_FLOAT = re.compile(
    r"[-+]?[0-9][0-9_]*(?:\.[0-9_]*)?(?:[eE][-+]?[0-9]+)?|\.[0-9_]+(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)"
    r"|\.(?:nan|NaN|NAN)"
)
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_DUMPER: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


class _Loader(_LOADER):  # type: ignore[misc]
    """Read plain values alone: no dates, which stay texts, and no 'no' for false, which is Norway."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 (PyYAML's own name, filled below)
    yaml_constructors: dict[str, Any] = {}  # noqa: RUF012


class _Dumper(_DUMPER):  # type: ignore[misc]
    """Write no anchors, whole numbers without a point, and quotes around what js-yaml would take for a number."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def loaded(text: bytes, name: str) -> Any:
    """Read one YAML document into dicts with texts for keys, lists, texts, numbers, booleans and None.

    :param name: of the file, for messages.
    :raises InvalidRequestError: if it is no YAML, holds a key twice, contains itself, or is beyond all bounds; with
        the line.
    """
    try:
        _refuse_unbounded(text, name)
        return yaml.load(text, Loader=_Loader)  # noqa: S506 (a safe loader, narrowed)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise InvalidRequestError(f"{name}{_line(mark)}: {error.problem or error.context}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InvalidRequestError(f"{name}: is no YAML in UTF-8: {error}") from None


def dumped(document: object) -> bytes:
    """Write a document that Impact Framework reads back to the same values."""
    text = yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120, encoding="utf-8")
    return bytes(text)


def _refuse_unbounded(text: bytes, name: str) -> None:
    """Count what there is before any of it is built; an alias counts for all that stands behind it."""
    sizes: dict[str, int] = {}
    open_at: list[tuple[str | None, int]] = []
    unfinished: set[str] = set()
    count = 0
    for event in yaml.parse(text, Loader=_LOADER):
        if isinstance(event, yaml.AliasEvent):
            if event.anchor in unfinished:
                raise InvalidRequestError(f"{name}{_line(event.start_mark)}: *{event.anchor} contains itself")
            count += sizes.get(event.anchor, 1)
        elif isinstance(event, yaml.ScalarEvent):
            count += 1
            if event.anchor:
                sizes[event.anchor] = 1
        elif isinstance(event, yaml.CollectionStartEvent):
            open_at.append((event.anchor, count))
            count += 1
            if event.anchor:
                unfinished.add(event.anchor)
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before = open_at.pop()
            if anchor:
                sizes[anchor] = count - before
                unfinished.discard(anchor)
        if len(open_at) > MAX_DEPTH:
            raise InvalidRequestError(f"{name}{_line(event.start_mark)}: is nested deeper than {MAX_DEPTH} levels")
        if count > MAX_VALUES:
            raise InvalidRequestError(f"{name}: holds more than {MAX_VALUES} values")


def _mapping(loader: Any, node: Any) -> Any:
    answer: dict[str, Any] = {}
    yield answer
    own = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode) and key.tag != _MERGE]
    if len(set(own)) < len(own):
        twice = next(word for word, count in Counter(own).items() if count > 1)
        again = [key for key, _ in node.value if key.value == twice][1]
        raise yaml.constructor.ConstructorError(None, None, f"the key {twice!r} is there twice", again.start_mark)
    loader.flatten_mapping(node)
    for key, value in node.value:
        if not isinstance(key, yaml.ScalarNode):
            raise yaml.constructor.ConstructorError(None, None, "a key must be a text", key.start_mark)
        answer[key.value] = loader.construct_object(value, deep=True)


def _integer(loader: Any, node: Any) -> int:
    word = node.value.replace("_", "")
    try:
        return int(word, 0 if re.match(r"[-+]?0[box]", word) else 10)
    except ValueError:
        raise yaml.constructor.ConstructorError(None, None, "is too long for a number", node.start_mark) from None


def _float(loader: Any, node: Any) -> float:
    word = node.value.replace("_", "").lower()
    return float(word.replace(".inf", "inf").replace(".nan", "nan") if word[-1] in "fn" else word)


def _number_text(dumper: Any, data: float) -> Any:
    if not math.isfinite(data):
        return dumper.represent_float(data)
    whole = data.is_integer() and abs(data) < 2**53
    text = str(int(data)) if whole else repr(data)
    # js-yaml and PyYAML both read an exponent, PyYAML only behind a point.
    text = text.replace("e", ".0e", 1) if "e" in text and "." not in text else text
    return dumper.represent_scalar("tag:yaml.org,2002:int" if whole else "tag:yaml.org,2002:float", text)


def _line(mark: Any) -> str:
    return f", line {mark.line + 1}, column {mark.column + 1}" if mark is not None else ""


_MERGE = "tag:yaml.org,2002:merge"
for _kind, _pattern, _first in (
    ("bool", _BOOL, "tTfF"),
    ("null", _NULL, ["~", "n", "N", ""]),
    ("int", _INT, "-+0123456789"),
    ("float", _FLOAT, "-+0123456789."),
    ("merge", re.compile("<<"), "<"),
):
    _whole = re.compile(f"^(?:{_pattern.pattern})$")
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_kind}", _whole, list(_first))
    _Dumper.add_implicit_resolver(f"tag:yaml.org,2002:{_kind}", _whole, list(_first))
for _kind, _construct in (
    ("bool", lambda loader, node: node.value.lower() == "true"),
    ("null", lambda loader, node: None),
    ("int", _integer),
    ("float", _float),
    ("str", lambda loader, node: loader.construct_scalar(node)),
    ("seq", _LOADER.construct_yaml_seq),
    ("map", _mapping),
):
    _Loader.add_constructor(f"tag:yaml.org,2002:{_kind}", _construct)
_Loader.add_constructor(None, _LOADER.construct_undefined)
_Dumper.add_representer(float, _number_text)
