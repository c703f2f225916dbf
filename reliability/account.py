"""The table of docs/reliability.md: what each script has found, from its results.

python reliability/account.py
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
Result = dict[str, Any]


def _kill_training(found: Result) -> str:
    return (
        f"{found['kills']:,} kills, {found['within a save']:,} of them inside a save; "
        f"{found['trainings compared']:,} trainings ended with the identical SHA-256"
    )


def _disk(found: Result) -> str:
    return f"{found['writes refused']:,} calls failed one by one; a full file system: {found['a full file system']}"


def _flips(found: Result) -> str:
    growth = found["reading 64 MiB, growth in file sizes"]
    return f"{found['flips']:,} flips and {found['cuts']:,} cuts, all detected; memory at most {growth:.2f} × the file"


def _settings(found: Result) -> str:
    return (
        f"{found['config files']:,} config files, {found['settings as keywords']:,} sets of keywords, "
        f"{found['run folders']:,} run folders, {found['folders of series']:,} of cross-validations, comparisons and "
        "searches"
    )


def _spoiled(found: Result) -> str:
    spoiled, extreme = found["spoiled"], found["extreme"]
    slowest = max(spoiled["slowest seconds"], extreme["slowest seconds"])
    most = max(spoiled["largest memory MiB"], extreme["largest memory MiB"])
    return (
        f"{spoiled['cases']:,} spoiled and {extreme['cases']:,} extreme ones: "
        f"{spoiled['accepted'] + extreme['accepted']:,} accepted, {spoiled['refused'] + extreme['refused']:,} refused; "
        f"the slowest {slowest:.1f} s, the largest {most:,} MiB"
    )


def _images(found: Result) -> str:
    agreement = found["agreement"]
    return f"{_spoiled(found)}; {agreement['cases']:,} asked in all ways, {agreement['differ']} told differently"


def _patterns(found: Result) -> str:
    texts = found["texts"]
    return (
        f"{texts['cases']:,} texts, guided by {found['coverage']:,} covered places of the code: "
        f"{texts['accepted']:,} are patterns, {texts['refused']:,} refused"
    )


def _kernels(found: Result) -> str:
    sets = list(found["cases"])
    largest = max(one["largest"] for name in sets for one in found[name]["errors, times torch's"].values())
    cases = ", ".join(f"{found['cases'][name]:,} {name}" for name in sets)
    return f"{cases}; the largest error {largest:.2f} × torch's own"


def _malformed(found: Result) -> str:
    return f"{found['calls']:,} calls: {found['exceptions']:,} exceptions, the others answered, no crash"


def _sanitize(found: Result) -> str:
    return f"{found['sanitizers']}, nothing reported; the same between guard pages"


def _threads(found: Result) -> str:
    threads = ", ".join(map(str, found["threads"]))
    return f"{found['stages']:,} stages with {threads} threads: identical bits"


def _ranks(found: Result) -> str:
    launches = found["launches"]
    same = sum(bool(one["same"]) for one in launches)
    return (
        f"{sum(found['kills'].values())} kills in {len(launches)} launches: {same} ended with the identical SHA-256, "
        f"{len(launches) - same} with an error in time"
    )


def _workers(found: Result) -> str:
    return (
        f"{found['kills']:,} kills in {found['rounds']:,} searches, {found['trials taken up again']:,} trials taken up "
        "again: the same leaderboard, the same winner's SHA-256"
    )


#: Result -> script, what it does, how its figures are told.
SCRIPTS: dict[str, tuple[str, str, Callable[[Result], str]]] = {
    "kill_training": ("kill_training.py", "kills trainings", _kill_training),
    "disk": ("disk.py", "lets writes fail", _disk),
    "flips": ("flips.py", "spoils checkpoints", _flips),
    "settings": ("settings.py", "spoils settings and run folders", _settings),
    "images": ("images.py", "spoils images of every format", _images),
    "tables": ("tables.py", "spoils tables, arrays, split files, filters", _spoiled),
    "patterns": ("patterns.py", "any text as a pattern", _patterns),
    "kernels": ("kernels.py", "random stages, against float64", _kernels),
    "kernels_malformed": ("kernels_malformed.py", "malformed calls", _malformed),
    "kernels_sanitize": ("kernels_sanitize.py", "AddressSanitizer, UBSan", _sanitize),
    "kernels_threads": ("kernels_threads.py", "1, 2 and 4 threads", _threads),
    "ranks": ("ranks.py", "kills processes that train together", _ranks),
    "killed_workers": ("killed_workers.py", "kills workers of a search", _workers),
}


def table() -> str:
    """Return the figures as a Markdown table."""
    lines = ["| script | what it does | what came of it |", "|---|---|---|"]
    for name, (script, does, tell) in SCRIPTS.items():
        found = json.loads((RESULTS / f"{name}.json").read_text())
        lines.append(f"| `{script}` | {does} | {tell(found)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
