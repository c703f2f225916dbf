"""Where evidence lies that should not count: on the outer border, and outside the subject."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..audit.cues import STRIP

Mask = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

#: The two sides of Otsu's threshold are subject and background when they explain this share of the variance (grey
#: values of a single kind, normally distributed and cut in two, have 2/π = 0.64),
SEPARATED = 0.7
#: the subject is this share of the image, and is this much rarer on the border than the background is there.
SMALLEST, LARGEST, RARER = 0.02, 0.95, 0.2
#: The subject's edge belongs to it: it is widened by this share of the longer side.
EDGE = 0.02


@dataclass(frozen=True, slots=True)
class Share:
    """How much of the evidence lies in a part of the image.

    Attributes
    ----------
    evidence : float
        Share of the map's absolute values, 0..1.
    area : float
        Share of the pixels: what evidence that lies anywhere would have.
    """

    evidence: float
    area: float


def share_in(map_hw: Floats, mask_hw: Mask) -> Share:
    """Return how much of a map lies in a part of the image.

    Examples
    --------
    >>> share_in(np.array([[3.0, -1.0]]), np.array([[True, False]]))
    Share(evidence=0.75, area=0.5)
    """
    weights = np.abs(map_hw)
    total = float(weights.sum())
    return Share(float(weights[mask_hw].sum()) / total if total else 0.0, float(mask_hw.mean()))


def border(height: int, width: int) -> Mask:
    """Return the outermost strip of an image, as wide as that of the audit's border cue: `STRIP` of each side."""
    rows, columns = (max(1, round(STRIP * side)) for side in (height, width))
    mask = np.ones((height, width), bool)
    mask[rows : height - rows, columns : width - columns] = False
    return mask


def find_subject_mask(pixels_hwc: npt.NDArray[np.uint8]) -> tuple[Mask | None, str]:
    """Return where the subject is, as far as brightness tells, and what was done, as a sentence.

    Otsu's threshold (1979) parts the grey values in two; the side that is rarer on the border is the subject, with its
    holes filled and its edge widened.

    Returns
    -------
    mask : ndarray of bool, shape (height, width), or None
        None where there is no clear subject.
    words : str
    """
    from scipy.ndimage import binary_dilation, binary_fill_holes
    from skimage.filters import threshold_otsu

    grey = pixels_hwc.mean(axis=2)
    if np.ptp(grey) == 0:
        return None, "no subject is clear; the image is of one grey"
    bright = grey > threshold_otsu(grey)  # type: ignore[no-untyped-call]
    weights = np.array([bright.mean(), 1 - bright.mean()])
    between = weights.prod() * (grey[bright].mean() - grey[~bright].mean()) ** 2
    if between < SEPARATED * grey.var():
        return None, "no subject is clear; the grey values do not fall into two kinds"
    strip = border(*grey.shape)
    lead = bright[strip].mean() - 0.5
    mask = ~bright if lead > 0 else bright
    if 2 * abs(lead) < RARER:
        return None, "no subject is clear; bright and dark are about as common on the border"
    mask = binary_fill_holes(mask)
    mask = binary_dilation(mask, iterations=max(1, round(EDGE * max(grey.shape))))
    if not SMALLEST <= mask.mean() <= LARGEST:
        return None, "no subject is clear; it would be all of the image, or nearly nothing"
    return mask, f"The subject is taken to be what is {'darker' if lead > 0 else 'brighter'} (Otsu's threshold)"
