"""The walk of a run's image: what it holds, says and writes, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import convstage
from convstage.errors import ConfigError, DataError, RunError
from convstage.explain import METHODS
from convstage.stage.receipt import PoolReceipt, Receipt
from convstage.walkthrough import Walk, walk
from walkthrough.networks import ALL_KINDS, walk_of


@pytest.fixture(scope="module")
def walked(trained, trained_folder: Path) -> Walk:
    return walk(trained, trained_folder / "1-corona" / "3.png")


def test_it_holds_every_layer_and_ends_in_the_runs_probabilities(trained, walked: Walk) -> None:
    names = [
        "input",
        "stage1.conv",
        "stage1.relu",
        "stage1.pool",
        "flatten",
        "fc1",
        "fc1_relu",
        "classifier",
        "softmax",
    ]
    assert list(walked.steps) == names
    assert walked.subject.truth == "1-corona"
    assert walked.prediction.label == "1-corona"
    assert walked.steps["input"].input.shape == walked.plan.image
    classifier = convstage.load(trained)
    own = classifier.probabilities(walked.subject.pixels_hwc[None])[0]
    np.testing.assert_allclose(walked.probabilities, own, atol=1e-6)
    x = classifier.standardisation(walked.subject.pixels_hwc[None])
    with torch.inference_mode():
        for name, output in classifier.network.walk(x).items():
            one = output[0].permute(1, 2, 0) if output.ndim == 4 else output[0]
            np.testing.assert_array_equal(walked.steps[name].output, one.numpy())
    assert all(
        step.input is before.output
        for before, step in zip(list(walked.steps.values())[:-1], list(walked.steps.values())[1:], strict=True)
    )


def test_a_chain_goes_down_to_the_convolution(walked: Walk) -> None:
    chain = walked.chain("stage1.pool", (4, 5, 2))
    assert [name for name, _ in chain] == ["stage1.pool", "stage1.relu", "stage1.conv"]
    pooled, _, convolved = (receipt for _, receipt in chain)
    assert isinstance(pooled, PoolReceipt) and isinstance(convolved, Receipt)
    assert pooled.winner is not None and convolved.cell == (*pooled.winner, 2)
    assert max(convolved.after, 0) == pytest.approx(pooled.value, abs=1e-5)
    assert [name for name, _ in walked.chain("softmax", 0)] == ["softmax", "classifier"]
    assert [name for name, _ in walked.chain("fc1_relu", 3)] == ["fc1_relu", "fc1"]
    assert [name for name, _ in walked.chain("flatten", 9)][:2] == ["flatten", "stage1.pool"]
    assert [name for name, _ in walked.chain("input", (0, 0))] == ["input"]


def test_the_mean_of_a_window_is_the_end_of_a_chain() -> None:
    walked = walk_of(ALL_KINDS)
    name = next(name for name, step in walked.steps.items() if step.row.settings.get("kind") == "avg")
    assert len(walked.chain(name, (0, 0, 0))) == 1


def test_the_text_of_a_receipt(walked: Walk) -> None:
    lines = walked.explain("stage1.pool", (4, 5, 2)).splitlines()
    pooled, activated, convolved = (receipt for _, receipt in walked.chain("stage1.pool", (4, 5, 2)))
    row, column, _ = convolved.cell
    assert lines == [
        "stage1.pool, row 4, column 5, filter 2",
        f"  {pooled.arithmetic()}",
        f"stage1.relu, row {row}, column {column}, filter 2",
        f"  {activated.arithmetic()}",
        f"stage1.conv, row {row}, column {column}, filter 2",
        f"  {convolved.arithmetic()}",
        "receptive field: rows 7 to 10, columns 9 to 12 of the image",
    ]
    assert walked.explain("classifier", 1).startswith("classifier, class 1-corona\n")
    assert walked.explain("fc1", 1).startswith("fc1, unit 1\n")
    assert walked.explain("input", (0, 1)).startswith("input, row 0, column 1, channel 0\n  (")
    assert walked.explain("stage1.conv", (4, 5, 2), terms=2).count("×") == 2
    assert "0." in walked.explain("stage1.conv", (4, 5, 2), terms=None, decimals=5)


def test_a_receipt_as_plain_data(walked: Walk) -> None:
    data = json.loads(json.dumps(walked.cell_dict("stage1.pool", (4, 5, 2))))
    assert [one["layer"] for one in data["receipts"]] == ["stage1.pool", "stage1.relu", "stage1.conv"]
    assert data["receipts"][0]["value"] == pytest.approx(float(walked.steps["stage1.pool"].output[4, 5, 2]), abs=1e-5)
    assert data["receptive_field"] == {"rows": [7, 10], "columns": [9, 12]}


def test_values_that_are_not_finite_are_text_as_data() -> None:
    walked = walk_of("INPUT(4x4x1) -> CONV(1) -> CLASSIFIER(2)")
    with torch.no_grad():
        walked.steps["stage1.conv"].how.bias.fill_(float("nan"))
    (one,) = walked.cell_dict("stage1.conv", (0, 0))["receipts"]
    assert one["value"] == "nan"
    assert one["arithmetic"].endswith(" = nan")


def test_to_dict_is_plain(walked: Walk) -> None:
    data = json.loads(json.dumps(walked.to_dict()))
    assert data["prediction"] == data["truth"] == "1-corona"
    assert data["layers"]["stage1.pool"] == [12, 12, 4]
    assert data["views"] == 1
    assert repr(walked) == f"<Walk of {walked.subject.name} through 9 steps: 1-corona {data['probability']:.1%}>"


# ---------------------------------------------------------------------- evidence


def test_evidence_of_all_methods_of_some_and_of_none(trained, trained_folder: Path, walked: Walk) -> None:
    assert [one.method for one in walked.evidence] == list(METHODS)
    image = trained_folder / "1-corona" / "3.png"
    some = walk(trained, image, methods=["grad-cam"], target="0-healthy")
    (one,) = some.evidence
    assert one.method == "grad-cam"
    assert one.target == "0-healthy"
    assert walk(trained, image, methods=()).evidence == []


# ------------------------------------------------------------------------- files


def test_everything_is_saved_where_it_is_asked_for(walked: Walk, tmp_path: Path) -> None:
    files = walked.save(tmp_path / "a" / "b")
    assert [file.name for file in files[:2]] == ["walk.html", "00-input.png"]
    assert sorted(files) == sorted((tmp_path / "a" / "b").iterdir())
    assert walked.save(tmp_path / "a" / "b") == files
    assert "<iframe" in walked._repr_html_()


@pytest.mark.parametrize(
    ("name", "part", "stem"),
    [
        ("pictures/seven.png", None, "seven"),
        ("images[17]", "test", "images-17"),
        ("1-corona/3.png", "test", "1-corona-3"),
        ("..png", None, "image"),
        ("<b>\"'&😀.png", None, "b"),
        ("שלום.png", None, "שלום"),
        ("x" * 300 + ".png", None, "x" * 60),
        ("image", None, "image"),
    ],
)
def test_the_folder_of_an_image_has_a_harmless_name(walked: Walk, name: str, part: str | None, stem: str) -> None:
    from dataclasses import replace

    other = replace(walked, subject=replace(walked.subject, name=name, part=part))
    assert other.folder == walked.run.path / "explanations" / stem


# ------------------------------------------------------------------------ errors


def test_what_is_not_there_is_refused_with_what_is(trained, walked: Walk, tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"no layer 'stage1\.com'; it has input, stage1\.conv.*\nDid you mean stage1\.con"
    ):
        walked.receipt("stage1.com", (0, 0, 0))
    with pytest.raises(ConfigError, match="Take one of them"):
        walked.receptive_field("xyz", 0)
    with pytest.raises(ConfigError, match=r"stage1\.pool has no cell 12,0,0"):
        walked.explain("stage1.pool", (12, 0, 0))
    image = np.zeros((24, 24), np.uint8)
    with pytest.raises(ConfigError, match=r"knows no class 'flu'\.\nIts classes are 0-healthy, 1-corona"):
        walk(trained, image, target="flu")
    with pytest.raises(ConfigError, match=r"there is no method 'magic'\.\nChoose one of trace-back, "):
        walk(trained, image, methods=["magic"])
    with pytest.raises(DataError, match="no file, and no image of"):
        walk(trained, "nothing.png")
    with pytest.raises(RunError):
        walk(tmp_path, image)
