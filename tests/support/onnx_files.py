"""Small classifiers and the ONNX files that are made of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from convstage import Pattern
from convstage.data import Geometry, Standardisation
from convstage.export.graph import build, with_metadata
from convstage.predict import Classifier, describe_model
from convstage.runtime import FORMAT, OnnxClassifier, describe, from_bytes, sealed

MEANS, DEVIATIONS = (0.41, 0.37, 0.5), (0.21, 0.3, 0.25)


def classifier(
    pattern: str,
    image: str,
    classes: tuple[str, ...] = ("a", "b", "c"),
    shifts: tuple[tuple[int, int], ...] = ((0, 0),),
    temperature: float = 1.0,
) -> Classifier:
    """Return a network that nobody has trained, whose batch norms have seen something."""
    plan = Pattern(pattern).plan(image, len(classes))
    network, random = plan.build(seed=0), torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, values in [*network.named_parameters(), *network.named_buffers()]:
            if values.dim() == 1:  # biases, and all that batch norm has
                values.uniform_(0.5, 1.5, generator=random).sub_(0.5 * ("bias" in name))
    channels = plan.image[2]
    geometry = Geometry(*plan.image[:2], "colour" if channels == 3 else "grey")
    standardisation = Standardisation(MEANS[:channels], DEVIATIONS[:channels])
    return Classifier(network, plan, classes, geometry, standardisation, shifts, temperature)


def metadata(of: Classifier, **changes: Any) -> dict[str, Any]:
    """Return what the file of a classifier says of itself."""
    described = describe_model(of.plan, of.classes, of.geometry, of.standardisation, of.shifts)
    more = {"format": FORMAT, "version": "0", "temperature": of.temperature, "weights_sha256": "0" * 64}
    return {**described, **more, "card": None, "run": "run", **changes}


def content(of: Classifier, **changes: Any) -> bytes:
    """Return the content of a file; `changes` are made to its metadata."""
    return sealed(with_metadata(build(of), describe(metadata(of, **changes))))


def exported(of: Classifier) -> OnnxClassifier:
    """Return what is read of the file of a classifier."""
    return from_bytes(content(of), "net.onnx")


def pixels(of: Classifier, images: int = 6) -> np.ndarray:
    """Return random images of a classifier's size."""
    return np.random.default_rng(0).integers(0, 256, (images, *of.plan.image), dtype=np.uint8)
