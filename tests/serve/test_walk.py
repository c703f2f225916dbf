"""The walk over HTTP: its pictures show its numbers, and the same image is the same walk."""

from io import BytesIO
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

import convstage
from convstage.serve.routes.walk import strongest
from convstage.serve.store import Entry, Store, network_digest, walk_id
from convstage.walkthrough.groups import groups_of


@pytest.fixture(scope="module")
def expected(trained, trained_folder):
    """Return the walk of image 3, made without the server."""
    return convstage.walk(trained, trained_folder / trained.split[3]["name"], methods=[])


def rgb(answer):
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "image/png"
    assert "immutable" in answer.headers["cache-control"]
    return np.asarray(Image.open(BytesIO(answer.content)).convert("RGB"))


def test_a_walk_says_what_the_library_says(walk, expected, trained):
    row = trained.split[3]
    assert (walk["name"], walk["truth"], walk["part"]) == (row["name"], row["class"], row["part"])
    assert walk["prediction"] == expected.prediction.label
    assert walk["probabilities"] == pytest.approx(expected.prediction.probabilities, abs=1e-6)
    groups = groups_of(expected.steps.values())
    assert [stage["title"] for stage in walk["stages"]] == [group.title for group in groups]
    for stage, group in zip(walk["stages"], groups, strict=True):
        assert stage["scale"]["low"] == pytest.approx(group.scale.low)
        assert stage["is_map"] is group.is_map
        for step, own in zip(stage["steps"], group.steps, strict=True):
            assert (step["layer"], step["kind"], tuple(step["shape"])) == (own.name, own.kind, own.shape)
            if not own.is_map:
                assert step["values"] == pytest.approx(own.output.tolist())
    assert walk["stages"][0]["filters"]["count"] == 4


def test_the_strongest_maps_of_a_stage_are_named(walk, expected):
    stage, *others = walk["stages"]
    assert all(other["strongest"] is None for other in others)
    last = expected.steps[stage["steps"][-1]["layer"]].output
    largest = [np.abs(last[:, :, k]).max() for k in range(last.shape[2])]
    assert stage["strongest"] == sorted(range(len(largest)), key=lambda k: (-largest[k], k))


@given(arrays(np.float32, (2, 3, 5), elements=st.sampled_from([-2.0, -1.0, 0.0, 1.0, 2.0, np.inf, -np.inf])))
def test_of_equally_strong_maps_the_first_is_first(maps):
    largest = np.abs(maps).max(axis=(0, 1)).tolist()
    assert strongest(maps) == sorted(range(5), key=lambda k: (-largest[k], k))


def test_a_map_that_has_no_numbers_is_the_weakest():
    maps = np.array([[[np.nan, 0.0, -1.0]], [[5.0, 0.0, 0.5]]])
    assert strongest(maps) == [2, 1, 0]


def test_every_picture_shows_its_numbers(client, walk, expected):
    picture = rgb(client.get(walk["input"]["src"]))
    assert (picture == expected.subject.pixels_hwc).all()
    for stage, group in zip(walk["stages"], groups_of(expected.steps.values()), strict=True):
        for step, own in zip(stage["steps"], group.steps, strict=True):
            for k in range(step["count"]):
                picture = rgb(client.get(step["maps"].format(k=k)))
                values = own.output[:, :, k] if own.is_map else own.output.reshape(-1, step["columns"])
                assert picture.shape[:2] == values.shape
                # A picture has 254 colours, the scale 256: neighbours at most.
                difference = np.abs(picture.astype(int) - group.scale.colours(values)).max()
                assert difference <= 12, (own.name, k)
        if stage["filters"]:
            picture = rgb(client.get(stage["filters"]["src"].format(k=2)))
            shown = group.filter_scale.colours(group.filters[2, :, :, 0])
            assert np.abs(picture.astype(int) - shown).max() <= 12


def test_numbers_of_a_part_of_a_map(client, walk, expected):
    answer = client.get(f"/api/walk/{walk['id']}/values/stage1.relu/1", params={"rows": "2:5", "columns": "20:99"})
    assert np.allclose(answer.json()["values"], expected.steps["stage1.relu"].output[2:5, 20:24, 1])
    pixels = client.get(f"/api/walk/{walk['id']}/values/input/0", params={"rows": "0:2", "columns": "0:3"}).json()
    assert np.allclose(pixels["values"], expected.steps["input"].output[:2, :3, 0])


@pytest.mark.parametrize(
    ("layer", "k", "rows", "status", "words"),
    [
        ("stage1.conv", 4, "0:1", 404, "stage1.conv has no map 4"),
        ("fc1", 0, "0:1", 404, "fc1 has no map 0"),
        ("nothing", 0, "0:1", 404, "no layer of that name; it has input, stage1.conv"),
        ("stage1.conv", 0, "3:3", 422, "3:3 is no part of 0:24"),
        ("stage1.conv", 0, "99:100", 422, "99:100 is no part"),
        ("stage1.conv", 0, "1", 422, "rows"),
        ("stage1.conv", 0, "-1:4", 422, "rows"),
        ("stage1.conv", -1, "0:1", 422, "path.k"),
    ],
)
def test_numbers_that_are_not_there(client, walk, layer, k, rows, status, words):
    path = f"/api/walk/{walk['id']}/values/{layer}/{k}"
    answer = client.get(path, params={"rows": rows, "columns": "0:1"})
    assert answer.status_code == status
    assert words in answer.json()["detail"]


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("maps/stage1.conv/4.png", "has no map 4"),
        ("maps/fc1/1.png", "has no map 1"),
        ("maps/input/0.png", "input has no map 0"),
        ("maps/softmax/0.png", "softmax has no map 0"),
        ("filters/stage1.conv/4.png", "has no filter 4; it has 0 to 3"),
        ("filters/stage1.relu/0.png", "stage1.relu has no filters"),
        ("filters/fc1/0.png", "fc1 has no filters"),
    ],
)
def test_pictures_that_are_not_there(client, walk, path, words):
    answer = client.get(f"/api/walk/{walk['id']}/{path}")
    assert answer.status_code == 404
    assert words in answer.json()["detail"]
    assert answer.headers["cache-control"] == "no-store", "an error is not kept for ever"


def test_an_id_that_nobody_gave(client):
    answer = client.get(f"/api/walk/{'f' * 32}/input.png")
    assert answer.status_code == 404
    assert "Send the image again" in answer.json()["detail"]
    assert client.get("/api/walk/..%2f..%2fetc/input.png").status_code in (404, 422)


def test_the_same_image_is_the_same_walk(client, walk, trained, trained_folder):
    content = (trained_folder / trained.split[3]["name"]).read_bytes()
    sent = client.post("/api/walk", files=[("image", ("mine.png", content))]).json()
    assert sent["id"] == walk["id"]
    assert (sent["name"], sent["truth"], sent["part"]) == ("mine.png", walk["truth"], walk["part"])
    drawn = np.asarray(Image.open(BytesIO(content)).convert("L"))
    told = client.post("/api/walk", json={"pixels": drawn.tolist()}).json()
    assert (told["id"], told["name"], told["truth"]) == (walk["id"], "drawing", None)
    assert client.post("/api/walk", json={"index": 4}).json()["id"] != walk["id"]


def test_an_image_of_ones_own_has_no_truth(client, picture):
    sent = client.post("/api/walk", files=[("image", ("mine.png", picture))]).json()
    assert (sent["truth"], sent["part"]) == (None, None)
    assert rgb(client.get(sent["input"]["src"])).shape == (24, 24, 3)


@pytest.mark.parametrize(
    ("sent", "status", "words"),
    [
        ({"json": {}}, 422, "give an index or pixels"),
        ({"json": {"index": 0, "pixels": [[0]]}}, 422, "give an index or pixels"),
        ({"json": {"index": 40}}, 404, "the run has no image 40"),
        ({"json": {"index": "/etc/passwd"}}, 422, "index"),
        ({"json": {"pixels": []}}, 422, "rows of equal length"),
        ({"json": {"pixels": [[]]}}, 422, "rows of equal length"),
        ({"json": {"pixels": [[0, 1], [0]]}}, 422, "rows of equal length"),
        ({"json": {"pixels": [[[1, 2]]]}}, 422, "1 or 3"),
        ({"json": {"pixels": [[0, [1]]]}}, 422, "rows of equal length"),
        ({"json": {"pixels": [[256]]}}, 422, "pixels"),
        ({"json": {"pixels": [[0.5]]}}, 422, "pixels"),
        ({"json": {"pixels": [[0] * 513]}}, 422, "may have a side of 512"),
        ({"files": [("image", ("x.png", b"GIF89a"))]}, 422, "x.png: no image, or none of PNG"),
        ({"files": [("image", ("x.png", b"x")), ("image", ("y.png", b"y"))]}, 400, "Too many files"),
        ({"content": b"x", "headers": {"Content-Type": "image/png"}}, 415, "must be"),
    ],
)
def test_what_cannot_be_walked_is_a_problem(client, sent, status, words):
    answer = client.post("/api/walk", **sent)
    assert answer.status_code == status, answer.text
    assert words in answer.json()["detail"]


def test_colour_may_be_drawn(client):
    pixels = np.random.default_rng(1).integers(0, 256, (24, 24, 3)).tolist()
    assert client.post("/api/walk", json={"pixels": pixels}).status_code == 200


def entry(name, cells):
    """Return an entry that takes 8 bytes for each cell."""
    return Entry(name, SimpleNamespace(steps={"input": SimpleNamespace(output=np.zeros(cells))}))


def test_the_store_keeps_what_was_looked_at_last():
    store = Store(2, 10_000)
    first = store.put(entry("a", 10))
    store.put(entry("b", 10))
    assert store.get("a") is first
    store.put(entry("c", 10))
    assert (store.get("b"), len(store), store.bytes) == (None, 2, 160)
    assert store.put(entry("a", 99)) is first, "what is there stays"
    store.put(entry("d", 1249))
    assert (store.get("a"), store.get("c"), len(store)) == (None, None, 1), "together they take too much"
    store.put(entry("e", 5000))
    assert (store.get("d"), len(store)) == (None, 1), "the last one is kept, however large"


def test_an_id_is_of_the_image_and_of_the_network(trained):
    classifier = convstage.load(trained)
    pixels = np.zeros((24, 24, 1), np.uint8)
    digest = network_digest(classifier)
    first = walk_id(digest, pixels)
    assert (first, len(first)) == (walk_id(network_digest(convstage.load(trained)), pixels.copy()), 32)
    assert first != walk_id(digest, pixels + np.uint8(1))
    assert first != walk_id(digest, pixels.reshape(12, 48, 1))
    classifier.temperature = 2.0
    assert network_digest(classifier) != digest
    classifier.temperature = 1.0
    next(classifier.network.parameters()).data[0] += 1
    assert network_digest(classifier) != digest
