"""A network in an ONNX file: images in, class names out, computed by ONNX Runtime."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..data import Geometry, Standardisation
from ..data.pixel_rows import PixelRows
from ..errors import ConfigError, PatternError, RunError
from ..pattern import Pattern, Plan
from ..prediction import Predictor, batch_for
from .description import read_description
from .structure import LARGEST, look, windows

#: ONNX Runtime's own log is for its developers; what matters is raised.
_SILENT = 4
_OUTPUTS = ("probabilities", "logits")
_ANEW = "Make it anew: convstage export RUN"
_OPERATORS = {"max": "MaxPool", "avg": "AveragePool"}


class OnnxClassifier(Predictor):
    """A network in an ONNX file and how it wants its images.

    Parameters
    ----------
    session : onnxruntime.InferenceSession
        From ``pixels``, uint8 of shape (n, height, width, channels), to ``probabilities``
        and ``logits``, each of shape (n, classes).
    plan : Plan
        The network.
    description : dict
        What the file says of itself, see `convstage.runtime.description.ExportRecord`.
    file : str
        Where it is from, for messages.

    Examples
    --------
    ::

        classifier = convstage.load("net.onnx")
        classifier.predict(["patient.png"])[0].label
    """

    def __init__(self, session: Any, plan: Plan, description: dict[str, Any], file: str) -> None:
        self.session = session
        self.plan = plan
        self.description = description
        self.file = file
        self.classes = tuple(description["classes"])
        self.geometry = Geometry(**description["geometry"])
        self.standardisation = Standardisation.from_dict(description["standardisation"])
        self.shifts = tuple((down, right) for down, right in description.get("shifts", [(0, 0)]))
        self.temperature = description["temperature"]

    def probabilities(self, pixels: npt.NDArray[np.uint8] | PixelRows) -> npt.NDArray[np.float64]:
        """Return the probabilities, shape (n, classes), of pixels (n, height, width, channels).

        Raises
        ------
        RunError
            ONNX Runtime cannot compute them; the message has its reason.
        """
        return self.run(pixels)[0]

    def run(self, pixels: npt.NDArray[np.uint8] | PixelRows) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Return probabilities and logits, each of shape (n, classes); the temperature is not in the logits."""
        size = batch_for(self.plan)
        starts = range(0, len(pixels), size)
        batches = [self._batch(np.ascontiguousarray(pixels[start : start + size])) for start in starts]
        empty = np.zeros((0, len(self.classes)))
        probabilities, logits = (np.concatenate([empty, *(batch[name] for batch in batches)]) for name in _OUTPUTS)
        return probabilities, logits

    def _batch(self, pixels: npt.NDArray[np.uint8]) -> dict[str, npt.NDArray[np.float64]]:
        with _reasons(f"{self.file} cannot be run"):
            outputs = self.session.run(_OUTPUTS, {"pixels": pixels})
        if any(output.shape != (len(pixels), len(self.classes)) or not np.isfinite(output).all() for output in outputs):
            raise RunError(
                f"{self.file} does not give a finite number for each of its {len(self.classes)} classes.\n{_ANEW}"
            )
        return {name: output.astype(np.float64) for name, output in zip(_OUTPUTS, outputs, strict=True)}


@contextmanager
def _reasons(what: str) -> Iterator[None]:
    """Turn whatever ONNX Runtime raises into a `RunError` that begins with `what`."""
    try:
        yield
    except Exception as error:  # its errors have no other class in common
        reason = " ".join(str(error).split()).rstrip(".")
        raise RunError(f"{what}: {reason}.\n{_ANEW}") from None


def open_onnx(path: str | Path) -> OnnxClassifier:
    """Return the network of an ONNX file that convstage made.

    Raises
    ------
    RunError
        No such file; not one of ours; a damaged one, or one with things in it that we never write.
    ConfigError
        ONNX Runtime is not installed.
    """
    try:
        large = Path(path).stat().st_size > LARGEST
        content = b"" if large else Path(path).read_bytes()
    except (OSError, ValueError) as error:  # a path that no disk has is a ValueError
        raise RunError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}.") from None
    if large:
        raise RunError(f"{path} is too large for an ONNX file: it has more than 2 GiB.")
    return from_bytes(content, str(path))


def from_bytes(content: bytes, file: str) -> OnnxClassifier:
    """Return the network of an ONNX file's content, as `open_onnx` does."""
    runtime = _onnxruntime()
    model = look(content, file)
    description = read_description(model.metadata_props, content, file)
    try:
        plan = Pattern(description["pattern"]).plan(tuple(description["image"]), len(description["classes"]))
    except PatternError as error:
        raise RunError(f"{file} is damaged: {error}") from None
    if windows(model) != _windows_of(plan):
        raise RunError(f"{file} is damaged: its layers are not those of {plan.pattern}.\n{_ANEW}")
    options = runtime.SessionOptions()
    options.log_severity_level = _SILENT
    # Threads that wait by spinning take the processor from whoever decodes the next images.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    with _reasons(f"{file} cannot be run"):
        session = runtime.InferenceSession(content, options, providers=["CPUExecutionProvider"], enable_fallback=0)
        sides = [(side.name, side.type, side.shape[1:]) for side in (*session.get_inputs(), *session.get_outputs())]
    height, width, channels = plan.image
    expected = [
        ("pixels", "tensor(uint8)", [height, width, channels]),
        *((name, "tensor(float)", [plan.classes]) for name in _OUTPUTS),
    ]
    if sides != expected:
        raise RunError(f"{file} is damaged: its input and outputs are not those of {plan.pattern}.\n{_ANEW}")
    return OnnxClassifier(session, plan, description, file)


def _windows_of(plan: Plan) -> list[tuple[Any, ...]]:
    """Return what `windows` finds in a file of this plan: a larger margin or window could ask for any memory."""
    return [
        (_OPERATORS.get(row.settings.get("kind", ""), "Conv"), row.window.size, row.window.stride, row.window.margins)
        for row in plan.rows
        if row.window is not None
    ]


def _onnxruntime() -> Any:
    try:
        import onnxruntime
    except ImportError:
        raise ConfigError(
            "an ONNX file needs ONNX Runtime, which is not installed.\npip install 'convstage[export]'"
        ) from None
    return onnxruntime


__all__ = ["OnnxClassifier", "from_bytes", "open_onnx"]
