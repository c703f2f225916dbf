"""Pictures that tests make: one without symmetry, in grey and in colour, and as a file."""

from io import BytesIO

import numpy as np
from PIL import Image


def encoded(image: Image.Image, kind: str, **options) -> bytes:
    buffer = BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def gradient(height: int = 12, width: int = 10) -> np.ndarray:
    """Return a grey picture without any symmetry, smooth enough for JPEG."""
    rows, columns = np.mgrid[:height, :width]
    return (20 + 9 * rows + 11 * columns).astype(np.uint8)


def colours(height: int = 12, width: int = 10) -> np.ndarray:
    grey = gradient(height, width)
    return np.stack([grey, 255 - grey, np.full_like(grey, 60)], axis=2)
