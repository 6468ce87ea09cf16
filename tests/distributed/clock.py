"""A clock that is wrong: Debian's datefudge before all of one unit's own calls. What measures durations stays right."""

from __future__ import annotations

from pathlib import Path

#: Where Debian's package puts its library.
_PLACES = "lib/*/datefudge/datefudge.so"


def library() -> Path | None:
    """Find the library; None where it is not installed."""
    return next(iter(sorted(Path("/usr").glob(_PLACES))), None)


def off_by(seconds: int) -> dict[str, str]:
    """Give the settings of a process whose clock is wrong.

    :param seconds: ahead of the true time; negative behind it [s].
    :raises FileNotFoundError: if the library is not installed.
    """
    found = library()
    if found is None:
        raise FileNotFoundError("datefudge is not installed; as root: apt-get install datefudge")
    return {"LD_PRELOAD": str(found), "DATEFUDGE": str(-seconds)}
