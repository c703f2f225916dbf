"""A disk that fills up while training saves: the checkpoint stays, a message says what to do, the run goes on later.

Every call of every save of a training is made to fail with every reason that a disk has, one at a time. Where
this process may mount a small file system of its own (it needs root), a training fills it up for real.

    python reliability/disk.py [--megabytes 2] [--seconds 600] [--result FILE]
"""

from __future__ import annotations

import os

os.environ.update(OMP_NUM_THREADS="1", GOMP_SPINCOUNT="0")  # before torch is loaded

import errno
import io
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path

from outcome import end, parser

REASONS = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EACCES, errno.EFBIG)
PATTERN = "INPUT -> CONV(4) -> RELU -> POOL -> FC(8) -> RELU -> CLASSIFIER"


def refused(images: Path, out: Path, in_time: Callable[[], bool]) -> tuple[int, list[str]]:
    """Let every write of a training fail once, at every call; return how many, and what was wrong."""
    import convstage
    from convstage.errors import WriteError
    from convstage.run import LAST, MODEL
    from convstage.training import resume
    from faults import CALLS, failing
    from killing import litter, unreadable, weights

    settings = {"pattern": PATTERN, "epochs": 2, "batch_size": 5, "save_every": 1e-9, "threads": 1, "report": False}
    whole = convstage.train(images, **settings, name="whole", out=out)
    expected, problems, count = weights(whole), [], 0
    for call in CALLS:
        number = 0
        while in_time():
            path, seen = out / f"{call}-{number}", 0

            def only(_: Path, last: int = number) -> bool:
                nonlocal seen
                seen += 1
                return seen == last + 1

            reason = OSError(REASONS[count % len(REASONS)], os.strerror(REASONS[count % len(REASONS)]))
            try:
                with failing(call, reason, only) as failed:
                    convstage.train(images, **settings, name=path.name, out=out)
                if not failed:
                    break  # there are no more writes than these
                problems.append(f"{path.name}: the training went on")
            except WriteError as error:
                if reason.strerror not in str(error) or str(out) not in str(error):
                    problems.append(f"{path.name}: {error}")
                run = convstage.Run(path)
                if left := litter(out):
                    problems.append(f"{path.name}: litter stays, {left}")
                if wrong := unreadable(run):
                    problems.append(f"{path.name}: {wrong}")
                if run.is_begun and weights(resume(path)) != expected:
                    problems.append(f"{path.name}: other {MODEL} or {LAST} than without the failure")
            except Exception as error:
                problems.append(f"{path.name}: {type(error).__name__}: {error}")
            shutil.rmtree(path, ignore_errors=True)
            number, count = number + 1, count + 1
    return count, problems


@contextmanager
def small_disk(place: Path, megabytes: int) -> Iterator[bool]:
    """Mount a file system of so many megabytes, where that is allowed; yield whether it was."""
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "convstage-test", str(place)]
    allowed = shutil.which("mount") is not None and not subprocess.run(command, capture_output=True).returncode
    try:
        yield allowed
    finally:
        if allowed:
            subprocess.run(["umount", str(place)], check=True)


def filled(images: Path, disk: Path) -> list[str]:
    """Train on a disk that another file fills up after the first checkpoint; return what was wrong."""
    from convstage import Run, load
    from killing import litter

    flags = ["-p", "INPUT -> FC(400) -> RELU -> CLASSIFIER", "-e", "100000", "--patience", "100000", "--no-audit"]
    command = [sys.executable, "-m", "convstage", "train", images, *flags, "--threads", "1", "--no-report", "-n", "a"]
    process = subprocess.Popen([*command, "-o", disk], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    until = time.monotonic() + 60
    while not (disk / "a/last.safetensors").exists() and time.monotonic() < until:
        time.sleep(0.01)
    try:
        with open(disk / "filler", "wb") as file:
            while True:
                file.write(bytes(4096))
                file.flush()
    except OSError:
        pass
    _, said = process.communicate(timeout=60)
    problems = []
    if (
        process.returncode != 2
        or "No space left on device.\nMake room on the disk.\n" not in said
        or "Traceback" in said
    ):
        problems.append(f"on a full disk, code {process.returncode}: {said[-500:]}")
    if f"Then go on with: convstage train --resume {disk}/a" not in said:
        problems.append("on a full disk nothing is said of how to go on")
    if left := litter(disk):
        problems.append(f"on a full disk litter stays: {left}")
    run = Run.open(disk / "a")
    if run.read_last() is None or not load(run).predict(next(images.rglob("*.png"))):
        problems.append("on a full disk the checkpoint is gone")
    return problems


def run() -> None:
    flags = parser(__file__, __doc__)
    flags.add_argument("--megabytes", type=int, default=2, help="size of the disk that is filled up")
    asked = flags.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["CONVSTAGE_CACHE"] = f"{scratch}/cache"
        from killing import make_images

        folder = Path(scratch)
        images = make_images(folder / "images")
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            count, problems = refused(images, folder / "runs", lambda: time.monotonic() - began < asked.seconds)
        with small_disk(folder / "disk", asked.megabytes) as allowed:
            problems += filled(images, folder / "disk") if allowed else []
        complete = time.monotonic() - began < asked.seconds
    figures = {
        "writes refused": count,
        "every call of every write": complete,
        "a full file system": "filled up" if allowed else "not allowed here",
    }
    end(asked.result, "full disks and failing writes while training saves", figures, problems, began)


if __name__ == "__main__":
    run()
