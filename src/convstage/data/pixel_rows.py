"""Some images of an array that is not in memory, without a copy of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt


class Images(Protocol):
    """An array of uint8, shape (m, height, width, channels): memory-mapped, or read from shards as it is indexed."""

    @property
    def ndim(self) -> int:
        """4."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of images, height, width, channels."""

    def __getitem__(self, index: Any, /) -> npt.NDArray[np.uint8]: ...


@runtime_checkable
class ReadsAhead(Protocol):
    """Images that are read faster when it is known in which order."""

    def expect(self, batches: Iterable[npt.NDArray[np.int64]]) -> None:
        """Take note of the order in which batches will be asked for."""


@dataclass(frozen=True, slots=True, eq=False)
class PixelRows:
    """Rows of an array of images; what is indexed is copied, and nothing before.

    Attributes
    ----------
    array : Images, shape (m, height, width, channels)
        Where they are.
    rows : ndarray of int, shape (n,)
        Which images of the array these are, in which order.

    Examples
    --------
    >>> images = np.arange(5, dtype=np.uint8).reshape(5, 1, 1, 1)
    >>> some = PixelRows(images, np.array([4, 0, 2]))
    >>> some[1:].ravel(), some[0, 0, 0, 0], some.shape
    (array([0, 2], dtype=uint8), np.uint8(4), (3, 1, 1, 1))
    """

    array: Images
    rows: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of images, height, width, channels."""
        return len(self.rows), *self.array.shape[1:]

    def __getitem__(self, index: Any) -> npt.NDArray[np.uint8]:
        """Index as an array of that shape would be; the first index chooses images."""
        first, *others = index if isinstance(index, tuple) else (index,)
        rows = self.rows[first]
        if isinstance(first, slice) and isinstance(self.array, ReadsAhead):
            start, stop, step = first.indices(len(self))
            if step == 1 and start < stop < len(self):  # whoever takes some after others will want those that follow
                self.array.expect([rows, self.rows[stop : stop + (stop - start)]])
        images = self.array[rows]
        whole = (slice(None),) * (images.ndim - self.array.ndim + 1)
        return images[(*whole, *others)] if others else images

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> npt.NDArray[Any]:
        return np.asarray(self[:], dtype)

    def take(self, rows: npt.NDArray[np.int64]) -> PixelRows:
        """Return some of these images, still without a copy."""
        return PixelRows(self.array, self.rows[rows])
