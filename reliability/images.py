"""Every image file is accepted, or refused with a reason: never a crash, 5 s, 1 GiB, or a word on the terminal.

Three kinds of files: valid ones of every format, spoiled in as many ways as are asked for; files that
are as costly as files can be; and any folder of others. Some of them are also given to the command
line, the library, a data set and the server, which must agree. Files that fail are kept.

    python reliability/images.py [--cases 100000] [--corpus FOLDER] [--keep FOLDER] [--seed 0]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from image_agreement import disagreements, small_run
from image_cases import kinds, spoiled, task_of_cases, task_of_files
from image_extremes import EXTREMES
from tally import SHOWN, Tally, finish, show
from watched import watch

HERE = Path(__file__).parent
#: Of so many cases one is also given to all ways in.
COMPARED = 100


def spoil(cases: int, seed: int, processes: int, keep: Path | None) -> Tally:
    """Judge spoiled files."""
    tally, formats = Tally(), kinds()
    for outcome in watch(task_of_cases(seed), range(cases), processes):
        tally.add(outcome, f"{formats[outcome.number % len(formats)]} {outcome.number} of seed {seed}")
        if outcome.failure:
            _keep(keep, f"{seed}-{outcome.number}", spoiled(outcome.number, seed)[1], outcome.failure)
    return tally


def try_files(paths: Sequence[Path], processes: int, keep: Path | None) -> Tally:
    """Judge files that others have broken."""
    tally = Tally()
    for outcome in watch(task_of_files(paths), range(len(paths)), processes):
        tally.add(outcome, str(paths[outcome.number]))
        if outcome.failure:
            _keep(keep, f"corpus-{outcome.number}", paths[outcome.number].read_bytes(), outcome.failure)
    return tally


def try_extremes(names: Iterable[str], keep: Path | None) -> Tally:
    """Judge the costliest files, one after the other, each in a process of its own."""
    tally = Tally()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file"
        for name in names:
            path.write_bytes(EXTREMES[name]())
            for outcome in watch(task_of_files([path]), [0], 1):
                tally.add(outcome, name)
                if outcome.failure:
                    _keep(keep, name, b"", f"{outcome.failure}; made by image_extremes.EXTREMES[{name!r}]")
    return tally


def compare(cases: int, seed: int) -> dict[str, Any]:
    """Give every `COMPARED`th case to all ways in."""
    contents = [spoiled(number, seed)[1] for number in range(0, cases, COMPARED)]
    with tempfile.TemporaryDirectory() as folder:
        differ = disagreements(small_run(Path(folder) / "run"), contents, Path(folder) / "files")
    return {"cases": len(contents), "differ": len(differ), "where": differ[:SHOWN]}


def _keep(folder: Path | None, name: str, content: bytes, failure: str) -> None:
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.img").write_bytes(content)
        (folder / f"{name}.txt").write_text(f"{failure}\n", encoding="utf-8", errors="backslashreplace")


def main() -> None:
    """Judge them all, print what became of them, and store it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=100_000, help="spoiled files [100000]")
    parser.add_argument("--seed", type=int, default=0, help="other cases [0]")
    parser.add_argument("--corpus", type=Path, help="a folder of other files, which is searched to its depths")
    parser.add_argument("--keep", type=Path, help="where files that fail are kept")
    parser.add_argument("--processes", type=int, default=2, help="how many work at once [2]")
    parser.add_argument("--extremes", default="", help="only the costliest files with this in their names; - for none")
    parser.add_argument("--result", type=Path, default=HERE / "results/images.json", help="where figures go")
    options = parser.parse_args()

    start = time.monotonic()
    tallies = {"spoiled": spoil(options.cases, options.seed, options.processes, options.keep)}
    spoiling = time.monotonic() - start
    if options.corpus is not None:
        paths = sorted(path for path in options.corpus.rglob("*") if path.is_file())
        tallies["corpus"] = try_files(paths, options.processes, options.keep)
    tallies["extreme"] = try_extremes([name for name in EXTREMES if options.extremes in name], options.keep)
    agreement = compare(options.cases, options.seed) if options.cases else {"cases": 0, "differ": 0, "where": []}

    show(tallies)
    print(f"\n{agreement['cases']:,} files by all ways in: {agreement['differ']} verdicts differ.")
    print("".join(f"\ndiffers: {words}" for words in agreement["where"]))
    if "corpus" in tallies:
        print("".join(f"\n{count:7,} {reason}" for reason, count in tallies["corpus"].reasons.most_common()))
    finish(
        options.result,
        "every image file is accepted, or refused with a reason",
        tallies,
        formats=kinds(),
        seconds_for_the_spoiled=round(spoiling),
        agreement=agreement,
    )
    if agreement["differ"]:
        sys.exit(1)


if __name__ == "__main__":
    main()
