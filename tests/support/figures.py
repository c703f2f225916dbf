"""Random truths and probabilities of a classification."""

import numpy as np


def random_case(
    seed: int, n: int = 60, classes: int = 3, ties: bool = False, skill: float = 0.5
) -> tuple[np.ndarray, np.ndarray]:
    """Return class numbers, each class at least once, and probabilities that know something of them."""
    random = np.random.default_rng(seed)
    truth = np.r_[np.arange(classes), random.integers(0, classes, n - classes)]
    scores = random.random((n, classes)) + skill * np.eye(classes)[truth]
    if ties:
        scores = np.round(scores, 1) + 0.1
    return truth, scores / scores.sum(axis=1, keepdims=True)


def random_weights(seed: int, n: int, rows: int = 5) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 4, (rows, n)).astype(float)
