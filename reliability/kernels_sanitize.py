"""The kernels touch nothing outside of their arrays, and do nothing that C++ leaves undefined.

They are built without torch into a program (`kernels_sanitize.cpp`) that does random stages on every
instruction set of the machine: with AddressSanitizer and UBSan (GCC or Clang), every array a block of exactly its
size; and
without them, every array flush against a page that may not be touched, behind its end, then before its beginning.

    python reliability/kernels_sanitize.py [--shapes 2000] [--seed 0] [--seconds 1800] [--result FILE]
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from outcome import end, parser

ROOT = Path(__file__).parent.parent
AVX2 = ("-mavx2", "-mfma")
AVX512 = ("-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", *AVX2)
#: Kernels and the flags that their file needs, as in setup.py.
KERNELS: dict[str, tuple[str, ...]] = {"scalar": ()}
if platform.machine().lower() in ("x86_64", "amd64"):
    KERNELS |= {"avx2": AVX2, "avx512": AVX512}
SANITIZERS = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer")
#: Name -> flags of the build, and the program's word for where its arrays lie.
WAYS = {
    "sanitizers": (("-O1", "-g1", *SANITIZERS), "heap"),
    "guard page behind": (("-O3",), "end"),
    "guard page before": (("-O3",), "begin"),
}


def compiler() -> str:
    """Return the C++ compiler's name."""
    found = os.environ.get("CXX") or shutil.which("g++") or shutil.which("clang++")
    if found is None:
        raise SystemExit("a C++ compiler is needed: install g++ or clang++, or name one in CXX")
    return found


def build(folder: Path, flags: tuple[str, ...], deadline: float) -> Path:
    """Build the program; one object for each instruction set, at the same time."""
    common = [compiler(), "-std=c++17", "-fno-predictive-commoning", f"-I{ROOT / 'csrc'}", *flags]
    sources = {ROOT / f"csrc/kernels_{name}.cpp": wide for name, wide in KERNELS.items()}
    sources |= {Path(__file__).with_suffix(".cpp"): ()}
    jobs = []
    for source, wide in sources.items():
        command = [*common, *wide, "-w", "-c", str(source), "-o", str(folder / f"{source.stem}.o")]
        jobs.append(subprocess.Popen(command))
    for job in jobs:
        if job.wait(max(1.0, deadline - time.monotonic())) != 0:
            raise SystemExit("the kernels were not built: see above")
    program = folder / "kernels_sanitize"
    subprocess.run([*common, *map(str, folder.glob("*.o")), "-o", str(program)], check=True)
    return program


def main() -> None:
    flags = parser(__file__, __doc__)
    flags.set_defaults(seconds=1800)
    flags.add_argument("--shapes", type=int, default=2000, help="random stages, each on every instruction set")
    asked = flags.parse_args()
    began = time.monotonic()
    deadline = began + asked.seconds
    problems: list[str] = []
    done: dict[str, str] = {}
    seconds: dict[str, float] = {}
    programs: dict[tuple[str, ...], Path] = {}
    with tempfile.TemporaryDirectory() as scratch:
        for name, (built_with, where) in WAYS.items():
            start = time.monotonic()
            try:
                if built_with not in programs:
                    folder = Path(scratch) / str(len(programs))
                    folder.mkdir()
                    programs[built_with] = build(folder, built_with, deadline)
                    seconds[f"build, {name}"] = round(time.monotonic() - start, 1)
                    start = time.monotonic()
                command = [str(programs[built_with]), str(asked.shapes), str(asked.seed), where]
                left = max(1.0, deadline - time.monotonic())
                ended = subprocess.run(command, capture_output=True, text=True, timeout=left, check=False)
            except subprocess.TimeoutExpired:
                problems.append(f"{name}: the time was up")
                continue
            seconds[name] = round(time.monotonic() - start, 1)
            lines = ended.stdout.splitlines() or [""]
            if ended.returncode == 0 and lines[-1].startswith("done with"):
                done[name] = f"{asked.shapes} stages {lines[-1].removeprefix('done ')}"
            else:
                problems.append(
                    f"{name}: ends with {ended.returncode} at {' | '.join(lines[-2:])}; {ended.stderr[:1500]}"
                )
    end(
        asked.result, "the kernels under sanitizers and between guard pages", {**done, "took": seconds}, problems, began
    )


if __name__ == "__main__":
    main()
