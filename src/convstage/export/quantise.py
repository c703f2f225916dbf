"""int8: weights and maps as whole numbers of eight bits, by ONNX Runtime's static quantisation.

Every map gets one range of values, found on training images (calibration), and every filter
its own range of weights (per channel); see Jacob et al. 2018, "Quantization and Training of
Neural Networks for Efficient Integer-Arithmetic-Only Inference", and Krishnamoorthi 2018.
Weights keep seven of the eight bits: on processors without VNNI the sums of full ones
saturate, and one file would answer differently on two machines.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..data.pixel_rows import PixelRows
from ..errors import ConfigError
from ..paired import Difference, difference

if TYPE_CHECKING:
    import onnx

#: So many training images the ranges are found on, unless it is said otherwise; drawn with this seed.
IMAGES, SEED = 256, 0
#: Images that are run at once while ranges are found.
AT_ONCE = 16
#: What is quantised. Preprocessing, probabilities and what else bends values stay float32.
OPERATORS = ["AveragePool", "Conv", "Gemm", "MaxPool", "Relu"]
#: A loss of accuracy from here on is spoken of, also where the test images do not tell it from chance.
LARGE = 0.01

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Quantisation:
    """What int8 has cost.

    Attributes
    ----------
    calibrated_on, seed : int
        So many training images, drawn so.
    accuracy_before, accuracy_after : float
        Of the run and of the int8 file, on the images that the file was checked on.
    difference : Difference
        Of the two, after less before; see `convstage.paired`.
    bytes_before, bytes_after : int
        Size of the file without and with int8.
    """

    calibrated_on: int
    seed: int
    accuracy_before: float
    accuracy_after: float
    difference: Difference
    bytes_before: int
    bytes_after: int

    @property
    def warning(self) -> str:
        """What is to be said of a loss, in words; nothing where there is none to speak of."""
        loss, most = -self.difference.accuracy["value"], -self.difference.accuracy["low"]
        if self.difference.conclusion == "clearly worse":
            return f"int8 costs this network accuracy: {loss:.2%}."
        if loss >= LARGE:
            images = f"{self.difference.images:,} images"
            return f"int8 may cost this network accuracy: {loss:.2%}, and up to {most:.2%}; {images} cannot tell."
        return ""

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain data."""
        return asdict(self)


def choose(labels: Ints, rows: Ints, images: int, seed: int) -> Ints:
    """Return rows of images for calibration: drawn by the seed, of every class as many, where it has them.

    Parameters
    ----------
    labels : ndarray of int, shape (n,)
        Classes of all images.
    rows : ndarray of int, shape (m,)
        The images to choose from.
    images : int
        How many; all of `rows`, where there are fewer.
    seed : int
        Source of all randomness.

    Examples
    --------
    >>> labels = np.array([0] * 90 + [1] * 10)
    >>> np.bincount(labels[choose(labels, np.arange(100), 16, 0)]).tolist()
    [8, 8]
    >>> np.bincount(labels[choose(labels, np.arange(100), 30, 0)]).tolist()
    [20, 10]
    """
    random = np.random.default_rng(seed)
    rows = random.permutation(rows)
    # Its turn within its class: the first of every class come before the second of any.
    turns = np.empty(len(rows), np.int64)
    for label in np.unique(labels[rows]):
        of_class = labels[rows] == label
        turns[of_class] = np.arange(of_class.sum())
    return np.asarray(rows[np.argsort(turns, kind="stable")][:images])


def quantise(model: onnx.ModelProto, pixels: PixelRows) -> onnx.ModelProto:
    """Return a model whose convolutions and fully connected layers are int8; the ranges are those of `pixels`.

    Parameters
    ----------
    model : ModelProto
        As `convstage.export.graph.build` makes it.
    pixels : PixelRows, shape (n, height, width, channels)
        Training images.
    """
    import onnx
    from onnxruntime import quantization
    from onnxruntime.quantization.shape_inference import quant_pre_process

    with tempfile.TemporaryDirectory(prefix="convstage-int8-") as folder, _quiet():
        plain, prepared, made = (Path(folder) / f"{name}.onnx" for name in ("plain", "prepared", "int8"))
        plain.write_bytes(model.SerializeToString())  # given a model, it would take the weights out of that
        # Folds batch normalisation into convolutions. Symbolic shapes would need sympy, and all of ours are known.
        quant_pre_process(plain, prepared, skip_symbolic_shape=True)
        quantization.quantize_static(
            prepared,
            made,
            _Batches(pixels),
            quant_format=quantization.QuantFormat.QDQ,
            op_types_to_quantize=OPERATORS,
            per_channel=True,
            reduce_range=True,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
            # Logits of 256 levels would make classes equal that are not.
            extra_options={"OpTypesToExcludeOutputQuantization": ["Gemm"]},
        )
        found = onnx.load(made)
    used = {node.domain for node in found.graph.node}
    kept = [opset for opset in found.opset_import if opset.domain in used]
    del found.opset_import[:]
    found.opset_import.extend(kept)
    found.producer_name, found.ir_version = model.producer_name, model.ir_version
    found.graph.doc_string = model.graph.doc_string
    for mine, its in ((model.graph.input, found.graph.input), (model.graph.output, found.graph.output)):
        for before, after in zip(mine, its, strict=True):
            after.doc_string = before.doc_string
    return found


class _Batches:
    """What ONNX Runtime's calibration reads: one batch after the other, and None at the end."""

    def __init__(self, pixels: PixelRows) -> None:
        starts = range(0, len(pixels), AT_ONCE)
        self.batches: Iterator[npt.NDArray[np.uint8]] = (pixels[start : start + AT_ONCE] for start in starts)

    def __iter__(self) -> Iterator[dict[str, npt.NDArray[np.uint8]]]:
        return iter(self.get_next, None)

    def get_next(self) -> dict[str, npt.NDArray[np.uint8]] | None:
        batch = next(self.batches, None)
        return None if batch is None else {"pixels": np.ascontiguousarray(batch)}


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep what the quantiser logs on the root logger, advice for its developers, off the terminal."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)


def check_images(images: int) -> None:
    """Refuse to find ranges on no image."""
    if images < 1:
        raise ConfigError(f"the ranges of int8 are found on at least 1 training image; got {images}.")


def cost(
    before: npt.NDArray[np.float64],
    after: npt.NDArray[np.float64],
    labels: Ints,
    groups: Sequence[str],
) -> tuple[float, float, Difference]:
    """Return accuracy before and after, and their difference, from probabilities of shape (n, classes)."""
    first, second = (found.argmax(axis=1) == labels for found in (before, after))
    return float(first.mean()), float(second.mean()), difference(first.astype(np.float64), second, groups)


__all__ = ["IMAGES", "LARGE", "SEED", "Quantisation", "check_images", "choose", "cost", "quantise"]
