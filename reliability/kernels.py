"""Random stages give what torch gives, with at most twice its error, on every instruction set of the machine.

Each case (`kernel_cases.py`) goes through all operators of the library: values with winners and without,
gradients of input, weights and biases, directly and by autograd, the public function, and prediction.
What must hold is said in `kernel_checks.py`. One process for each instruction set, chosen by CONVSTAGE_ISA.

    python reliability/kernels.py [--shapes 10000] [--seed 0] [--seconds 1800] [--result FILE]
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is loaded: many small cases

from outcome import end, parser


def judge(isa: str, shapes: int, seed: int, seconds: float) -> dict[str, Any]:
    """Return what the cases come to in this process, which runs the instruction set that CONVSTAGE_ISA names."""
    from convstage.stage import active
    from kernel_cases import make
    from kernel_checks import check

    if active().name != f"compiled kernel, {isa}":
        return {"cases": 0, "problems": [f"{isa} does not run: {active().name}, {active().reason}"]}
    began, number = time.monotonic(), 0
    problems: list[str] = []
    tensors: dict[str, int] = defaultdict(int)
    ratios: dict[str, float] = defaultdict(float)
    squares: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
    while number < shapes and time.monotonic() - began < seconds:
        case = make(number, seed)
        for finding in check(case):
            tensors[finding.part] += 1
            ratios[finding.part] = max(ratios[finding.part], finding.ratio)
            for place, score in enumerate(finding.score):
                squares[finding.part][place] += score**2
            if finding.problem:
                problems.append(f"{isa}, case {number}: {finding.part}: {finding.problem}; {case}")
        number += 1
    if number < shapes:
        problems.append(f"{isa}: the time was up after {number} of {shapes} cases")
    overall = {part: (ours / torchs) ** 0.5 for part, (ours, torchs) in squares.items() if torchs}
    for part, ratio in overall.items():
        if number >= 1000 and ratio > 2:
            problems.append(f"{isa}: {part}: the errors of all cases together are {ratio:.2f} times torch's")
    figures = {
        part: {"tensors": tensors[part], "largest": round(ratios[part], 2), "all cases": round(overall.get(part, 0), 2)}
        for part in sorted(tensors)
    }
    return {"cases": number, "errors, times torch's": figures, "problems": problems}


def in_process(isa: str, shapes: int, seed: int, seconds: float) -> dict[str, Any]:
    """Return what `judge` says in a process of its own."""
    command = [sys.executable, __file__, "--child", isa, "--shapes", f"{shapes}", "--seed", f"{seed}"]
    environment = os.environ | {"CONVSTAGE_ISA": isa}
    child = subprocess.run([*command, "--seconds", f"{seconds}"], env=environment, capture_output=True, text=True)
    if child.returncode != 0:
        return {"cases": 0, "problems": [f"{isa}: the process ends with {child.returncode}: {child.stderr[-500:]}"]}
    found: dict[str, Any] = json.loads(child.stdout)
    return found


def main() -> None:
    flags = parser(__file__, __doc__)
    flags.set_defaults(seconds=1800)
    flags.add_argument("--shapes", type=int, default=10_000, help="cases, for each instruction set")
    flags.add_argument("--child", metavar="ISA", help="judge the cases in this process, and print it as JSON")
    asked = flags.parse_args()
    if asked.child:
        print(json.dumps(judge(asked.child, asked.shapes, asked.seed, asked.seconds)))
        return
    from convstage.stage.load import instruction_sets

    began = time.monotonic()
    isas = instruction_sets()
    with ThreadPoolExecutor(len(isas) or 1) as pool:
        children = {isa: pool.submit(in_process, isa, asked.shapes, asked.seed, asked.seconds) for isa in isas}
    found = {isa: child.result() for isa, child in children.items()}
    problems = [problem for told in found.values() for problem in told.pop("problems")]
    problems += [] if isas else ["there is no compiled kernel"]
    figures = {"cases": {isa: told.pop("cases") for isa, told in found.items()}, **found}
    end(asked.result, "random stages on every instruction set, against float64 and torch", figures, problems, began)


if __name__ == "__main__":
    main()
