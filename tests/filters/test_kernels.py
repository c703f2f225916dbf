"""The contract of every named filter, what they answer to, and filters of one's own."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import ndimage
from skimage import filters as known

from convstage.errors import ConfigError
from convstage.filters import KERNELS, Kernel, apply, parse_kernel

#: What a filter makes of an even area: nothing of it, the same, or the sum of a template.
SUMS = {
    0: {"sobel", "sobel-y", "prewitt", "prewitt-y", "scharr", "roberts", "laplacian", "outline"},
    1: {"identity", "sharpen", "emboss", "blur", "gaussian"},
    Fraction(7, 9): {"loopy"},
    Fraction(-1, 3): {"vertical", "horizontal", "diagonal", "falling"},
}
TEMPLATES = ("loopy", *SUMS[Fraction(-1, 3)])


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    return np.random.default_rng(3).random((9, 8))


@pytest.mark.parametrize("name", KERNELS)
def test_contract(name: str) -> None:
    kernel = KERNELS[name]
    assert kernel.name == name == name.lower()
    assert name[0].isalpha()
    assert kernel.words
    assert kernel.source
    assert not kernel.words.endswith(".")
    assert all(isinstance(number, Fraction) for row in kernel.rows for number in row)
    assert kernel.weights.shape == kernel.shape
    assert kernel.denominator is not None
    assert_allclose(kernel.weights * kernel.denominator, np.round(kernel.weights * kernel.denominator), atol=1e-12)
    assert parse_kernel(kernel.text).rows == kernel.rows, "the text can be given on the command line"
    assert parse_kernel(f" {name.upper()} ") is kernel
    assert Kernel.of(kernel.weights).rows == kernel.rows, "so can the floating point numbers"
    assert kernel.turned().turned().rows == kernel.rows
    assert [total for total, names in SUMS.items() if name in names] == [kernel.total]


@pytest.mark.parametrize("name", sorted(TEMPLATES))
def test_templates_answer_1_to_themselves_and_less_to_anything_else(name: str) -> None:
    kernel = KERNELS[name]
    own = np.sign(kernel.weights)
    assert apply(own, kernel).map_hw[0, 0] == 1
    for other in range(2**9 - 1):
        image = np.array([1 if other >> bit & 1 else -1 for bit in range(9)]).reshape(3, 3)
        if not (image == own).all():
            assert apply(image, kernel).map_hw[0, 0] < 1
    assert len({KERNELS[one].rows for one in KERNELS}) == len(KERNELS)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("identity", lambda x: x),
        ("sobel", lambda x: ndimage.sobel(x, axis=1, mode="constant")),
        ("sobel-y", lambda x: ndimage.sobel(x, axis=0, mode="constant")),
        ("prewitt", lambda x: ndimage.prewitt(x, axis=1, mode="constant")),
        ("prewitt-y", lambda x: ndimage.prewitt(x, axis=0, mode="constant")),
        ("laplacian", lambda x: ndimage.laplace(x, mode="constant")),
        ("sharpen", lambda x: x - ndimage.laplace(x, mode="constant")),
        ("blur", lambda x: ndimage.uniform_filter(x, 3, mode="constant")),
        ("scharr", lambda x: 16 * known.scharr_v(np.pad(x, 1))[1:-1, 1:-1]),
        ("outline", lambda x: 9 * (x - ndimage.uniform_filter(x, 3, mode="constant"))),
    ],
)
def test_they_are_what_other_libraries_know_by_the_name(name: str, expected, picture: np.ndarray) -> None:
    assert_allclose(apply(picture, name, padding="same").map_hw, expected(picture), atol=1e-12)


def test_the_gaussian_is_made_of_binomial_coefficients() -> None:
    one = np.array([1, 2, 1]) / 4
    assert_array_equal(KERNELS["gaussian"].weights, np.outer(one, one))


def test_roberts_answers_along_its_diagonal() -> None:
    assert apply([[5, 0], [0, 2]], "roberts").map_hw.tolist() == [[3]]


def test_sobel_answers_where_it_gets_brighter_to_the_right_and_turned_where_it_gets_darker() -> None:
    edge = np.tile([0, 0, 1, 1], (3, 1))
    assert apply(edge, "sobel").map_hw.tolist() == [[4, 4]]
    assert apply(edge, "sobel", flip=True).map_hw.tolist() == [[-4, -4]]


def test_the_nine_has_a_head_a_line_and_a_tail() -> None:
    head, tail = apply("nine", "loopy").map_hw, apply("nine", "diagonal").map_hw
    assert np.unravel_index(head.argmax(), head.shape) == (0, 1)
    assert np.unravel_index(tail.argmax(), tail.shape) == (4, 1)
    assert head.max() == tail.max() == 1


def test_a_filter_of_ones_own() -> None:
    kernel = parse_kernel("1 0 -1; 2 0 -2")
    assert (kernel.name, kernel.words, kernel.shape) == ("2×3", "your own", (2, 3))
    assert (kernel.denominator, kernel.total, kernel.text) == (1, 0, "1 0 -1; 2 0 -2")
    assert kernel.turned().rows == ((-2, 0, 2), (-1, 0, 1))
    assert kernel.turned().words == "your own, turned by 180 degrees"


def test_a_common_denominator_only_where_it_helps() -> None:
    assert parse_kernel("1/2 1/3").denominator == 6
    odd = parse_kernel("1/997 1/3")
    assert odd.denominator is None
    assert odd.text == "1/997 1/3"
    assert parse_kernel(odd.text).rows == odd.rows


def test_numbers_that_are_no_fraction_stay_what_they_are() -> None:
    weights = np.array([[np.pi, 1e-20], [-1e20, 0.1]])
    kernel = Kernel.of(weights)
    assert_array_equal(kernel.weights, weights)
    assert kernel.rows[1][1] == Fraction(1, 10)


@pytest.mark.parametrize("weights", [[1, 2], [[[1]]], [[]], [[np.nan]], [[np.inf]]])
def test_what_is_no_filter(weights: object) -> None:
    with pytest.raises(ConfigError, match="a filter must be a matrix of finite numbers; got shape"):
        Kernel.of(weights)


def test_an_unknown_name() -> None:
    with pytest.raises(ConfigError) as error:
        parse_kernel("Sobell")
    first, second, third = str(error.value).splitlines()
    assert first == "there is no filter 'Sobell'."
    assert second == f"Did you mean sobel? There are {', '.join(KERNELS)}."
    assert third.startswith("Write rows of numbers")
    with pytest.raises(ConfigError, match="\nThere are identity, loopy"):
        parse_kernel("zzzz")


def test_letters_among_numbers_are_no_name() -> None:
    with pytest.raises(ConfigError, match="'a' is no number"):
        parse_kernel("a 1; 2 3")
