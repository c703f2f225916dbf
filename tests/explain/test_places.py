"""Where evidence lies: the border is the audit's, the subject is found by brightness or not at all."""

import numpy as np
import pytest

from convstage.audit.cues import STRIP, frame
from convstage.data.facts import SIDE
from convstage.explain.places import border, find_subject_mask, share_in


def disc(inside: int, outside: int, side: int = 60, radius: float = 18) -> tuple[np.ndarray, np.ndarray]:
    """Return an image with a disc in it, with some noise, and where the disc is."""
    rows, columns = np.mgrid[:side, :side] - side / 2
    mask = np.hypot(rows, columns) < radius
    grey = np.where(mask, inside, outside) + np.random.default_rng(0).normal(0, 6, mask.shape)
    return grey.clip(0, 255).astype(np.uint8)[:, :, None], mask


def test_the_border_is_that_of_the_audit():
    assert np.array_equal(border(SIDE, SIDE), frame(STRIP))


@pytest.mark.parametrize(("size", "width"), [((100, 50), (8, 4)), ((3, 3), (1, 1)), ((1, 1), (1, 1))])
def test_the_border_is_a_share_of_each_side(size, width):
    mask = border(*size)
    inner = (size[0] - 2 * width[0]) * (size[1] - 2 * width[1]) if min(size) > 2 else 0
    assert (~mask).sum() == inner


def test_the_share_counts_both_signs():
    share = share_in(np.array([[2.0, -2.0], [0.0, 4.0]]), np.array([[False, True], [True, False]]))
    assert (share.evidence, share.area) == (0.25, 0.5)
    assert share_in(np.zeros((2, 2)), np.ones((2, 2), bool)).evidence == 0


@pytest.mark.parametrize(("inside", "outside", "word"), [(200, 40, "brighter"), (30, 220, "darker")])
def test_a_disc_is_found(inside, outside, word):
    pixels, truth = disc(inside, outside)
    pixels[28:32, 28:32] = outside  # a hole belongs to it
    mask, words = find_subject_mask(pixels)
    assert words == f"The subject is taken to be what is {word} (Otsu's threshold)"
    assert (mask & truth).sum() == truth.sum()
    assert (mask & ~truth).sum() < 0.2 * truth.sum()


def test_colour_counts_as_its_mean():
    pixels, truth = disc(200, 40)
    mask, _ = find_subject_mask(np.repeat(pixels, 3, axis=2))
    assert mask[truth].all()


def halves() -> np.ndarray:
    pixels, _ = disc(0, 0)
    pixels[:, 30:] = 255
    return pixels


@pytest.mark.parametrize(
    ("pixels", "reason"),
    [
        (np.full((20, 20, 1), 7, np.uint8), "the image is of one grey"),
        (np.tile(np.arange(60, dtype=np.uint8), (60, 1))[:, :, None], "about as common on the border"),
        (halves(), "about as common on the border"),
        (disc(120, 118)[0], "do not fall into two kinds"),
        (disc(250, 0, radius=2)[0], "all of the image, or nearly nothing"),
    ],
)
def test_where_no_subject_is_clear_it_says_so(pixels, reason):
    mask, words = find_subject_mask(pixels)
    assert mask is None
    assert words.startswith("no subject is clear; ")
    assert reason in words
