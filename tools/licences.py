"""Name the licence of every run-time dependency, and refuse one that is not on the list. Run by ``make audit``.

Read from the metadata of what is installed: the package, its optional extras, and all that they need.
"""

# ruff: noqa: T201 - a script speaks to its user
from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution

from packaging.requirements import Requirement

PACKAGE = "airflow-provider-carbon"
#: What users may install beside the package itself; ``dev`` never reaches them.
EXTRAS = ("charts", "measure", "parquet", "postgres")

#: Licences that ask no more than to be named, as SPDX writes them.
ALLOWED = frozenset(
    {
        "0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "BSL-1.0", "CC0-1.0", "CNRI-Python", "HPND", "ISC", "MIT",
        "MIT-0", "MIT-CMU", "PSF-2.0", "Python-2.0", "Unlicense", "Zlib", "blessing",
    }
)  # fmt: skip
#: How older metadata says the same.
SPDX = {
    "apache 2": "Apache-2.0", "apache 2.0": "Apache-2.0", "apache license": "Apache-2.0",
    "apache license 2.0": "Apache-2.0", "apache license, version 2.0": "Apache-2.0", "apache software": "Apache-2.0",
    "apache software license": "Apache-2.0", "apache software license 2.0": "Apache-2.0",
    "apache license v2.0": "Apache-2.0",
    "bsd": "BSD-3-Clause", "bsd license": "BSD-3-Clause", "bsd 3-clause": "BSD-3-Clause",
    "bsd 3-clause license": "BSD-3-Clause", "3-clause bsd license": "BSD-3-Clause", "new bsd": "BSD-3-Clause",
    "bsd-2": "BSD-2-Clause", "simplified bsd": "BSD-2-Clause",
    "isc license": "ISC", "isc license (iscl)": "ISC",
    "mit license": "MIT", "the mit license": "MIT", "the mit license (mit)": "MIT", "expat license": "MIT",
    "historical permission notice and disclaimer (hpnd)": "HPND",
    "mozilla public license 2.0 (mpl 2.0)": "MPL-2.0",
    "gnu lesser general public license v3 (lgplv3)": "LGPL-3.0-only",
    "gnu lesser general public license v2 or later (lgplv2+)": "LGPL-2.0-or-later",
    "python software foundation license": "PSF-2.0", "psf": "PSF-2.0", "psfl": "PSF-2.0",
    "the unlicense (unlicense)": "Unlicense", "public domain": "CC0-1.0",
}  # fmt: skip
#: Licences that ask for more, or metadata that says nothing, looked at one by one: package -> what its metadata says,
#: and why it may be there. None is copied into our wheel, and each can be replaced by its user: that is what they ask.
EXCEPTIONS: dict[str, tuple[str, str]] = {
    "certifi": (
        "Mozilla Public License 2.0 (MPL 2.0)",
        "certificates that httpx reads",
    ),
    "pathspec": ("Mozilla Public License 2.0 (MPL 2.0)", "required by Airflow for .airflowignore"),
    "psycopg": ("LGPL-3.0-only", "the extra `postgres` alone, imported as it is"),
    "psycopg-binary": ("LGPL-3.0-only", "the extra `postgres` alone, imported as it is"),
    "pycountry": ("LGPL-2.1-only", "the extra `measure` alone, required by codecarbon and imported as it is"),
    "text-unidecode": (
        "Artistic License / GNU General Public License (GPL) / GNU General Public License v2 or later (GPLv2+)",
        "taken under the Artistic License; required by Airflow's python-slugify",
    ),
}


def name_of(requirement: str) -> str:
    """Write a package's name as the index does."""
    return re.sub(r"[-_.]+", "-", requirement).lower()


def dependencies(package: str, extras: tuple[str, ...]) -> tuple[dict[str, Distribution], list[str]]:
    """Find what a package needs, and what of it is not installed here."""
    found: dict[str, Distribution] = {}
    absent: list[str] = []
    pending, asked = [(package, frozenset(extras))], set[tuple[str, frozenset[str]]]()
    while pending:
        name, wanted = pending.pop()
        if (name, wanted) in asked:
            continue
        asked.add((name, wanted))
        try:
            known = found.setdefault(name, distribution(name))
        except PackageNotFoundError:
            absent.append(name)
            continue
        for text in known.requires or ():
            need = Requirement(text)
            if need.marker is None or any(need.marker.evaluate({"extra": extra}) for extra in (*wanted, "")):
                pending.append((name_of(need.name), frozenset(need.extras)))
    found.pop(package, None)
    return found, sorted(set(absent))


def said_by(known: Distribution) -> list[str]:
    """Give what a package's metadata says of its licence, the strictest form first."""
    metadata = known.metadata
    if expression := metadata.get("License-Expression"):
        return [expression]
    classified = [
        one.rpartition("::")[2].strip()
        for one in metadata.get_all("Classifier") or ()
        if one.startswith("License ::") and not one.endswith("OSI Approved")
    ]
    if classified:
        # More than one stands for a choice, unless the package says otherwise.
        return classified
    said = (metadata.get("License") or "").strip()
    return [said] if said and "\n" not in said else []


def is_allowed(said: str) -> bool:
    """Tell whether a licence, or an SPDX expression of several, is on the list."""
    tokens = said.replace("(", " ( ").replace(")", " ) ").split() if not spdx(said) else [spdx(said)]
    return _any(iter(tokens))


def spdx(said: str) -> str:
    """Give the SPDX name of what older metadata says; empty for what is unknown."""
    plain = said.strip()
    return plain if plain in ALLOWED else SPDX.get(plain.lower(), "")


def _any(tokens: Iterator[str]) -> bool:
    """Read ``A OR B AND (C OR D)``: AND binds closer."""
    answer, every = False, list[bool]()
    for word in tokens:
        if word == ")":
            break
        if word == "OR":
            answer, every = answer or _all(every), []
        elif word == "(":
            every.append(_any(tokens))
        elif word not in ("AND", "WITH"):
            every.append(word in ALLOWED)
    return answer or _all(every)


def _all(every: list[bool]) -> bool:
    # Of nothing, nothing is known.
    return bool(every) and all(every)


def main() -> int:
    """Print a line for each licence, and every package whose licence is not known to be right."""
    found, absent = dependencies(PACKAGE, EXTRAS)
    wrong, used = [], set[str]()
    counted: Counter[str] = Counter()
    for name, known in sorted(found.items()):
        said = said_by(known)
        if any(map(is_allowed, said)):
            counted[next(spdx(one) or one for one in said if is_allowed(one))] += 1
        elif name in EXCEPTIONS and EXCEPTIONS[name][0] == " / ".join(said):
            used.add(name)
        else:
            wrong.append(f"{name} {known.version}: {' / '.join(said) or 'its metadata names none'}")
    for licence, count in counted.most_common():
        print(f"{count:4d}  {licence}")
    for name in sorted(used):
        licence, why = EXCEPTIONS[name]
        print(f"   1  {licence}: {name}, {why}")
    if absent:
        print(f"not installed here, and not looked at: {', '.join(absent)}")
    for name in sorted(set(EXCEPTIONS) & set(found) - used):
        print(f"{name}: its exception is needed no more; remove it from tools/licences.py", file=sys.stderr)
    for line in wrong:
        print(f"no permissive licence: {line}; if it may be there, say why in tools/licences.py", file=sys.stderr)
    print(f"{len(found)} run-time dependencies, {len(wrong)} with a licence that is not on the list")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
