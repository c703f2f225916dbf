"""Image -> network input: the one way that training, evaluation, prediction and export share."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from ..errors import DataError
from .content import read_file
from .images import Channels, Pixels, Resize, from_array, open_image, to_pixels, upright
from .pixel_rows import Images

if TYPE_CHECKING:
    from torch import Tensor

#: Images that are in memory at a time while they are measured.
MEASURED_AT_ONCE = 64
#: What `Geometry.pixels` takes for an image.
ImageLike = str | Path | Image.Image | npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Geometry:
    """How images become pixels: size, channels, and what happens to other proportions."""

    height: int
    width: int
    channels: Channels = "grey"
    resize: Resize = "stretch"

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.height, self.width

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and number of channels."""
        return self.height, self.width, 3 if self.channels == "colour" else 1

    def pixels(self, image: ImageLike) -> Pixels:
        """Return one image as uint8, shape (height, width, channels).

        Parameters
        ----------
        image : path, PIL image or array
            An array is (H, W), (H, W, 1) or (H, W, 3), of whole numbers up to 65,535, bool, or floats in 0..1.

        Raises
        ------
        DataError
            The image cannot be read; the message names it.
        """
        name = ""
        try:
            if isinstance(image, str | Path):
                name = f"{image}: "
                image = open_image(read_file(image))
            elif isinstance(image, np.ndarray):
                image = from_array(image)
            else:
                image = upright(image)
            return to_pixels(image, self.channels, self.size, self.resize)
        except OSError as error:
            raise DataError(f"{name}{error.strerror or error}.") from None
        except DataError as error:
            raise DataError(f"{name}{error}.") from None

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain data."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Standardisation:
    """Per channel, what the training images' values 0..1 are shifted and scaled by."""

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __call__(self, pixels: Pixels) -> Tensor:
        """Return uint8 pixels (n, height, width, channels) as network input (n, channels, height, width)."""
        import torch

        pixels = np.require(pixels, requirements=["C", "W"])  # torch warns of arrays that cannot be written to
        x_nhwc = torch.from_numpy(pixels).float().div_(255)
        # Whole rows of an image at a time: torch is slow at vectors as short as the channels.
        mean, std = (torch.tensor(values).repeat(x_nhwc.shape[2]) for values in (self.mean, self.std))
        x_nhwc.flatten(2).sub_(mean).div_(std)
        return x_nhwc.permute(0, 3, 1, 2)  # in memory this is channels-last already

    def to_dict(self) -> dict[str, list[float]]:
        """Return the fields as plain data."""
        return {"mean": list(self.mean), "std": list(self.std)}

    @classmethod
    def from_dict(cls, data: dict[str, list[float]]) -> Standardisation:
        """Return what `to_dict` was made from."""
        return cls(tuple(data["mean"]), tuple(data["std"]))


def measure(pixels: Images, rows: npt.NDArray[np.int64]) -> Standardisation:
    """Return mean and standard deviation of each channel over `rows` of the pixels, exactly, in one pass."""
    channels = pixels.shape[3]
    counts = np.zeros((channels, 256), np.int64)
    for start in range(0, len(rows), MEASURED_AT_ONCE):
        for image in pixels[rows[start : start + MEASURED_AT_ONCE]]:
            for channel in range(channels):
                counts[channel] += np.bincount(image[:, :, channel].ravel(), minlength=256)
    levels = np.arange(256) / 255
    total = counts.sum(axis=1)
    mean = counts @ levels / total
    std = np.sqrt(np.maximum(counts @ levels**2 / total - mean**2, 0))
    # A channel without any contrast carries nothing; dividing by its zero would carry NaN.
    std = np.where(std < 1e-6, 1.0, std)
    return Standardisation(tuple(mean.tolist()), tuple(std.tolist()))
