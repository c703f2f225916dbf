"""The contract of BUILDERS: every layer kind of the language computes in ONNX Runtime what it does in torch."""

from __future__ import annotations

import numpy as np
import pytest

from convstage.export import BUILDERS
from convstage.export.graph import build
from convstage.pattern.layers import LAYERS
from convstage.runtime import OPERATORS
from support.onnx_files import classifier, exported, pixels

#: Settings beside the defaults; a new kind needs no line here to be checked with its defaults.
SETTINGS = {
    "CONV": ["4, 5x3", "4, 4x1", "4, valid", "4, s=2x3, valid", "4, 5, p=2x1", "4, 2x4, s=3x2", "4, 3, s=4"],
    "POOL": ["avg", "3, s=1", "avg, 3x2, s=2x1", "2, s=5"],
}
LAYER = [
    f"{kind}({given})" if given else kind
    for kind in LAYERS
    if kind not in ("INPUT", "CLASSIFIER")
    for given in ["", *SETTINGS.get(kind, [])]
]
PATTERNS = [
    "INPUT -> CLASSIFIER",
    *(f"INPUT -> {layer} -> CLASSIFIER" for layer in LAYER if not LAYERS[layer.split("(")[0]].needs_vector),
    *(f"INPUT -> FLATTEN -> {layer} -> CLASSIFIER" for layer in LAYER if not LAYERS[layer.split("(")[0]].needs_map),
]


def test_every_layer_kind_has_an_entry() -> None:
    assert list(BUILDERS) == list(LAYERS)
    assert {kind for kind in LAYERS if any(kind in pattern for pattern in PATTERNS)} == set(LAYERS)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_layer_computes_what_it_does_in_torch(pattern: str) -> None:
    of = classifier(pattern, "9x8x3")
    images = pixels(of)
    probabilities, logits = exported(of).run(images)
    assert logits == pytest.approx(np.concatenate(list(of.logits(images))), rel=2e-5, abs=2e-5)
    assert probabilities == pytest.approx(of.probabilities(images), abs=1e-5)
    assert np.abs(probabilities - 1 / 3).max() > 0.01  # the network tells the images apart


def test_every_operator_that_may_be_in_a_file_is_needed() -> None:
    """What is let in is what is written; int8 has the two that are not here."""
    networks = [classifier(pattern, "9x8x3") for pattern in PATTERNS]
    networks.append(classifier("INPUT -> CLASSIFIER", "9x8x3", shifts=((0, 0), (0, 1))))
    written = {node.op_type for network in networks for node in build(network).graph.node}
    assert OPERATORS - written == {"QuantizeLinear", "DequantizeLinear"}
    assert written <= OPERATORS


def test_weights_have_their_names_in_the_state_dict_and_all_numbers_are_in_the_file() -> None:
    of = classifier("INPUT -> CONV(2) -> BN -> RELU -> POOL -> FC(4) -> CLASSIFIER", "9x8x1")
    tensors = {tensor.name: tensor for tensor in build(of).graph.initializer}
    kept = {name for name in of.network.state_dict() if not name.endswith("num_batches_tracked")}
    assert kept < set(tensors)
    assert all(tensor.raw_data and not tensor.external_data for tensor in tensors.values())
