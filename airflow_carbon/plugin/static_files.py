"""Files for the browser: this package's own, and the chart library from where it is installed."""

from __future__ import annotations

import gzip
import hashlib
import threading
from collections import defaultdict
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from fastapi import APIRouter, HTTPException, Request, Response

#: Where this package's own files lie.
FOLDER = Path(__file__).parent / "static"
#: What the browser may be given; another file in the folder is none of its business.
TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
}
#: The version stands in the address: what lies there never changes.
FOR_EVER = "private, max-age=31536000, immutable"
#: Smaller files are not worth packing [bytes].
LEAST_PACKED = 1024

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True, slots=True)
class File:
    """Hold a file as it is sent."""

    media_type: str
    plain: bytes
    packed: bytes | None
    etag: str


class Files:
    """Keep every file in memory, packed once; a new version of the package is a new process.

    :param folder: of this package's own files.
    """

    def __init__(self, folder: Path = FOLDER) -> None:
        self._folder = folder
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._kept: dict[str, File] = {}
        names = sorted(file for file in folder.rglob("*") if file.suffix in TYPES and file.is_file())
        self._own = {str(file.relative_to(folder)): file for file in names}
        digest = hashlib.sha256()
        for name, file in self._own.items():
            digest.update(name.encode() + b"\0" + file.read_bytes() + b"\0")
        #: Address of the own files, and of the chart library, relative to the mount.
        self.own = f"static/{digest.hexdigest()[:12]}"
        self.plotly = f"static/plotly-{_plotly_version()}/plotly.min.js"

    def file(self, address: str) -> File | None:
        """Give a file by its address; None where there is none.

        :param address: relative to the mount, its version included.
        """
        known = self._kept.get(address)
        if known is not None:
            return known
        path = _plotly_file() if address == self.plotly else self._own.get(address.removeprefix(f"{self.own}/"))
        if path is None or not (address == self.plotly or address.startswith(f"{self.own}/")):
            return None
        # One for each: the small ones need not wait until the chart library is packed.
        with self._locks[address]:
            if address not in self._kept:
                self._kept[address] = _read(path)
            return self._kept[address]


def _read(path: Path) -> File:
    plain = path.read_bytes()
    # Level 9 once: the chart library takes a second, and 3 KB less than the level of Airflow's own middleware.
    packed = gzip.compress(plain, 9, mtime=0) if len(plain) >= LEAST_PACKED else None
    return File(TYPES[path.suffix], plain, packed, f'"{hashlib.sha256(plain).hexdigest()[:16]}"')


def _plotly_version() -> str:
    try:
        return version("plotly")
    except ImportError:
        return "missing"


def _plotly_file() -> Path | None:
    """Find the library's script; the package itself, which is large, is not imported."""
    spec = find_spec("plotly")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        script = Path(folder) / "package_data" / "plotly.min.js"
        if script.is_file():
            return script
    return None


@router.get("/static/{path:path}", response_class=Response)
def static(path: str, request: Request) -> Response:
    """Give a file of a version, to be kept for ever."""
    files: Files = request.app.state.files
    found = files.file(f"static/{path}")
    if found is None:
        raise HTTPException(404, "no such file in this version; reload the page")
    # Weak comparison, as proxies that pack anew mark it.
    headers = {"cache-control": FOR_EVER, "etag": found.etag, "vary": "accept-encoding"}
    if found.etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    if found.packed is not None and "gzip" in request.headers.get("accept-encoding", ""):
        return Response(found.packed, media_type=found.media_type, headers={**headers, "content-encoding": "gzip"})
    return Response(found.plain, media_type=found.media_type, headers=headers)
