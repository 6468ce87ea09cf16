"""Lists and mappings that a template has turned into text."""

from __future__ import annotations

from typing import Any

from airflow_carbon.exceptions import InvalidRequestError


def literal(text: str, field: str) -> Any:
    """Read JSON, or a Python literal as a template prints one.

    :raises InvalidRequestError: naming the field, if the text is neither.
    """
    # Not above: few fields come as such a text, and every worker would pay for both.
    import json
    from ast import literal_eval

    for read in (json.loads, literal_eval):
        try:
            return read(text)
        except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
            continue
    raise InvalidRequestError(f"{field}: {text[:200]!r} is neither JSON nor a Python literal")
