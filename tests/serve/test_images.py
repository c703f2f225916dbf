"""The run's images: lists and previews, and data that is no longer there."""

from contextlib import suppress
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

import convstage
from convstage.serve import make_app
from support.asking import client_of
from support.names import HOSTILE

#: Names that folders can have.
CLASSES = [name.replace("/", "⁄") for name in HOSTILE[:3]]


def test_images_are_listed_by_part(client, trained):
    rows = trained.split
    for part in ("train", "val", "test", None):
        answer = client.get("/api/images", params={"part": part} if part else {}).json()
        expected = [index for index, row in enumerate(rows) if part in (None, row["part"])]
        assert answer["total"] == len(expected)
        assert [image["index"] for image in answer["images"]] == expected
        for image in answer["images"]:
            row = rows[image["index"]]
            assert (image["name"], image["truth"], image["part"]) == (row["name"], row["class"], row["part"])


def test_what_the_evaluation_said_is_told(client, trained):
    said = {row["image"]: row["prediction"] for row in trained.predictions}
    images = client.get("/api/images").json()["images"]
    assert {image["name"]: image["prediction"] for image in images if image["prediction"]} == said
    assert {image["part"] for image in images if image["prediction"] is None} == {"train", "val"}


def test_a_page_of_them(client):
    everything = client.get("/api/images").json()["images"]
    page = client.get("/api/images", params={"offset": 5, "limit": 3}).json()
    assert (page["total"], page["images"]) == (40, everything[5:8])
    assert client.get("/api/images", params={"offset": 40}).json() == {"total": 40, "images": []}


@pytest.mark.parametrize(
    "query", [{"part": "all"}, {"offset": -1}, {"limit": 0}, {"limit": 201}, {"offset": "9" * 30}, {"limit": "x"}]
)
def test_what_cannot_be_listed_is_a_problem(client, query):
    answer = client.get("/api/images", params=query)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["loc"] == ["query", *query]


def test_previews_are_made_anew(client, trained, trained_folder):
    answer = client.get("/api/images/7/thumbnail.png")
    picture = np.asarray(Image.open(BytesIO(answer.content)))
    own = np.asarray(Image.open(trained_folder / trained.split[7]["name"]))
    assert (picture == own[:, :, None]).all()
    assert answer.content != (trained_folder / trained.split[7]["name"]).read_bytes()
    again = client.get("/api/images/7/thumbnail.png", headers={"If-None-Match": answer.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert client.get("/api/images/40/thumbnail.png").status_code == 404
    assert client.get("/api/images/-1/thumbnail.png").status_code == 422


@pytest.fixture(scope="module")
def moved(tmp_path_factory, pixel_cache):
    """Return a run with names as bad as names can be, and the folder of its images."""
    folder = tmp_path_factory.mktemp("hostile") / "data"
    random = np.random.default_rng(0)
    for place, name in enumerate(CLASSES):
        (folder / name).mkdir(parents=True)
        for number in range(12):
            pixels = random.integers(0, 90, (100, 120), dtype=np.uint8)
            pixels[:, 40 * place : 40 * place + 40] += 120
            Image.fromarray(pixels).save(folder / name / f"<b>{number}&'\".png")
    with suppress(OSError):  # of file systems that take no name that is no UTF-8
        (folder / CLASSES[1] / "<b>0&'\".png").rename(folder / CLASSES[1] / "b\udcff.png")
    run = convstage.train(
        folder, pattern="INPUT -> CONV(2) -> RELU -> POOL(4) -> CLASSIFIER", epochs=1, size=100, report=False,
        audit=False, out=tmp_path_factory.mktemp("runs"),
    )  # fmt: skip
    return run, folder


def test_names_are_text(moved):
    run, _ = moved
    with client_of(make_app(run)) as client:
        images = client.get("/api/images").json()["images"]
        assert len(images) == 36
        assert {image["truth"] for image in images} == set(CLASSES)
        assert set(client.get("/api/run").json()["classes"]) == set(CLASSES)
        for image in images[::5]:
            walked = client.post("/api/walk", json={"index": image["index"]})
            assert walked.status_code == 200
            assert (walked.json()["name"], walked.json()["truth"]) == (image["name"], image["truth"])
        said = client.post("/api/predict", json={"indices": [0]}).json()["predictions"][0]
        assert set(said["probabilities"]) == {image["truth"] for image in images}
        chosen = {"id": walked.json()["id"], "method": "grad-cam", "target": images[0]["truth"]}
        assert client.post("/api/evidence", json=chosen).json()["target"] == images[0]["truth"]


def test_previews_are_small(moved):
    run, _ = moved
    with client_of(make_app(run)) as client:
        assert Image.open(BytesIO(client.get("/api/images/0/thumbnail.png").content)).size == (96, 96)


def test_images_that_are_gone_or_changed_are_told(moved):
    run, folder = moved
    with client_of(make_app(run)) as client:
        changed, gone = folder / run.split[1]["name"], folder / run.split[2]["name"]
        before = changed.read_bytes(), gone.read_bytes()
        changed.write_bytes(before[0] + b"x")
        gone.unlink()
        try:
            for index in (1, 2):
                for answer in (
                    client.get(f"/api/images/{index}/thumbnail.png"),
                    client.post("/api/walk", json={"index": index}),
                    client.post("/api/predict", json={"indices": [0, index]}),
                ):
                    assert answer.status_code == 404
                    assert "is missing or has changed since training" in answer.json()["detail"]
            assert client.get("/api/images/3/thumbnail.png").status_code == 200
        finally:
            changed.write_bytes(before[0])
            gone.write_bytes(before[1])


def test_a_run_without_its_data_still_predicts_what_is_sent(moved, picture, tmp_path):
    run, folder = moved
    aside = folder.rename(tmp_path / "aside")
    try:
        with client_of(make_app(run)) as client:
            assert client.post("/api/walk", json={"index": 0}).status_code == 404
            assert client.get("/api/images").json()["total"] == 36
            assert client.post("/api/walk", files=[("image", ("a.png", picture))]).status_code == 200
    finally:
        aside.rename(folder)
