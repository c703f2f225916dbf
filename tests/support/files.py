"""A source that lives in memory: files as bytes, with labels, parts and groups."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from convstage.data.formats import Item
from convstage.data.images import open_image
from support.pictures import encoded


class Files:
    """Labelled image files; a matrix of pixels becomes a PNG."""

    root = Path("memory")

    def __init__(
        self,
        contents: Sequence[bytes | np.ndarray],
        labels: Sequence[int] | None = None,
        parts: Sequence[str | None] | None = None,
        groups: Sequence[str | None] | None = None,
        classes: tuple[str, ...] = ("a", "b"),
    ) -> None:
        n = len(contents)
        self.contents = [content if isinstance(content, bytes) else png(content) for content in contents]
        rows = zip(labels or [i % 2 for i in range(n)], parts or [None] * n, groups or [None] * n, strict=True)
        self.items = [Item(f"{index}.png", *row) for index, row in enumerate(rows)]
        self.classes = classes

    def read(self, index: int) -> bytes:
        return self.contents[index]

    def open(self, data: bytes) -> Image.Image:
        return open_image(data)


def png(pixels: np.ndarray) -> bytes:
    return encoded(Image.fromarray(pixels), "PNG")


def smooth(count: int, height: int = 24, width: int = 20, seed: int = 0) -> list[np.ndarray]:
    """Return pictures of smooth noise, no two alike."""
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 256, (count, 6, 5), dtype=np.uint8)
    return [
        np.asarray(Image.fromarray(picture).resize((width, height), Image.Resampling.BICUBIC)) for picture in coarse
    ]
