"""Install Impact Framework into ``.if/``, the oracle of ``tests/impact_framework``, unless it lies there already."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

VERSION = "1.1.0"
FOLDER = Path(__file__).resolve().parent.parent / ".if"
IF_RUN = FOLDER / "node_modules" / ".bin" / "if-run"


def main() -> None:
    """Install it and tell where, or end with one line that tells why not."""
    if installed() != VERSION:
        install()
    sys.stdout.write(f"{IF_RUN}\n")


def install() -> None:
    """Let npm install it.

    :raises SystemExit: if Node.js is not here, or npm fails.
    """
    missing = [name for name in ("node", "npm") if shutil.which(name) is None]
    if missing:
        sys.exit(f"{' and '.join(missing)} not found; install Node.js 18 or newer to compare with Impact Framework")
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / ".gitignore").write_text("*\n")
    (FOLDER / "package.json").write_text('{"private": true}\n')
    # A machine without a network is to be told soon.
    patience = ("--fetch-retries=1", "--fetch-retry-mintimeout=1000", "--fetch-retry-maxtimeout=2000")
    quiet = ("--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts", "--loglevel=error")
    command = ["npm", "install", *quiet, *patience, "--prefix", str(FOLDER), f"@grnsft/if@{VERSION}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode or installed() != VERSION:
        said = (done.stderr or done.stdout).strip().splitlines()
        sys.exit(f"npm could not install @grnsft/if@{VERSION}: {said[-1] if said else 'no reason told'}")


def installed() -> str | None:
    """Give the version that lies in the folder, None if there is none."""
    try:
        package = json.loads((FOLDER / "node_modules" / "@grnsft" / "if" / "package.json").read_text())
    except (OSError, ValueError):
        return None
    return str(package["version"]) if IF_RUN.exists() else None


if __name__ == "__main__":
    main()
