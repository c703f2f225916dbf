"""How a script of this folder ends: a few lines for people, a JSON file for the page, an exit code."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


def parser(file: str, words: str | None) -> argparse.ArgumentParser:
    """Return a parser of a script's flags, with those that every script has."""
    made = argparse.ArgumentParser(
        description=words, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    default = HERE / "results" / f"{Path(file).stem}.json"
    made.add_argument("--seed", type=int, default=0, help="of all that is drawn at random")
    made.add_argument("--seconds", type=float, default=600, help="stop after so long, and say what was done until then")
    made.add_argument("--result", type=Path, default=default, help="where the figures go, as JSON")
    return made


def store(result: Path, what: str, figures: dict[str, Any]) -> None:
    """Write what was found as JSON, with the machine, the versions and the command line."""
    from convstage.environment import environment
    from convstage.machine import processor

    told = {
        "what": what,
        "machine": {"processor": processor(), "cores": os.cpu_count()},
        "environment": environment(),
        "command": " ".join(["python", f"reliability/{Path(sys.argv[0]).name}", *sys.argv[1:]]),
        **figures,
    }
    result.parent.mkdir(parents=True, exist_ok=True)
    result.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def end(result: Path, what: str, figures: dict[str, Any], problems: list[str], began: float) -> None:
    """Print and store what was found, and end the process: with 1 when something did not hold."""
    figures = {**figures, "seconds": round(time.monotonic() - began, 1), "problems": problems}
    store(result, what, figures)
    for name, value in figures.items():
        print(f"- {name}: {value}" if name != "problems" else f"- problems: {len(problems)}")
    for problem in problems[:20]:
        print(f"  - {problem}")
    sys.exit(1 if problems else 0)
