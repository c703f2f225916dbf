"""What the terminal says of a file that was made."""

from __future__ import annotations

from ..text import memory
from .agreement import MARGIN
from .make import Exported
from .quantise import Quantisation

_PARTS = {"test": "test images", "val": "validation images (there is no test part)"}


def words(made: Exported) -> str:
    """Return what was written, what goes in, and how well it agrees, line by line."""
    agreement = made.agreement
    differing = agreement.images - agreement.equal_decisions
    decisions = (
        f"{differing:,} decisions differ, all between classes closer than {MARGIN:g}"
        if differing
        else "all decisions equal"
    )
    lines = [
        f"{made.path}: {memory(made.bytes)}",
        f"input: {made.input}",
        f"checked against {made.run} on its {agreement.images:,} {_PARTS[agreement.part]}: probabilities differ by "
        f"{agreement.largest_difference:.1e} at most, {decisions}",
    ]
    if made.quantisation:
        lines += _int8(made.quantisation)
    return "\n".join(lines)


def _int8(found: Quantisation) -> list[str]:
    low, high = (100 * found.difference.accuracy[name] for name in ("low", "high"))
    lines = [
        f"int8: ranges from {found.calibrated_on:,} training images (seed {found.seed}); "
        f"{memory(found.bytes_before)} became {memory(found.bytes_after)}",
        f"  accuracy before  {found.accuracy_before:.2%}",
        f"  accuracy after   {found.accuracy_after:.2%}",
        f"  difference       {100 * found.difference.accuracy['value']:+.2f}% ({low:+.2f} to {high:+.2f})  on the same "
        f"{found.difference.images:,} images: {found.difference.conclusion}",
    ]
    if found.warning:
        lines.append(f"{found.warning} Use the file without --int8, or try ranges from more images: --images N.")
    return lines


__all__ = ["words"]
