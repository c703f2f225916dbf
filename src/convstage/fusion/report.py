"""What `fuse` has replaced, and why the rest stayed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Fused:
    """A convolution of a model.

    Attributes
    ----------
    name : str
        Its name in the model.
    words : str
        The layers of its chain.
    layers : int
        How many of them run as one operator; 0 when it runs by itself.
    reason : str
        Why it runs by itself, or with fewer layers than there are; empty where there is nothing to say.
    """

    name: str
    words: str
    layers: int
    reason: str


@dataclass(frozen=True)
class Fusion:
    """All convolutions of a model; as text, what was replaced and why the rest stayed."""

    rows: tuple[Fused, ...]

    @property
    def replaced(self) -> tuple[Fused, ...]:
        """Those that run as one operator with what follows them."""
        return tuple(row for row in self.rows if row.layers)

    @property
    def stayed(self) -> tuple[Fused, ...]:
        """Those that run by themselves."""
        return tuple(row for row in self.rows if not row.layers)

    def __str__(self) -> str:
        total = len(self.rows)
        if not total:
            return "There is no convolution in this model."
        lines = [f"{len(self.replaced)} of {total} convolutions run with what follows them as one operator:"]
        width = max(len(row.name) for row in self.rows)
        lines += [
            f"  {row.name:<{width}}  {row.words}{f' ({row.reason})' if row.reason else ''}" for row in self.replaced
        ]
        if self.stayed:
            lines.append("as they were:")
            lines += [f"  {row.name:<{width}}  {row.words}: {row.reason}" for row in self.stayed]
        return "\n".join(lines)
