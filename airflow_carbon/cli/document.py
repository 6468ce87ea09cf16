"""The JSON document that a command prints for programs."""

from __future__ import annotations

import json
import math
from datetime import datetime
from typing import Any


def print_document(document: Any) -> None:
    """Print a document as JSON: moments in ISO 8601, and null for a number that is not known."""
    print(json.dumps(_plain(document), indent=2, allow_nan=False))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, float):
        return round(value, 3) if math.isfinite(value) else None
    return value
