"""The graph around the network: preprocessing, views, temperature, softmax, any number of images."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx.reference import ReferenceEvaluator

from convstage import ConfigError, Pattern, load
from convstage.export.graph import build, input_words, with_metadata
from convstage.runtime import describe
from support.onnx_files import classifier, content, exported, metadata, pixels

PATTERN = "INPUT -> CONV(3) -> RELU -> POOL -> CLASSIFIER"
shift = st.tuples(st.integers(-9, 9), st.integers(-9, 9))


@settings(max_examples=15, deadline=None)
@given(
    shifts=st.lists(shift, min_size=1, max_size=4),
    temperature=st.floats(0.05, 20),
    channels=st.sampled_from([1, 3]),
)
def test_views_and_temperature_are_in_the_graph(shifts, temperature, channels):
    of = classifier(PATTERN, f"7x5x{channels}", shifts=tuple(shifts), temperature=temperature)
    images = pixels(of, 3)
    probabilities, logits = exported(of).run(images)
    assert logits == pytest.approx(np.concatenate(list(of.logits(images))), abs=2e-5, rel=2e-5)
    assert probabilities == pytest.approx(of.probabilities(images), abs=1e-4 / min(1, temperature))
    assert probabilities.sum(axis=1) == pytest.approx(np.ones(3), abs=1e-6)


def test_any_number_of_images_and_each_by_itself():
    of = classifier(PATTERN, "7x5x1", shifts=((0, 0), (1, 0)))
    images, file = pixels(of, 5), exported(of)
    together = file.probabilities(images)
    assert together == pytest.approx(
        np.concatenate([file.probabilities(images[k : k + 1]) for k in range(5)]), abs=1e-6
    )
    assert file.probabilities(images[:0]).shape == (0, 3)
    assert file.predict([]) == []


def test_the_standard_s_own_evaluator_reads_it_alike():
    """ONNX Runtime is one reader of many: the reference implementation of the standard is another."""
    of = classifier("INPUT -> CONV(2) -> BN -> GELU -> POOL -> GAP -> CLASSIFIER", "7x5x3", shifts=((0, 0), (0, 1)))
    model = onnx.load_from_string(content(of))
    onnx.checker.check_model(model, full_check=True)
    images = pixels(of, 2)
    probabilities, logits = ReferenceEvaluator(model).run(None, {"pixels": images})
    assert probabilities == pytest.approx(of.probabilities(images), abs=1e-5)
    assert logits == pytest.approx(np.concatenate(list(of.logits(images))), abs=1e-5)


def test_input_and_outputs_say_what_they_are():
    of = classifier(PATTERN, "7x5x3")
    graph = build(of).graph
    assert [value.name for value in (*graph.input, *graph.output)] == ["pixels", "probabilities", "logits"]
    assert [side.dim_param or side.dim_value for side in graph.input[0].type.tensor_type.shape.dim] == ["n", 7, 5, 3]
    assert "resized to 7×5 colour (other proportions stretched) before; that is not in the graph" in input_words(of)
    assert graph.input[0].doc_string == input_words(of)
    assert of.plan.pattern in graph.doc_string


def test_the_file_predicts_as_the_network_does(tmp_path):
    of = classifier(PATTERN, "7x5x1", classes=("<script>", "שלום", "\udcff🦴"))
    (tmp_path / "net.onnx").write_bytes(content(of, card="# 🦴 <b>"))
    file = load(tmp_path / "net.onnx")
    image = pixels(of, 1)[0]
    ((said,), (expected,)) = file.predict(image), of.predict(image)
    assert said.label == expected.label
    assert said.probabilities == pytest.approx(expected.probabilities, abs=1e-5)
    assert list(said.probabilities) == ["<script>", "שלום", "\udcff🦴"]
    assert file.description["card"] == "# 🦴 <b>"
    assert (file.geometry, file.standardisation, file.temperature) == (of.geometry, of.standardisation, 1.0)


def test_a_file_has_our_metadata_and_no_others():
    of = classifier(PATTERN, "7x5x1")
    model = build(of)
    with_metadata(model, {"old": "1"})
    read = onnx.load_from_string(with_metadata(model, describe(metadata(of))))
    names = [entry.key for entry in read.metadata_props]
    assert "old" not in names
    assert {"classes", "geometry", "standardisation", "pattern", "temperature", "card", "version", "sha256"} <= set(
        names
    )
    assert all(entry.value.isascii() for entry in read.metadata_props)


def test_a_network_that_no_file_can_hold_is_refused():
    of = classifier("INPUT -> CLASSIFIER", "7x5x1")
    of.plan = Pattern("INPUT -> FC(20000) -> CLASSIFIER").plan("1000x100x1", 2)
    with pytest.raises(
        ConfigError, match=r"has 2\.00 G parameters; an ONNX file holds 2 GiB, which is 53\d M of them\."
    ):
        build(of)
