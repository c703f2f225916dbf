"""Any text is a layer pattern, or refused with an error of our own: atheris hunts for others, guided by coverage.

Texts of up to 10,000 characters; one that takes more than 5 s is a failure too. What fails is kept in
the folder. The fuzzer runs in a process of its own, since it ends the process that it is in.

    python reliability/patterns.py [--seconds 300] [--folder FOLDER]
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tally import Tally, finish, show
from watched import SECONDS, Outcome

HERE = Path(__file__).parent
#: Bytes of a text: a character may have four.
LONGEST = 10_000
#: What libFuzzer prints at its end.
RUNS, MEMORY = re.compile(r"number_of_executed_units: *(\d+)"), re.compile(r"peak_rss_mb: *(\d+)")
SLOWEST = re.compile(r"slowest_unit_time_sec: *(\d+)")
COVERAGE = re.compile(r"cov: (\d+) ft: (\d+)")
#: Names, to the fuzzer's process, the file that gets a byte for every text that is a pattern.
ACCEPTED = "CONVSTAGE_ACCEPTED"
FAILED = re.compile(r"(?:Uncaught Python exception|ERROR: libFuzzer): (.*)\n(.*)")


def hunt() -> None:
    """Be the fuzzer; its arguments are libFuzzer's."""
    import atheris

    with atheris.instrument_imports(include=["convstage.pattern", "convstage.errors", "lark"]):
        from pattern_cases import check

    accepted = os.open(
        os.environ[ACCEPTED], os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    )  # libFuzzer leaves without Python's farewell

    def one(data: bytes) -> None:
        if check(data.decode("utf-8", "surrogateescape")):
            os.write(accepted, b".")

    atheris.Setup(sys.argv, one)
    atheris.Fuzz()


def write_dictionary(path: Path) -> None:
    """Write the words of the language as libFuzzer reads them."""
    from pattern_cases import WORDS

    quoted = ("".join(f"\\x{byte:02x}" for byte in word.encode()) for word in WORDS)
    path.write_text("".join(f'"{word}"\n' for word in quoted))


def main() -> None:
    """Let the fuzzer run, print what became of it, and store it."""
    from pattern_cases import VALID

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=300, help="how long [300]")
    parser.add_argument("--seed", type=int, default=1, help="other texts [1]")
    parser.add_argument("--folder", type=Path, help="where the fuzzer keeps texts that were new to it, and what failed")
    parser.add_argument("--result", type=Path, default=HERE / "results/patterns.json", help="where figures go")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        texts = folder / "texts"
        texts.mkdir(parents=True, exist_ok=True)
        for number, text in enumerate(VALID):
            (texts / f"valid-{number}").write_text(text, encoding="utf-8")
        write_dictionary(folder / "words.dict")
        start = time.monotonic()
        done = subprocess.run(
            [
                sys.executable, str(Path(__file__)), str(texts), f"-max_total_time={options.seconds}",
                f"-max_len={LONGEST}", f"-timeout={SECONDS:g}", f"-seed={options.seed}", "-rss_limit_mb=1024",
                f"-dict={folder / 'words.dict'}", f"-artifact_prefix={folder}/", "-print_final_stats=1",
            ],
            env=os.environ | {ACCEPTED: str(folder / "accepted")},
            capture_output=True, text=True, errors="replace", check=False,
        )  # fmt: skip
        seconds = time.monotonic() - start
        accepted = (folder / "accepted").stat().st_size if (folder / "accepted").exists() else 0
    printed = done.stdout + done.stderr
    figures = {name: [int(n) for n in found.findall(printed)] for name, found in
               (("runs", RUNS), ("memory", MEMORY), ("slowest", SLOWEST))}  # fmt: skip
    failed = FAILED.search(printed)
    failure = f"{failed[1]} {failed[2]}" if failed else printed[-500:] if done.returncode else ""
    tally = Tally()
    memory, slowest = (max(figures[name], default=0) for name in ("memory", "slowest"))
    tally.add(Outcome(0, "", failure, slowest, memory << 20), str(folder))
    tally.cases, tally.accepted = max(figures["runs"], default=0), accepted
    tally.reasons["no pattern"] = tally.cases - tally.accepted - len(tally.failures)
    coverage = (COVERAGE.findall(printed) or [("0", "0")])[-1]
    show({"texts": tally})
    print(f"\n{tally.cases / max(seconds, 1):,.0f} texts a second; coverage {coverage[0]}, features {coverage[1]}.")
    more = {"seconds": round(seconds), "coverage": int(coverage[0]), "features": int(coverage[1])}
    finish(options.result, "any text is a pattern or refused", {"texts": tally}, **more)


if __name__ == "__main__":
    hunt() if any(argument.startswith("-artifact_prefix") for argument in sys.argv) else main()
