"""Run the suite on other versions, each Airflow and Python in an environment of its own: ``make test-compat``.

``python tools/compat.py [NAME ...]``; the names are those of :data:`COMBINATIONS`, by default all. The environments lie
in ``.compat/``, one for each name, and are kept for the next time.

E2E        1: the end-to-end and the browser tests too; else what starts no Airflow
WORKERS    processes that share the tests; 2
PYTHON313  an interpreter, by its path (PYTHON311 and so on alike); else one of PATH or pyenv, else what uv can install
PYTEST     more words for pytest, for example ``-x tests/core``

Airflow pins its dependencies in files beside its releases, which no package index holds. For an older Airflow the
date of its release stands for them: nothing is installed that was published later.
"""

# ruff: noqa: T201 - a script speaks to its user
from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / ".compat"
EXTRAS = ("charts", "measure", "parquet", "postgres")
#: What starts no Airflow and no browser.
LIGHT, HEAVY = "not e2e and not browser", ("tests/e2e", "tests/browser")


class Combination(NamedTuple):
    """Name what goes together.

    :param released: day on which that Airflow was published, ISO 8601; empty takes the newest dependencies.
    :param lowest: take the least version that ``pyproject.toml`` allows of each direct dependency.
    """

    python: str
    airflow: str
    released: str = ""
    lowest: bool = False


COMBINATIONS = {
    "lowest": Combination("3.11", "3.3.0", released="2026-07-06", lowest=True),
    "middle": Combination("3.12", "3.3.1", released="2026-08-12"),
    "highest": Combination("3.13", "3.3.2"),
}
#: Our own floors that are younger than the oldest Airflow: package -> day on which the floor was published.
YOUNGER = {"codecarbon": "2026-08-04"}


def main(names: list[str]) -> int:
    """Run each combination, print how each ended, and give the worst exit status."""
    unknown = sorted(set(names) - set(COMBINATIONS))
    if unknown:
        sys.exit(f"{', '.join(unknown)}: no such combination; there are {', '.join(COMBINATIONS)}")
    report: list[str] = []
    worst = 0
    for name in names or COMBINATIONS:
        began = time.monotonic()
        combination = COMBINATIONS[name]
        try:
            python = environment(name, combination)
            said = subprocess.run([python, "-c", TOLD], capture_output=True, text=True, check=True).stdout.strip()  # noqa: S603
            print(f"== {name}: {said}", flush=True)
            status = subprocess.run([str(python), "-m", "pytest", *words()], cwd=ROOT, check=False).returncode  # noqa: S603
            ended = "passed" if status == 0 else f"FAILED ({status})"
        except subprocess.CalledProcessError as error:
            status, said, ended = 1, f"Python {combination.python}, Airflow {combination.airflow}", "NOT INSTALLED"
            print(error.stderr or error, file=sys.stderr)
        worst = max(worst, status)
        report.append(f"{name:8} {said:45} {ended} in {time.monotonic() - began:.0f} s")
    print("", *report, sep="\n")
    return worst


TOLD = """
import platform
from importlib.metadata import version
print(f"Python {platform.python_version()}, Airflow {version('apache-airflow')}, numpy {version('numpy')}")
"""


def words() -> list[str]:
    """Give the words for pytest."""
    # Left out by folder as well as by mark: what is not to run need not be read either.
    chosen = [] if os.environ.get("E2E") == "1" else ["-m", LIGHT, *(f"--ignore={folder}" for folder in HEAVY)]
    workers = os.environ.get("WORKERS", "2")
    # The plugin of an anyio as old as the oldest Airflow meets a newer pytest with a warning; no test uses it.
    without = ["-p", "no:cacheprovider", "-p", "no:anyio"]
    return [*without, *chosen, "-n", workers, *shlex.split(os.environ.get("PYTEST", ""))]


def environment(name: str, combination: Combination) -> Path:
    """Make the environment of a combination, or bring it up to date, and give its interpreter.

    :raises CalledProcessError: if uv fails, with what it said.
    """
    folder = FOLDER / name
    python = folder / "bin" / "python"
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / ".gitignore").write_text("*\n")
    if not python.exists():
        uv("venv", "--seed", "--python", interpreter(combination.python), str(folder))
    # First what users get, then the tools of the tests beside it.
    with tempfile.TemporaryDirectory(prefix="carbon-compat-") as scratch:
        wanted, pinned = Path(scratch) / "wanted.txt", Path(scratch) / "pinned.txt"
        wanted.write_text(f"apache-airflow=={combination.airflow}\n")
        dated = as_of(combination.released) if combination.released else []
        uv(
            *("pip", "compile", str(ROOT / "pyproject.toml"), str(wanted), "--output-file", str(pinned)),
            *("--override", str(wanted)),
            *("--python", str(python), *(f"--extra={extra}" for extra in EXTRAS), *dated),
            *(["--resolution", "lowest-direct"] if combination.lowest else []),
        )
        # What is installed already and fits would stay, whenever it was published.
        options = ("--python", str(python), "--constraint", str(pinned), "--override", str(wanted), *dated, "--upgrade")
        uv("pip", "install", *options, "--editable", f"{ROOT}[dev]")
    return python


def interpreter(version: str) -> str:
    """Find an interpreter of a version; where none is found the version itself, which uv may install."""
    named = os.environ.get(f"PYTHON{version.replace('.', '')}")
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found = [Path(folder) / f"python{version}" for folder in os.environ.get("PATH", "").split(os.pathsep)]
    for candidate in [*([Path(named)] if named else []), *found, *sorted(pyenv.glob(f"{version}.*/bin/python"))]:
        # One that lies there need not run: a shim of pyenv stands for every version that it has ever heard of.
        if candidate.is_file() and runs(candidate, version):
            return str(candidate)
    return version


def runs(python: Path, version: str) -> bool:
    """Say whether it is an interpreter of this version."""
    asked = [str(python), "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
    done = subprocess.run(asked, capture_output=True, text=True, check=False)  # noqa: S603
    return done.returncode == 0 and done.stdout.strip() == version


def as_of(day: str) -> list[str]:
    """Give the words with which uv takes nothing that was published after a day, save our own younger floors."""
    exempt = [f"--exclude-newer-package={package}={on}T23:59:59Z" for package, on in YOUNGER.items()]
    return [f"--exclude-newer={day}T23:59:59Z", *exempt]


def uv(*command: str) -> None:
    """Run uv without a word.

    :raises CalledProcessError: if it fails, with what it said.
    """
    beside = Path(sys.executable).with_name("uv")
    told = str(beside) if beside.exists() else "uv"
    subprocess.run([told, "--quiet", *command], check=True, stderr=subprocess.PIPE, text=True, cwd=ROOT)  # noqa: S603


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
