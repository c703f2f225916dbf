"""scikit-learn's own checks, and its tools around the estimator."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import VotingClassifier
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.utils.estimator_checks import check_estimator

from convstage import Pattern, PatternError
from convstage.estimator import ConvNetClassifier
from support.estimators import PATTERN, blocks, small

#: What a check may be skipped for: it is for what is not installed, or set before scipy is first imported.
NOT_HERE = ("pandas is not installed", "SCIPY_ARRAY_API is not set")


def test_every_check_of_scikit_learn_passes_and_none_is_expected_to_fail():
    made = ConvNetClassifier(
        "INPUT -> CONV(8) -> RELU -> CLASSIFIER", epochs=6, learning_rate=0.05, augment=False, threads=1
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        results = check_estimator(made, on_fail=None, on_skip=None)
    failed = [(result["check_name"], result["exception"]) for result in results if result["status"] != "passed"]
    assert not [found for found in failed if not any(reason in str(found[1]) for reason in NOT_HERE)]
    assert len(results) - len(failed) >= 55


def test_a_grid_of_patterns():
    images, labels = blocks()
    linear = Pattern("INPUT -> CLASSIFIER")
    search = GridSearchCV(small(), {"pattern": [PATTERN, linear], "epochs": [1, 6]}, cv=2)
    search.fit(images, labels)
    assert len(search.cv_results_["params"]) == 4
    assert search.best_score_ == search.score(images, labels) == 1.0
    assert search.best_estimator_.plan_.pattern in (PATTERN, str(linear))


def test_numbers_as_numpy_has_them_are_parameters():
    images, labels = blocks()
    choices = {"epochs": np.arange(1, 3), "learning_rate": np.array([0.01]), "augment": np.array([True])}
    found = RandomizedSearchCV(small(), choices, n_iter=2, cv=2, random_state=0).fit(images, labels)
    assert found.best_params_["epochs"] in (1, 2)


def test_cross_validation_of_a_pipeline_with_scaled_rows():
    images, labels = blocks(80)
    steps = make_pipeline(StandardScaler(), small(epochs=8))
    assert cross_val_score(steps, images.reshape(80, -1), labels, cv=2).min() > 0.9


def test_a_step_of_a_pipeline_may_make_images_of_rows():
    images, labels = blocks()
    reshape = FunctionTransformer(lambda rows: rows.reshape(-1, 8, 8))
    steps = make_pipeline(reshape, small()).fit(
        images.reshape(24, -1), labels, convnetclassifier__sample_weight=labels + 1.0
    )
    assert steps.score(images.reshape(24, -1), labels) == 1.0
    assert steps[-1].image_shape_ == (8, 8, 1)


@pytest.mark.parametrize("method", ["sigmoid", "isotonic"])
def test_calibration(method):
    images, labels = blocks(classes=3, count=30)
    calibrated = CalibratedClassifierCV(small(), cv=2, method=method).fit(images, labels)
    probabilities = calibrated.predict_proba(images)
    assert probabilities.sum(axis=1) == pytest.approx(1)
    assert (calibrated.predict(images) == labels).mean() > 0.9


def test_beside_other_classifiers():
    images, labels = blocks()
    vote = VotingClassifier([("one", small()), ("two", small(random_state=1))], voting="soft").fit(images, labels)
    assert vote.score(images, labels) == 1.0


def test_a_clone_has_the_parameters_and_nothing_learned():
    images, labels = blocks()
    fitted = small(class_weight="balanced").fit(images, labels)
    other = clone(fitted)
    assert other.get_params() == fitted.get_params()
    assert not hasattr(other, "network_")
    assert_array_equal(other.fit(images, labels).predict_proba(images), fitted.predict_proba(images))


def test_a_pattern_is_set_and_checked_when_it_is_used():
    images, labels = blocks()
    made = small().set_params(pattern="INPUT -> FC(4) -> RELU -> CLASSIFIER")
    assert "FC" in [row.kind for row in made.fit(images, labels).plan_.rows]
    with pytest.raises(PatternError, match=r"unknown layer 'CONF'[^^]*\^\^\^\^"):
        made.set_params(pattern="INPUT -> CONF -> CLASSIFIER").fit(images, labels)
