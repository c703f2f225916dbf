"""The filter bench gives the numbers of the lecture, and those of the library for anything else."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from convstage.filters import KERNELS, apply

LECTURE = json.loads((Path(__file__).parent.parent / "data/worked-example.json").read_text())


def ask(client, **asked):
    answer = client.post("/api/filter", json={"image": {"name": "nine"}, "kernel": "loopy"} | asked)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize(("image", "key"), [("nine", "nine"), ("nine-shifted", "nine_shifted_left")])
def test_it_begins_with_the_lectures_numbers(client, image, key):
    said = ask(client, image={"name": image}, relu=True, pool={"kind": "max", "size": 2, "stride": 1})
    for name, expected in (
        ("map", "valid_stride1"),
        ("rectified", "relu_of_valid"),
        ("pooled", "max_pool_2x2_stride1"),
    ):
        assert np.allclose(np.array(said[name]["values"]) * 9, LECTURE[key][expected]), name
        assert said[name]["denominator"] == 9
    assert said["kernel"]["rows"] == [["1/9"] * 3, ["1/9", "-1/9", "1/9"], ["1/9"] * 3]
    assert said["map"]["scale"] == said["pooled"]["scale"], "one scale, so that colours can be compared"


def test_it_begins_with_the_slides_arithmetic(client):
    (line,) = ask(client)["arithmetic"]["lines"]
    assert line == "cell (0, 0): (-1×1 + 1×1 + 1×1 + (-1)×1 + 1×(-1) + (-1)×1 + (-1)×1 + 1×1 + 1×1)/9 = -1/9 = -0.11"
    assert ask(client)["image"]["values"] == LECTURE["image_nine"]


def test_how_a_cell_came_about(client):
    said = ask(client, padding="same", cell=[0, 4])["arithmetic"]
    assert (said["step"], said["cell"]) == ("map", [0, 4])
    assert (said["rows"], said["columns"]) == ([-1, 1], [3, 5])
    products = np.array(said["products"])
    assert np.allclose(np.array(said["patch"]) * np.array(said["weights"]), products)
    assert said["value"] == pytest.approx(products.sum())
    pool = {"kind": "max", "size": 2, "stride": 2}
    pooled = ask(client, relu=True, pool=pool, step="pooled", cell=[1, 0])["arithmetic"]
    assert (pooled["rows"], pooled["columns"]) == ([2, 3], [0, 1])
    assert pooled["winner"] == [2, 1]
    assert pooled["lines"][1].startswith("its winner, cell (2, 1)")
    rectified = ask(client, relu=True, step="rectified")["arithmetic"]
    assert rectified["lines"] == ["cell (0, 0): relu(-0.11) = 0"]


small = st.lists(st.lists(st.integers(-9, 9), min_size=4, max_size=4), min_size=3, max_size=6)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    image=small,
    kernel=st.sampled_from(list(KERNELS)) | st.sampled_from(["1 -1", "1/3 0.5; -2 1"]),
    stride=st.integers(1, 3),
    padding=st.sampled_from(["valid", "same", 0, 1]),
    flip=st.booleans(),
    relu=st.booleans(),
    pool=st.sampled_from([None, {"kind": "max", "size": 1}, {"kind": "avg", "size": 1, "stride": 2}]),
)
def test_it_is_what_the_library_does(client, image, kernel, stride, padding, flip, relu, pool):
    settings_ = {"stride": stride, "padding": padding, "flip": flip, "relu": relu}
    asked = {"image": {"values": image}, "kernel": kernel, "pool": pool} | settings_
    answer = client.post("/api/filter", json=asked)
    more = {"pool": pool["kind"], "pool_size": 1, "pool_stride": pool.get("stride")} if pool else {}
    try:
        own = apply(np.array(image, float), kernel, **settings_, **more)
    except ValueError as error:
        assert answer.status_code == 422
        assert answer.json()["detail"].split("\n")[0] == str(error).split("\n")[0]
        return
    said = answer.json()
    maps = [said[name]["values"] for name in ("map", "rectified", "pooled") if said[name]]
    for values, expected in zip(maps, own.steps.values(), strict=True):
        assert np.allclose(values, expected)


def test_a_walks_image_is_filtered(client, walk):
    said = ask(client, image={"id": walk["id"]}, kernel="sobel")
    pixels = client.get(f"/api/walk/{walk['id']}/values/input/0?rows=0:24&columns=0:24").json()
    assert said["image"]["shape"] == [24, 24]
    ratio = np.polyfit(np.ravel(pixels["values"]), np.ravel(said["image"]["values"]), 1, full=True)
    assert ratio[1].sum() < 1e-6, "the network's numbers are the same, standardised"
    assert said["map"]["shape"] == [22, 22]


@pytest.mark.parametrize(
    ("change", "status", "words"),
    [
        ({"kernel": "loppy"}, 422, "there is no filter 'loppy'"),
        ({"kernel": ""}, 422, "the filter has no numbers"),
        ({"kernel": "1 2; 3"}, 422, "row 2 has 1 number, but row 1 has 2."),
        ({"kernel": " ".join("1" * 16)}, 422, "at most 15×15 are laid on"),
        ({"kernel": "1 " * 3000}, 422, "body.kernel"),
        ({"kernel": "1 1 1 1 1 1"}, 422, "filter"),
        ({"stride": 0}, 422, "body.stride"),
        ({"padding": -1}, 422, "body.padding"),
        ({"padding": 10**9}, 422, "body.padding"),
        ({"pool": {"kind": "max", "size": 999}}, 422, "body.pool.size"),
        ({"pool": {"kind": "max", "size": 9}}, 422, "pool"),
        ({"pool": {"kind": "min"}}, 422, "body.pool.kind"),
        ({"image": {}}, 422, "give an id, a name or values"),
        ({"image": {"name": "/etc/passwd"}}, 422, "body.image.name"),
        ({"image": {"name": "nine", "values": [[1]]}}, 422, "give an id"),
        ({"image": {"values": []}}, 422, "rows of equal length"),
        ({"image": {"values": [[1, 2], [3]]}}, 422, "rows of equal length"),
        ({"image": {"values": [[0] * 513] * 3}}, 422, "a side of 512"),
        ({"image": {"values": [[1e300]]}}, 422, "less than or equal"),
        ({"image": {"id": "0" * 32}}, 404, "Send the image again"),
        ({"step": "pooled"}, 422, "there is no pooled map: it was not asked for.\nThere is map."),
        ({"cell": [5, 0]}, 422, "the map map has 5×3 cells, and none at 5, 0"),
        ({"cell": [0, -1]}, 422, "body.cell"),
    ],
)
def test_what_cannot_be_filtered_is_a_problem(client, change, status, words):
    answer = client.post("/api/filter", json={"image": {"name": "nine"}, "kernel": "loopy"} | change)
    assert answer.status_code == status, answer.text
    assert words in answer.json()["detail"]


def test_where_a_filter_cannot_be_read_is_told(client):
    text = "1 x; 3 4"
    problem = client.post("/api/filter", json={"image": {"name": "nine"}, "kernel": text}).json()
    assert problem["detail"] == "'x' is no number."
    assert problem["text"] == text
    assert text[problem["start"] : problem["end"]] == "x"
    assert "Write rows of numbers" in problem["hint"]


def test_numbers_that_are_not_finite_are_refused(client):
    sent = b'{"image": {"values": [[NaN, Infinity]]}, "kernel": "1"}'
    answer = client.post("/api/filter", content=sent, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422
