import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image

from convstage import ConfigError, DataError, Pattern
from convstage.data import Geometry
from convstage.estimator.inputs import as_files, shape_of, wanted_shape
from support.estimators import blocks, small


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Return the files of `blocks`, as paths and as texts, with names that nobody would choose, and their labels."""
    images, labels = blocks()
    folder = tmp_path_factory.mktemp("files")
    paths = [folder / f"<script> '\"{number} \U0001f642 \u202e.png" for number in range(len(images))]
    for path, image in zip(paths, images, strict=True):
        Image.fromarray(image).save(path)
    return [path if number % 2 else str(path) for number, path in enumerate(paths)], labels


@pytest.mark.parametrize(
    ("shape", "wanted", "found"),
    [
        ((5, 8, 9), None, (8, 9, 1)),
        ((5, 8, 9, 4), None, (8, 9, 4)),
        ((5, 8, 9, 3), (8, 9), (8, 9, 3)),
        ((5, 64), None, (8, 8, 1)),
        ((5, 63), None, (1, 63, 1)),
        ((5, 9), None, (3, 3, 1)),
        ((5, 4), None, (1, 4, 1)),
        ((5, 1), None, (1, 1, 1)),
        ((5, 63), (9, 7), (9, 7, 1)),
        ((5, 192), (8, 8), (8, 8, 3)),
        ((5, 192), (8, 12, 2), (8, 12, 2)),
    ],
)
def test_what_images_an_array_holds(shape, wanted, found):
    assert shape_of(np.zeros(shape), wanted) == found


@pytest.mark.parametrize(
    ("shape", "wanted", "text"),
    [
        ((5, 64), (7, 9), "X has 64 features, and an image of 7×9 has 63 values.\nSet image_shape"),
        ((5, 8, 9), (9, 8), "X has images of 8×9×1, and image_shape, or the pattern's INPUT, says 9×8"),
        ((5, 1, 1, 1, 1), None, r"X has shape \(5, 1, 1, 1, 1\); expected images"),
    ],
)
def test_arrays_that_do_not_fit(shape, wanted, text):
    with pytest.raises(DataError, match=text):
        shape_of(np.zeros(shape), wanted)


@pytest.mark.parametrize("value", ["8x8", 8, (8,), (8, 0), (8, 8.5), (8, 8, 1, 1), (None, 8)])
def test_an_image_shape_that_is_none(value):
    with pytest.raises(ConfigError, match=r"image_shape = .*: expected \(height, width\) or"):
        wanted_shape(value)
    assert wanted_shape(None) is None
    assert wanted_shape([8, np.int64(9)]) == (8, 9)


def test_the_pattern_may_say_the_shape_of_the_rows():
    images, labels = blocks(side=12)
    rows = images.reshape(24, -1)
    made = small(pattern="INPUT(16x9x1) -> CONV(2) -> RELU -> CLASSIFIER").fit(rows, labels)
    assert made.image_shape_ == (16, 9, 1)


@pytest.mark.parametrize("kind", [bool, np.uint8, np.int64, np.uint16, np.float16, np.float32, np.float64])
def test_numbers_of_every_type_are_taken(kind):
    images, labels = blocks()
    values = (images > 128) if kind is bool else (images // 2).astype(kind)
    made = small(epochs=8).fit(values, labels)
    assert made.score(values, labels) == 1.0
    assert_array_equal(made.predict(values.tolist()), made.predict(values))


def test_scale_and_offset_of_the_values_make_no_difference():
    images, labels = blocks()
    plain = small().fit(images.astype(float), labels).predict_proba(images)
    for scale, offset in ((1e-9, 0.0), (1e6, -1e9), (-1.0, 0.0)):
        values = images * scale + offset
        moved = small().fit(values, labels)
        if scale > 0:  # the order of the images is that of their contents: the same but for chance
            assert (moved.predict(values) == plain.argmax(1)).mean() > 0.9
        assert np.isfinite(moved.predict_proba(values)).all()


def test_values_beyond_what_can_be_measured():
    images, labels = blocks()
    with pytest.raises(DataError, match="too large: their squares are beyond float64"):
        small().fit(images * 1e200, labels)


def test_images_of_more_channels_and_the_same_images_as_rows():
    images, labels = blocks()
    channels = np.stack([images, 255 - images, images // 2, images // 3, images // 4], axis=-1)
    made = small(epochs=8).fit(channels, labels)
    assert made.image_shape_ == (8, 8, 5)
    assert made.score(channels, labels) == 1.0
    assert_array_equal(made.predict_proba(channels.reshape(24, -1)), made.predict_proba(channels))


def test_the_layout_in_memory_makes_no_difference():
    images, labels = blocks()
    one, other = small().fit(images, labels), small().fit(np.asfortranarray(images), labels)
    assert_array_equal(one.predict_proba(images), other.predict_proba(images[::-1])[::-1])


def test_neither_images_nor_weights_are_changed():
    images, labels = blocks()
    values, weights = images.astype(np.float32), np.arange(24.0)
    kept = values.copy(), weights.copy()
    made = small(augment=True, class_weight="balanced").fit(values, labels, sample_weight=weights)
    made.predict(values)
    assert_array_equal(values, kept[0])
    assert_array_equal(weights, kept[1])


def test_images_of_another_shape_are_refused():
    images, labels = blocks()
    made = small(epochs=1).fit(images, labels)
    with pytest.raises(DataError, match="X has images of 9×8×1, and the estimator was fitted to images of 8×8×1"):
        made.predict(np.zeros((2, 9, 8)))
    with pytest.raises(ValueError, match="X has 63 features, but ConvNetClassifier is expecting 64"):
        made.predict(np.zeros((2, 63)))
    with pytest.raises(DataError, match="X is a list of files, and the estimator was fitted to arrays"):
        made.predict(["a.png"])
    with pytest.raises(ValueError, match="NaN"):
        made.predict(np.full((2, 8, 8), np.nan))


def test_files_are_images_as_arrays_are(files):
    paths, labels = files
    images, _ = blocks()
    made = small(epochs=8).fit(paths, labels)
    assert made.geometry_ == Geometry(8, 8, "grey")
    assert made.score(paths, labels) == 1.0
    assert_array_equal(made.predict_proba(np.array(paths, object)), made.predict_proba(images))
    assert_allclose(small(epochs=8).fit(images, labels).predict_proba(images), made.predict_proba(images))


def test_files_are_brought_to_the_size_and_the_channels_that_are_asked_for(files):
    paths, labels = files
    made = small(image_shape=(6, 5, 3), epochs=1).fit(paths, labels)
    assert made.geometry_ == Geometry(6, 5, "colour")
    made = small(pattern=Pattern("INPUT(10x10x1) -> CONV(2) -> RELU -> CLASSIFIER"), epochs=1, channels="binary")
    assert made.fit(paths, labels).geometry_ == Geometry(10, 10, "binary")
    assert not hasattr(made, "feature_names_in_")


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"image_shape": (8, 8, 2)}, "files are read with 1 channel"),
        ({"image_shape": (8, 8, 1), "channels": "colour"}, "do not agree.\nLeave one out"),
        ({"channels": "many"}, "channels = 'many'"),
    ],
)
def test_settings_of_files_that_cannot_be(files, settings, text):
    with pytest.raises(ConfigError, match=text):
        small(**settings).fit(*files)


def test_a_file_that_cannot_be_read_is_named(files, tmp_path):
    paths, labels = files
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no image")
    with pytest.raises(DataError, match=r"broken\.png"):
        small().fit([*paths[:-1], broken], labels)
    with pytest.raises(DataError, match=r"gone\.png: No such file"):
        small(image_shape=(8, 8), channels="grey").fit([*paths[:-1], tmp_path / "gone.png"], labels)


def test_labels_of_files_are_checked_as_those_of_arrays(files):
    paths, labels = files
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        small().fit(paths, labels[:-1])
    with pytest.raises(ValueError, match="contains NaN"):
        small().fit(paths, np.where(labels == 0, np.nan, 1.0))


@pytest.mark.parametrize("value", [[1, 2], [], np.zeros((2, 3)), np.zeros(3), [["a.png"]], 5])
def test_what_is_no_list_of_files(value):
    assert as_files(value) is None


@pytest.mark.parametrize(
    ("value", "text"),
    [("a.png", "X is one path, 'a.png'.\nGive a list"), (["a.png", 5], r"X\[1\] is 5, and X\[0\] a path")],
)
def test_lists_of_files_that_are_none(value, text):
    with pytest.raises(DataError, match=text):
        as_files(value)
