"""What the page's script needs to do the arithmetic: the layers, and their numbers as float32.

The script computes a cell's value from what lies below it, as far down as there are numbers.
- Small networks: the values of all layers are there, so that nothing is computed twice.
- Large ones: the filters are there, and the script computes the part of each layer that a cell
  depends on. Deep cells depend on a few dozen pixels, so that this takes milliseconds.
- Fully connected layers: a network has most of its weights there, 13 MB at 14×14×128 to 128 units. Of
  each unit the largest products are there, and the sum of the others.
- What would make the page too large is left out; the page then names the command that prints it.
"""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import numpy.typing as npt

from .steps import SOFTMAX, Step, weights_of

#: Values of all layers are embedded when there are no more than so many.
VALUES = 300_000
#: So many float32 numbers go into a page, 5 MB of text, and no more.
MOST = 1_000_000
#: So many products of a fully connected unit are shown.
PRODUCTS = 12


class Numbers:
    """Numbers one after the other, and where each array begins.

    Attributes
    ----------
    left : int
        How many more may be added.
    """

    def __init__(self, most: int = MOST) -> None:
        self.left = most
        self._count = 0
        self._parts: list[npt.NDArray[np.float32]] = []

    def add(self, values: npt.NDArray[Any]) -> int | None:
        """Return where the array begins from now on; None when there is no room for it."""
        if values.size > self.left:
            return None
        start = self._count
        self._parts.append(np.ravel(values).astype("<f4"))
        self._count += values.size
        self.left -= values.size
        return start

    def encoded(self) -> str:
        """Return all numbers, little-endian, as base64."""
        return base64.b64encode(b"".join(part.tobytes() for part in self._parts)).decode()


def pack(steps: dict[str, Step], *, values: int = VALUES, most: int = MOST) -> dict[str, Any]:
    """Return layers and numbers as plain data for ``pages/walk.js``.

    Parameters
    ----------
    steps : dict of str to Step
        Of a `Walk`.
    values : int
        Up to how many values of all maps are embedded.
    most : int
        How many float32 numbers there may be.
    """
    numbers = Numbers(most)
    layers = [step for step in steps.values() if step.name != SOFTMAX]
    # Vectors first: they are short, and everything about the decision is in them.
    packed = {step.name: _vector(step, numbers) for step in layers if not step.is_map}
    small = sum(step.output.size for step in layers if step.is_map) <= values
    for step, after in zip(layers, [*layers[1:], None], strict=True):
        if not step.is_map:
            continue
        packed[step.name] = _map(step, numbers)
        if step.kind == "INPUT":
            continue
        if after is not None and after.kind == "FLATTEN":
            packed[step.name]["values"] = packed[after.name]["values"]
        elif small or (after is not None and not after.is_map):
            packed[step.name]["values"] = numbers.add(step.output)
    first = layers[0]
    return {
        "layers": [_described(step) | packed[step.name] for step in layers],
        "numbers": numbers.encoded(),
        "pixels": base64.b64encode(first.input.tobytes()).decode(),
        "mean": list(first.how.mean),
        "std": list(first.how.std),
        "temperature": steps[SOFTMAX].how,
        "products": PRODUCTS,
    }


def _described(step: Step) -> dict[str, Any]:
    window = step.row.window
    return {
        "name": step.name,
        "kind": step.kind,
        "key": step.key,
        "noun": step.noun,
        "readsAll": step.row.layer.reads_all,
        "input": list(step.input.shape),
        "output": list(step.output.shape),
        "size": window and list(window.size),
        "stride": window and list(window.stride),
        "margins": window and list(window.margins),
        "pooling": step.row.settings.get("kind"),
    }


def _map(step: Step, numbers: Numbers) -> dict[str, Any]:
    if step.kind == "INPUT":
        return {}
    found = weights_of(step)
    room = sum(values.size for values in found.values()) <= numbers.left
    return {name: numbers.add(values) if room else None for name, values in found.items()} | _epsilon(step)


def _vector(step: Step, numbers: Numbers) -> dict[str, Any]:
    packed: dict[str, Any] = {"values": numbers.add(step.output)}
    if step.kind not in ("FC", "CLASSIFIER"):
        return packed | {name: numbers.add(values) for name, values in weights_of(step).items()} | _epsilon(step)
    found = weights_of(step)
    weights_un = found["weight"]
    units, length = weights_un.shape
    shown = min(PRODUCTS, length)
    if 2 * units * shown + 2 * units > numbers.left:
        return packed
    products_un = weights_un * step.input
    places_us = np.argpartition(-np.abs(products_un), shown - 1, axis=1)[:, :shown]
    order = np.argsort(-np.abs(np.take_along_axis(products_un, places_us, 1)), axis=1, kind="stable")
    places_us = np.take_along_axis(places_us, order, 1)
    rest_u = products_un.sum(axis=1, dtype=np.float64) - np.take_along_axis(products_un, places_us, 1).sum(
        axis=1, dtype=np.float64
    )
    return packed | {
        # A float32 counts up to 16 million without a gap; no vector here is as long.
        "places": numbers.add(places_us),
        "weights": numbers.add(np.take_along_axis(weights_un, places_us, 1)),
        "rest": numbers.add(rest_u),
        "bias": numbers.add(found["bias"]) if "bias" in found else None,
    }


def _epsilon(step: Step) -> dict[str, Any]:
    return {"epsilon": step.how.eps} if step.kind == "BN" else {}
