"""The mistakes that the network was surest of, each with what in the image speaks for them."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import ConfigError
from ..explain import METHODS, Evidence, Refusal, all_evidence
from ..pictures import Scale, as_picture, data_uri, enlarged_to, jpeg, png, thumbnail
from ..subject import Subject
from .confusion import MAX_CLASSES
from .material import Material

#: So many are shown, with pictures of about this side.
SHOWN, SIDE = 12, 224
#: The first of these that can be used for the network is.
PREFERRED = ("trace-back", "grad-cam", *METHODS)


def mistakes(material: Material) -> dict[str, Any] | str:
    """Return the most confident mistakes with their evidence, by the first method that the network allows."""
    if material.evaluated is None:
        return "They are not known: the network has not been evaluated."
    listed = material.evaluated.metrics.get("mistakes", [])
    if not listed:
        return f"There are none: the network is right about all {material.evaluated.metrics['images']:,} images."
    number = {name: k for k, name in enumerate(material.classes)}
    linked = len(number) <= MAX_CLASSES  # of more classes, not every mistake is in a cell of its own
    found = [_look(material, row) for row in listed[:SHOWN]]
    method = next((one.method for one in found if one is not None), None)
    wrong = int((material.evaluated.truth != material.evaluated.predicted).sum())
    return {
        "method": METHODS[method] if method else None,
        "bar": data_uri(png(Scale(-1.0, 1.0, True).bar())) if method else None,
        "smoothed": next((one.sigma for one in found if one is not None), 0.0),
        "rows": [
            {
                "name": row["image"],
                "truth": row["truth"],
                "prediction": row["prediction"],
                "probability": f"{row['probability']:.1%}",
                "place": f"{number[row['truth']]}-{number[row['prediction']]}" if linked else None,
                "picture": _picture(material, row["image"]),
                "evidence": _shown(one),
            }
            for row, one in zip(listed[:SHOWN], found, strict=True)
        ],
        "more": wrong - len(found),
        "missing": material.missing,
    }


def _look(material: Material, row: dict[str, Any]) -> Evidence | None:
    """Return the evidence for what the network said of an image; None where the image is gone, or there is none."""
    pixels = material.pixels(row["image"])
    if pixels is None:
        return None
    subject = Subject(row["image"], pixels, row["truth"])
    for name in dict.fromkeys(PREFERRED):
        try:
            found = all_evidence(material.classifier, subject, row["prediction"], [name])[0]
        except ConfigError:  # logits that are not finite
            return None
        if not isinstance(found, Refusal):
            return found
    return None


def _shown(found: Evidence | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {"address": _address(found.overlay()), "reason": found.reason, "notes": found.notes, "title": found.title}


def _picture(material: Material, name: str) -> str | None:
    pixels = material.pixels(name)
    return None if pixels is None else _address(as_picture(pixels))


def _address(picture: np.ndarray[Any, np.dtype[np.uint8]]) -> str:
    """Return a picture as an address that holds it: small ones pixel by pixel, others as photographs."""
    if max(picture.shape[:2]) <= SIDE // 2:
        return data_uri(png(enlarged_to(picture, SIDE)))
    return data_uri(jpeg(thumbnail(picture, SIDE), quality=85), "jpeg")
