import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax
from scipy.special import softmax as scipys_softmax

from convstage import DataError
from convstage.calibration import FEWEST, fit_temperature, softmax

CLASSES = ["a", "b", "c"]


def sure_of_itself(seed: int, n: int = 400, factor: float = 3.0) -> tuple[np.ndarray, np.ndarray]:
    """Return labels drawn with the probabilities of logits, and those logits times a factor."""
    random = np.random.default_rng(seed)
    logits = random.normal(size=(n, 3)) * 1.5
    labels = (softmax(logits).cumsum(axis=1) < random.random((n, 1))).sum(axis=1)
    return labels, logits * factor


@given(st.integers(0, 1000), st.floats(0.3, 5))
@settings(max_examples=20, deadline=None)
def test_the_temperature_is_the_most_likely_one(seed: int, factor: float) -> None:
    labels, logits = sure_of_itself(seed, factor=factor)

    def nll(temperature: float) -> float:
        return -log_softmax(logits / temperature, axis=1)[np.arange(len(labels)), labels].mean()

    fitted = fit_temperature(logits, labels, CLASSES)
    expected = minimize_scalar(nll, bounds=(0.05, 20), method="bounded", options={"xatol": 1e-9})
    assert fitted.temperature == pytest.approx(expected.x, rel=1e-4)
    assert fitted.nll == {"before": pytest.approx(nll(1)), "after": pytest.approx(expected.fun)}


def test_it_undoes_what_the_logits_were_multiplied_by() -> None:
    labels, logits = sure_of_itself(0, n=20_000, factor=3)
    fitted = fit_temperature(logits, labels, CLASSES)
    assert fitted.temperature == pytest.approx(3, rel=0.05)
    assert fitted.images == 20_000
    assert fitted.calibration_error["after"] < 0.02 < 0.1 < fitted.calibration_error["before"]
    assert (softmax(logits).argmax(1) == softmax(logits, fitted.temperature).argmax(1)).all()


def test_softmax_is_scipys_at_any_size() -> None:
    logits = np.array([[1000.0, 0, -1000], [1, 2, 3]])
    np.testing.assert_allclose(softmax(logits, 2.0), scipys_softmax(logits / 2, axis=1))


def test_too_little_to_fit_to_is_refused() -> None:
    labels, logits = sure_of_itself(0)
    with pytest.raises(DataError) as caught:
        fit_temperature(logits[: FEWEST - 1], labels[: FEWEST - 1], CLASSES)
    assert "the validation part has 29 images; a temperature is fitted to 30 at least." in str(caught.value)
    assert "Train with a larger --val" in str(caught.value)
    with pytest.raises(DataError, match="all validation images are b; a temperature cannot be fitted to one class"):
        fit_temperature(logits, np.ones_like(labels), CLASSES)


def test_a_network_that_is_always_right_or_knows_nothing_has_no_temperature() -> None:
    labels = np.arange(60) % 3
    with pytest.raises(DataError, match="nearly all of the 60 validation images are predicted right"):
        fit_temperature(np.eye(3)[labels], labels, CLASSES)
    with pytest.raises(DataError, match="say nothing of the validation images' classes"):
        fit_temperature(-np.eye(3)[labels], labels, CLASSES)
