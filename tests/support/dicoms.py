"""DICOM files that tests make."""

from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import ExplicitVRLittleEndian, JPEGBaseline8Bit, generate_uid

from support.pictures import encoded


def dataset(pixels: np.ndarray, **elements: Any) -> Dataset:
    """Return a data set of one picture, grey or RGB; `elements` are set, or taken out where they are None."""
    pixels = np.ascontiguousarray(pixels)
    bits = 8 * pixels.itemsize
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = elements.pop("syntax", ExplicitVRLittleEndian)
    meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=["test"])
    result = Dataset()
    result.file_meta = meta
    given = {
        "Modality": "OT",
        "SamplesPerPixel": 1 if pixels.ndim == 2 else pixels.shape[2],
        "PhotometricInterpretation": "MONOCHROME2" if pixels.ndim == 2 else "RGB",
        "Rows": pixels.shape[0],
        "Columns": pixels.shape[1],
        "BitsAllocated": bits,
        "BitsStored": bits,
        "PixelRepresentation": int(pixels.dtype.kind == "i"),
        "PlanarConfiguration": None if pixels.ndim == 2 else 0,
        "PixelData": pixels.tobytes() + bytes(pixels.nbytes % 2),
    }
    given |= elements
    if given["BitsStored"] is not None:
        given.setdefault("HighBit", given["BitsStored"] - 1)
    for name, value in given.items():
        if value is not None:
            setattr(result, name, value)
    if "PixelData" in result:
        result["PixelData"].VR = "OB" if given["BitsAllocated"] == 8 or meta.TransferSyntaxUID.is_compressed else "OW"
    return result


def written(content: Dataset) -> bytes:
    buffer = BytesIO()
    content.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def dicom(pixels: np.ndarray, **elements: Any) -> bytes:
    """Return the content of a DICOM file; see `dataset`."""
    return written(dataset(pixels, **elements))


def table(name: str, first: int, bits: int, entries: np.ndarray) -> dict[str, list[Dataset]]:
    """Return a look-up table as an element: ``VOILUTSequence`` or ``ModalityLUTSequence``."""
    item = Dataset()
    item.LUTDescriptor = [len(entries), first, bits]
    item["LUTDescriptor"].VR = "SS" if first < 0 else "US"
    item.LUTData = entries.tolist()
    item["LUTData"].VR = "US"
    return {name: [item]}


def jpeg_dicom(pixels: np.ndarray, picture: np.ndarray | None = None, **elements: Any) -> bytes:
    """Return a file whose pixels are a JPEG of `picture`, and whose elements describe `pixels`."""
    content = encoded(Image.fromarray(pixels if picture is None else picture), "JPEG", quality=95, subsampling=0)
    elements.setdefault("PhotometricInterpretation", "MONOCHROME2" if pixels.ndim == 2 else "YBR_FULL_422")
    return dicom(pixels, syntax=JPEGBaseline8Bit, PixelData=encapsulate([content]), **elements)
