"""int8: what becomes whole numbers, what stays, and what it costs."""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

import convstage
from convstage.data.pixel_rows import PixelRows
from convstage.export import write_onnx
from convstage.export.graph import build, with_metadata
from convstage.export.quantise import Quantisation, choose, cost, quantise
from convstage.export.show import words
from convstage.paired import difference
from convstage.runtime import describe, from_bytes, sealed
from support.onnx_files import classifier, metadata, pixels

#: Every kind of layer that has its own way through quantisation.
MIXED = (
    "INPUT -> CONV(8) -> BN -> RELU -> POOL -> CONV(8) -> RELU -> BN -> POOL(avg) -> CONV(8, 3x2, p=1x0) -> GELU "
    "-> FC(8) -> BN -> SILU -> DROPOUT -> CLASSIFIER"
)


@pytest.fixture(scope="module")
def mixed():
    of = classifier(MIXED, "12x9x3", shifts=((0, 0), (1, 0)), temperature=2.0)
    images = pixels(of, 40)
    return of, images, quantise(build(of), PixelRows(images, np.arange(40)))


def test_it_computes_nearly_the_same(mixed):
    of, images, model = mixed
    file = from_bytes(sealed(with_metadata(model, describe(metadata(of)))), "net.onnx")
    expected = of.probabilities(images)
    assert np.abs(file.probabilities(images) - expected).max() < 0.25 * np.ptp(expected, axis=0).max()
    assert (file.probabilities(images[:3]) == file.probabilities(images)[:3]).all()


def test_convolutions_and_fully_connected_layers_have_whole_numbers_channel_by_channel(mixed):
    _, _, model = mixed
    onnx.checker.check_model(model, full_check=True)
    tensors = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    whole = {name: values for name, values in tensors.items() if values.dtype == np.int8 and values.ndim > 1}
    assert sorted(values.ndim for values in whole.values()) == [2, 2, 4, 4, 4]
    for node in model.graph.node:
        if node.op_type == "DequantizeLinear" and node.input[0] in whole:
            weights = whole[node.input[0]]
            assert tensors[node.input[1]].shape == (len(weights),)
            assert np.abs(weights.astype(int)).max() <= 64  # seven bits: sums of two products fit 16
    assert [opset.domain for opset in model.opset_import] == [""]
    assert (model.producer_name, model.ir_version) == ("convstage", 8)
    assert "is not in the graph" in model.graph.input[0].doc_string


def test_nothing_is_left_behind_and_nothing_said(mixed, caplog, monkeypatch, tmp_path):
    of, images, _ = mixed
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before = logging.root.manager.disable
    quantise(build(of), PixelRows(images, np.arange(4)))
    assert not list(tmp_path.iterdir())
    assert not caplog.records
    assert logging.root.manager.disable == before


def test_images_are_drawn_by_the_seed_and_evenly(mixed):
    labels = np.repeat([0, 1, 2], [50, 30, 5])
    rows = np.arange(5, 85)
    some = choose(labels, rows, 15, 0)
    assert np.bincount(labels[some]).tolist() == [5, 5, 5]
    assert (some == choose(labels, rows, 15, 0)).all()
    assert set(some) != set(choose(labels, rows, 15, 1))
    assert set(some) <= set(rows)
    assert sorted(choose(labels, rows, 1000, 0)) == rows.tolist()


def test_the_cost_is_the_paired_difference():
    labels = np.array([0] * 50 + [1] * 50)
    before = np.eye(2)[labels]
    after = np.eye(2)[np.where(np.arange(100) < 20, 1 - labels, labels)]
    first, second, apart = cost(before, after, labels, [str(k) for k in range(100)])
    assert (first, second) == (1.0, 0.8)
    assert apart == difference(np.ones(100), (np.arange(100) >= 20).astype(float), [str(k) for k in range(100)])
    assert apart.conclusion == "clearly worse"


@pytest.mark.parametrize(
    ("lost", "images", "warning"),
    [
        (0, 500, ""),
        (1, 500, ""),
        (10, 500, "int8 costs this network accuracy: 2.00%. Use the file without --int8, or "),
        (1, 20, "int8 may cost this network accuracy: 5.00%, and up to 20.00%; 20 images cannot tell. Use the file "),
    ],
    ids=["none", "within chance", "much", "too few images"],
)
def test_a_loss_is_said(lost, images, warning, tmp_path):
    apart = difference(np.ones(images), (np.arange(images) >= lost).astype(float))
    found = Quantisation(256, 0, 1.0, 1 - lost / images, apart, 4000, 1000)
    told = words(_made(tmp_path, found)).splitlines()
    assert told[-1].startswith(warning or "  difference  ")
    assert f"  accuracy after   {1 - lost / images:.2%}" in told
    assert "int8: ranges from 256 training images (seed 0); 3.9 KiB became 1000 B" in told


def _made(folder: Path, found: Quantisation):
    from convstage.export import Exported
    from convstage.export.agreement import Agreement

    return Exported(folder / "net.onnx", folder, 1000, "pixels", Agreement(500, "test", 1e-7, 500), found)


def test_a_run_in_int8_says_what_it_cost(trained, tmp_path):
    made = write_onnx(trained, tmp_path / "net.onnx", int8=True, images=10, seed=3)
    found = made.quantisation
    assert found is not None
    assert (found.calibrated_on, found.seed) == (10, 3)
    assert found.bytes_after == made.bytes == made.path.stat().st_size
    assert made.agreement.largest_difference <= 1e-5  # of the file before int8
    told = convstage.load(made.path).description["int8"]
    assert told["accuracy_before"] == found.accuracy_before == 1.0
    assert told["accuracy_after"] == found.accuracy_after
    assert told["difference"] == found.difference.accuracy
    assert "int8: ranges from 10 training images (seed 3); " in words(made)
    again = write_onnx(trained, tmp_path / "again.onnx", int8=True, images=10, seed=3)
    assert again.path.read_bytes() == made.path.read_bytes()
