"""Duplicates: by content, by pixels, and nearly; worst where they cross classes or parts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from PIL import Image

from convstage.audit.duplicates import NEIGHBOUR, alike, exact_duplicates, near_duplicates
from convstage.audit.report import _subject
from convstage.data.facts import FREQUENCIES
from support.files import Files, smooth
from support.pictures import encoded


def told(check, source: Files) -> list[str]:
    return [f"{finding.severity}: {finding.message} {list(finding.files)}" for finding in check(_subject(source, None))]


def again(picture: np.ndarray, kind: str) -> bytes | np.ndarray:
    image = Image.fromarray(picture)
    match kind:
        case "same":
            return picture
        case "other format":
            return encoded(image, "BMP")
        case "JPEG":
            return encoded(image, "JPEG", quality=60)
        case "half":
            return np.asarray(image.resize((image.width // 2, image.height // 2)))
        case "double":
            return np.asarray(image.resize((image.width * 2, image.height * 2)))
        case _:
            return np.clip(picture * 0.9 + 12, 0, 255).astype(np.uint8)


LATER = {"same": exact_duplicates, "other format": exact_duplicates} | dict.fromkeys(
    ("JPEG", "half", "double", "brighter"), near_duplicates
)


@pytest.mark.parametrize(("kind", "check"), LATER.items())
def test_a_copy_is_named_beside_its_original_by_one_check_only(kind: str, check) -> None:
    pictures = smooth(30)
    source = Files([*pictures, again(pictures[4], kind)], None, ["train"] * 30 + ["test"])
    (line,) = told(check, source)
    like = "the same as" if check is exact_duplicates else "nearly the same as"
    assert line.startswith("error" if check is exact_duplicates else "warning")
    assert f"1 image {like} another, in another part: the network is tested on what it was trained with." in line
    assert line.endswith(f"[('30.png (test)', '{like} 4.png (train)')]")
    (other,) = {exact_duplicates, near_duplicates} - {check}
    assert told(other, source) == []


@pytest.mark.parametrize(
    ("labels", "parts", "expected"),
    [
        ([0, 1], [None, None], "error: 1 image the same as another (a and b), of another class: at most one"),
        ([0, 1], ["train", "test"], "error: 1 image the same as another (a and b), of another class: at most one"),
        ([1, 1], ["train", "val"], "error: 1 image the same as another, in another part: the network is tested"),
        ([1, 1], ["train", "train"], "note: 1 image the same as another, of the same class: they count"),
        ([1, 1], ["test", None], "note: 1 image the same as another, of the same class: they count"),
    ],
)
def test_how_bad_it_is(labels: list[int], parts: list[str | None], expected: str) -> None:
    pictures = smooth(10)
    source = Files([*pictures, pictures[0]], [labels[0], *[0] * 9, labels[1]], [parts[0], *[None] * 9, parts[1]])
    (line,) = told(exact_duplicates, source)
    assert line.startswith(expected)


def test_near_copies_of_exact_copies_are_as_bad_as_the_worst_place_of_these() -> None:
    pictures = smooth(30)
    source = Files([*pictures, pictures[4], again(pictures[4], "JPEG")], [0] * 32, ["train"] * 30 + ["test", "train"])
    (line,) = told(near_duplicates, source)
    assert line.startswith("warning")
    assert line.endswith("[('31.png (train)', 'nearly the same as 4.png (train)')]")


def test_several_copies_are_one_set() -> None:
    pictures = smooth(30)
    kinds = ("JPEG", "half", "double", "brighter")
    source = Files([*pictures, *(again(pictures[4], kind) for kind in kinds)], [0] * 34)
    (line,) = told(near_duplicates, source)
    assert line.startswith("note: 4 images nearly the same as another")
    assert line.count("'nearly the same as 4.png'") == 4


def test_more_copies_than_neighbours_are_looked_at() -> None:
    pictures = smooth(30)
    copies = [encoded(Image.fromarray(pictures[4]), "JPEG", quality=q) for q in range(90, 90 + 2 * NEIGHBOUR)]
    number, earlier = alike(_subject(Files([*pictures, *copies]), None).facts.spectrum)
    assert len(set(number)) == 30
    assert set(number[30:]) == {number[4]}
    assert (earlier[30:] < np.arange(30, 40)).all()


def test_even_when_every_picture_has_a_copy() -> None:
    pictures = smooth(30)
    spectra = _subject(Files([*pictures, *(again(p, "JPEG") for p in pictures)]), None).facts.spectrum
    number, earlier = alike(spectra)
    assert_array_equal(number, [*range(30), *range(30)])
    assert_array_equal(earlier, [*range(30), *range(30)])


def test_pictures_that_look_alike_by_nature_are_no_duplicates() -> None:
    """What is too near depends on the data: these differ by a faint texture only, and by less than copies elsewhere."""
    random = np.random.default_rng(0)
    scene = smooth(1)[0].astype(float)
    textures = [6 * (picture / 128.0 - 1) for picture in smooth(30, seed=5)]
    pictures = [
        np.clip(scene + texture + random.normal(0, 1, scene.shape), 0, 255).astype(np.uint8) for texture in textures
    ]
    assert told(near_duplicates, Files(pictures)) == []
    (line,) = told(
        near_duplicates, Files([*pictures, encoded(Image.fromarray(pictures[4]), "JPEG", quality=98)], [0] * 31)
    )
    assert "30.png" in line


@pytest.mark.parametrize("count", [0, 1, 2])
def test_too_few_pictures_to_say_what_is_usual(count: int) -> None:
    number, earlier = alike(np.zeros((count, FREQUENCIES, FREQUENCIES), np.float32))
    assert_array_equal(number, range(count))
    assert_array_equal(earlier, range(count))


@given(st.integers(0, 2**32), st.integers(3, 40), st.floats(0.3, 1), st.integers(0, 40))
def test_what_is_alike_does_not_depend_on_brightness_or_contrast(seed: int, n: int, gain: float, offset: int) -> None:
    spectra = np.random.default_rng(seed).normal(0, 20, (n, FREQUENCIES, FREQUENCIES))
    spectra[n // 2] = spectra[0] + 0.01
    number, earlier = alike(spectra)
    mean = np.zeros((FREQUENCIES, FREQUENCIES))
    mean[0, 0] = offset
    assert_array_equal(earlier, alike(gain * spectra + mean)[1])
    assert_array_equal(number[earlier], number)
    assert (earlier <= np.arange(n)).all()
    assert earlier[n // 2] == 0
