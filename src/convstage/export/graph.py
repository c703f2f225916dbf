"""A classifier as an ONNX model: pixels in, probabilities and logits out, preprocessing and views included."""

from __future__ import annotations

from collections.abc import Mapping
from math import log
from typing import TYPE_CHECKING

import numpy as np

from ..errors import ConfigError
from ..predict import Classifier
from ..runtime.structure import LARGEST
from ..shifts import NONE
from ..text import count, size
from .nodes import BUILDERS, IR_VERSION, OPSET, Graph, Layer

if TYPE_CHECKING:
    import onnx

#: Bytes that are kept free for all but the weights: the model card, above all.
BESIDE = 2**24
#: What comes out, in this order, and what it is.
OUTPUTS = {
    "probabilities": "A probability for each class; the names are in the metadata, classes.",
    "logits": "Before temperature and softmax; of several views, the logarithms of their mean probabilities.",
}
#: What becomes of images of other proportions.
RESIZING = {
    "stretch": "other proportions stretched",
    "pad": "other proportions padded",
    "crop": "other proportions cropped",
}


def build(classifier: Classifier) -> onnx.ModelProto:
    """Return the model of a classifier, without metadata.

    Its input is ``pixels``, uint8 of shape (n, height, width, channels), as
    `convstage.data.Geometry.pixels` makes them; its outputs are ``probabilities``, with views and
    temperature as `Classifier.probabilities` has them, and ``logits``, without temperature,
    each float32 of shape (n, classes). The initializers have the names of the state dict.

    Raises
    ------
    ConfigError
        More weights than an ONNX file can hold without a second one.
    """
    from onnx import TensorProto, helper

    plan = classifier.plan
    if 4 * plan.parameters > LARGEST - BESIDE:
        raise ConfigError(
            f"the network has {count(plan.parameters)} parameters; an ONNX file holds 2 GiB, which is "
            f"{count((LARGEST - BESIDE) // 4)} of them.\n"
            "Train a smaller network: its fully connected layers weigh most."
        )
    graph = Graph()
    x = _standardise(graph, classifier, _views(graph, classifier, "pixels"))
    weights = {name: tensor.detach().cpu().numpy() for name, tensor in classifier.network.state_dict().items()}
    for row in plan.rows:
        x = BUILDERS[row.kind](graph, Layer(row, weights), x)
    _answer(graph, classifier, x)

    height, width, channels = plan.image
    info = helper.make_tensor_value_info
    made = helper.make_graph(
        graph.nodes,
        "convstage",
        [info("pixels", TensorProto.UINT8, ["n", height, width, channels], input_words(classifier))],
        [info(name, TensorProto.FLOAT, ["n", plan.classes], words) for name, words in OUTPUTS.items()],
        _initializers(graph),
        doc_string=f"{plan.pattern}\n{input_words(classifier)}",
    )
    return helper.make_model(
        made, producer_name="convstage", ir_version=IR_VERSION, opset_imports=[helper.make_opsetid("", OPSET)]
    )


def input_words(classifier: Classifier) -> str:
    """Return what must have become of an image before it is this network's input."""
    geometry = classifier.geometry
    return (
        f"Pixels 0..255, uint8, (n, {', '.join(map(str, classifier.plan.image))}): decoded, upright, and resized to "
        f"{size(geometry.size)} {geometry.channels} ({RESIZING[geometry.resize]}) before; that is not in the graph, "
        "all that follows is."
    )


def _initializers(graph: Graph) -> list[onnx.TensorProto]:
    from onnx import numpy_helper

    return [numpy_helper.from_array(np.ascontiguousarray(value), name) for name, value in graph.constants.items()]


def _views(graph: Graph, classifier: Classifier, x: str) -> str:
    """Add the shifted views, (v·n, height, width, channels); see `convstage.shifts.shifted`."""
    if classifier.shifts == NONE:
        return x
    views = []
    for number, shift in enumerate(classifier.shifts):
        view = x
        for axis, (step, side) in enumerate(zip(shift, classifier.geometry.size, strict=True), 1):
            places = np.clip(np.arange(side) - step, 0, side - 1)
            name = f"view{number}.axis{axis}"
            view = graph.add(name, "Gather", view, graph.constant(f"{name}.places", places), axis=axis)
        views.append(view)
    return graph.add("views", "Concat", *views, axis=0)


def _standardise(graph: Graph, classifier: Classifier, x: str) -> str:
    """Add what `convstage.data.Standardisation` does, in its order, so that the numbers are the same."""
    values = {"mean": classifier.standardisation.mean, "std": classifier.standardisation.std}
    mean, std = (graph.constant(f"input.{name}", np.array(value, np.float32)) for name, value in values.items())
    x = graph.add("input.numbers", "Cast", x, to=1)
    x = graph.add("input.shares", "Div", x, graph.number("input.255", 255))
    x = graph.add("input.standardised", "Div", graph.add("input.centred", "Sub", x, mean), std)
    return graph.add("input", "Transpose", x, perm=(0, 3, 1, 2))


def _answer(graph: Graph, classifier: Classifier, x: str) -> None:
    """Add what `convstage.shifts.mean_logits` and `convstage.calibration.softmax` do to the logits of the views."""
    views = len(classifier.shifts)
    if views > 1:
        shape = graph.constant("views.shape", np.array((views, -1, classifier.plan.classes), np.int64))
        x = graph.add("views.apart", "Reshape", x, shape)
        x = graph.add("views.logarithms", "LogSoftmax", x, axis=2)
        x = graph.add("views.sum", "ReduceLogSumExp", x, axes=(0,), keepdims=0)
        logits = graph.add("logits", "Sub", x, graph.number("views.logarithm", log(views)))
    else:
        logits = graph.add("logits", "Identity", x)
    scaled = graph.add("logits.scaled", "Div", logits, graph.number("temperature", classifier.temperature))
    graph.add("probabilities", "Softmax", scaled, axis=1)


def with_metadata(model: onnx.ModelProto, texts: Mapping[str, str]) -> bytes:
    """Return the content of a file: the model with these metadata and no others."""
    from onnx import helper

    del model.metadata_props[:]
    helper.set_model_props(model, dict(texts))
    return bytes(model.SerializeToString())


__all__ = ["build", "input_words", "with_metadata"]
