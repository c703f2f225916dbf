import shutil

import numpy as np
import pytest
import torch
from PIL import Image

import convstage
from convstage import DataError, RunError, load
from convstage.predict import predict_files


def test_a_prediction_answers_a_name(trained, trained_folder):
    classifier = load(trained.path)
    for label in ("0-healthy", "1-corona"):
        (prediction,) = classifier.predict(next((trained_folder / label).iterdir()))
        assert prediction.label == label
        assert prediction.probability == max(prediction.probabilities.values())
        assert list(prediction.probabilities) == ["0-healthy", "1-corona"]
        assert sum(prediction.probabilities.values()) == pytest.approx(1)


def test_path_image_and_array_say_the_same(trained, trained_folder):
    path = next((trained_folder / "1-corona").iterdir())
    image = Image.open(path)
    array = np.asarray(image)
    classifier = load(trained)
    expected = classifier.predict([path])
    for form in (str(path), image, array, array[:, :, None], (array / 255).astype(np.float64)):
        assert classifier.predict(form) == expected
    many = classifier.predict(np.stack([array, array]))
    assert [p.label for p in many] == [expected[0].label] * 2
    assert classifier.predict([]) == []


def test_prediction_is_evaluation_is_training(trained, trained_folder):
    """What the run's table says of every test image is what `predict` says of the file."""
    classifier = load(trained)
    for row in trained.predictions:
        (prediction,) = classifier.predict(trained_folder / row["image"])
        assert prediction.label == row["prediction"]
        assert prediction.probability == pytest.approx(float(row["probability"]), abs=1e-5)


def test_the_batch_does_not_matter(trained, trained_folder):
    classifier = load(trained)
    files = sorted(trained_folder.rglob("*.png"))
    together = classifier.predict(files)
    for file, prediction in zip(files[:5], together, strict=False):
        alone = classifier.predict(file)[0]
        assert alone.probability == pytest.approx(prediction.probability, abs=1e-6)


def test_an_unreadable_image_is_named(trained, tmp_path):
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"\x89PNG nonsense")
    with pytest.raises(DataError, match=r"bad\.png: "):
        load(trained).predict([bad])
    with pytest.raises(DataError, match=r"nowhere\.png: No such file or directory\."):
        load(trained).predict("nowhere.png")


def test_files_and_folders_of_images(trained, trained_folder, tmp_path):
    (tmp_path / "more").mkdir()
    (tmp_path / "more/zero.png").write_bytes(b"")
    (tmp_path / "more/.hidden").write_bytes(b"")
    found, unreadable = predict_files(load(trained), [trained_folder, tmp_path / "more"])
    assert [path for path, _ in found] == sorted(trained_folder.rglob("*.png"), key=lambda p: (p.parent, int(p.stem)))
    assert unreadable == [(tmp_path / "more/zero.png", "the file is empty.")]


@pytest.mark.parametrize("damage", ["flip", "cut", "gone", "not ours"])
def test_a_damaged_model_is_refused(trained, tmp_path, damage):
    run = shutil.copytree(trained.path, tmp_path / "run")
    model = run / "model.safetensors"
    content = bytearray(model.read_bytes())
    if damage == "flip":
        content[-5] ^= 1
        model.write_bytes(content)
    elif damage == "cut":
        model.write_bytes(content[:-100])
    elif damage == "gone":
        model.unlink()
    else:
        from safetensors.torch import save_file

        save_file({"a": torch.zeros(2)}, model)
    with pytest.raises(RunError) as caught:
        load(run)
    expected = {
        "flip": "do not match its SHA-256",
        "cut": "damaged",
        "gone": "no finished epoch",
        "not ours": "no digest",
    }
    assert expected[damage] in str(caught.value)


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    with pytest.raises(RunError, match=r"is no run folder: it has no config\.json\."):
        convstage.load(tmp_path)
