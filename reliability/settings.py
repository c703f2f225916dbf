"""Config files, settings and run folders of any content are taken, or refused in words of ours.

Hypothesis draws YAML files and keywords; run folders are spoiled by number, file by file (bits, values, cells,
tensors with a digest that is right, other files, folders, links), and read by everything that reads one: library,
evaluation, resuming, explanations, features, report and server. So are the folders of cross-validations, comparisons
and searches. Any error but our own ends with code 1.

    python reliability/settings.py [--seconds 600] [--seed 0] [--case N] [--result FILE]
"""

from __future__ import annotations

import os

os.environ.update(OMP_NUM_THREADS="1", GOMP_SPINCOUNT="0")  # before torch is loaded

import io
import resource
import shutil
import sys
import tempfile
import time
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from random import Random

from outcome import end, parser

#: No file of a few kilobytes may ask for more memory than this.
MEMORY = 6 << 30
#: Seconds that one case may take.
PATIENCE = 60.0
#: Cases that hypothesis draws in one round.
ROUND = 300


def make_runs(folder: Path) -> tuple[Path, Path]:
    """Return two runs of the same images: one with everything in it, and one of another network."""
    import convstage
    from killing import make_images

    images = make_images(folder / "images", (40, 40))
    (images / "0/bad.png").write_bytes(b"no image")
    common = {"epochs": 2, "batch_size": 16, "threads": 1, "report": False, "out": folder / "runs"}
    full = convstage.train(images, pattern="INPUT -> CONV(2) -> BN -> RELU -> POOL -> CLASSIFIER", **common)
    figures = {"before": 0.4, "after": 0.3}
    full.write_calibration({"temperature": 1.2, "images": 30, "nll": figures, "calibration_error": figures})
    other = convstage.train(images, pattern="INPUT -> CONV(3) -> RELU -> POOL -> CLASSIFIER", audit=False, **common)
    return full.path, other.path


def spoil_one(number: int, seed: int, runs: tuple[Path, Path], scratch: Path) -> tuple[str, str, str]:
    """Spoil a run folder, by the number of the case, and read it; return who read, what was done, what was wrong."""
    from spoiled_runs import READERS, judge, spoil

    random = Random(f"{seed} {number}")
    run = Path(shutil.copytree(runs[0], scratch / f"run-{number}"))
    what = [spoil(run, runs[1], random) for _ in range(random.choice((1, 1, 1, 2, 3)))]
    reader = random.choice(sorted(READERS))
    began = time.monotonic()
    with redirect_stderr(io.StringIO()), redirect_stdout(io.StringIO()):
        wrong = judge(reader, run)
    if time.monotonic() - began > PATIENCE:
        wrong = wrong or f"it took {time.monotonic() - began:.0f} s"
    shutil.rmtree(run)
    return reader, "; ".join(what), wrong


def make_series(folder: Path) -> dict[str, tuple[Path, Path]]:
    """Return two folders of each kind of series."""
    from killing import make_images
    from spoiled_series import SERIES

    images = make_images(folder / "few", (20, 20))
    return {
        name: (kind.make(images, folder / "series", name), kind.make(images, folder / "series", f"{name}-again"))
        for name, kind in SERIES.items()
    }


def spoil_other(number: int, seed: int, series: dict[str, tuple[Path, Path]], scratch: Path) -> tuple[str, str, str]:
    """Spoil the folder of a series, by the number of the case, and read it; as `spoil_one`."""
    from spoiled_series import spoil_series

    random = Random(f"{seed} series {number}")
    name = random.choice(sorted(series))
    with redirect_stderr(io.StringIO()), redirect_stdout(io.StringIO()):
        return spoil_series(name, *series[name], random, scratch)


def draw(seed: int, scratch: Path) -> str:
    """Let hypothesis draw a round of files, and one of keywords; return what was wrong, with the smallest example."""
    from hypothesis import HealthCheck, given, settings
    from hypothesis import seed as seeded

    from spoiled_settings import files, judge_file, judge_keywords, keywords

    chosen = settings(max_examples=ROUND, deadline=None, database=None, suppress_health_check=list(HealthCheck))

    @seeded(seed)
    @chosen
    @given(files())
    def of_files(content: bytes) -> None:
        judge_file(scratch / "run.yaml", content)

    @seeded(seed)
    @chosen
    @given(keywords)
    def of_keywords(drawn: dict) -> None:
        judge_keywords(drawn)

    for check in (of_files, of_keywords):
        try:
            check()
        except Exception as error:
            return f"{type(error).__name__}: {error} {getattr(error, '__notes__', '')}"
    return ""


def run() -> None:
    flags = parser(__file__, __doc__)
    flags.add_argument("--case", type=int, help="one spoiled run folder, by its number, as a problem names it")
    asked = flags.parse_args()
    began = time.monotonic()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    sys.path.append(str(Path(__file__).parent.parent / "tests"))
    problems, drawn, by_reader = [], 0, dict[str, int]()
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["CONVSTAGE_CACHE"] = f"{scratch}/cache"
        with redirect_stderr(io.StringIO()):
            runs, series = make_runs(Path(scratch)), make_series(Path(scratch))
        if asked.case is not None:
            for again in (spoil_one(asked.case, asked.seed, runs, Path(scratch)),
                          spoil_other(asked.case, asked.seed, series, Path(scratch))):  # fmt: skip
                print(*again, sep="\n")
            return
        number = 0
        while time.monotonic() - began < asked.seconds and len(problems) < 20:
            if number % 100 == 0:
                if wrong := draw(asked.seed + number, Path(scratch)):
                    problems.append(wrong)
                drawn += ROUND
            for reader, what, wrong in (spoil_one(number, asked.seed, runs, Path(scratch)),
                                        spoil_other(number, asked.seed, series, Path(scratch))):  # fmt: skip
                by_reader[reader] = by_reader.get(reader, 0) + 1
                if wrong:
                    problems.append(f"--seed {asked.seed} --case {number}: {reader}, {what}: {wrong}")
            number += 1
    figures = {
        "config files": drawn,
        "settings as keywords": drawn,
        "run folders": number,
        "folders of series": number,
        "by reader": dict(sorted(by_reader.items())),
    }
    end(asked.result, "spoiled settings and run folders", figures, problems, began)


if __name__ == "__main__":
    run()
