"""The shortcut probe: finds what gives the class away, and nothing in images that give nothing away."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from PIL import Image
from sklearn.metrics import roc_auc_score

from convstage.audit import CUES
from convstage.audit import probe as module
from convstage.audit.cues import frame
from convstage.audit.findings import Subject
from convstage.audit.probe import Probe, interval, probe, shortcuts
from convstage.audit.report import _subject
from convstage.data.facts import SIDE, facts
from convstage.figures import all_figures
from support.files import Files, smooth
from support.pictures import encoded

#: Images of a data set, half of each class in turn.
N = 60


def planted(cue: str) -> Files:
    """Images whose class only `cue` gives away; of ``nothing``, nothing does."""
    pictures: list = [picture.copy() for picture in smooth(N, 32, 32)]
    for index in range(1, N, 2):
        picture = pictures[index]
        match cue:
            case "size":
                pictures[index] = np.asarray(Image.fromarray(picture).resize((33, 32)))
            case "kind":
                pictures[index] = encoded(Image.fromarray(picture), "BMP")
            case "border":
                picture[[0, -1]] = picture[:, [0, -1]] = 0
            case "surroundings":
                picture[4:6, 4:28] = 255  # beyond the border strip
    if cue == "exposure":  # a darker picture makes a shorter file, a shifted one does not
        pictures = [picture // 2 + 100 * (index % 2) for index, picture in enumerate(pictures)]
        pictures = [picture.astype(np.uint8) for picture in pictures]
    if cue == "compression":
        pictures = [
            encoded(Image.fromarray(picture), "JPEG", quality=90 - 30 * (index % 2))
            for index, picture in enumerate(pictures)
        ]
    return Files(pictures)


def probed(source: Files) -> Probe:
    return probe(_subject(source, None))


@pytest.mark.parametrize("cue", CUES)
def test_a_planted_shortcut_is_found_and_named(cue: str) -> None:
    result = probed(planted(cue))
    of_cue = next(of_cue for of_cue in result.results if of_cue.cue.name == cue)
    assert of_cue.auroc["low"] > 0.8
    finding = next(finding for finding in shortcuts(result) if finding.message.startswith(CUES[cue].words))
    assert finding.severity == ("warning" if CUES[cue].in_picture else "error")
    assert f"to tell the classes apart with AUROC {interval(of_cue.auroc)}." in finding.message
    # Whatever traces it leaves in others; but how bright a picture is, its border shows as well.
    assert result.strongest is of_cue or cue == "exposure"


def test_where_nothing_gives_the_class_away_no_cue_is_worth_a_word() -> None:
    result = probed(planted("nothing"))
    assert shortcuts(result) == []
    assert all(0.3 < of_cue.auroc["value"] < 0.7 for of_cue in result.results)


@pytest.mark.parametrize("cue", CUES.values(), ids=list(CUES))
def test_every_cue_gives_numbers_for_the_rows_asked(cue) -> None:
    found = facts(planted("nothing"))
    features = cue.features(found, np.array([4, 2, 9]))
    assert (features.ndim, len(features)) == (2, 3)
    assert np.isfinite(features).all()
    assert_array_equal(features[1], cue.features(found, np.array([2]))[0])
    assert cue.words.startswith("the ")


def test_a_cue_that_is_the_same_for_all_is_said_to_be() -> None:
    result = probed(planted("border"))
    constant = {of_cue.cue.name: of_cue for of_cue in result.results if of_cue.constant}
    assert set(constant) == {"size", "kind"}
    assert constant["size"].auroc == {"value": 0.5, "low": 0.5, "high": 0.5}
    assert_array_equal(constant["size"].probabilities, np.full((N, 2), 0.5))


def test_when_no_cue_varies_none_is_the_strongest() -> None:
    result = probed(Files([smooth(1)[0]] * N, groups=[f"g{index}" for index in range(N)]))
    assert result.reason.startswith("all images of class a are of one group"), "they are copies"
    assert result.strongest is None


def test_figures_are_those_of_the_probabilities() -> None:
    result = probed(
        Files(planted("border").contents, [index % 3 for index in range(N + N // 2)][:N], classes=("a", "b", "c"))
    )
    labels = np.arange(N) % 3
    for of_cue in result.results:
        assert np.allclose(of_cue.probabilities.sum(axis=1), 1)
        if not of_cue.constant:
            each = [roc_auc_score(labels == k, of_cue.probabilities[:, k]) for k in range(3)]
            assert [figure["value"] for figure in of_cue.per_class.values()] == pytest.approx(each)
            assert of_cue.auroc["value"] == pytest.approx(np.mean(each))
            assert of_cue.auroc["low"] < of_cue.auroc["value"] < of_cue.auroc["high"]
    assert [of_cue["constant"] for of_cue in result.to_dict()["cues"].values()] == [True, True, *[False] * 4]


def test_the_probe_says_the_same_every_time() -> None:
    first, second = probed(planted("border")), probed(planted("border"))
    for a, b in zip(first.results, second.results, strict=True):
        assert_array_equal(a.probabilities, b.probabilities)
        assert a.auroc == b.auroc


@pytest.mark.parametrize("grouped", [True, False])
def test_images_of_a_group_are_never_both_learned_and_asked(grouped: bool) -> None:
    """Views of a patient look alike, and tell the class only to somebody who has seen one of them."""
    random = np.random.default_rng(0)
    patients = smooth(30, 32, 32)
    pictures = [
        np.clip(patients[view % 30] + random.normal(0, 2, (32, 32)), 0, 255).astype(np.uint8) for view in range(180)
    ]
    labels = [int(label) for label in random.permutation([0, 1] * 15)] * 6
    result = probed(Files(pictures, labels, groups=[f"p{view % 30}" if grouped else None for view in range(180)]))
    border = next(of_cue for of_cue in result.results if of_cue.cue.name == "surroundings")
    assert (border.auroc["value"] > 0.9) != grouped
    if grouped:
        assert border.auroc["low"] < 0.5 < border.auroc["high"]


@pytest.mark.parametrize(
    ("labels", "groups", "classes", "reason"),
    [
        ([0] * 41 + [1] * 19, None, ("a", "b"), "class b has 19 images; the probe needs 20 of each"),
        ([0] * N, None, ("a",), "there is one class only"),
        ([0] * 30 + [1] * 30, ["p"] * 30 + [None] * 30, ("a", "b"), "all images of class a are of one group"),
        ([0] * N, None, tuple(map(str, range(101))), "there are 101 classes; the probe takes 100 at most"),
    ],
)
def test_too_little_to_probe_is_said_with_the_reason(labels, groups, classes, reason) -> None:
    result = probed(Files(smooth(N), labels, groups=groups, classes=classes))
    assert result.reason.startswith(reason)
    assert (result.results, result.strongest, shortcuts(result)) == ((), None, [])
    assert result.to_dict()["strongest"] is None


def test_large_data_are_measured_on_a_part_of_which_every_class_has_its_share(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MEASURED_ON", 45)
    monkeypatch.setattr(module, "TRAINED_WITH", 30)
    source = Files(planted("border").contents * 2, [0] * 100 + [1] * 20, groups=[f"g{index}" for index in range(2 * N)])
    source.contents[N:] = Files(smooth(N, 32, 32, seed=8)).contents
    result = probed(source)
    assert (result.measured, len(result.rows)) == (45, 120)
    labels = np.array([0] * 100 + [1] * 20)
    chosen = module._evenly(labels)
    assert np.bincount(labels[chosen]).tolist() == [25, 20]
    for of_cue in result.results:
        assert of_cue.probabilities.shape == (120, 2)
        if not of_cue.constant:
            figures = all_figures(labels[chosen], of_cue.probabilities[chosen], ("a", "b"))
            assert of_cue.auroc == pytest.approx(figures["auroc"])


def test_masks_leave_out_what_they_say() -> None:
    assert frame(0.08).sum() == SIDE**2 - (SIDE - 8) ** 2
    assert frame(0.2).sum() == SIDE**2 - (SIDE - 20) ** 2


def test_unreadable_images_have_no_probabilities() -> None:
    source = planted("border")
    source.contents[7] = b""
    result = probed(source)
    assert_array_equal(result.rows, np.delete(np.arange(N), 7))


def test_the_subject_is_only_read() -> None:
    subject = _subject(planted("border"), None)
    before = Subject(**vars(subject))
    probe(subject)
    assert vars(before) == vars(subject)
