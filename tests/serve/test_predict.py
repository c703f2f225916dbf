"""Predictions over HTTP are those of the classifier, image by image."""

import asyncio

import numpy as np
import pytest
from PIL import Image

from convstage import load
from support.pictures import colours, encoded, gradient


@pytest.fixture(scope="module")
def classifier(trained):
    return load(trained)


def files(*contents, field="images"):
    return [(field, (name, content)) for name, content in contents]


def pictures():
    grey, colour = Image.fromarray(gradient(31, 40)), Image.fromarray(colours(24, 24))
    return [
        ("a.png", encoded(grey, "PNG")),
        ("b.jpg", encoded(colour, "JPEG")),
        ("c.tiff", encoded(grey, "TIFF")),
        ("d.webp", encoded(colour, "WEBP")),
        ("no ending", encoded(grey.rotate(90), "BMP")),
    ]


def test_answers_are_those_of_the_classifier(client, classifier, tmp_path):
    sent = pictures()
    answer = client.post("/api/predict", files=files(*sent))
    assert answer.status_code == 200, answer.text
    predictions = answer.json()["predictions"]
    for (name, content), said in zip(sent, predictions, strict=True):
        (tmp_path / "image").write_bytes(content)
        (expected,) = classifier.predict(tmp_path / "image")
        assert (said["name"], said["label"]) == (name, expected.label)
        assert said["probability"] == pytest.approx(expected.probability, abs=1e-6)
        assert said["probabilities"] == pytest.approx(expected.probabilities, abs=1e-6)
    alone = [client.post("/api/predict", files=files(one)).json()["predictions"][0] for one in sent]
    for together, single in zip(predictions, alone, strict=True):
        assert together["probabilities"] == pytest.approx(single["probabilities"], abs=1e-6)


@pytest.mark.parametrize("kind", ["image/png", "image/x-anything", "application/dicom", "Image/JPEG; q=1"])
def test_an_image_may_be_the_body_itself(client, kind):
    name, content = pictures()[0]
    in_form = client.post("/api/predict", files=files((name, content))).json()["predictions"][0]
    (alone,) = client.post("/api/predict", content=content, headers={"Content-Type": kind}).json()["predictions"]
    assert alone == in_form | {"name": "image"}


@pytest.mark.parametrize("content", [b"", b"no image", b"\x89PNG\r\n\x1a\n"])
def test_a_body_that_is_no_image_is_a_problem(client, content):
    answer = client.post("/api/predict", content=content, headers={"Content-Type": "image/png"})
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert answer.json()["number"] == 1


def test_the_runs_own_images_are_predicted_by_number(client, trained, classifier, trained_folder):
    answer = client.post("/api/predict", json={"indices": [0, 39, 0]})
    rows = trained.split
    expected = classifier.predict([trained_folder / rows[index]["name"] for index in (0, 39, 0)])
    said = answer.json()["predictions"]
    assert [one["name"] for one in said] == [rows[index]["name"] for index in (0, 39, 0)]
    for one, other in zip(said, expected, strict=True):
        assert one["probabilities"] == pytest.approx(other.probabilities, abs=1e-6)


def test_one_bad_image_of_many_is_named_by_its_number(client):
    good = pictures()[0]
    answer = client.post("/api/predict", files=files(good, ("<b>bad</b>.png", good[1][:60]), good))
    assert answer.status_code == 422
    problem = answer.json()
    assert problem["number"] == 2
    assert problem["detail"].startswith("image 2 of 3, <b>bad</b>.png: ")
    assert answer.headers["content-type"] == "application/problem+json", "so that no browser takes it for a page"


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "/etc/passwd", "C:\\x.png", "http://evil.example/x.png", "\u202egnp.x", "x" * 900]
)
def test_a_file_name_is_text_and_nothing_else(client, name):
    good = pictures()[0][1]
    said = client.post("/api/predict", files=files((name, good))).json()["predictions"][0]
    plain = client.post("/api/predict", files=files(("a.png", good))).json()["predictions"][0]
    assert said["name"] == name.removeprefix("C:\\")[:200]  # which some browsers sent, and forms leave out
    assert said["probabilities"] == plain["probabilities"]
    broken = client.post("/api/predict", files=files((name, b"broken")))
    assert broken.status_code == 422
    assert "no image" in broken.json()["detail"]


def test_a_head_of_a_part_has_an_end(client):
    answer = client.post("/api/predict", files=files(("x" * 100_000, pictures()[0][1])))
    assert answer.status_code == 400


@pytest.mark.parametrize(
    ("sent", "status", "words"),
    [
        ({"json": {"indices": []}}, 422, "at least 1 item"),
        ({"json": {"indices": list(range(65))}}, 422, "at most 64 items"),
        ({"json": {"indices": [-1]}}, 422, "greater than or equal to 0"),
        ({"json": {"indices": [40]}}, 404, "the run has no image 40; it has 0 to 39"),
        ({"json": {"paths": ["/etc/passwd"]}}, 422, "indices: Field required"),
        ({"json": {"indices": [0], "url": "http://evil.example"}}, 422, "Extra inputs"),
        ({"json": [0]}, 422, "does not fit"),
        ({"content": b"{", "headers": {"Content-Type": "application/json"}}, 422, "does not fit"),
        ({"content": b"\xff" * 9, "headers": {"Content-Type": "application/json"}}, 422, "does not fit"),
        ({"content": b"indices=0", "headers": {"Content-Type": "application/x-www-form-urlencoded"}}, 415, "must be"),
        ({"content": b"{}", "headers": {"Content-Type": "text/plain"}}, 415, "multipart/form-data or application/json"),
        ({"content": b""}, 415, "must be"),
        ({"files": files(("a.png", b""))}, 422, "the file is empty"),
        ({"files": files(("a.png", b"x"), field="file")}, 422, "in the field 'images'"),
        ({"files": files(("a.png", b"x")), "data": {"more": "1"}}, 400, "Too many fields"),
        ({"files": files(*[(f"{n}.png", b"x") for n in range(65)])}, 400, "Too many files"),
        ({"content": b"x", "headers": {"Content-Type": "multipart/form-data"}}, 400, "boundary"),
        ({"content": b"--y\r\n", "headers": {"Content-Type": "multipart/form-data; boundary=y"}}, 422, "image files"),
        ({"content": b"junk", "headers": {"Content-Type": "multipart/form-data; boundary=y"}}, 400, "multipart"),
    ],
)
def test_what_cannot_be_predicted_is_a_problem(client, sent, status, words):
    answer = client.post("/api/predict", **sent)
    assert answer.status_code == status, answer.text
    assert words in answer.json()["detail"]


def test_requests_at_the_same_time_get_their_own_answers(client):
    expected = client.post("/api/predict", json={"indices": list(range(40))}).json()["predictions"]

    async def all_at_once():
        asked = [client.asynchronous.post("/api/predict", json={"indices": [index]}) for index in range(40)]
        return await asyncio.gather(*asked)

    for answer, one in zip(client.portal.call(all_at_once), expected, strict=True):
        (said,) = answer.json()["predictions"]
        assert said["name"] == one["name"]
        assert np.allclose(list(said["probabilities"].values()), list(one["probabilities"].values()), atol=1e-6)
