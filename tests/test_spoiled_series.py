"""Spoiled folders of cross-validations, comparisons and searches; the long form is ``reliability/settings.py``."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

import pytest

from convstage import CrossValidation, RunError
from convstage.comparison import resume as resume_comparison
from convstage.cross_validation import resume as resume_folds
from killing import make_images
from spoiled_series import SERIES, files_of, spoil_series

#: Each takes the time of a resumption; those of a search are slow.
CASES = {"cross-validation": 25, "comparison": 25, "search": 8}


@pytest.fixture(scope="module")
def made(tmp_path_factory, pixel_cache) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("series")
    images = make_images(folder / "images", (20, 20))
    return {name: kind.make(images, folder / "runs", name) for name, kind in SERIES.items()}


def changed(folder: Path, file: str, change) -> None:
    content = json.loads((folder / file).read_text())
    change(content)
    (folder / file).write_text(json.dumps(content))


def with_another_image(told: dict) -> None:
    told["right"]["nobody.png"] = next(iter(told["right"].values()))


@pytest.mark.parametrize("name", list(SERIES))
def test_a_spoiled_series_is_read_or_refused_in_our_words(name: str, made, tmp_path) -> None:
    other = made["comparison" if name == "cross-validation" else "cross-validation"]
    for number in range(CASES[name]):
        reader, what, wrong = spoil_series(name, made[name], other, Random(number), tmp_path)
        assert not wrong, f"{number}: {reader}, {what}: {wrong}"


READERS = [(name, reader) for name, kind in SERIES.items() for reader in kind.readers]


@pytest.mark.parametrize(("name", "reader"), READERS)
def test_a_series_as_it_was_is_read(name: str, reader: str, made) -> None:
    assert {"folds.json", "compare.json", "search.json"} & set(files_of(made[name]))
    SERIES[name].readers[reader](made[name])


def test_predictions_of_other_images_or_classes_are_refused(made, tmp_path) -> None:
    path = made["cross-validation"] / "fold-1/predictions.csv"
    before = path.read_text()
    try:
        path.write_text(before.replace("0/", "7/", 1))
        with pytest.raises(RunError) as caught:
            resume_folds(made["cross-validation"])
        assert str(caught.value).startswith(f"the predictions of {path.parent} name an image that there is not: '7/")
        assert str(caught.value).endswith("Remove its metrics.json, and go on: the fold is evaluated again.")
        path.write_text(before.replace("p(1)", "p(2)"))
        with pytest.raises(RunError, match="have no probabilities of '1'"):
            resume_folds(made["cross-validation"])
    finally:
        path.write_text(before)
    assert CrossValidation.open(made["cross-validation"]).is_done


def test_a_shift_test_of_other_images_is_refused(made) -> None:
    folder = made["comparison"]
    path = folder / "pattern-1-seed-0/shifts.json"
    before = path.read_text()
    try:
        (folder / "comparison.json").unlink()
        changed(folder, "pattern-1-seed-0/shifts.json", with_another_image)
        with pytest.raises(RunError) as caught:
            resume_comparison(folder)
        told = f"{path} is of other images or distances.\nRemove {path.parent}, and go on: it is trained again."
        assert str(caught.value) == told
    finally:
        path.write_text(before)
    assert resume_comparison(folder).is_done
