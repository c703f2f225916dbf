"""What tests of the pixel cache share."""

from pathlib import Path

import numpy as np
from numpy.testing import assert_array_equal
from PIL import Image

from convstage.data import Geometry
from convstage.data.cache import Decoded, decode
from convstage.data.formats import Item, find_source

GEOMETRY = Geometry(6, 5, "grey")


class Numbered:
    """A source whose images show their own number; its methods can be replaced."""

    root = Path("nowhere")
    classes = ("a", "b")

    def __init__(self, count: int) -> None:
        self.items = [Item(str(index), index % 2) for index in range(count)]

    def read(self, index: int) -> bytes:
        return bytes([index])

    def open(self, data: bytes) -> Image.Image:
        return Image.new("L", (5, 6), data[0])


def decoded(path: Path, geometry: Geometry = GEOMETRY) -> Decoded:
    return decode(find_source(path), geometry)


def files(folder: Path) -> set[str]:
    """Return the suffixes of what is in the cache, by their keys and without."""
    return {path.name for path in folder.iterdir()} if folder.exists() else set()


def check(result: Decoded, data: Path) -> None:
    """Check that a result is what the files of `data` hold."""
    assert_array_equal(result.rows, [0, 2, 3, 4, 5, 7])
    names = ("a/0", "a/2", "a/3", "b/0", "b/1", "b/3")
    assert_array_equal(result.pixels[:, :, :, 0], [np.asarray(Image.open(data / f"{name}.png")) for name in names])
