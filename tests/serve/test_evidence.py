"""Evidence over HTTP is that of the library, and its picture is the overlay of all other pages."""

import base64
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

import convstage
from convstage.explain import METHODS, evidence, grades
from convstage.pictures import as_picture, overlay
from convstage.predict import Classifier
from convstage.serve import make_app
from support.asking import client_of


@pytest.fixture(scope="module")
def subject(trained, trained_folder):
    return trained_folder / trained.split[3]["name"]


@pytest.fixture(scope="module")
def known(client):
    return client.post("/api/walk", json={"index": 3}).json()["id"]


def layer(address):
    head, _, content = address.partition(",")
    assert head == "data:image/png;base64"
    return np.asarray(Image.open(BytesIO(base64.b64decode(content)))).astype(float)


@pytest.mark.parametrize("method", list(METHODS))
def test_it_is_that_of_the_library(client, known, trained, subject, method):
    answer = client.post("/api/evidence", json={"id": known, "method": method})
    assert answer.status_code == 200, answer.text
    said, own = answer.json(), evidence(trained, subject, method=method)
    assert (said["title"], said["target"]) == (own.title, own.target)
    assert said["score"] == pytest.approx(own.score, rel=1e-5)
    assert said["asked"] == own.asked
    assert said["flat"] == own.flat
    assert said["scale"]["high"] == pytest.approx(float(np.abs(own.smooth_hw).max()), rel=1e-4)
    picture = as_picture(own.question.subject.pixels_hwc)
    map_rgba = layer(said["map"])
    opacity = map_rgba[:, :, 3:] / 255 * 0.75
    laid = picture * (1 - opacity) + map_rgba[:, :, :3] * opacity
    assert np.abs(laid - overlay(picture, own.smooth_hw)).max() <= 2, "the colours of all other pictures"


def test_trace_back_adds_up(client, known):
    details = client.post("/api/evidence", json={"id": known, "method": "trace-back"}).json()["details"]
    assert details["pixels"] + details["biases"] == pytest.approx(details["score"], rel=1e-9)
    assert details["relative_error"] < 1e-9
    assert "stage1.conv" in details["layers"]


def test_a_class_may_be_chosen(client, known):
    asked = {"id": known, "method": "trace-back", "target": "1-corona"}
    other = client.post("/api/evidence", json=asked).json()
    assert (other["target"], other["score"] < 0) == ("1-corona", True)


def test_a_grade_is_that_of_the_library(client, known, trained, subject):
    said = client.post("/api/evidence", json={"id": known, "method": "grad-cam", "grade": True}).json()["grade"]
    (own,) = grades([evidence(trained, subject, method="grad-cam")])
    assert said["verdict"] == own.verdict
    assert said["sentences"] == list(own.sentences)
    assert said["figures"]["redrawn_all"] == pytest.approx(own.redrawn_all, abs=1e-6)
    assert client.post("/api/evidence", json={"id": known, "method": "grad-cam"}).json()["grade"] is None


@pytest.mark.parametrize(
    ("change", "status", "words"),
    [
        ({"method": "lime"}, 422, "there is no method 'lime'.\nChoose one of trace-back"),
        ({"target": "2"}, 422, "the network knows no class '2'.\nChoose one of 0-healthy, 1-corona"),
        ({"target": "<script>"}, 422, "the network knows no class '<script>'."),
        ({"id": "0" * 32}, 404, "Send the image again"),
        ({"grade": "perhaps"}, 422, "body.grade"),
    ],
)
def test_what_cannot_be_explained_is_a_problem(client, known, change, status, words):
    answer = client.post("/api/evidence", json={"id": known, "method": "trace-back"} | change)
    assert answer.status_code == status, answer.text
    assert words in answer.json()["detail"]


def test_a_method_that_cannot_be_used_says_why(trained):
    own = convstage.load(trained)
    plan = convstage.Pattern("INPUT(24x24x1) -> CONV(2) -> TANH -> POOL -> CLASSIFIER(2)").plan()
    bent = Classifier(plan.build(seed=1), plan, own.classes, own.geometry, own.standardisation)
    with client_of(make_app(trained, classifier=bent)) as client:
        known = client.post("/api/walk", json={"index": 0}).json()["id"]
        answer = client.post("/api/evidence", json={"id": known, "method": "trace-back"})
        assert answer.status_code == 422
        assert "exact only where a network is piecewise linear" in answer.json()["detail"]


def test_a_flat_map_is_clear(trained):
    own = convstage.load(trained)
    dead = convstage.load(trained)
    for parameter in dead.network.parameters():
        parameter.data.zero_()
    with client_of(make_app(trained, classifier=dead)) as client:
        known = client.post("/api/walk", json={"index": 0}).json()["id"]
        said = client.post("/api/evidence", json={"id": known, "method": "trace-back"}).json()
        assert (said["flat"], said["strongest"]) == (True, None)
        assert said["reason"]
        assert not layer(said["map"]).any()
    assert own.classes == dead.classes
