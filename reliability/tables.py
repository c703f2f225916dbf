"""Tables, arrays, split files and filters are read, or refused with an error of our own: never a crash, 5 s or 1 GiB.

python reliability/tables.py [--cases 20000] [--seed 0]
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from table_cases import seeds, task_of_cases, task_of_files
from table_extremes import EXTREMES
from tally import Tally, finish, show
from watched import watch

HERE = Path(__file__).parent


def spoil(cases: int, seed: int, processes: int) -> Tally:
    """Judge spoiled files."""
    tally, names = Tally(), list(seeds())
    for outcome in watch(task_of_cases(seed), range(cases), processes):
        tally.add(outcome, f"{names[outcome.number % len(names)]} {outcome.number} of seed {seed}")
    return tally


def try_extremes(part: str) -> Tally:
    """Judge the costliest files, one after the other, each in a process of its own."""
    tally = Tally()
    for name, make in EXTREMES.items():
        if part not in name:
            continue
        with tempfile.TemporaryDirectory() as folder:
            called, content = make()
            (Path(folder) / called).write_bytes(content)
            del content
            for outcome in watch(task_of_files([(called, Path(folder) / called)]), [0], 1):
                tally.add(outcome, name)
    return tally


def main() -> None:
    """Judge them all, print what became of them, and store it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=20_000, help="spoiled files [20000]")
    parser.add_argument("--seed", type=int, default=0, help="other cases [0]")
    parser.add_argument("--processes", type=int, default=2, help="how many work at once [2]")
    parser.add_argument("--extremes", default="", help="only the costliest files with this in their names; - for none")
    parser.add_argument("--result", type=Path, default=HERE / "results/tables.json", help="where figures go")
    options = parser.parse_args()
    tallies = {
        "spoiled": spoil(options.cases, options.seed, options.processes),
        "extreme": try_extremes(options.extremes),
    }
    show(tallies)
    finish(options.result, "tables, arrays, split files and filters are read or refused", tallies, files=list(seeds()))


if __name__ == "__main__":
    main()
