"""What tests of the formats share: images of noise, and what a source holds or why it is refused."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from convstage import DataError
from convstage.data.formats import find_source
from convstage.data.images import to_pixels

EXPECTED = (
    "Expected MNIST's IDX files, or shards such as data/{000..999}.tar, or one folder for each class, "
    "or a .csv file of paths and labels, or a .npz file of images and labels."
)


def grey(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 6, 5), dtype=np.uint8)


def write_idx(path: Path, values: np.ndarray) -> Path:
    """Write values of uint8 as an IDX file, packed when its name ends so."""
    head = bytes([0, 0, 8, values.ndim]) + np.array(values.shape, ">u4").tobytes()
    data = head + values.astype(np.uint8).tobytes()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def content(path: Path) -> tuple[tuple[str, ...], list[tuple[str | None, str, bytes]]]:
    """Return classes, and of every image its part, class and pixels, in an order of its own."""
    source = find_source(path)
    rows = []
    for index, item in enumerate(source.items):
        pixels = to_pixels(source.open(source.read(index)), "grey", (6, 5))
        rows.append((item.part, source.classes[item.label], pixels.tobytes()))
    return source.classes, sorted(rows, key=str)


def refusal(path: Path) -> str:
    with pytest.raises(DataError) as caught:
        find_source(path)
    return str(caught.value)
