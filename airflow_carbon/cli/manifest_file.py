"""Manifests on disk: read within bounds, written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from airflow_carbon.cli.yaml_text import dumped, loaded
from airflow_carbon.exceptions import InvalidRequestError

#: A year of hours of a hundred components takes about half of it [bytes].
MAX_BYTES = 64 * 1024 * 1024


def read_manifest(path: Path) -> Any:
    """Read a manifest's YAML.

    :raises InvalidRequestError: if the file cannot be read, is too large, or is no YAML.
    """
    try:
        with path.open("rb") as file:
            text = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise InvalidRequestError(f"{path}: cannot be read: {error.strerror}") from None
    if len(text) > MAX_BYTES:
        raise InvalidRequestError(f"{path}: is larger than {MAX_BYTES // 1024**2} MB; split it by its components")
    return loaded(text, str(path))


def write_manifest(path: Path, document: object) -> None:
    """Write a manifest in one step: whoever reads the file sees the old one or the new one, never a part.

    :raises InvalidRequestError: if it cannot be written; what was there before is there still.
    """
    target = path.resolve()
    if target.exists() and not target.is_file():
        raise InvalidRequestError(f"--output: {path} is no file; name one, for example out.yml")
    text = dumped(document)
    try:
        number, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    except OSError as error:
        raise InvalidRequestError(f"--output: {path} cannot be written: {error.strerror}") from None
    beside = Path(name)
    try:
        with os.fdopen(number, "wb") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        beside.chmod(target.stat().st_mode & 0o777 if target.exists() else 0o666 & ~_umask())
        beside.replace(target)
    except OSError as error:
        raise InvalidRequestError(f"--output: {path} cannot be written: {error.strerror}") from None
    finally:
        beside.unlink(missing_ok=True)


def _umask() -> int:
    # It can be read by setting it alone.
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
