"""Receipts of the layers beside convolution and pooling in a notebook: what they read, and the arithmetic."""

from __future__ import annotations

from functools import singledispatch

from markupsafe import Markup

from ..notebook import bar, block, code, table
from ..stage.display import DECIMALS, SMALL, TERMS, matrix
from ..stage.reference import quiet
from ..stage.writing import written
from .receipts import (
    ActivationReceipt,
    CopyReceipt,
    MeanReceipt,
    NormReceipt,
    PixelReceipt,
    SoftmaxReceipt,
    SumReceipt,
    WalkReceipt,
    place,
)

#: So many products of a unit, and classes of a softmax, are shown.
SHOWN = 10
#: What each kind is, in words, and what the last number of its cell counts.
WORDS: dict[type[WalkReceipt], tuple[str, str]] = {
    PixelReceipt: ("a pixel, standardised as the training images are", "channel"),
    ActivationReceipt: ("a non-linearity", "filter"),
    NormReceipt: ("batch normalisation, by what training has measured", "filter"),
    MeanReceipt: ("the mean of a whole map", "map"),
    CopyReceipt: ("a value that is passed on as it is", "channel"),
    SumReceipt: ("every value times its weight", "unit"),
    SoftmaxReceipt: ("the share of all exponentials", "class"),
}


@quiet
def receipt_html(one: WalkReceipt) -> str:
    """Return a receipt as HTML: the place, what it is, what it read, and the arithmetic."""
    words, noun = WORDS[type(one)]
    place_words = place(one.cell, "place" if len(one.cell) == 1 and noun in ("filter", "channel") else noun)
    return block(f"{place_words}: {words}", _read(one), code(one.arithmetic(terms=TERMS, decimals=DECIMALS)))


@singledispatch
def _read(one: WalkReceipt) -> Markup:  # noqa: ARG001  # the others say all in their arithmetic
    """Return a picture of what was read; nothing where the arithmetic says it all."""
    return Markup("")


@_read.register
def _(one: MeanReceipt) -> Markup:
    return matrix("the map", one.values) if max(one.values.shape) <= SMALL else Markup("")


@_read.register
def _(one: SumReceipt) -> Markup:
    largest = one.order[:SHOWN]
    most = float(abs(one.contributions[largest]).max(initial=0.0)) or 1.0
    rows = [
        (
            f"{at:,}",
            written(float(one.values[at]), DECIMALS),
            written(float(one.weights[at]), DECIMALS),
            written(float(one.contributions[at]), DECIMALS),
            bar(abs(float(one.contributions[at])) / most),
        )
        for at in largest.tolist()
    ]
    caption = f"the largest {len(rows):,} of {len(one.order):,} products" if len(rows) < len(one.order) else "products"
    return table(("place", "value", "weight", "product", ""), rows, caption=caption)


@_read.register
def _(one: SoftmaxReceipt) -> Markup:
    (own,) = one.cell
    total = float(one.exponentials.sum())
    shares = [float(exponential) / total for exponential in one.exponentials]
    # The class itself, and the largest of the others.
    others = sorted((number for number in range(len(shares)) if number != own), key=lambda number: -shares[number])
    rows = [
        (
            f"class {number}" + (" ←" if number == own else ""),
            written(float(one.logits[number]), DECIMALS),
            written(float(one.exponentials[number]), DECIMALS),
            f"{shares[number]:.1%}",
            bar(shares[number]),
        )
        for number in sorted([own, *others[: SHOWN - 1]])
    ]
    caption = "" if len(rows) == len(shares) else f"{len(rows)} of {len(shares):,} classes"
    return table(("", "logit", "exponential", "share", ""), rows, caption=caption)
