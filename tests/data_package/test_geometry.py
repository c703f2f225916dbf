"""Size and channels: as asked for, or as the images suggest."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from convstage import DataError
from convstage.data import Geometry, choose_geometry, open_source, parse_size
from convstage.data.formats import Item
from convstage.data.geometry import LOOKED_AT


class Pictures:
    """A source of images of given sizes that counts what is read; None cannot be read."""

    root = Path("pictures")
    classes = ("a", "b")

    def __init__(self, sizes: list[tuple[int, int] | None], colours: set[int] = frozenset()) -> None:
        self.items = [Item(str(index), index % 2) for index in range(len(sizes))]
        self.sizes = sizes
        self.colours = colours
        self.seen: list[int] = []

    def read(self, index: int) -> bytes:
        self.seen.append(index)
        if self.sizes[index] is None:
            raise PermissionError(13, "Permission denied")
        return str(index).encode()

    def open(self, data: bytes) -> Image.Image:
        height, width = self.sizes[int(data)]
        return Image.new("RGB", (width, height), "red" if int(data) in self.colours else "grey")


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([(28, 28)] * 5, (28, 28)),
        ([(20, 64)] * 5, (20, 64)),
        ([(20, 65)] * 5, (20, 20)),
        ([(100, 80)] * 5, (80, 80)),
        ([(300, 400)] * 5, (224, 224)),
        ([(300, 400), (50, 60), (90, 70)], (70, 70)),
        ([(10, 10), (20, 20)], (15, 15)),
        ([(1, 1)], (1, 1)),
        ([None, (28, 30), None, (28, 30)], (28, 30)),
    ],
)
def test_the_size_follows_from_the_images(sizes: list, expected: tuple[int, int]) -> None:
    assert choose_geometry(Pictures(sizes)) == Geometry(*expected, "grey", "stretch")


def test_colour_is_kept_when_one_image_has_some() -> None:
    sizes = [(28, 28)] * 9
    assert choose_geometry(Pictures(sizes)).channels == "grey"  # in colour files
    assert choose_geometry(Pictures(sizes, colours={7})).channels == "colour"


def test_what_is_asked_for_is_taken() -> None:
    source = Pictures([(28, 30)] * 5, colours={0})
    assert choose_geometry(source, size=(9, 7)) == Geometry(9, 7, "colour")
    assert choose_geometry(source, channels="grey") == Geometry(28, 30, "grey")
    assert choose_geometry(source, resize="pad") == Geometry(28, 30, "colour", "pad")
    source.seen.clear()
    assert choose_geometry(source, size=(9, 7), channels="binary", resize="crop") == Geometry(9, 7, "binary", "crop")
    assert not source.seen


def test_of_many_images_some_are_looked_at_from_the_first_to_the_last() -> None:
    source = Pictures([(28, 28)] * 10_000)
    choose_geometry(source)
    assert len(source.seen) == len(set(source.seen)) == LOOKED_AT
    assert (min(source.seen), max(source.seen)) == (0, 9999)
    assert np.diff(sorted(source.seen)).max() < 200
    source = Pictures([(28, 28)] * 5)
    choose_geometry(source)
    assert source.seen == [0, 1, 2, 3, 4]


def test_when_none_can_be_read_the_first_reason_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        choose_geometry(Pictures([None] * 3))
    expected = "none of the images looked at in pictures can be read.\n  0: [Errno 13] Permission denied"
    assert str(caught.value) == expected
    np.savez(tmp_path / "data.npz", images=np.full((4, 8, 8), 255.0), labels=[0, 1, 0, 1])
    with pytest.raises(DataError) as caught:
        choose_geometry(open_source(tmp_path / "data.npz")[1])
    assert str(caught.value) == (
        f"none of the images looked at in {tmp_path / 'data.npz'} can be read.\n"
        "  images[0]: an image of floats must lie in 0..1, without NaN"
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("160", (160, 160)),
        (160, (160, 160)),
        ("120x160", (120, 160)),
        ("120×160", (120, 160)),
        (" 1x99999 ", (1, 99999)),
    ],
)
def test_sizes(text: str | int, expected: tuple[int, int]) -> None:
    assert parse_size(text) == expected


@pytest.mark.parametrize(
    "text", ["", "0", "0x5", "5x0", "-5", "5x", "x5", "5x5x3", "5.5", "5 x 5", "100000", "big", "5X5"]
)
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(DataError) as caught:
        parse_size(text)
    assert str(caught.value) == (
        f"the size must be a side such as 160, or height x width such as 120x160; got {text!r}."
    )
