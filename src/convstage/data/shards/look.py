"""An image's file is looked at once, when it is listed: whether it can be read, and what it is like."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from ...errors import DataError
from ..images import describe, open_image
from .index import Entry

#: An image's file has no more bytes.
MOST_IMAGE = 1024**3
#: What a file's name ends with, by what it holds.
EXTENSIONS = {"JPEG": "jpg", "MPO": "jpg", "TIFF": "tif", "DICOM": "dcm"}


def look(content: bytes) -> Entry:
    """Decode an image file, and return what it shows itself: digest, size, mode, ending, or why it is no use."""
    entry = Entry("", "", 0, len(content), 0, hashlib.sha256(content).hexdigest(), "")
    try:
        image, facts = open_image(content), describe(content)
    except DataError as error:
        return replace(entry, reason=str(error))
    extension = EXTENSIONS.get(facts.format, facts.format.lower())
    return replace(entry, extension=extension, height=image.height, width=image.width, mode=facts.mode)
