"""What is said of layers and filters: the same on the terminal, on the page and on the sheets."""

from __future__ import annotations

from collections.abc import Sequence

from ..text import examples, size
from .hierarchy import Features, FilterFeature, LayerFeatures

#: What the images of a part are called.
PARTS = {"train": "training images", "val": "validation images", "test": "test images"}
#: So many filters are named in a row.
LISTED = 8


def number(value: float) -> str:
    """Return a value as people read it.

    Examples
    --------
    >>> number(3.14159), number(-0.000012), number(1234.5), number(0)
    ('3.14', '-1.2e-05', '1234', '0')
    """
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def copies(features: Features) -> str:
    """Return how many images were left out; nothing when there are none."""
    one = features.copies == 1
    said = "1 image is left out" if one else f"{features.copies:,} images are left out"
    return f"{said}, with the same content as another" if features.copies else ""


def field(features: Features, layer: LayerFeatures) -> str:
    """Return how much of the image one value depends on."""
    seen = size(layer.receptive_field)
    if layer.are_classes:
        return f"the whole image, {seen} pixels"
    beyond = any(one > all_ for one, all_ in zip(layer.receptive_field, features.image, strict=False))
    return f"{seen} pixels" + (", more than the image has" if beyond else "")


def inventory(layer: LayerFeatures) -> str:
    """Return how many filters there are, shown and dead.

    Examples
    --------
    >>> names = ("stage1.conv", "CONV", "small patterns", "stage1.relu", None)
    >>> inventory(LayerFeatures(*names, (3, 3), (3, 3), 32, (4, 17), ()))
    '32 filters, 0 shown; 2 never active on these images: 4, 17'
    """
    if layer.are_classes:
        made = sum(one.synthetic is not None for one in layer.shown)
        return f"{layer.filters:,} classes" + (
            f", images made for the first {made}" if 0 < made < layer.filters else ""
        )
    shown = f", {len(layer.shown)} shown" if len(layer.shown) < layer.filters else ""
    dead = f"; {len(layer.dead)} never active on these images: {numbers(layer.dead)}" if layer.dead else ""
    return f"{layer.filters} filter{'s' if layer.filters > 1 else ''}{shown}{dead}"


def numbers(filters: Sequence[int]) -> str:
    """Return the numbers of some filters, the first few of many."""
    return examples(map(str, filters), LISTED)


def asleep(feature: FilterFeature) -> str:
    """Return what is to be said of a filter that has the same value everywhere."""
    same = f"It has the same value, {number(feature.high)}, everywhere in all of these images"
    said = "It is never active on these images" if feature.high == 0 else same
    made = feature.synthetic
    if made is None:
        return f"{said}."
    if made.value > feature.high:
        return f"{said}; the image made for it reaches {number(made.value)}."
    return f"{said}, nor does an image made to excite it change that."


def reached(feature: FilterFeature) -> str:
    """Return what the image that was made reaches, against the best of the data."""
    made = feature.synthetic
    if made is None:
        return ""
    times = feature.of_best
    return f"reaches {number(made.value)}" + ("" if times is None else f", {times:.1f} times the best image")


def patched(feature: FilterFeature) -> str:
    """Return which classes the patches are from: ``7 ×6, 9 ×3``."""
    return ", ".join(f"{name} ×{count}" for name, count in feature.classes.items())


def selective(feature: FilterFeature) -> str:
    """Return how far the class alone says how active a filter is."""
    return f"{feature.told:.0%} of its variance is between classes"


def reading(layer: LayerFeatures, feature: FilterFeature) -> str:
    """Return which filters below it reads most; nothing where it reads the image."""
    if not feature.reads:
        return ""
    named = ", ".join(f"{number} ({share:.0%})" for number, share in feature.reads)
    return f"reads mostly filter{'s' if len(feature.reads) > 1 else ''} {named} of {layer.below}"
