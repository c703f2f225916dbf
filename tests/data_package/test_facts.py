"""Facts of files: what is kept of each, found again by content, and never taken from a damaged cache."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image
from scipy.fft import dctn

from convstage import DataError
from convstage.data import facts as module
from convstage.data.facts import FREQUENCIES, SIDE, Facts, facts, spectrum
from convstage.data.formats import find_source
from support.files import Files, smooth
from support.pictures import colours, encoded, gradient

pytestmark = pytest.mark.usefixtures("folder")


def forbid_looking(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_) -> None:
        raise AssertionError("looked at once more")

    monkeypatch.setattr(module, "look_at", fail)


def same(a: Facts, b: Facts) -> None:
    for name, value in vars(a).items():
        assert_array_equal(value, vars(b)[name], strict=isinstance(value, np.ndarray))


# ------------------------------------------------------------- what is kept


def test_of_a_file_everything_that_its_header_says() -> None:
    coloured = encoded(Image.fromarray(colours()), "JPEG", quality=50)
    finer = encoded(Image.fromarray(colours()), "JPEG", quality=90)
    deep = encoded(Image.fromarray(gradient().astype(np.uint16) * 257), "PNG")
    found = facts(Files([gradient(), coloured, finer, deep]))
    assert found.format.tolist() == ["PNG", "JPEG", "JPEG", "PNG"]
    assert found.mode[:3].tolist() == ["L", "RGB", "RGB"]
    assert found.bits.tolist() == [8, 8, 8, 16]
    assert found.file_bytes[1:].tolist() == [len(coloured), len(finer), len(deep)]
    assert found.quality[1] > found.quality[2] > 0
    assert np.isnan(found.quality[[0, 3]]).all()
    assert (found.height.tolist(), found.width.tolist()) == ([12] * 4, [10] * 4)


def test_of_its_grey_values_the_moments_and_how_many_are_saturated() -> None:
    pixels = np.array([[0, 5, 6, 249], [250, 255, 100, 101]], np.uint8)
    found = facts(Files([pixels]))
    assert found.mean[0] == pytest.approx(pixels.mean())
    assert found.std[0] == pytest.approx(pixels.std())
    assert (found.black[0], found.white[0]) == (0.25, 0.25)


def test_the_thumbnail_shows_the_picture_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees
    turned = encoded(Image.fromarray(gradient()).rotate(90, expand=True), "PNG", exif=exif)
    found = facts(Files([gradient(), turned]))
    assert found.thumbnails.shape == (2, SIDE, SIDE)
    assert_array_equal(found.thumbnails[0], found.thumbnails[1])
    assert (found.height[1], found.width[1]) == (12, 10)
    expected = np.asarray(Image.fromarray(gradient()).resize((SIDE, SIDE), Image.Resampling.BILINEAR))
    assert_array_equal(found.thumbnails[0], expected)


@pytest.mark.parametrize("shape", [(12, 10), (5, 30), (1, 1)])
def test_the_spectrum_is_the_beginning_of_the_cosine_transform(shape: tuple[int, int]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    whole = dctn(pixels.astype(float), norm="ortho") / np.sqrt(pixels.size)
    expected = np.zeros((FREQUENCIES, FREQUENCIES))
    expected[: shape[0], : shape[1]] = whole[:FREQUENCIES, :FREQUENCIES]
    assert_allclose(spectrum(pixels), expected, atol=1e-4)
    found = facts(Files([pixels]))
    assert_array_equal(found.spectrum[0], spectrum(pixels))
    assert found.spectrum[0, 0, 0] == pytest.approx(found.mean[0])


def test_the_digest_is_of_the_pixels_in_any_lossless_format() -> None:
    image = Image.fromarray(gradient())
    deep = Image.fromarray(gradient().astype(np.uint16) * 257)
    files = [encoded(image, kind) for kind in ("PNG", "BMP", "TIFF", "PPM")] + [encoded(image.convert("RGB"), "PNG")]
    found = facts(Files([*files, encoded(deep, "PNG"), gradient().reshape(10, 12), gradient() + 1]))
    assert len(set(found.sha256)) == 8
    digests = [digest.tobytes() for digest in found.digest]
    assert len(set(digests[:6])) == 1
    assert len(set(digests)) == 3, "another shape or other pixels are another picture"


def test_what_cannot_be_read_is_listed_and_counts_as_nothing(data: Path) -> None:
    found = facts(find_source(data))
    assert list(found.unreadable) == [1, 6]
    assert found.unreadable[1] == "the file is empty"
    assert_array_equal(np.flatnonzero(~found.readable), [1, 6])
    assert found.thumbnails[1].max() == found.height[6] == 0
    assert found.format[6] == ""


def test_rows_of_arrays_are_no_files(tmp_path: Path) -> None:
    pixels = np.stack(smooth(4))
    np.savez(tmp_path / "data.npz", images=pixels, labels=[0, 1, 0, 1])
    found = facts(find_source(tmp_path / "data.npz"))
    assert set(found.format) == {"array"}
    assert found.file_bytes.tolist() == [0] * 4
    assert found.mean == pytest.approx(pixels.mean(axis=(1, 2)))
    assert (found.height[0], found.width[0]) == (24, 20)


# ------------------------------------------------------------- the cache


def test_the_second_time_nothing_is_looked_at(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = facts(find_source(data))
    shutil.move(data, tmp_path / "elsewhere")
    forbid_looking(monkeypatch)
    same(first, facts(find_source(tmp_path / "elsewhere")))


def test_a_changed_file_is_looked_at_anew(data: Path) -> None:
    before = facts(find_source(data))
    Image.new("L", (9, 9), 7).save(data / "a/0.png")
    after = facts(find_source(data))
    assert (before.height[0], after.height[0], after.mean[0]) == (6, 9, 7)


@pytest.mark.parametrize("damage", [b"", b"PK", lambda old: old[:-9], lambda old: old[:4000] + b"x" + old[4001:]])
def test_a_damaged_cache_is_made_anew(damage, data: Path, folder: Path) -> None:
    first = facts(find_source(data))
    (path,) = folder.glob("*.facts")
    path.write_bytes(damage(path.read_bytes()) if callable(damage) else damage)
    same(first, facts(find_source(data)))


def test_no_place_for_the_cache(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("CONVSTAGE_CACHE", str(tmp_path / "file"))
    with pytest.raises(DataError, match=r"the cache of facts cannot be written: .*\nSet CONVSTAGE_CACHE"):
        facts(find_source(data))


def test_a_file_that_changes_meanwhile_is_an_error() -> None:
    class Changing(Files):
        reads = 0

        def read(self, index: int) -> bytes:
            self.reads += 1
            return super().read(index if self.reads <= 3 else 0)

    with pytest.raises(DataError, match=r"1.png changed while the images were being read"):
        facts(Changing(smooth(3)))
