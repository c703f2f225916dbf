"""Some images of a memory-mapped array, without a copy of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True, eq=False)
class PixelRows:
    """Rows of an array of images; what is indexed is copied, and nothing before.

    Attributes
    ----------
    array : ndarray of uint8, shape (m, height, width, channels)
        Memory-mapped.
    rows : ndarray of int, shape (n,)
        Which images of the array these are, in which order.

    Examples
    --------
    >>> images = np.arange(5, dtype=np.uint8).reshape(5, 1, 1, 1)
    >>> some = PixelRows(images, np.array([4, 0, 2]))
    >>> some[1:].ravel(), some[0, 0, 0, 0], some.shape
    (array([0, 2], dtype=uint8), np.uint8(4), (3, 1, 1, 1))
    """

    array: npt.NDArray[np.uint8]
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
        images: npt.NDArray[np.uint8] = self.array[self.rows[first]]
        whole = (slice(None),) * (images.ndim - self.array.ndim + 1)
        return images[(*whole, *others)] if others else images

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> npt.NDArray[Any]:
        return np.asarray(self[:], dtype)

    def take(self, rows: npt.NDArray[np.int64]) -> PixelRows:
        """Return some of these images, still without a copy."""
        return PixelRows(self.array, self.rows[rows])
