"""A file in object storage, by its URL."""

from __future__ import annotations

from functools import cached_property
from importlib.util import find_spec
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from airflow_carbon.exceptions import InvalidRequestError

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath

_AMAZON = ("s3fs", "apache-airflow-providers-amazon[s3fs]")
_GOOGLE = ("gcsfs", "apache-airflow-providers-google")
_AZURE = ("adlfs", "apache-airflow-providers-microsoft-azure")
_SFTP = ("sshfs", "apache-airflow-providers-sftp[sshfs]")
#: What serves each scheme: the module that speaks it, and the package that brings both that and Airflow's side.
_SERVED_BY = {
    "s3": _AMAZON, "s3a": _AMAZON, "s3n": _AMAZON,
    "gs": _GOOGLE, "gcs": _GOOGLE,
    "abfs": _AZURE, "abfss": _AZURE, "adl": _AZURE,
    "sftp": _SFTP, "ssh": _SFTP,
}  # fmt: skip


class StoredFile:
    """Read a file wherever Airflow's ``ObjectStoragePath`` does; the store is opened when it is first read.

    Opening may look a connection up or ask the store for a session: that belongs to the thread that reads.

    :param url: of the file, ``s3://bucket/series.csv``.
    :param conn_id: the Airflow connection that opens the store; None for the one in the URL, else the store's default.
    :param where: what to name in errors.
    :raises InvalidRequestError: if the URL is none, holds a password, or its scheme is not served here.
    """

    def __init__(self, url: str, conn_id: str | None, where: str) -> None:
        self._url = url
        self._conn_id = conn_id
        self._where = where
        try:
            parts = urlsplit(url)
        except ValueError:
            raise InvalidRequestError(f"{where}: no URL; write for example s3://bucket/series.csv") from None
        self._scheme = parts.scheme
        #: What the file is called; the query of a URL may be a signature.
        self.name = PurePosixPath(parts.path).name
        if parts.password is not None:
            raise InvalidRequestError(
                f"{where}: the URL holds a password; keep it in a connection, and name that as storage_conn_id"
            )
        if not self.name:
            raise InvalidRequestError(f"{where}: the URL names no file; write for example s3://bucket/series.csv")
        self._check_scheme()

    def stat(self) -> Any:
        """Ask for size and time of change."""
        # A store's listings are kept for the life of the process: whoever listed this folder saw the file as it was.
        self._path.fs.invalidate_cache(self._path.path)
        return self._path.stat()

    def read_text(self, encoding: str) -> str:
        """Read the whole file."""
        # Not through the path: without a connection, that reads past Airflow's own filesystem for the scheme.
        content: bytes = self._path.fs.cat_file(self._path.path)
        return content.decode(encoding)

    def _check_scheme(self) -> None:
        from airflow.sdk.io import attach, has_fs

        module, _ = _SERVED_BY.get(self._scheme, ("", ""))
        try:
            if not has_fs(self._scheme):
                # One that a plugin attached by hand is known to this alone; where there is none, it opens nothing.
                _ = attach(self._scheme, self._conn_id).fs
        except ValueError:
            raise self._not_served() from None
        if module and find_spec(module) is None:
            raise self._not_served()

    def _not_served(self) -> InvalidRequestError:
        _, package = _SERVED_BY.get(self._scheme, ("", ""))
        cure = (
            f"install it where tasks and the triggerer run: pip install '{package}'"
            if package
            else f"install the provider package that serves it, or use one of {', '.join(['file', *_SERVED_BY])}"
        )
        return InvalidRequestError(f"{self._where}: nothing here reads {self._scheme}:// addresses; {cure}")

    @cached_property
    def _path(self) -> ObjectStoragePath:
        from airflow.sdk import ObjectStoragePath
        from airflow.sdk.exceptions import AirflowNotFoundException

        path = ObjectStoragePath(self._url, conn_id=self._conn_id)
        try:
            _ = path.fs
        except AirflowNotFoundException:
            named = f" {self._conn_id!r}" if self._conn_id else " that the URL names"
            raise InvalidRequestError(f"{self._where}: storage_conn_id: the connection{named} is not defined") from None
        except ImportError:
            raise self._not_served() from None
        return path
