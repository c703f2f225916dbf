"""What tests of the scikit-learn estimator share: blocks to tell apart, and a network that is soon trained."""

import numpy as np

from convstage.estimator import ConvNetClassifier

PATTERN = "INPUT -> CONV(4) -> RELU -> POOL -> CLASSIFIER"


def blocks(count: int = 24, side: int = 8, classes: int = 2, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return noise with a bright block, further right for every next class: uint8, and class numbers."""
    random = np.random.default_rng(seed)
    images = random.integers(0, 90, (count, side, side), dtype=np.uint8)
    labels = np.arange(count) % classes
    for image, label in zip(images, labels, strict=True):
        left = label * (side - 2) // (classes - 1)
        image[side // 4 : side // 2 + 1, left : left + 2] += 150
    return images, labels


def small(**settings) -> ConvNetClassifier:
    usual = {"pattern": PATTERN, "epochs": 6, "learning_rate": 0.03, "batch_size": 8, "augment": False}
    return ConvNetClassifier(**{**usual, "random_state": 0, "threads": 1, **settings})
