"""Look every pinned dependency up among the known vulnerabilities, by pip-audit in an environment of its own.

Where no vulnerability service can be reached, it says so and ends well: a build does not fail for somebody's outage,
and nobody takes silence for safety. Run by ``make audit``.
"""

# ruff: noqa: T201 - a script speaks to its user
from __future__ import annotations

import json
import subprocess
import sys
import time
import venv
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

ROOT = Path(__file__).parent.parent
CONSTRAINTS = ROOT / "constraints.txt"
#: pip-audit never gets into the environment that it looks at.
HOME = ROOT / ".audit"
SERVICES = ("pypi", "osv")
#: All of it takes no longer [s]; one answer of a service, no longer than that.
PATIENCE, ANSWER = 165.0, 10
#: Vulnerabilities that do not concern this package, each with the reason; ``make audit`` prints them.
IGNORED: dict[str, str] = {}


class NotAuditedError(Exception):
    """Nothing is known of vulnerabilities; the message says why."""


def pip_audit(until: float) -> Path:
    """Give the program, after installing it where it is not there.

    :raises NotAuditedError: if it cannot be installed.
    """
    program = HOME / "bin" / "pip-audit"
    if not program.exists():
        venv.create(HOME, with_pip=True, clear=True)
        command = [str(HOME / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
        done = run([*command, "pip-audit"], until)
        if done.returncode:
            raise NotAuditedError(f"pip-audit cannot be installed: {last_line(done.stderr)}")
    return program


def asked(program: Path, pins: list[str], service: str, until: float) -> list[dict[str, Any]]:
    """Ask one service; give what it says of each pin.

    :raises NotAuditedError: if it does not answer, or knows none of them.
    """
    with TemporaryDirectory() as folder:
        asking, answer = Path(folder) / "pins.txt", Path(folder) / "answer.json"
        asking.write_text("\n".join(pins) + "\n")
        options = ["--no-deps", "--disable-pip", "--progress-spinner=off", f"--timeout={ANSWER}"]
        ignored = [f"--ignore-vuln={one}" for one in IGNORED]
        done = run(
            [str(program), "-r", str(asking), "-s", service, "-f", "json", "-o", str(answer), *options, *ignored], until
        )
        if not answer.exists():
            raise NotAuditedError(f"the service {service} does not answer: {last_line(done.stderr)}")
        found: list[dict[str, Any]] = json.loads(answer.read_text())["dependencies"]
    if all("skip_reason" in one for one in found):
        # pip-audit itself ends well here, with "no known vulnerabilities found".
        raise NotAuditedError(f"the service {service} knows nothing: {found[0]['skip_reason'] if found else 'no pins'}")
    return found


def run(command: list[str], until: float) -> subprocess.CompletedProcess[str]:
    """Run a program.

    :raises NotAuditedError: if it takes too long.
    """
    try:
        return subprocess.run(  # noqa: S603 (a command of our own)
            command, capture_output=True, text=True, check=False, timeout=max(1.0, until - time.monotonic())
        )
    except subprocess.TimeoutExpired:
        raise NotAuditedError(f"{Path(command[0]).name} took longer than {PATIENCE:.0f} s in all") from None


def last_line(text: str) -> str:
    """Give the line of an error that says most."""
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "nothing was said")[:300]


def main() -> int:
    """Print every known vulnerability of the pins; 1 if there is one."""
    until = time.monotonic() + PATIENCE
    pins = [line for line in CONSTRAINTS.read_text().splitlines() if "==" in line and not line.startswith("#")]
    found, silent = None, []
    try:
        program = pip_audit(until)
        for service in SERVICES:
            try:
                # One pin first: a service that is not there would be asked for each of them in vain.
                asked(program, [next(one for one in pins if one.startswith("numpy=="))], service, until)
                found = asked(program, pins, service, until)
                break
            except NotAuditedError as error:
                silent.append(str(error))
    except NotAuditedError as error:
        silent.append(str(error))
    if found is None:
        print("NOT AUDITED: no vulnerability service could be asked, so nothing is known of these dependencies.")
        print("\n".join(f"  {said}" for said in silent))
        return 0
    vulnerable = [(one, hole) for one in found for hole in one.get("vulns", ())]
    for one, hole in vulnerable:
        fixed = f"fixed in {', '.join(hole['fix_versions'])}" if hole["fix_versions"] else "not fixed in any version"
        print(f"{one['name']} {one['version']}: {hole['id']}, {fixed}", file=sys.stderr)
    for one, why in IGNORED.items():
        print(f"ignored: {one}, {why}")
    skipped = [one["name"] for one in found if "skip_reason" in one]
    if skipped:
        print(f"not audited, unknown to the service: {', '.join(skipped)}")
    print(f"{len(found) - len(skipped)} dependencies audited, {len(vulnerable)} known vulnerabilities")
    return 1 if vulnerable else 0


if __name__ == "__main__":
    sys.exit(main())
