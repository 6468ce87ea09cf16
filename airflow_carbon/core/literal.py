"""Lists and mappings that a template has turned into text."""

from __future__ import annotations

import ast
import json
from typing import Any

from airflow_carbon.exceptions import InvalidRequestError


def literal(text: str, field: str) -> Any:
    """Read JSON, or a Python literal as a template prints one.

    :raises InvalidRequestError: naming the field, if the text is neither.
    """
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        try:
            return ast.literal_eval(text)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            raise InvalidRequestError(f"{field}: {text[:200]!r} is neither JSON nor a Python literal") from None
