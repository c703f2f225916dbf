"""Pictures of receptive fields: what lies inside the image, and, marked, what lies outside."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..pictures import Picture, Scale, as_picture, enlarged_to, thumbnail
from ..sizes import Region

#: The stripes of what is no part of the image, and how many pixels wide they are.
STRIPES, WIDTH = ((203, 208, 216), (232, 235, 239)), 3


def framed(pixels_hwc: npt.NDArray[np.uint8], frame: Region, inside: Region, side: int) -> Picture:
    """Return a receptive field as a picture of at most `side` pixels; what is outside of the image is striped.

    Parameters
    ----------
    pixels_hwc : ndarray of uint8, shape (rows, columns, 1 or 3)
        What lies inside.
    frame, inside : (range, range)
        The field, and what of it lies inside.
    side : int
        Of the picture that comes out.
    """
    rows, columns = frame
    there = np.zeros((len(rows), len(columns)), np.uint8)
    picture = np.zeros((*there.shape, 3), np.uint8)
    here = tuple(
        slice(part.start - whole.start, part.stop - whole.start) for part, whole in zip(inside, frame, strict=True)
    )
    picture[here], there[here] = as_picture(pixels_hwc), 255
    picture = fitted(picture, side)
    outside = fitted(as_picture(there[:, :, None]), side)[:, :, 0] < 128
    places = np.add(*np.indices(outside.shape)) // WIDTH % len(STRIPES)
    picture[outside] = np.array(STRIPES, np.uint8)[places[outside]]
    return picture


def fitted(picture: Picture, side: int) -> Picture:
    """Return a picture whose longer side is about `side` pixels, and never more."""
    return np.array(thumbnail(enlarged_to(picture, side), side))


def weight_picture(weights: npt.NDArray[np.float32], scale: Scale) -> Picture:
    """Return the weights of a filter that looks at the image.

    Parameters
    ----------
    weights : ndarray, shape (height, width, channels)
        Of three channels they are red, green and blue: grey is 0.
    scale : Scale
        Signed, that of the layer.
    """
    if weights.shape[2] == 3:
        return np.round(255 * scale.share(weights)).astype(np.uint8)
    return scale.colours(weights[:, :, 0])
