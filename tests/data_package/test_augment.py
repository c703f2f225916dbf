"""Augmentation: as far as it says and no further, from the generator alone."""

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional
from torch.testing import assert_close

from convstage.data import Augmentation
from convstage.data.augment import _affine_grid

#: Every field at a value of its own.
EVERYTHING = Augmentation(shift=0.1, rotate=20, zoom=0.2, brightness=0.3, contrast=0.3, flip="both")


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def noise(*shape: int) -> Tensor:
    return torch.randn(shape, generator=generator(99))


@pytest.fixture
def draw(monkeypatch: pytest.MonkeyPatch):
    """Let every draw come out the same: -1 and 1 are the ends of the reach, and a mirror 0 or 1."""

    def fix(value: float, mirror: int = 0) -> None:
        monkeypatch.setattr(torch, "rand", lambda n, generator: torch.full((n,), (value + 1) / 2))
        monkeypatch.setattr(torch, "randint", lambda low, high, size, generator: torch.full(size, mirror))

    return fix


def bar(height: int = 40, width: int = 80) -> Tensor:
    """Return a picture of a lying bar, 12 × 24, in the middle."""
    x = torch.zeros(1, 1, height, width)
    x[:, :, height // 2 - 6 : height // 2 + 6, width // 2 - 12 : width // 2 + 12] = 1
    return x


def moments(x: Tensor) -> tuple[float, float, float]:
    """Return area, and length and breadth of what is in a picture, as standard deviations along its axes."""
    weight = x[0, 0].double()
    rows, columns = torch.meshgrid(*(torch.arange(n).double() - (n - 1) / 2 for n in weight.shape), indexing="ij")
    area = weight.sum()
    rr, cc, rc = ((weight * a * b).sum() / area for a, b in ((rows, rows), (columns, columns), (rows, columns)))
    middle, spread = (rr + cc) / 2, torch.sqrt(((rr - cc) / 2) ** 2 + rc**2)
    return float(area), math.sqrt(middle + spread), math.sqrt(middle - spread)


# ------------------------------------------------------------- nothing


def test_none_is_identity() -> None:
    x = noise(4, 3, 8, 6)
    assert torch.equal(Augmentation()(x.clone(), generator()), x)


@pytest.mark.parametrize("field", ["shift", "rotate", "zoom", "brightness", "contrast"])
def test_the_middle_of_every_reach_is_identity(field: str, draw) -> None:
    draw(0)
    x = noise(2, 3, 8, 6)
    assert_close(Augmentation(**{field: 0.3})(x, generator()), x, atol=1e-5, rtol=0)


def test_the_batch_itself_stays_as_it_is() -> None:
    x = noise(4, 3, 8, 6)
    before = x.clone()
    EVERYTHING(x, generator())
    assert torch.equal(x, before)


# ------------------------------------------------------------- where pixels go


@pytest.mark.parametrize(("height", "width"), [(1, 1), (2, 5), (16, 12)])
def test_the_grid_is_torchs(height: int, width: int) -> None:
    theta = noise(3, 2, 3)
    expected = functional.affine_grid(theta, [3, 1, height, width], align_corners=False)
    assert_close(_affine_grid(theta.transpose(1, 2), height, width), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("pixels", [1, 2, 4])
@pytest.mark.parametrize("side", [1, -1])
def test_a_shift_by_whole_pixels_moves_exactly(pixels: int, side: int, draw) -> None:
    draw(side)
    x = noise(2, 3, 16, 16)
    moved = Augmentation(shift=pixels / 16)(x, generator())
    kept = slice(pixels, None), slice(None, -pixels)
    to, origin = kept if side < 0 else kept[::-1]
    assert_close(moved[:, :, to, to], x[:, :, origin, origin], atol=1e-5, rtol=0)


def test_a_shift_is_a_share_of_each_side(draw) -> None:
    draw(1)
    x = noise(1, 1, 8, 32)
    assert_close(Augmentation(shift=0.25)(x, generator())[:, :, :-2, :-8], x[:, :, 2:, 8:], atol=1e-5, rtol=0)


def test_what_comes_in_at_the_edge_is_the_edge(draw) -> None:
    draw(1)
    x = noise(1, 1, 8, 8)
    moved = Augmentation(shift=0.5)(x, generator())
    assert_close(moved[:, :, 4:, 4:], x[:, :, -1:, -1:].expand(1, 1, 4, 4), atol=1e-5, rtol=0)


def test_a_quarter_turn_is_exact(draw) -> None:
    x = noise(2, 3, 16, 16)
    draw(1)
    one = Augmentation(rotate=90)(x, generator())
    assert_close(one, torch.rot90(x, 1, (2, 3)), atol=1e-4, rtol=0)
    draw(-1)
    assert_close(Augmentation(rotate=90)(x, generator()), torch.rot90(x, -1, (2, 3)), atol=1e-4, rtol=0)


@pytest.mark.parametrize("degrees", [10, 30, 45, 77, 90, 180])
def test_a_turn_keeps_shapes_in_pictures_that_are_not_square(degrees: float, draw) -> None:
    draw(1)
    turned = moments(Augmentation(rotate=degrees)(bar(), generator()))
    assert turned == pytest.approx(moments(bar()), rel=0.03)


def test_a_disc_stays_a_disc(draw) -> None:
    draw(1)
    rows, columns = torch.meshgrid(torch.arange(40) - 19.5, torch.arange(80) - 39.5, indexing="ij")
    disc = torch.sigmoid(12 - torch.hypot(rows, columns))[None, None]
    for degrees in (15, 45, 90):
        assert_close(Augmentation(rotate=degrees)(disc, generator()), disc, atol=0.02, rtol=0)


@pytest.mark.parametrize("flip", ["horizontal", "vertical", "both"])
@pytest.mark.parametrize("degrees", [20, 45, 80])
def test_a_turn_of_a_mirrored_picture_keeps_shapes_too(flip: str, degrees: float, draw) -> None:
    x = noise(2, 3, 20, 12)
    draw(1, mirror=0)
    turned = Augmentation(rotate=degrees, zoom=0.1)(x, generator())
    draw(1, mirror=1)
    mirrored = Augmentation(rotate=degrees, zoom=0.1, flip=flip)(x, generator())
    axes = {"horizontal": (3,), "vertical": (2,), "both": (2, 3)}[flip]
    assert_close(mirrored, turned.flip(axes), atol=1e-4, rtol=0)
    assert moments(Augmentation(rotate=degrees, flip=flip)(bar(), generator())) == pytest.approx(
        moments(bar()), rel=0.03
    )


@pytest.mark.parametrize("side", [1, -1])
def test_zoom_scales_both_sides_alike(side: int, draw) -> None:
    draw(side)
    area, length, breadth = moments(Augmentation(zoom=0.25)(bar(), generator()))
    scale = 1 / (1 + 0.25 * side)
    assert length == pytest.approx(moments(bar())[1] * scale, rel=0.03)
    assert breadth == pytest.approx(moments(bar())[2] * scale, rel=0.03)
    assert area == pytest.approx(12 * 24 * scale**2, rel=0.03)


@pytest.mark.parametrize(
    ("flip", "axes"), [("horizontal", [(), (3,)]), ("vertical", [(), (2,)]), ("both", [(), (2,), (3,), (2, 3)])]
)
def test_flips_mirror_half_of_the_images_and_do_nothing_else(flip: str, axes: list[tuple[int, ...]]) -> None:
    x = noise(1, 2, 6, 8)
    found = Augmentation(flip=flip)(x.expand(400, 2, 6, 8), generator())
    counts = [sum(torch.allclose(one, x.flip(axis)[0], atol=1e-5) for one in found) for axis in axes]
    assert sum(counts) == 400
    assert min(counts) > 0.7 * 400 / len(axes)


def test_never_mirrored_unless_it_is_asked_for() -> None:
    assert Augmentation().flip == "none"
    x = torch.zeros(1, 1, 9, 9)
    x[..., 0] = 1
    found = Augmentation(rotate=5, zoom=0.1)(x.expand(100, 1, 9, 9), generator())
    assert (found[..., 0].mean(dim=(1, 2)) > found[..., 8].mean(dim=(1, 2))).all()


# ------------------------------------------------------------- brightness and contrast


@pytest.mark.parametrize("side", [1, -1])
def test_contrast_is_a_factor_and_brightness_a_summand(side: int, draw) -> None:
    draw(side)
    x = noise(2, 3, 4, 5)
    assert_close(Augmentation(brightness=0.3)(x, generator()), x + side * 0.3)
    assert_close(Augmentation(contrast=0.2)(x, generator()), x * (1 + side * 0.2))
    assert_close(Augmentation(brightness=0.3, contrast=0.2)(x, generator()), x * (1 + side * 0.2) + side * 0.3)


def test_every_value_within_the_reach_comes_up() -> None:
    x = torch.zeros(2000, 1, 1, 1)
    offsets = Augmentation(brightness=0.3)(x, generator()).ravel()
    assert offsets.abs().max() <= 0.3
    counts = torch.histc(offsets, 10, -0.3, 0.3)
    assert counts.min() > 140  # of 200 on average: a uniform draw is below once in some 100,000 seeds
    factors = Augmentation(contrast=0.2)(x + 1, generator()).ravel()
    assert factors.min() < 0.81
    assert factors.max() > 1.19


# ------------------------------------------------------------- chance


@pytest.mark.parametrize(
    "augmentation",
    [EVERYTHING, *(Augmentation(**{field: 0.3}) for field in ("shift", "zoom", "brightness", "contrast"))],
)
def test_the_generator_alone_decides(augmentation: Augmentation) -> None:
    x = noise(8, 3, 12, 10)
    state = torch.random.get_rng_state()
    one = augmentation(x, generator(1))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.equal(augmentation(x, generator(1)), one)
    assert not torch.equal(augmentation(x, generator(2)), one)


@pytest.mark.parametrize("field", ["shift", "rotate", "zoom", "brightness", "contrast"])
def test_images_of_a_batch_vary_each_in_its_own_way(field: str) -> None:
    x = noise(1, 1, 12, 10).expand(16, 1, 12, 10)
    found = Augmentation(**{field: 0.4 if field != "rotate" else 30.0})(x, generator())
    assert len({one.numpy().tobytes() for one in found}) == 16


def test_directions_are_drawn_apart() -> None:
    """A shift down says nothing about the shift to the right."""
    x = torch.zeros(1, 1, 21, 21)
    x[..., 10, 10] = 1
    found = Augmentation(shift=0.3)(x.expand(300, 1, 21, 21), generator())[:, 0]
    rows, columns = ((found * torch.arange(21.0).view(shape)).sum((1, 2)) for shape in ((21, 1), (1, 21)))
    assert abs(torch.corrcoef(torch.stack([rows, columns]))[0, 1]) < 0.2
    assert rows.std() > 2
    assert columns.std() > 2


def test_the_channels_of_an_image_vary_alike() -> None:
    x = noise(5, 1, 12, 10).expand(5, 3, 12, 10)
    found = EVERYTHING(x, generator())
    assert torch.equal(found[:, 0], found[:, 1])
    assert torch.equal(found[:, 0], found[:, 2])


@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (3, 3, 1, 9), (2, 1, 9, 1)])
def test_the_smallest_pictures(shape: tuple[int, ...]) -> None:
    found = EVERYTHING(noise(*shape), generator())
    assert found.shape == shape
    assert found.isfinite().all()
    assert found.dtype == torch.float32
