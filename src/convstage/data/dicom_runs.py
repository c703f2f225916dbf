"""DICOM's run lengths -> values (PS3.5, annex G), in no more memory than the picture declares.

pydicom unpacks a frame before it compares its length: of a small file that is many gigabytes. The runs are those of
TIFF's PackBits, which Pillow decodes, in C, into a picture of a given size.
"""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from pydicom import Dataset
from pydicom.encaps import get_frame
from pydicom.pixels.processing import convert_color_space

from ..errors import DataError

#: The header of a frame: how many segments it has, and where each begins.
HEADER = struct.Struct("<16I")


def unpacked(dataset: Dataset) -> npt.NDArray[Any]:
    """Return the values of a picture in run lengths, shape (height, width) or (height, width, 3).

    Raises
    ------
    DataError
        Other segments than its elements declare.
    """
    frame = get_frame(dataset.PixelData, 0, number_of_frames=1)
    height, width, samples = int(dataset.Rows), int(dataset.Columns), int(dataset.SamplesPerPixel)
    size = int(dataset.BitsAllocated) // 8
    count, *starts = HEADER.unpack_from(frame)
    if samples not in (1, 3) or size not in (1, 2, 4) or count != samples * size:
        raise DataError(f"its picture has {count} segments, but {samples} samples of {size} bytes")
    # A segment holds one byte of every value, the highest first.
    bytes_hwcb = np.empty((height, width, samples, size), np.uint8)
    for number, (start, end) in enumerate(zip(starts, [*starts[1:count], len(frame)], strict=False)):
        if number == count:
            break
        # As one long row: old files have runs that go on in the next.
        row = Image.frombytes("L", (height * width, 1), frame[start:end], "packbits", "L")
        bytes_hwcb[:, :, number // size, number % size] = np.asarray(row).reshape(height, width)
    kind = "i" if int(dataset.PixelRepresentation) else "u"
    values = bytes_hwcb.view(f">{kind}{size}")[..., 0].astype(f"={kind}{size}", copy=False)
    if samples == 1:
        return values[:, :, 0]
    colours = str(dataset.PhotometricInterpretation)
    return values if colours in ("RGB", "PALETTE COLOR") else convert_color_space(values, colours, "RGB")
