"""KERNELS: filters that people have made by hand, and filters as they are written on the command line.

Every weight is an exact fraction, so that a map can be told in ninths. The filters are laid on as
they stand here (cross-correlation, as in a network): `sobel` answers where the picture gets
brighter to the right. To add one, put it into `KERNELS`; the command, the gallery, the page
``docs/filters.md`` and the contract test in ``tests/filters/test_kernels.py`` pick it up.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from fractions import Fraction
from math import lcm

import numpy as np
import numpy.typing as npt

from ..errors import ConfigError
from ..sizes import Pair
from ..text import cut, size
from .rows import EXPECTED, MAX_CHARACTERS, Rows, read_rows

Array = npt.NDArray[np.float64]

#: Over a larger denominator than this no number is easier to read.
MAX_DENOMINATOR = 1000


@dataclass(frozen=True, slots=True)
class Kernel:
    """A filter of one channel.

    Attributes
    ----------
    name : str
        Its name in `KERNELS`; of any other its size.
    words : str
        What it is, in a few words.
    rows : tuple of tuples of Fraction
        Its weights.
    source : str
        Where it comes from.
    """

    name: str
    words: str
    rows: Rows
    source: str = ""

    @classmethod
    def of(cls, value: Kernel | str | npt.ArrayLike) -> Kernel:
        """Return a filter as one may be given: itself, text for `parse_kernel`, or its weights, shape (fh, fw).

        Examples
        --------
        >>> Kernel.of(np.ones((3, 3)) / 9).text
        '(1 1 1; 1 1 1; 1 1 1)/9'
        """
        if isinstance(value, Kernel):
            return value
        if isinstance(value, str):
            return parse_kernel(value)
        weights = np.asarray(value, np.float64)
        if weights.ndim != 2 or not weights.size or not np.isfinite(weights).all():
            raise ConfigError(f"a filter must be a matrix of finite numbers; got shape {weights.shape}: {weights}")
        return _own(tuple(tuple(_near(number) for number in row) for row in weights.tolist()))

    @property
    def shape(self) -> Pair:
        """Height and width."""
        return len(self.rows), len(self.rows[0])

    @property
    def weights(self) -> Array:
        """The weights as floating point numbers, shape (fh, fw)."""
        return np.array([[float(number) for number in row] for row in self.rows])

    @property
    def denominator(self) -> int | None:
        """What all weights are whole numbers over: 9 for ninths; None when it is no help, being too large."""
        common = lcm(*(number.denominator for row in self.rows for number in row))
        return common if common <= MAX_DENOMINATOR else None

    @property
    def total(self) -> Fraction:
        """The sum of the weights: what the filter makes of an even area of ones."""
        return sum((number for row in self.rows for number in row), Fraction(0))

    @property
    def text(self) -> str:
        """The weights as `parse_kernel` reads them."""
        over = self.denominator
        if over is None or over == 1:
            return "; ".join(" ".join(map(str, row)) for row in self.rows)
        return f"({'; '.join(' '.join(str(number * over) for number in row) for row in self.rows)})/{over}"

    def turned(self) -> Kernel:
        """Return the filter turned by 180 degrees: laying that on is a mathematician's convolution."""
        rows = tuple(row[::-1] for row in self.rows[::-1])
        return Kernel(self.name, f"{self.words}, turned by 180 degrees", rows, self.source)


def parse_kernel(text: str) -> Kernel:
    """Return a filter from its name, or from rows of numbers.

    Parameters
    ----------
    text : str
        A name of `KERNELS`, or rows as `convstage.filters.rows.read_rows` takes them.

    Raises
    ------
    ConfigError
        An unknown name, or rows that cannot be read, with a caret under the part.

    Examples
    --------
    >>> parse_kernel("blur").text
    '(1 1 1; 1 1 1; 1 1 1)/9'
    >>> parse_kernel("-1 0.5").rows
    ((Fraction(-1, 1), Fraction(1, 2)),)
    """
    name = text.strip().lower()
    if len(name) > MAX_CHARACTERS:
        return _own(read_rows(text))  # which says so
    if name in KERNELS:
        return KERNELS[name]
    # A name has letters, and nothing that only rows have.
    if name[:1].isalpha() and not set(name) & set(";,()/"):
        near = difflib.get_close_matches(name, KERNELS, n=1)
        meant = f"Did you mean {near[0]}? " if near else ""
        hint = f"{meant}There are {', '.join(KERNELS)}.\n{EXPECTED}"
        raise ConfigError(f"there is no filter {cut(text.strip())!r}.\n{hint}")
    return _own(read_rows(text))


def _own(rows: Rows) -> Kernel:
    return Kernel(size((len(rows), len(rows[0]))), "your own", rows)


def _near(number: float) -> Fraction:
    """Return the fraction that is meant: 1/9 for the floating point number next to it, not its exact value."""
    near = Fraction(number).limit_denominator(MAX_DENOMINATOR)
    return near if float(near) == number else Fraction(number)


def _named(name: str, rows: str, words: str, source: str) -> Kernel:
    return Kernel(name, words, read_rows(rows), source)


TEMPLATE = "a template: 1 where an image of -1 and 1 has it, answers with 1"
SOBEL = "Sobel and Feldman, 1968, An isotropic 3×3 image gradient operator"
PREWITT = "Prewitt, 1970, Object enhancement and extraction"
SECOND = "second differences; Gonzalez and Woods, Digital Image Processing, section 3.6"

#: Every named filter.
KERNELS: dict[str, Kernel] = {
    kernel.name: kernel
    for kernel in (
        _named("identity", "0 0 0; 0 1 0; 0 0 0", "the image itself", "the neutral element of convolution"),
        _named("loopy", "(1 1 1; 1 -1 1; 1 1 1)/9", "a small loop, the head of a nine", "the lecture's loopy circle"),
        _named("vertical", "(-1 1 -1; -1 1 -1; -1 1 -1)/9", "a vertical line", TEMPLATE),
        _named("horizontal", "(-1 -1 -1; 1 1 1; -1 -1 -1)/9", "a horizontal line", TEMPLATE),
        _named("diagonal", "(-1 -1 1; -1 1 -1; 1 -1 -1)/9", "a line that rises, the tail of a nine", TEMPLATE),
        _named("falling", "(1 -1 -1; -1 1 -1; -1 -1 1)/9", "a line that falls", TEMPLATE),
        _named("sobel", "-1 0 1; -2 0 2; -1 0 1", "brighter to the right", SOBEL),
        _named("sobel-y", "-1 -2 -1; 0 0 0; 1 2 1", "brighter downwards", SOBEL),
        _named("prewitt", "-1 0 1; -1 0 1; -1 0 1", "brighter to the right", PREWITT),
        _named("prewitt-y", "-1 -1 -1; 0 0 0; 1 1 1", "brighter downwards", PREWITT),
        _named("scharr", "-3 0 3; -10 0 10; -3 0 3", "brighter to the right, the same for edges of all directions",
               "Scharr, 2000, Optimale Operatoren in der digitalen Bildverarbeitung"),
        _named("roberts", "1 0; 0 -1", "darker downwards to the right",
               "Roberts, 1963, Machine perception of three-dimensional solids"),
        _named("laplacian", "0 1 0; 1 -4 1; 0 1 0", "the four neighbours less the middle: edges and spots", SECOND),
        _named("outline", "-1 -1 -1; -1 8 -1; -1 -1 -1", "the middle less all eight neighbours: outlines", SECOND),
        _named("sharpen", "0 -1 0; -1 5 -1; 0 -1 0", "the image less its laplacian", SECOND),
        _named("emboss", "-2 -1 0; -1 1 1; 0 1 2", "a relief, lit from the upper left",
               "a gradient along the diagonal, and the image"),
        _named("blur", "(1 1 1; 1 1 1; 1 1 1)/9", "the mean of nine", "the moving average"),
        _named("gaussian", "(1 2 1; 2 4 2; 1 2 1)/16", "a weighted mean, the middle most",
               "binomial coefficients; Burt, 1981, Fast filter transforms for image processing"),
    )
}  # fmt: skip
