"""Trainings killed with SIGKILL at random moments end, resumed, with the weights of uninterrupted ones.

Each is killed again and again, at a random moment or at a step of a save (see `faults.STEPS`). After every
kill all files of the run folder are read; in the end weights, optimizer, history, figures and predictions are
compared with those of the same training without interruption.

    python reliability/kill_training.py [--kills 200] [--in-save 50] [--kinds 4] [--seconds 600] [--result FILE]
"""

from __future__ import annotations

import os

os.environ.update(OMP_NUM_THREADS="1", GOMP_SPINCOUNT="0")  # before torch is loaded; processes are forked

import tempfile
import time
from pathlib import Path
from random import Random

from outcome import end, parser


def run() -> None:
    flags = parser(__file__, __doc__)
    flags.add_argument("--kills", type=int, default=200, help="how often a training is killed, at least")
    flags.add_argument("--in-save", type=int, default=50, help="how many of these are within a save, at least")
    flags.add_argument("--kinds", type=int, default=4, help="how many kinds of training, the fastest first")
    asked = flags.parse_args()
    began, random = time.monotonic(), Random(asked.seed)

    with tempfile.TemporaryDirectory() as scratch:
        os.environ["CONVSTAGE_CACHE"] = f"{scratch}/cache"
        import torch

        from killing import KINDS, Kind, Tally, make_images

        torch.set_num_threads(1)
        folder = Path(scratch)
        images = make_images(folder / "images")
        names = list(KINDS)[: asked.kinds]
        kinds = [Kind(name, images, folder / str(number)) for number, name in enumerate(names)]
        tally, turn = Tally(), 0
        while (tally.kills < asked.kills or tally.in_save < asked.in_save) and time.monotonic() - began < asked.seconds:
            wanted = 1.0 if tally.kills >= asked.kills else 0.5
            # Without the cache some are killed while they read the images, too.
            if turn % 3 == 0:
                for file in (folder / "cache").glob("*"):
                    file.unlink()
            kinds[turn % len(kinds)].kill_one(tally, random, random.randint(1, 8), wanted)
            turn += 1
    problems = list(tally.problems)
    if tally.kills < asked.kills or tally.in_save < asked.in_save:
        problems.append(f"the time was up after {tally.kills} kills, {tally.in_save} within a save")
    figures = {
        "kills": tally.kills,
        "within a save": tally.in_save,
        "by step": tally.by_step,
        "before there was a run": tally.before_begin,
        "trainings compared": tally.finished,
    }
    end(
        asked.result,
        "trainings killed with SIGKILL, resumed, compared with uninterrupted ones",
        figures,
        problems,
        began,
    )


if __name__ == "__main__":
    run()
