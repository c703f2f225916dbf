"""ONNX files that are not ours, damaged, or made to do something else: refused, with what to do."""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from convstage import ConfigError, ConvstageError, RunError, load
from convstage.export.graph import build, with_metadata
from convstage.runtime import OPERATORS, describe, from_bytes, sealed
from convstage.runtime.description import sealed as seal
from convstage.runtime.structure import look, windows
from support.onnx_files import classifier, content, metadata, pixels

OF = classifier("INPUT -> CONV(2) -> RELU -> POOL -> CLASSIFIER", "7x5x1")
OURS = content(OF)


def refusal(data: bytes) -> str:
    with pytest.raises(RunError) as caught:
        from_bytes(data, "net.onnx")
    return str(caught.value)


@pytest.mark.parametrize("data", [b"", b"\x00", b"\x89PNG\r\n\x1a\n", b"<html>", b"PK\x03\x04", OURS[:200], OURS[1:]])
def test_what_is_no_onnx_file(data):
    assert refusal(data).startswith("net.onnx is damaged or no ONNX file")
    assert refusal(data).endswith("\nMake it anew: convstage export RUN -o net.onnx")


def test_a_file_of_somebody_else():
    """No classes, no geometry: what it says of an image could not be told."""
    assert refusal(with_metadata(build(OF), {"names": "['a', 'b']"})) == (
        "net.onnx was not made by convstage: it does not say which classes it knows and how it wants its images.\n"
        "Make it from a run folder: convstage export RUN -o net.onnx"
    )


@settings(max_examples=60, deadline=None)
@given(st.integers(0, len(OURS) - 1), st.integers(0, 7))
def test_a_single_bit_that_has_turned_is_noticed(place, bit):
    data = bytearray(OURS)
    data[place] ^= 1 << bit
    assert refusal(bytes(data)).startswith("net.onnx ")


@settings(max_examples=20, deadline=None)
@given(st.integers(0, len(OURS) - 1))
def test_a_file_that_was_cut_is_noticed(length):
    refusal(OURS[:length])


def outside(model: onnx.ModelProto) -> None:
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../etc/passwd")


def hidden(model: onnx.ModelProto) -> None:
    """The same, in an attribute."""
    value = numpy_helper.from_array(np.zeros(2, np.float32), "inner")
    value.external_data.add(key="location", value="secret")
    model.graph.node[0].attribute.append(helper.make_attribute("value", value))


def loop(model: onnx.ModelProto) -> None:
    body = helper.make_graph([], "body", [], [])
    model.graph.node.append(helper.make_node("Loop", ["", ""], ["z"], body=body))


def graph_within(model: onnx.ModelProto) -> None:
    model.graph.node[0].attribute.append(helper.make_attribute("body", helper.make_graph([], "body", [], [])))


def graphs_within(model: onnx.ModelProto) -> None:
    model.graph.node[0].attribute.append(helper.make_attribute("body", [helper.make_graph([], "body", [], [])]))


def of_another_library(model: onnx.ModelProto) -> None:
    model.graph.node.append(helper.make_node("Relu", ["pixels"], ["z"], domain="com.evil"))


def function(model: onnx.ModelProto) -> None:
    model.functions.append(helper.make_function("", "Relu", ["x"], ["y"], [], []))


def procedure(model: onnx.ModelProto) -> None:
    model.training_info.add()


def sparse(model: onnx.ModelProto) -> None:
    model.graph.sparse_initializer.add()


def sparse_attribute(model: onnx.ModelProto) -> None:
    attribute = model.graph.node[0].attribute.add(name="v", type=onnx.AttributeProto.SPARSE_TENSOR)
    attribute.sparse_tensor.dims.append(1)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (outside, "external data: the numbers of 'input.mean' are in another file"),
        (hidden, "external data: the numbers of 'inner' are in another file"),
        (loop, "an operator 'Loop'"),
        (graph_within, "graphs in its graph"),
        (graphs_within, "graphs in its graph"),
        (of_another_library, "an operator 'com.evil.Relu'"),
        (function, "functions of its own"),
        (procedure, "a training procedure"),
        (sparse, "sparse weights"),
        (sparse_attribute, "sparse weights"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_we_never_write_is_not_run(change: Callable[[onnx.ModelProto], None], named: str):
    """Whoever makes such a file can compute its digest, too."""
    model = build(OF)
    change(model)
    assert refusal(sealed(with_metadata(model, describe(metadata(OF))))) == (
        f"net.onnx has {named}, which convstage never writes; it is not run.\n"
        "Only files that convstage export made are. Make it anew: convstage export RUN -o net.onnx"
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": 2}, "net.onnx has layout 2; this version of convstage reads layout 1."),
        ({"pattern": "INPUT -> CONF"}, "net.onnx is damaged: unknown layer 'CONF'."),
        ({"pattern": "INPUT -> [CONV]*N -> CLASSIFIER"}, "net.onnx is damaged: "),
        ({"pattern": "INPUT -> CONV(2, 5) -> POOL -> CLASSIFIER"}, "its layers are not those of INPUT -> CONV(2, 5)"),
        ({"pattern": "INPUT -> CLASSIFIER"}, "its layers are not those of INPUT -> CLASSIFIER."),
        ({"classes": ["a", "b"]}, "its input and outputs are not those of"),
        ({"classes": ["a", "b", "b"]}, "every class must be named once"),
        ({"classes": 3}, "classes: "),
        ({"image": [9, 5, 1]}, "image and geometry must say the same size and channels"),
        ({"temperature": 0}, "temperature: input should be greater than 0"),
        ({"weights_sha256": "x"}, "weights_sha256: "),
        ({"card": 5}, "card: it should be a text"),
        ({"standardisation": {"mean": [0.1], "std": [0.0]}}, "standardisation.std[0]: "),
        ({"shifts": []}, "shifts: "),
    ],
)  # fmt: skip
def test_metadata_that_cannot_be_are_refused(changes, message):
    assert message in refusal(content(OF, **changes))


def test_metadata_that_are_no_json_or_not_there_are_refused():
    texts = describe(metadata(OF))
    for name, text, message in (
        ("temperature", "NaN", "NaN is no number that JSON has"),
        ("classes", "[", "cannot be read"),
        ("classes", '{"a":1,"a":2}', "'a' is there twice"),
        ("format", "[" * 3000, "nested too deeply"),
    ):
        assert message in refusal(seal(with_metadata(build(OF), {**texts, name: text})))
    for name in ("pattern", "classes", "geometry", "temperature"):
        left = {key: text for key, text in texts.items() if key != name}
        assert f"{name}: field required" in refusal(seal(with_metadata(build(OF), left)))


def test_a_layer_that_would_ask_for_any_memory_is_refused():
    model = build(OF)
    for node in model.graph.node:
        if node.op_type == "Conv":
            (pads,) = (attribute for attribute in node.attribute if attribute.name == "pads")
            pads.ints[:] = [10**6] * 4
    told = refusal(sealed(with_metadata(model, describe(metadata(OF)))))
    assert told.startswith("net.onnx is damaged: its layers are not those of INPUT -> CONV(2) -> RELU")


def test_weights_that_are_no_numbers_predict_nothing():
    model = build(OF)
    for tensor in model.graph.initializer:
        if tensor.name == "classifier.bias":
            tensor.CopyFrom(numpy_helper.from_array(np.full(3, np.nan, np.float32), tensor.name))
    file = from_bytes(sealed(with_metadata(model, describe(metadata(OF)))), "net.onnx")
    with pytest.raises(RunError, match="does not give a finite number for each of its 3 classes"):
        file.probabilities(pixels(OF))


def test_a_graph_that_onnx_runtime_cannot_run_is_refused_with_its_reason():
    model = build(OF)
    del model.graph.node[2]
    told = refusal(sealed(with_metadata(model, describe(metadata(OF)))))
    assert told.startswith("net.onnx cannot be run: ")
    assert told.endswith("\nMake it anew: convstage export RUN")


def test_names_that_are_no_text_are_refused():
    """Found by turning bits at random: ONNX Runtime hands them out as they are."""
    model = build(OF)
    data = with_metadata(model, describe(metadata(OF))).replace(b"pixels", b"\x80ixels")
    assert refusal(sealed(data)).startswith("net.onnx cannot be run: 'utf-8' codec can't decode byte 0x80")


def test_pixels_of_another_size_are_refused():
    file = from_bytes(OURS, "net.onnx")
    with pytest.raises(RunError, match=r"net\.onnx cannot be run: .*[Ii]nvalid dimensions"):
        file.probabilities(np.zeros((1, 9, 9, 1), np.uint8))


def test_files_that_are_not_there(tmp_path, monkeypatch):
    for path, reason in (
        (tmp_path / "net.onnx", "No such file or directory"),
        (f"{tmp_path}/a\0.onnx", "embedded null byte"),
    ):
        with pytest.raises(RunError, match=rf"cannot be read: .*{reason}"):
            load(path)
    (tmp_path / "run.onnx").mkdir()  # a run folder may be called so
    with pytest.raises(RunError, match="is no run folder"):
        load(tmp_path / "run.onnx")
    (tmp_path / "net.onnx").write_bytes(OURS)
    monkeypatch.setattr("convstage.runtime.classifier.LARGEST", 100)
    with pytest.raises(RunError, match=r"net\.onnx is too large for an ONNX file: it has more than 2 GiB\."):
        load(tmp_path / "net.onnx")


def test_what_must_be_installed(tmp_path, monkeypatch):
    (tmp_path / "net.onnx").write_bytes(OURS)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ConfigError, match=r"which is not installed\.\npip install 'convstage\[export\]'"):
        load(tmp_path / "net.onnx")


def test_what_is_looked_at_is_what_the_standard_says():
    """The numbers of the fields are those of the onnx package, which is not there where files are only read."""
    theirs = {
        "Model": onnx.ModelProto, "Entry": onnx.StringStringEntryProto, "Graph": onnx.GraphProto,
        "Node": onnx.NodeProto, "Attribute": onnx.AttributeProto, "Tensor": onnx.TensorProto,
    }  # fmt: skip
    from convstage.runtime.structure import SCHEMA

    names = {"tensor": "t", "graph": "g"}
    for message, fields in SCHEMA.items():
        known = theirs[message].DESCRIPTOR.fields_by_name
        for field, (number, _) in fields.items():
            name = names.get(field, field) if message == "Attribute" else field
            assert known[name].number == number, (message, field)
    model = onnx.load_from_string(OURS)
    found = look(OURS, "net.onnx")
    assert [node.op_type for node in found.graph.node] == [node.op_type for node in model.graph.node]
    assert [tensor.name for tensor in found.graph.initializer] == [tensor.name for tensor in model.graph.initializer]
    assert windows(found) == [("Conv", (3, 3), (1, 1), (1, 1, 1, 1)), ("MaxPool", (2, 2), (2, 2), (0, 0, 0, 0))]
    assert {node.op_type for node in model.graph.node} <= OPERATORS


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=300))
def test_whatever_the_bytes_are_it_is_our_error(data):
    with pytest.raises(ConvstageError):
        from_bytes(data, "net.onnx")
