"""A run folder as one ONNX file: built, compared with the run on its real images, and only then written."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..calibration import softmax
from ..data import Dataset, restore_dataset
from ..data.pixel_rows import PixelRows
from ..errors import ConfigError, DataError, RunError
from ..evaluation import Images
from ..files import atomic_path, digest, written
from ..predict import Classifier, batch_for, describe_model, load
from ..run import Run
from ..runtime import FORMAT, describe, from_bytes, sealed
from ..terminal import track
from .agreement import Agreement, compare
from .graph import build, input_words, with_metadata
from .quantise import IMAGES, SEED, Quantisation, check_images, choose, cost, quantise

if TYPE_CHECKING:
    import onnx

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Exported:
    """A file that was made of a run, and what is known of it.

    Attributes
    ----------
    path : Path
        The file.
    run : Path
        The run folder.
    bytes : int
        Its size.
    input : str
        What must have become of an image before it is the file's input, in words.
    agreement : Agreement
        How its probabilities, before int8, compare with the run's.
    quantisation : Quantisation or None
        What int8 has cost.
    """

    path: Path
    run: Path
    bytes: int
    input: str
    agreement: Agreement
    quantisation: Quantisation | None

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain data, ready for JSON."""
        return {
            "file": str(self.path),
            "run": str(self.run),
            "bytes": self.bytes,
            "input": self.input,
            "agreement": self.agreement.to_dict(),
            "int8": self.quantisation and self.quantisation.to_dict(),
        }


def write_onnx(
    run: str | Path | Run,
    out: str | Path,
    *,
    int8: bool = False,
    images: int = IMAGES,
    seed: int = SEED,
    data: str | Path | None = None,
) -> Exported:
    """Write the network of a run, with its preprocessing, as an ONNX file.

    Before it is written, the file is run by ONNX Runtime on all of the run's test images (its
    validation images, where it has no test part), and refused if it disagrees with the run.

    Parameters
    ----------
    run : path or Run
        A run folder.
    out : path
        The file, ``….onnx``; an old one is replaced.
    int8 : bool
        Quantise weights and maps to eight bits, see `convstage.export.quantise`.
    images, seed : int
        Of int8: on how many training images ranges are found, and how they are drawn.
    data : path, optional
        Where the run's images lie now, if they have been moved.

    Returns
    -------
    Exported

    Raises
    ------
    RunError, DataError
        No such run; its images are gone; the file says something else than the run.
    ConfigError
        What an ONNX file needs is not installed; a network that is too large for one.
    WriteError
        The file cannot be written; an old one stays.
    """
    _check_installed()
    out = Path(out)
    if out.suffix.lower() != ".onnx":
        raise ConfigError(f"the file must end in .onnx; got {str(out)!r}.")
    check_images(images)
    run = run if isinstance(run, Run) else Run.open(run)
    with atomic_path(out) as temporary:  # opened first: who may not write there is told at once
        made, content = _made(run, out, int8, images, seed, data)
        with written(out):
            temporary.write_bytes(content)
    return made


def _made(run: Run, out: Path, int8: bool, images: int, seed: int, data: str | Path | None) -> tuple[Exported, bytes]:
    """Return what `write_onnx` does, and the content of the file."""
    classifier = load(run)
    dataset = _dataset(run, data)
    model, metadata = build(classifier), _metadata(run, classifier)
    tested = _tested(run, dataset)

    expected = _probabilities(classifier, tested.pixels)
    found = _asked(sealed(with_metadata(model, describe(metadata))), out, tested.pixels)
    agreement = compare(expected, found, tested.names, classifier.classes, tested.part)
    metadata["checked"] = agreement.to_dict()
    content = sealed(with_metadata(model, describe(metadata)))
    quantisation = None
    if int8:
        content, quantisation = _int8(model, metadata, dataset, tested, expected, len(content), images, seed, out)
    from_bytes(content, str(out))  # what is written can be read
    return Exported(out, run.path, len(content), input_words(classifier), agreement, quantisation), content


def _int8(
    model: onnx.ModelProto,
    metadata: dict[str, Any],
    dataset: Dataset,
    tested: Images,
    expected: Floats,
    bytes_before: int,
    images: int,
    seed: int,
    out: Path,
) -> tuple[bytes, Quantisation]:
    """Return the file in int8, and what that has cost on the images that the float file was checked on."""
    chosen = choose(dataset.labels, dataset.rows("train"), images, seed)
    model = quantise(model, dataset.pixels.take(np.sort(chosen)))
    found = _asked(sealed(with_metadata(model, describe(metadata))), out, tested.pixels)
    before, after, difference = cost(expected, found, tested.labels, tested.groups)
    metadata["int8"] = {
        "calibrated_on": len(chosen),
        "seed": seed,
        "accuracy_before": before,
        "accuracy_after": after,
        "difference": difference.accuracy,
        "conclusion": difference.conclusion,
    }
    content = sealed(with_metadata(model, describe(metadata)))
    return content, Quantisation(len(chosen), seed, before, after, difference, bytes_before, len(content))


def _check_installed() -> None:
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
    except ImportError as error:
        raise ConfigError(
            f"an export needs ONNX and ONNX Runtime, and {error.name} is not installed.\n"
            "pip install 'convstage[export]'"
        ) from None


def _dataset(run: Run, data: str | Path | None) -> Dataset:
    try:
        return restore_dataset(str(data or run.config["data"]), run.split, run.config["model"])
    except DataError as error:
        raise DataError(
            f"{run.path} cannot be exported without the images that it was tested on, which the file is checked with: "
            f"{error}\nIf they lie elsewhere now, say where: --data PATH"
        ) from None


def _tested(run: Run, dataset: Dataset) -> Images:
    """Return the test images; where there are none, the validation images."""
    for part in ("test", "val"):
        if len(rows := dataset.rows(part)):
            return Images.of(dataset, part, rows)
    raise RunError(
        f"{run.path} has neither test nor validation images to check a file with.\nTrain with --val or --test."
    )


def _metadata(run: Run, classifier: Classifier) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "version": version("convstage"),
        **describe_model(
            classifier.plan, classifier.classes, classifier.geometry, classifier.standardisation, classifier.shifts
        ),
        "temperature": classifier.temperature,
        "weights_sha256": digest(classifier.network.state_dict()),
        "card": run.card,
        "run": run.path.resolve().name,
    }


def _probabilities(classifier: Classifier, pixels: PixelRows) -> Floats:
    batches = -(-len(pixels) // batch_for(classifier.plan))
    logits: Iterable[Floats] = track(classifier.logits(pixels), "The run's answers", batches, "batches")
    return softmax(np.concatenate(list(logits)), classifier.temperature)


def _asked(content: bytes, out: Path, pixels: PixelRows) -> Floats:
    return from_bytes(content, str(out)).probabilities(pixels)


__all__ = ["Exported", "write_onnx"]
