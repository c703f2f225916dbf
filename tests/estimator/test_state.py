"""The state of a fitted estimator: copies, and files, also those that somebody has spoiled."""

import copy
import json
import pickle

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from convstage import ConfigError, Pattern, RunError, WriteError
from convstage.data import Geometry
from convstage.estimator import ConvNetClassifier
from convstage.estimator.state import KEY
from convstage.files import read_tensors, write_tensors
from support.estimators import blocks, small

IMAGES, LABELS = blocks()


@pytest.fixture(scope="module")
def fitted():
    names = np.array(["<b>left</b>", "right \U0001f642 \udcff"])[LABELS]
    chosen = {"class_weight": {"<b>left</b>": np.float64(2)}, "image_shape": (8, 8), "tta": 5}
    return small(pattern=Pattern("INPUT -> CONV(4) -> RELU -> BN -> POOL -> CLASSIFIER"), **chosen).fit(IMAGES, names)


@pytest.fixture(scope="module")
def file(fitted, tmp_path_factory):
    path = tmp_path_factory.mktemp("saved") / "net.safetensors"
    fitted.save(path)
    return path


def test_copies_predict_the_same(fitted):
    for other in (copy.deepcopy(fitted), pickle.loads(pickle.dumps(fitted))):
        assert_array_equal(other.predict_proba(IMAGES), fitted.predict_proba(IMAGES))
        assert other.plan_.parameters == fitted.plan_.parameters
        assert other.history_ == fitted.history_


def test_the_state_is_plain(fitted):
    state = fitted.__getstate__()
    assert "network_" not in state
    assert "plan_" not in state
    assert all(type(array) is np.ndarray for array in state["weights_"].values())
    assert "network_" in vars(fitted)
    unfitted = small()
    assert pickle.loads(pickle.dumps(unfitted)).get_params() == unfitted.get_params()


def test_what_is_loaded_is_what_was_saved(fitted, file):
    loaded = ConvNetClassifier.load(file)
    assert_array_equal(loaded.predict(IMAGES), fitted.predict(IMAGES))
    assert_array_equal(loaded.predict_proba(IMAGES), fitted.predict_proba(IMAGES))
    told = loaded.get_params()
    assert told == fitted.get_params() | {"pattern": str(fitted.pattern)}
    for name in ("image_shape_", "n_features_in_", "geometry_", "shifts_", "history_", "best_epoch_"):
        assert getattr(loaded, name) == getattr(fitted, name), name
    assert loaded.standardisation_ == fitted.standardisation_
    assert_array_equal(loaded.fit(IMAGES, fitted.classes_[LABELS]).predict(IMAGES), fitted.predict(IMAGES))


@pytest.mark.parametrize("labels", [np.array([3, 7]), np.array([True, False]), np.array([1.0, 2.0]), ["a", "b"]])
def test_labels_keep_their_type(labels, tmp_path):
    made = small(epochs=1).fit(IMAGES, np.array(labels)[LABELS])
    made.save(tmp_path / "net")
    loaded = ConvNetClassifier.load(tmp_path / "net").classes_
    assert (loaded.dtype, loaded.tolist()) == (made.classes_.dtype, made.classes_.tolist())


def test_labels_may_be_python_objects_if_they_are_texts_or_numbers(tmp_path):
    made = small(epochs=1).fit(IMAGES, np.array(["a", "b"], object)[LABELS])
    made.feature_names_in_ = np.array([f"pixel{place}" for place in range(64)], object)
    made.save(tmp_path / "net")
    loaded = ConvNetClassifier.load(tmp_path / "net")
    assert loaded.classes_.dtype == object
    assert_array_equal(loaded.feature_names_in_, made.feature_names_in_)
    made.classes_ = np.array(["2026-01-01", "2026-01-02"], "datetime64[D]")
    with pytest.raises(ConfigError, match=r"labels of type datetime64\S* cannot be saved"):
        made.save(tmp_path / "net")
    made.classes_ = np.array([b"a", (1, 2)], object)
    with pytest.raises(ConfigError, match="a label = b'a' cannot be saved"):
        made.save(tmp_path / "net")


def test_how_files_are_read_is_saved(fitted, tmp_path):
    other = copy.deepcopy(fitted)
    other.geometry_ = Geometry(8, 8, "binary", "pad")
    other.random_state = np.random.RandomState(0)
    other.save(tmp_path / "net")
    loaded = ConvNetClassifier.load(tmp_path / "net")
    assert loaded.geometry_ == other.geometry_
    assert loaded.random_state is None


def test_loading_draws_no_random_numbers(tmp_path):
    small(random_state=None, epochs=1).fit(IMAGES, LABELS).save(tmp_path / "net")
    before = np.random.get_state()[1].copy(), np.random.get_state()[2]
    ConvNetClassifier.load(tmp_path / "net")
    assert_array_equal(np.random.get_state()[1], before[0])
    assert np.random.get_state()[2] == before[1]


def test_where_it_cannot_be_written(fitted, tmp_path):
    with pytest.raises(WriteError, match="cannot be written"):
        fitted.save(tmp_path / "nowhere" / "net")


def spoil(file, tmp_path, change):
    """Return a file whose description is changed, with a digest that fits."""
    tensors, metadata = read_tensors(file)
    told = json.loads(metadata[KEY])
    change(told, tensors)
    write_tensors(tmp_path / "spoiled", tensors, {KEY: json.dumps(told)})
    return tmp_path / "spoiled"


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda told, _: told.update(format=2), "format: "),
        (lambda told, _: told.pop("labels"), "labels: field required"),
        (lambda told, _: told.update(parameters={"epoch": 3}), "another version: there is no parameter 'epoch'"),
        (lambda told, _: told.update(parameters={"epochs": "many"}), "epochs = 'many'"),
        (lambda told, _: told.update(parameters={"class_weight": [[[], 1]]}), "damaged"),
        (lambda told, _: told["labels"].update(dtype="O8"), "labels are not of the type"),
        (lambda told, _: told["labels"].update(dtype="<U999999999999"), None),
        (lambda told, _: told["labels"].update(dtype="<i8"), "labels are not of the type"),
        (lambda told, _: told["labels"].update(dtype="|u1", values=[0, 256]), "labels are not of the type"),
        (lambda told, _: told["labels"].update(values=["a"]), r"labels\.values: "),
        (lambda told, _: told["labels"].update(values=["a", "b", "c"]), "weights are not those of"),
        (lambda told, _: told.update(pattern="INPUT -> CONF -> CLASSIFIER"), "unknown layer 'CONF'"),
        (lambda told, _: told.update(pattern="INPUT -> FC(10000000) -> CLASSIFIER"), "there are fewer"),
        (lambda told, _: told.update(image=[8, 8, 2]), "standardisation must have a mean"),
        (lambda told, _: told.update(image=[8, 12, 1]), "weights are not those of"),
        (lambda told, _: told.update(geometry={"height": 8, "width": 9}), "image and geometry must say the same"),
        (lambda told, _: told.update(feature_names=["a"]), "every feature must have a name"),
        (lambda told, _: told["standardisation"].update(std=[0.0]), "std"),
        (lambda told, _: told.update(shifts=[[0]]), "shifts"),
        (lambda told, _: told.update(history=[{"epoch": "one"}]), "history"),
        (lambda _, tensors: tensors["classifier.bias"].fill_(float("nan")), "not finite"),
        (lambda _, tensors: tensors.pop("classifier.bias"), "weights are not those of"),
    ],
)
def test_what_was_spoiled_is_refused(file, tmp_path, change, text):
    path = spoil(file, tmp_path, change)
    if text is None:
        assert ConvNetClassifier.load(path).classes_.tolist()[0] == "<b>left</b>"
        return
    with pytest.raises(RunError, match=text):
        ConvNetClassifier.load(path)


def test_files_that_are_no_estimators(file, tmp_path):
    with pytest.raises(RunError, match="is missing"):
        ConvNetClassifier.load(tmp_path / "gone")
    write_tensors(tmp_path / "other", {"a": read_tensors(file)[0]["classifier.bias"]})
    with pytest.raises(RunError, match="another file: no estimator was saved to it"):
        ConvNetClassifier.load(tmp_path / "other")
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    (tmp_path / "turned").write_bytes(content)
    with pytest.raises(RunError, match="do not match its SHA-256"):
        ConvNetClassifier.load(tmp_path / "turned")
