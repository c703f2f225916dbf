"""The image that is looked at, however it is named."""

import numpy as np
import pytest
from PIL import Image

import convstage
from convstage.errors import DataError
from convstage.subject import find_subject


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    from conftest import make_class_folders

    folder = tmp_path_factory.mktemp("subject")
    data = make_class_folders(folder / "data", {"a": 12, "b": 12})
    pattern = "INPUT -> CONV(2) -> RELU -> POOL -> CLASSIFIER"
    return convstage.train(data, pattern=pattern, epochs=1, out=str(folder / "runs"), audit=False), data


@pytest.fixture
def classifier(run):
    return convstage.load(run[0])


def test_an_image_of_the_run_by_its_name(run, classifier):
    row = run[0].split[5]
    found = find_subject(run[0], classifier, row["name"])
    assert (found.name, found.truth, found.part) == (row["name"], row["class"], row["part"])
    assert (found.pixels_hwc == classifier.geometry.pixels(run[1] / row["name"])).all()


def test_a_file_that_is_one_of_the_runs_images_is_recognised(run, classifier, tmp_path):
    row = run[0].split[3]
    copy = tmp_path / "other.png"
    copy.write_bytes((run[1] / row["name"]).read_bytes())
    found = find_subject(run[0], classifier, copy)
    assert (found.name, found.truth, found.part) == (str(copy), row["class"], row["part"])


def test_another_file_has_no_truth(run, classifier, tmp_path):
    Image.fromarray(np.zeros((24, 24), np.uint8)).save(tmp_path / "new.png")
    found = find_subject(run[0], classifier, str(tmp_path / "new.png"))
    assert (found.truth, found.part) == (None, None)
    assert found.pixels_hwc.shape == (24, 24, 1)


def test_pixels_and_pictures(run, classifier):
    pixels = np.full((24, 24), 7, np.uint8)
    for image in (pixels, Image.fromarray(pixels)):
        assert (find_subject(run[0], classifier, image).pixels_hwc == 7).all()


def test_neither_a_file_nor_a_name_says_what_there_is(run, classifier):
    with pytest.raises(DataError, match=r"(?s)c/9.png is no file, and no image of .*predictions.csv has: [ab]/\d+.png"):
        find_subject(run[0], classifier, "c/9.png")


def test_a_file_that_is_no_image_is_named(run, classifier, tmp_path):
    (tmp_path / "a.png").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"a\.png"):
        find_subject(run[0], classifier, tmp_path / "a.png")


@pytest.mark.parametrize("change", ["removed", "other"])
def test_an_image_that_has_changed_since_is_not_shown(run, classifier, change):
    row = run[0].split[7]
    file = run[1] / row["name"]
    before = file.read_bytes()
    if change == "removed":
        file.unlink()
    else:
        Image.fromarray(np.zeros((24, 24), np.uint8)).save(file)
    try:
        with pytest.raises(DataError, match="is missing or has changed since training"):
            find_subject(run[0], classifier, row["name"])
    finally:
        file.write_bytes(before)
