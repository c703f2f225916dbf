"""Synthetic radiographs: the same for the same numbers, lesions where the masks are, nothing else that tells."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from convstage.errors import ConfigError
from convstage.phantom import CLASSES, SHORTCUTS, Phantom, generate, image
from convstage.phantom.make import MARKED_FROM


@pytest.fixture(scope="module")
def many() -> list[Phantom]:
    return list(generate(240, size=32))


def test_a_number_is_a_picture_whatever_else_is_made():
    alone, among = image(5, 3, 32), list(generate(6, 3, 32))[5]
    np.testing.assert_array_equal(alone.pixels, among.pixels)
    assert alone.pixels.dtype == np.uint8
    assert alone.pixels.shape == (32, 32)
    assert (image(6, 3, 32).pixels != alone.pixels).any()
    assert (image(5, 4, 32).pixels != alone.pixels).any()


@pytest.mark.parametrize("index", range(4))
def test_another_size_shows_the_same_chest(index):
    large, small = image(index, size=384), image(index, size=64)
    pooled = large.pixels.reshape(64, 6, 64, 6).mean(axis=(1, 3))
    assert np.corrcoef(pooled[:56].ravel(), small.pixels[:56].ravel())[0, 1] > 0.98  # the mark is below
    assert [lesion.kind for lesion in large.lesions] == [lesion.kind for lesion in small.lesions]
    for one, other in zip(large.lesions, small.lesions, strict=True):
        assert abs(one.mask.mean() - other.mask.mean()) < 0.004


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(16, 90), st.integers(0, 2))
def test_every_lesion_has_its_own_pixels_and_the_healthy_have_none(index, seed, size, label):
    phantom = image(index, seed, size, label=label)
    covered = sum((lesion.mask.astype(int) for lesion in phantom.lesions), np.zeros((size, size), int))
    assert covered.max() <= 1
    assert all(lesion.mask.any() and lesion.mask.dtype == bool for lesion in phantom.lesions)
    assert bool(phantom.lesions) == (label > 0)
    assert np.ptp(phantom.pixels) > 60


def test_a_lesion_shows_where_its_mask_is_and_nowhere_else():
    inside, outside = [], []
    for index in range(20):
        healthy, ill = image(index, label=0), image(index, label=1)
        change = ill.pixels.astype(float) - healthy.pixels
        lesions = np.any([lesion.mask for lesion in ill.lesions], axis=0)
        inside.append(change[lesions].mean())
        rows, columns = np.nonzero(lesions)
        away = np.ones_like(lesions)
        away[max(0, rows.min() - 12) : rows.max() + 12, max(0, columns.min() - 12) : columns.max() + 12] = False
        outside.append(np.abs(change[away]).mean())
    assert min(inside) > 3
    assert np.mean(inside) > 20
    assert max(outside) < 3


def test_corona_lies_on_both_sides_and_low(many):
    ill = [phantom for phantom in many if phantom.label == 1]
    assert {lesion.kind for phantom in ill for lesion in phantom.lesions} == {"opacity", "effusion"}
    effusions = [any(lesion.kind == "effusion" for lesion in phantom.lesions) for phantom in ill]
    assert 0.05 < np.mean(effusions) < 0.3
    sides = [{bool(np.nonzero(lesion.mask)[1].mean() > 16) for lesion in phantom.lesions} for phantom in ill]
    assert 0.6 < np.mean([len(found) == 2 for found in sides]) < 0.95
    heights = [np.nonzero(lesion.mask)[0].mean() for phantom in ill for lesion in phantom.lesions]
    middle = 13.5  # of the lungs, from the top
    assert np.mean(np.array(heights) > middle) > 0.6


def test_pneumonia_is_a_class_when_it_is_asked_for():
    patients = list(generate(6, size=16, classes=3))
    assert [phantom.class_name for phantom in patients] == [*CLASSES, *CLASSES]
    assert [lesion.kind for lesion in patients[2].lesions] == ["consolidation"]


def test_views_show_one_patient_anew():
    first, second, other = list(generate(3, size=32, views=2))
    assert (first.patient, first.view, second.patient, second.view, other.patient) == (0, 0, 0, 1, 1)
    assert (first.label, second.label, other.label) == (0, 0, 1)
    assert (first.pixels != second.pixels).mean() > 0.5
    ill = [image(index, size=64, views=2) for index in (2, 3)]
    assert [lesion.kind for lesion in ill[0].lesions] == [lesion.kind for lesion in ill[1].lesions]


def auroc(features: np.ndarray, labels: np.ndarray) -> float:
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=1000))
    predicted = cross_val_predict(model, features, labels, cv=5, method="predict_proba")[:, 1]
    return roc_auc_score(labels, predicted)


def test_what_lies_beside_the_lungs_tells_nothing_of_the_class(many):
    pixels = np.stack([phantom.pixels for phantom in many]) / 255
    labels = np.array([phantom.label for phantom in many])
    strip = np.ones((32, 32), bool)
    strip[3:-3, 3:-3] = False
    assert auroc(pixels[:, strip], labels) < 0.6
    assert auroc(np.stack([pixels.mean(axis=(1, 2)), pixels.std(axis=(1, 2))], axis=1), labels) < 0.65


@pytest.mark.parametrize("name", SHORTCUTS)
def test_a_shortcut_is_nearly_always_there_in_one_class_and_changes_nothing_else(name):
    present: dict[int, list[bool]] = {0: [], 1: []}
    for index in range(40):
        plain, planted = image(index, size=16), image(index, size=16, shortcut=name)
        present[planted.label].append(planted.artefact)
        same = plain.pixels.shape == planted.pixels.shape and (plain.pixels == planted.pixels).all()
        assert planted.artefact != (same and plain.quality == planted.quality)
    assert np.mean(present[1]) > 0.8
    assert np.mean(present[0]) < 0.2
    assert SHORTCUTS[name].meaning


def test_the_mark_is_in_the_picture_where_it_can_be_read():
    corner = np.s_[-9:, :52]
    bright = [(image(index, size=128).pixels[corner] > 90).mean() for index in range(6)]
    assert min(bright) > 0.05
    assert MARKED_FROM > 64


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"size": 15}, "the size must be 16 to 2048 pixels; got 15."),
        ({"size": 2049}, "the size must be 16 to 2048 pixels; got 2049."),
        ({"seed": -1}, "the seed must be 0 or more; got -1."),
        ({"classes": 4}, "there are 2 or 3 classes, 0-healthy, 1-corona, 2-pneumonia; got 4."),
        ({"views": 0}, "every patient needs a view; got 0."),
        ({"label": 3}, "the label must be 0 to 2, for 0-healthy, 1-corona, 2-pneumonia; got 3."),
        ({"index": -1}, "images are counted from 0; got number -1."),
        (
            {"shortcut": "colour"},
            "there is no shortcut 'colour'.\nChoose one of border, size, compression, marker.",
        ),
    ],
)
def test_impossible_settings_are_refused(settings, message):
    with pytest.raises(ConfigError) as refused:
        image(**{"index": 0} | settings)
    assert str(refused.value) == message
