"""The page of learned features: pictures as data in it, within a budget, and what the template needs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from ..pages import page
from ..pictures import as_picture, data_uri, jpeg, png, thumbnail
from ..sizes import Region
from ..text import count, size
from . import words
from .frames import fitted, weight_picture
from .hierarchy import Features, FilterFeature, LayerFeatures, Patch, Synthetic
from .sheets import weight_scale

#: Bytes that filters may take, pictures and words, and the whole images, which a click shows.
MOST, MOST_WHOLE = 10_000_000, 2_500_000
#: Bytes of a patch's words beside its names, and how often these are written.
WORDS, TIMES = 1000, 6
#: Pictures up to this side are kept pixel by pixel; larger ones become photographs of `PHOTO`, classes' of `LARGE`.
SMALL, PHOTO, LARGE = 40, 96, 160


def html(features: Features) -> str:
    """Return the page; filters that do not fit the budget are counted on it."""
    pictures = _Pictures(features, MOST // max(1, len(features.layers)))
    layers = [_layer(features, layer, pictures) for layer in features.layers]
    return page(
        "features",
        data={"patches": pictures.patches, "whole": pictures.whole},
        run=features.run.name,
        pattern=features.pattern,
        images=f"{count(sum(features.images.values()))} {words.PARTS[features.part]}",
        copies=words.copies(features),
        layers=layers,
        made=any(one.synthetic is not None for layer in features.layers for one in layer.shown),
        seed=features.seed,
    )


@dataclass
class _Pictures:
    """Pictures as they are put into the page, and how many bytes they have taken."""

    features: Features
    each: int
    patches: list[dict[str, Any]] = field(default_factory=list)
    whole: dict[str, str] = field(default_factory=dict)
    bytes: int = 0
    bytes_whole: int = 0

    def uri(self, pixels_hwc: npt.NDArray[np.uint8], side: int) -> str:
        """Return a picture's address; grey ones are written as grey, for a third of the bytes."""
        grey = pixels_hwc.shape[2] == 1
        small = max(pixels_hwc.shape[:2]) <= SMALL
        picture = np.asarray(pixels_hwc) if small else thumbnail(as_picture(pixels_hwc), side)
        picture = picture[:, :, 0] if grey else picture
        address = data_uri(png(picture)) if small else data_uri(jpeg(picture), "jpeg")
        self.bytes += len(address)
        return address

    def put(self, patch: Patch, side: int) -> dict[str, Any]:
        """Return what the page shows of a patch, and keep what a click on it shows."""
        rows, columns = patch.inside
        self.bytes += WORDS + TIMES * len(f"{patch.image}{patch.label}".encode(errors="replace"))
        self.patches.append(
            {
                "image": patch.image,
                "class": patch.label,
                "value": words.number(patch.value),
                "place": f"rows {rows.start}–{rows.stop - 1}, columns {columns.start}–{columns.stop - 1}",
                "whole": self._whole(patch),
                "box": box((range(self.features.image[0]), range(self.features.image[1])), patch.inside),
            }
        )
        return {
            **self.patches[-1],
            "id": len(self.patches) - 1,
            "uri": self.uri(patch.pixels_hwc, side),
            "frame": frame(patch.frame),
            "inside": box(patch.frame, patch.inside),
        }

    def made(self, synthetic: Synthetic, side: int) -> dict[str, Any]:
        """Return what the page shows of an image that was made."""
        return {
            "uri": self.uri(synthetic.pixels_hwc, side),
            "frame": frame(synthetic.frame),
            "inside": box(synthetic.frame, synthetic.inside),
        }

    def _whole(self, patch: Patch) -> str | None:
        """Return the key of the image that a patch is from; None when there is no more room."""
        if patch.image not in self.whole:
            if self.bytes_whole > MOST_WHOLE:
                return None
            before = self.bytes
            self.whole[patch.image] = self.uri(patch.whole_hwc, PHOTO)
            self.bytes_whole += self.bytes - before
            self.bytes = before
        return patch.image


def box(outer: Region, inner: Region) -> str:
    """Return where a region lies in a larger one, as CSS.

    Examples
    --------
    >>> box((range(-2, 8), range(0, 10)), (range(0, 8), range(0, 5)))
    'top:20%;height:80%;left:0%;width:50%'
    """
    shares = []
    for whole, part, start, length in zip(outer, inner, ("top", "left"), ("height", "width"), strict=True):
        shares.append(f"{start}:{100 * (part.start - whole.start) / len(whole):.4g}%")
        shares.append(f"{length}:{100 * len(part) / len(whole):.4g}%")
    return ";".join(shares)


def frame(region: Region) -> str:
    """Return the proportions of a region, as CSS."""
    return f"aspect-ratio:{len(region[1])}/{len(region[0])}"


def _layer(features: Features, layer: LayerFeatures, pictures: _Pictures) -> dict[str, Any]:
    pictures.bytes = 0
    scale = weight_scale(layer)
    cards: list[dict[str, Any]] = []
    for feature in layer.shown:
        if pictures.bytes > pictures.each:
            break
        card = _card(layer, feature, pictures)
        if feature.weights is not None and scale is not None:
            card["weights"] = data_uri(png(fitted(weight_picture(feature.weights, scale), SMALL)))
        cards.append(card)
    grey_weights = scale is not None and features.image[2] == 1
    return {
        "name": layer.name,
        "level": layer.level,
        "field": words.field(features, layer),
        "inventory": words.inventory(layer),
        "chosen": len(layer.shown) < layer.filters,
        "after": layer.after,
        "size": size(layer.size) if layer.size else "",
        "below": layer.below,
        "classes": layer.are_classes,
        "seen": _to_scale(features, layer),
        "cards": cards,
        "missing": len(layer.shown) - len(cards),
        "legend": data_uri(png(scale.bar())) if scale and grey_weights else "",
        "ends": [words.number(scale.low), words.number(scale.high)] if scale else [],
        "coloured": scale is not None and not grey_weights,
    }


def _to_scale(features: Features, layer: LayerFeatures) -> dict[str, float]:
    """Return the sides of the image and of the receptive field, the image's longer side being 40."""
    height, width = features.image[:2]
    unit = 40 / max(height, width)
    field_height, field_width = (
        min(one, all_) for one, all_ in zip(layer.receptive_field, (height, width), strict=True)
    )
    return {
        "height": round(unit * height, 2),
        "width": round(unit * width, 2),
        "field_height": max(2.0, round(unit * field_height, 2)),
        "field_width": max(2.0, round(unit * field_width, 2)),
    }


def _card(layer: LayerFeatures, feature: FilterFeature, pictures: _Pictures) -> dict[str, Any]:
    side = LARGE if layer.are_classes else PHOTO
    most = max((abs(mean) for mean in feature.class_means.values()), default=0)
    return {
        "name": feature.name,
        "dead": words.asleep(feature) if feature.dead else "",
        "made": feature.synthetic and pictures.made(feature.synthetic, LARGE),
        "reached": words.reached(feature),
        "patches": [pictures.put(patch, side) for patch in feature.patches],
        "patched": list(feature.classes.items()),
        "selective": "" if layer.are_classes or feature.dead else words.selective(feature),
        "positive": f"{feature.positive:.0%}",
        "reading": words.reading(layer, feature),
        "weights": "",
        "means": [
            {
                "name": name,
                "mean": words.number(mean),
                "share": f"{100 * abs(mean) / most if most else 0:.3g}%",
                "negative": mean < 0,
            }
            for name, mean in feature.class_means.items()
        ],
    }
