"""Receipts over HTTP are those of the walk, and their patches those of the receptive field."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import convstage
from convstage.predict import Classifier
from convstage.serve.routes.receipt import DETAILS, _link, patches
from convstage.subject import Subject
from convstage.walkthrough import RECEIPTS, Walk
from convstage.walkthrough.steps import steps_of


@pytest.fixture(scope="module")
def expected(trained, trained_folder):
    return convstage.walk(trained, trained_folder / trained.split[3]["name"], methods=[])


@pytest.fixture(scope="module")
def known(client):
    return client.post("/api/walk", json={"index": 3}).json()["id"]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_they_are_those_of_the_walk(client, known, expected, data):
    step = expected.steps[data.draw(st.sampled_from(list(expected.steps)))]
    cell = tuple(data.draw(st.integers(0, length - 1)) for length in step.shape)
    answer = client.post("/api/receipt", json={"id": known, "layer": step.name, "cell": cell, "terms": None})
    assert answer.status_code == 200, answer.text
    said, own = answer.json(), expected.cell_dict(step.name, cell)
    links = [{name: link[name] for name in ("layer", "cell", "value", "arithmetic")} for link in said["chain"]]
    assert links == own["receipts"]
    assert said["receptive_field"] == own["receptive_field"]
    assert said["text"] == expected.explain(step.name, cell, terms=None)
    assert (said["layer"], tuple(said["cell"])) == (step.name, cell)
    assert said["value"] == pytest.approx(float(step.output[cell]), rel=1e-4, abs=1e-5)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_the_patch_of_the_image_is_the_receptive_field(expected, data):
    step = expected.steps[data.draw(st.sampled_from(list(expected.steps)[1:]))]
    cell = tuple(data.draw(st.integers(0, length - 1)) for length in step.shape)
    rows, columns = expected.receptive_field(step.name, cell)
    found = patches(expected, step.name, cell)
    assert found["input"].rows == (rows[0], rows[-1])
    assert found["input"].columns == (columns[0], columns[-1])
    maps = [one.name for one in expected.steps.values() if one.is_map]
    before = maps[: maps.index(step.name)] if step.is_map else maps
    assert sorted(found) == sorted(before), "every earlier map, and nothing else"


def test_changing_a_patch_changes_the_cell_and_nothing_else_does(expected):
    """Of the pooled map: what lies outside of a cell's patch may be anything."""
    step, cell = expected.steps["stage1.pool"], (3, 4, 2)
    found = patches(expected, step.name, cell)
    pixels = expected.subject.pixels_hwc
    (top, bottom), (left, right) = found["input"].rows, found["input"].columns
    inside = np.zeros(pixels.shape, bool)
    inside[top : bottom + 1, left : right + 1] = True
    for kept, same in ((inside, True), (~inside, False)):
        other = np.where(kept, pixels, 255 - pixels).astype(np.uint8)
        changed = steps_of(expected.classifier, Subject("changed", other))["stage1.pool"]
        value = float(changed.output[cell])
        assert np.isclose(value, step.output[cell], atol=1e-5) == same


def test_a_convolution_adds_up(client, known):
    body = {"id": known, "layer": "stage1.pool", "cell": [3, 4, 0]}
    pool, relu, conv = client.post("/api/receipt", json=body).json()["chain"]
    assert pool["value"] == max(np.ravel(pool["window"])) == relu["value"]
    assert pool["winner"] == pool["source"] == relu["cell"] == conv["cell"]
    patch, weights, products = (np.array(conv[name]) for name in ("patch", "weights", "products"))
    assert np.allclose(patch * weights, products)
    assert conv["total"] == pytest.approx(products.sum())
    assert conv["value"] == pytest.approx(conv["total"] + conv["bias"])
    assert relu["numbers"] == {"name": "relu", "before": pytest.approx(conv["value"], rel=1e-5)}
    assert conv["rows"][1] - conv["rows"][0] == 2


def test_padding_is_told_from_pixels(client, known):
    body = {"id": known, "layer": "stage1.conv", "cell": [0, 5, 0]}
    (conv,) = client.post("/api/receipt", json=body).json()["chain"]
    assert conv["rows"] == [-1, 1]
    assert conv["inside"] == [[False] * 3, [True] * 3, [True] * 3]


def test_a_unit_tells_its_largest_products(client, known, expected):
    answer = client.post("/api/receipt", json={"id": known, "layer": "fc1", "cell": [2]}).json()
    (unit,) = answer["chain"]
    assert "(567 others)" in unit["arithmetic"], "long sums are cut, unless all of them is asked for"
    assert unit["arithmetic"] in answer["text"]
    sizes = [abs(one["product"]) for one in unit["largest"]]
    assert sizes == sorted(sizes, reverse=True)
    assert len(sizes) == 64
    total = sum(one["product"] for one in unit["largest"]) + unit["others"]
    assert total == pytest.approx(unit["total"])
    assert unit["value"] == pytest.approx(total + unit["bias"])
    for one in unit["largest"]:
        assert one["value"] == pytest.approx(float(expected.steps["fc1"].input[int(one["place"])]))


@pytest.mark.parametrize(
    ("change", "status", "words"),
    [
        ({"id": "f" * 32}, 404, "Send the image again"),
        ({"id": "../etc"}, 422, "body.id"),
        ({"layer": "stage1.cov"}, 422, "Did you mean stage1.conv?"),
        ({"cell": [24, 0, 0]}, 422, "row 0 to 23, column 0 to 23, filter 0 to 3"),
        ({"cell": [0, 0]}, 422, "stage1.conv has no cell 0,0"),
        ({"cell": []}, 422, "body.cell"),
        ({"cell": [-1, 0, 0]}, 422, "body.cell.0"),
        ({"cell": [0, 0, 0, 0]}, 422, "body.cell"),
        ({"cell": [0.5, 0, 0]}, 422, "body.cell.0"),
        ({"cell": [10**30, 0, 0]}, 422, "body.cell.0"),
        ({"terms": 1}, 422, "body.terms"),
        ({"more": 1}, 422, "Extra inputs"),
    ],
)
def test_what_has_no_receipt_is_a_problem(client, known, change, status, words):
    answer = client.post("/api/receipt", json={"id": known, "layer": "stage1.conv", "cell": [0, 0, 0]} | change)
    assert answer.status_code == status, answer.text
    assert words in answer.json()["detail"]


def test_every_kind_of_receipt_is_told(trained):
    """A network of all kinds of layers: each has its details, and they can be written as JSON."""
    patterns = [
        "INPUT(8x8x1) -> CONV(2) -> BN -> RELU -> POOL(avg) -> DROPOUT -> FLATTEN -> FC(3) -> TANH -> CLASSIFIER(2)",
        "INPUT(8x8x1) -> CONV(2) -> RELU -> POOL -> CONV(2) -> GELU -> GAP -> CLASSIFIER(2)",
    ]
    geometry = replace(convstage.load(trained).geometry, height=8, width=8)
    standardisation = convstage.load(trained).standardisation
    seen = set()
    for pattern in patterns:
        plan = convstage.Pattern(pattern).plan()
        classifier = Classifier(plan.build(seed=1), plan, ["a", "b"], geometry, standardisation)
        subject = Subject("x", np.random.default_rng(0).integers(0, 256, (8, 8, 1), dtype=np.uint8))
        walk = Walk(trained, subject, classifier, steps_of(classifier, subject), None, ())
        for step in walk.steps.values():
            cell = tuple(length - 1 for length in step.shape)
            one = walk.receipt(step.name, cell)
            seen.add(type(one))
            assert _link(walk, step.name, one).model_dump_json()
            assert "input" in patches(walk, step.name, cell) or step.name == "input"
    assert seen == set(DETAILS)
    assert len(RECEIPTS) >= len(DETAILS), "several kinds of layers share a receipt"
