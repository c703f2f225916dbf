"""Looks up every package of the lock files in the database of known vulnerabilities.

A vulnerability ends it with 1. Where the database cannot be reached there is a warning only: a machine
without a network must be able to run the linters.

    python locks/audit.py [--command "pip-audit …"]
"""

from __future__ import annotations

import argparse
import json
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
#: The hashes make it look at nothing but what is in the file.
COMMAND = ("pip-audit", "--require-hashes", "--disable-pip", "--progress-spinner=off", "--timeout=10", "--format=json")


def ask(command: list[str]) -> tuple[list[dict[str, Any]] | None, str]:
    """Return what is said of every package, None when there is no answer, and what was said beside it."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return None, str(error)
    try:
        return list(json.loads(done.stdout)["dependencies"]), done.stderr
    except (ValueError, KeyError):
        lines = done.stderr.strip().splitlines()
        return None, lines[-1] if lines else f"exit code {done.returncode}"


def describe(packages: list[dict[str, Any]]) -> tuple[list[str], bool]:
    """Return what to say of the packages, and whether one of them is vulnerable."""
    audited = [one for one in packages if "skip_reason" not in one]
    bad = [(one, flaw) for one in audited for flaw in one["vulns"]]
    lines = [
        f"{one['name']} {one['version']}: {flaw['id']}, fixed in {', '.join(flaw['fix_versions']) or 'no version yet'}"
        for one, flaw in bad
    ]
    lines.append(f"{len(audited)} of {len(packages)} packages looked up: {len(bad) or 'no'} known vulnerabilities.")
    if len(audited) < len(packages):
        lines.append("warning: the database that answers here does not know the others.")
    return lines, bool(bad)


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n")[0])
    parser.add_argument("--command", default=shlex.join([str(Path(sys.executable).parent / COMMAND[0]), *COMMAND[1:]]))
    asked = parser.parse_args()
    locks = [part for lock in sorted(HERE.glob("*.txt")) for part in ("--requirement", str(lock))]
    packages, said = ask([*shlex.split(asked.command), *locks])
    if packages is None:
        print(f"warning: the packages were not looked up: {said}")
        return
    lines, is_bad = describe(packages)
    print("\n".join(lines))
    sys.exit(int(is_bad))


if __name__ == "__main__":
    main()
