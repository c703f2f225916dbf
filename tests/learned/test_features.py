"""What the filters of a run answer to: planted patterns, dead filters, made images, and mistakes."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal

from convstage.data import Geometry
from convstage.errors import ConfigError, DataError
from convstage.learned import Features, features, words
from convstage.learned.field import field_of
from convstage.predict import load
from convstage.run import Run

from .conftest import make_run


@pytest.fixture(scope="module")
def found(planted) -> Features:
    return features(planted[0], patches=4)


def network_values(run: Run, pixels: np.ndarray, layer: str) -> torch.Tensor:
    """Return what the network itself says of pixels (height, width, channels): (K, H, W), or (K,) for classes."""
    classifier = load(run)
    with torch.inference_mode():
        return classifier.network.walk(classifier.standardisation(pixels[None]))[layer][0]


def test_a_planted_filter_finds_what_was_planted(planted, found: Features) -> None:
    run, places = planted
    first = found.layers[0].shown[0]
    assert [patch.image for patch in first.patches] == list(places)
    for patch in first.patches:
        top, left = places[patch.image]
        assert patch.inside == (range(top, top + 3), range(left, left + 3))
        pixels = Geometry(12, 10, "grey").pixels(f"{run.config['data']}/{patch.image}")
        assert_array_equal(patch.pixels_hwc, pixels[top : top + 3, left : left + 3])
        maps = network_values(run, pixels, "stage1.relu")
        assert patch.value == maps[0, patch.cell[0], patch.cell[1]].item() == maps[0].max().item()
        assert patch.label == patch.image.split("/")[0]
    assert first.classes == {"b": 3, "a": 1}


def test_a_dead_filter_is_said_to_be_dead(planted, found: Features) -> None:
    layer = found.layers[0]
    assert layer.dead == (1,)
    assert words.inventory(layer) == "3 filters; 1 never active on these images: 1"
    dead = layer.shown[1]
    assert dead.dead
    assert dead.patches == ()
    assert dead.positive == 0
    assert words.asleep(dead) == "It is never active on these images, nor does an image made to excite it change that."
    without = features(planted[0], synthesise=False, layers=["stage1"])
    assert words.asleep(without.layers[0].shown[1]) == "It is never active on these images."


def test_made_images_excite_more_than_the_noise_they_began_as(planted, found: Features) -> None:
    run = planted[0]
    for layer in found.layers:
        for feature in layer.shown:
            made = feature.synthetic
            assert made is not None
            assert made.pixels_hwc.dtype == np.uint8
            assert made.pixels_hwc.shape[:2] == (len(made.inside[0]), len(made.inside[1]))
            if not feature.dead:
                assert made.value > made.start
    # The value is the network's own, wherever the image may lie.
    feature = found.layers[0].shown[0]
    image = np.full((12, 10, 1), 99, np.uint8)
    (rows, columns), made = feature.synthetic.inside, feature.synthetic
    image[rows.start : rows.stop, columns.start : columns.stop] = made.pixels_hwc
    maps = network_values(run, image, "stage1.relu")
    assert maps[0, 6, 5].item() == pytest.approx(made.value, rel=1e-5)
    # It is the template: bright where its weights are positive.
    assert_array_equal(made.pixels_hwc[:, :, 0] > 120, feature.weights[:, :, 0] > 0)
    assert feature.of_best > 1


def test_made_images_of_classes_have_the_networks_own_logit(planted, found: Features) -> None:
    run = planted[0]
    last = found.layers[-1]
    assert [one.name for one in last.shown] == ["a", "b"]
    for number, feature in enumerate(last.shown):
        logits = network_values(run, feature.synthetic.pixels_hwc, "classifier")
        assert logits[number].item() == pytest.approx(feature.synthetic.value, rel=1e-4)
        best = network_values(run, np.asarray(feature.patches[0].whole_hwc), "classifier")
        assert best[number].item() == pytest.approx(feature.patches[0].value, rel=1e-4)


def test_the_same_seed_makes_the_same_images_whatever_else_is_made(planted, found: Features) -> None:
    run = planted[0]
    again = features(run, patches=1, filters=1, layers=["stage1.conv"])
    (one,) = again.layers[0].shown
    before = next(feature for feature in found.layers[0].shown if feature.number == one.number)
    assert_array_equal(one.synthetic.pixels_hwc, before.synthetic.pixels_hwc)
    other = features(run, patches=1, filters=1, layers=["stage1.conv"], seed=1).layers[0].shown[0]
    assert other.synthetic.start != one.synthetic.start


def test_shown_are_the_filters_that_tell_the_classes_apart(planted, found: Features) -> None:
    best = max(found.layers[0].shown, key=lambda feature: feature.told)
    few = features(planted[0], filters=1, patches=1, synthesise=False)
    assert [feature.number for feature in few.layers[0].shown] == [best.number]
    assert len(few.layers[-1].shown) == 2, "classes are always all there"
    assert few.layers[0].filters == 3


def test_layers_from_small_patterns_to_whole_objects(tmp_path, pixel_cache) -> None:
    random = np.random.default_rng(0)
    images = {f"{'ab'[n % 2]}/{n}": random.integers(0, 256, (16, 16, 3), dtype=np.uint8) for n in range(12)}
    pattern = "INPUT -> [CONV(4) -> BN -> RELU -> POOL]*3 -> FC(5) -> RELU -> CLASSIFIER"
    found = features(make_run(tmp_path, images, pattern), patches=2, filters=2)
    assert [(layer.name, layer.level, layer.after) for layer in found.layers] == [
        ("stage1.conv", "small patterns", "stage1.relu"),
        ("stage2.conv", "larger patterns", "stage2.relu"),
        ("stage3.conv", "large patterns", "stage3.relu"),
        ("classifier", "whole objects", "classifier"),
    ]
    assert [layer.receptive_field for layer in found.layers] == [(3, 3), (8, 8), (18, 18), (16, 16)]
    assert words.field(found, found.layers[2]) == "18×18 pixels, more than the image has"
    first, second = found.layers[0].shown[0], found.layers[1].shown[0]
    assert first.weights.shape == (3, 3, 3)
    assert first.reads == ()
    assert second.weights is None
    squares = load(found.run).network.get_submodule("stage2.conv").weight[second.number].square().sum((1, 2))
    assert second.reads[0][0] == squares.argmax()
    assert second.reads[0][1] == pytest.approx((squares.max() / squares.sum()).item())
    assert words.reading(found.layers[1], second).startswith(f"reads mostly filters {second.reads[0][0]} (")
    field = field_of(load(found.run).plan, "stage3.relu", second.patches[0].cell)
    assert len(field.frame[0]) == 18
    plain = found.to_dict()
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
    assert plain["layers"][1]["shown"][0]["patches"][0]["class"] in ("a", "b")


def test_some_layers_in_the_order_of_the_network(planted) -> None:
    some = features(planted[0], layers=["classifier", "stage1"], patches=1, synthesise=False)
    assert [layer.name for layer in some.layers] == ["stage1.conv", "classifier"]
    (only,) = features(planted[0], layers=["classifier"], patches=1, synthesise=False).layers
    assert only.are_classes


def test_a_network_without_convolution_has_classes_only(tmp_path, pixel_cache) -> None:
    random = np.random.default_rng(0)
    images = {f"{'ab'[n % 2]}/{n}": random.integers(0, 256, (6, 5), dtype=np.uint8) for n in range(12)}
    found = features(make_run(tmp_path, images, "INPUT -> FC(4) -> RELU -> CLASSIFIER"), patches=2)
    assert [layer.level for layer in found.layers] == ["whole objects"]
    assert all(feature.synthetic.value > feature.synthetic.start for feature in found.layers[0].shown)


def test_images_with_the_same_content_count_once(tmp_path, pixel_cache) -> None:
    random = np.random.default_rng(0)
    images = {f"{'ab'[n % 2]}/{n}": random.integers(0, 200, (8, 8), dtype=np.uint8) for n in range(8)}
    images["a/brightest"] = images["a/again"] = np.full((8, 8), 255, np.uint8)
    images["a/brightest"][4:, 4:] = images["a/again"][4:, 4:] = 0
    run = make_run(tmp_path, images, "INPUT -> CONV(2) -> RELU -> CLASSIFIER", parts="train")
    found = features(run, patches=9, synthesise=False)
    assert found.copies == 1
    assert words.copies(found) == "1 image is left out, with the same content as another"
    assert found.images == {"a": 5, "b": 4}
    names = [patch.image for patch in found.layers[-1].shown[0].patches]
    assert len(set(names)) == len(names) == 8, "the weakest of nine is the smallest value of all, which excites nothing"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"part": "all"}, "there is no part 'all'.\nParts are train, val, test."),
        ({"filters": 0}, "filters = 0: expected a whole number of at least 1."),
        ({"patches": -1}, "patches = -1: expected a whole number of at least 1."),
        ({"seed": -1}, "seed = -1: expected a whole number of at least 0."),
        ({"layers": ["stage9"]}, "there is no convolution 'stage9'.\nThe network has stage1.conv, classifier."),
    ],
)
def test_mistakes_are_said(planted, settings: dict, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        features(planted[0], **settings)
    assert str(caught.value) == message


def test_a_part_that_is_not_there(planted) -> None:
    with pytest.raises(DataError, match=r"has no test part\.\nLook at another part\."):
        features(planted[0], part="test")
