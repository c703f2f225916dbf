"""DICOM files, with pydicom: stored values -> modality -> window -> 256 levels of grey, or colour.

The order is that of the standard's grey-scale pipeline (DICOM PS3.3, C.11 and PS3.4, N.2). This module is imported when
the first such file is met, because pydicom is an extra.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from pydicom import Dataset, uid
from pydicom.encaps import get_frame
from pydicom.filereader import read_dataset, read_partial
from pydicom.pixels.decoders.base import get_decoder
from pydicom.pixels.processing import apply_color_lut, apply_modality_lut, apply_voi, apply_windowing
from pydicom.pixels.utils import pixel_array
from pydicom.tag import BaseTag

from ..errors import DataError
from ..text import size
from . import pillow
from .decoding import ImageFacts, Metered, check_size
from .dicom_runs import unpacked
from .levels import from_integers, parts

NEEDED = ("Rows", "Columns", "BitsStored", "PhotometricInterpretation")
#: How colour may be stored.
GREY = ("MONOCHROME1", "MONOCHROME2")
COLOUR = ("RGB", "PALETTE COLOR", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")
#: Groups that are made sense of here (file, identification, picture), and how long their elements may be: the longest
#: is a table of 65,536 levels. The undefined length is that of sequences, which end with a mark.
READ_GROUPS, MAX_ELEMENT, UNDEFINED = (0x0002, 0x0008, 0x0028), 1 << 20, 0xFFFFFFFF
#: Groups from that of the pixels on; it has them as bytes, as floats, or as doubles.
PIXELS = 0x7FE0
#: The first box of a JPEG 2000 file, and the bytes that begin every box.
JP2, BOX_HEADER = b"\x00\x00\x00\x0cjP  ", 8
#: Centre and width of the whole scale of CT, -1,024 to 3,071 Hounsfield units: for CT that names no window.
CT_WINDOW = (1024, 4096)

# What pydicom finds odd about a file is nothing to a user who trains on ten thousand of them; errors are ours to tell.
warnings.filterwarnings("ignore", module=r"pydicom\b")


def describe(data: bytes) -> ImageFacts:
    """Return what the headers say; see `ImageFacts`."""
    dataset = _read(data, with_pixels=False)
    return ImageFacts(
        format="DICOM",
        mode=str(dataset.PhotometricInterpretation),
        width=int(dataset.Columns),
        height=int(dataset.Rows),
        bits=int(dataset.BitsStored),
        quality=None,
        file_bytes=len(data),
    )


def decode(data: bytes) -> Image.Image:
    """Decode the one picture of a file: grey through its window, or colour.

    Values with a window (or a table in place of one) are mapped by it, the first where there are several. Without one
    the declared bits are the range, as for other image files; CT gets `CT_WINDOW`. Where 0 means white, the
    picture is inverted.
    """
    dataset = _read(data, with_pixels=True)
    _check(dataset)
    has_runs = dataset.file_meta.TransferSyntaxUID == uid.RLELossless
    stored = _without_unused_bits(unpacked(dataset) if has_runs else pixel_array(dataset), dataset)
    declared = (dataset.Rows, dataset.Columns, *([3] if dataset.SamplesPerPixel == 3 else []))
    if stored.shape != declared:  # of more pixels than are declared, pydicom makes more pictures
        raise DataError(f"its pixels are {size(stored.shape)}, but it declares {size(declared)}")
    if dataset.PhotometricInterpretation in GREY:
        with np.errstate(all="ignore"):  # what is no number is refused where levels are made
            return Image.fromarray(_grey(stored, dataset))
    if dataset.PhotometricInterpretation == "PALETTE COLOR":
        colour = apply_color_lut(stored, dataset)
        return Image.fromarray(from_integers(colour, 8 * colour.itemsize))
    return Image.fromarray(from_integers(stored, int(dataset.BitsStored)))


def _read(data: bytes, *, with_pixels: bool) -> Dataset:
    """Parse a file, but none that is compressed as a whole: how large that becomes, nothing declares."""
    file = Metered(data, whole=with_pixels)
    file.seek(132)
    meta = read_dataset(file, False, True, stop_when=lambda tag, _vr, _length: tag.group != 2)
    if meta.get("TransferSyntaxUID") == uid.DeflatedExplicitVRLittleEndian:
        raise DataError("the whole DICOM file is deflated, which is not read; save it uncompressed")

    behind = False

    def stop(tag: BaseTag, _vr: str | None, length: int) -> bool:
        nonlocal behind
        if tag.group in READ_GROUPS and MAX_ELEMENT < length != UNDEFINED:
            raise DataError(f"its element {tag} has {length:,} bytes, more than {MAX_ELEMENT:,}")
        # What comes behind the pixels is no header: whoever reads headers alone does not find it.
        if behind and tag.group < PIXELS:
            return True
        behind = behind or tag.group >= PIXELS
        return behind and not with_pixels

    file.seek(0)
    dataset = read_partial(file, stop)
    missing = [name for name in NEEDED if dataset.get(name) is None]
    if missing:
        raise DataError(f"the DICOM file holds no picture: it has no {', '.join(missing)}")
    return dataset


def _check(dataset: Dataset) -> None:
    """Refuse what is no single picture, is too large, or cannot be decoded with what is installed."""
    if "PixelData" not in dataset:
        raise DataError("the DICOM file holds no picture, or none of whole numbers: it has no PixelData")
    frames = int(dataset.get("NumberOfFrames") or 1)
    if frames > 1:
        raise DataError(f"the DICOM file holds {frames:,} pictures (frames); save those that matter one by one")
    check_size(dataset.Columns, dataset.Rows)
    if dataset.PhotometricInterpretation not in GREY + COLOUR:
        raise DataError(f"its colours are stored as {dataset.PhotometricInterpretation}; save the image as grey or RGB")
    syntax = dataset.file_meta.TransferSyntaxUID
    if not syntax.is_compressed:
        return
    try:
        plugins = set(get_decoder(syntax).available_plugins)
    except RuntimeError:  # as what is not implemented there is raised
        raise DataError(f"it is compressed as {syntax.name}, which is not read; save it uncompressed") from None
    if syntax == uid.JPEGExtended12Bit and dataset.BitsStored > 8:
        plugins -= {"pillow", "gdcm"}  # which have it for 8 bits only
    if not plugins:
        raise DataError(
            f"it is compressed as {syntax.name}; save it uncompressed, or install what reads it: "
            f"pip install {_package_for(syntax)}"
        )
    if syntax in (uid.JPEGBaseline8Bit, uid.JPEGExtended12Bit, uid.JPEG2000, uid.JPEG2000Lossless):
        frame = get_frame(dataset.PixelData, 0, number_of_frames=1)
        _check_boxes(frame)
        # The compressed picture declares a size of its own, which its decoder goes by.
        picture = Image.open(Metered(frame), formats=("JPEG", "JPEG2000"))
        if picture.size != (dataset.Columns, dataset.Rows):
            raise DataError(
                f"the DICOM file declares {dataset.Columns}×{dataset.Rows} pixels, "
                f"its picture {picture.width}×{picture.height}"
            )
        pillow.check_cost(picture, frame)


def _check_boxes(frame: bytes) -> None:
    """Refuse a JPEG 2000 file with a box of no length, behind which pydicom would look for the next for ever.

    A box begins with its length, in four bytes, and its name (ISO/IEC 15444-1, I.4).
    """
    place = int.from_bytes(JP2[:4], "big")
    while frame.startswith(JP2) and place < len(frame) and frame[place + 4 : place + 8] != b"jp2c":
        length = int.from_bytes(frame[place : place + 4], "big")
        if length < BOX_HEADER:
            raise DataError("the image is damaged: a box of its JPEG 2000 picture has no length")
        place += length


def _package_for(syntax: uid.UID) -> str:
    return "pylibjpeg pylibjpeg-openjpeg" if "2000" in syntax.name else "pylibjpeg pylibjpeg-libjpeg"


def _without_unused_bits(stored: npt.NDArray[Any], dataset: Dataset) -> npt.NDArray[Any]:
    """Return the values without what old files keep in the bits above them, and with the sign that belongs to them."""
    unused = 8 * stored.itemsize - int(dataset.BitsStored)
    return stored << unused >> unused if unused > 0 and dataset.BitsAllocated > 1 else stored


def _grey(stored: npt.NDArray[Any], dataset: Dataset) -> npt.NDArray[np.uint8]:
    """Return values as 256 levels, 0 black."""
    if not _has(dataset, "WindowCenter", "WindowWidth") and dataset.get("Modality") == "CT":
        dataset.WindowCenter, dataset.WindowWidth = CT_WINDOW
    if dataset.get("VOILUTSequence"):
        levels = _by_parts(stored, _table(dataset))
    elif _has(dataset, "WindowCenter", "WindowWidth"):
        levels = _by_parts(stored, _window(dataset))
    elif dataset.get("ModalityLUTSequence"):
        bits = dataset.ModalityLUTSequence[0].LUTDescriptor[2]
        levels = _by_parts(stored, lambda part: from_integers(apply_modality_lut(part, dataset), bits))
    else:
        levels = _without_window(stored, dataset)
    return 255 - levels if dataset.PhotometricInterpretation == "MONOCHROME1" else levels


def _has(dataset: Dataset, *names: str) -> bool:
    """Return whether all of these are there, and not empty."""
    return all(dataset.get(name) not in (None, "") for name in names)


def _by_parts(stored: npt.NDArray[Any], use: Callable[[npt.NDArray[Any]], npt.NDArray[Any]]) -> npt.NDArray[np.uint8]:
    """Return what a function makes of the values, some rows at a time: pydicom computes with eight bytes for each."""
    levels = np.empty(stored.shape, np.uint8)
    for part, made in zip(parts(stored), parts(levels), strict=True):
        made[...] = use(part)
    return levels


def _window(dataset: Dataset) -> Callable[[npt.NDArray[Any]], npt.NDArray[Any]]:
    """Return what brings values through the file's first window (PS3.3, C.11.2.1.2 and C.11.2.1.3)."""
    # What is far below the window and far above it: black and white, on pydicom's scale.
    black, white = apply_windowing(np.array([-np.inf, np.inf]), dataset)

    def levels(part: npt.NDArray[Any]) -> npt.NDArray[Any]:
        shares = (apply_windowing(apply_modality_lut(part, dataset), dataset) - black) / (white - black)
        if not np.isfinite(shares).all():
            raise DataError("its rescaling or its window (WindowCenter, WindowWidth) makes no numbers of its values")
        rounded: npt.NDArray[np.float64] = np.rint(shares * 255)
        return rounded

    return levels


def _table(dataset: Dataset) -> Callable[[npt.NDArray[Any]], npt.NDArray[Any]]:
    """Return what brings values through the file's first look-up table (PS3.3, C.11.2.1.1)."""
    item = dataset.VOILUTSequence[0]
    entries, first, bits = item.LUTDescriptor
    # pydicom counts entries in numbers of as many bits as the entries have: of 8 bits, too few for a table of 4,096.
    item.LUTDescriptor = [entries, first, 16]

    def levels(part: npt.NDArray[Any]) -> npt.NDArray[Any]:
        values = np.rint(apply_modality_lut(part, dataset)).astype(np.int64)
        places = np.clip(values, first, first + (entries or 65_536) - 1)
        return from_integers(apply_voi(places, dataset), bits)

    return levels


def _without_window(stored: npt.NDArray[Any], dataset: Dataset) -> npt.NDArray[np.uint8]:
    """Return stored values by their declared bits: a linear rescaling of the whole range would change nothing."""
    if stored.min() < 0:
        raise DataError("it has values below 0 and no window (WindowCenter, WindowWidth) to say what is black")
    bits = int(dataset.BitsStored) - int(dataset.PixelRepresentation)
    levels = from_integers(stored, bits if bits < 15 else None)  # 16 are often 8 or 12 in truth
    return 255 - levels if float(dataset.get("RescaleSlope") or 1) < 0 else levels
