import signal

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import DataConversionWarning, NotFittedError

from convstage import ConfigError, DataError, PatternError, TrainingError
from convstage.config import Config
from convstage.estimator import ConvNetClassifier
from convstage.estimator.classifier import SETTINGS
from support.estimators import PATTERN, blocks, small


@pytest.fixture(scope="module")
def fitted():
    images, labels = blocks(classes=3, count=30)
    return small().fit(images, np.array(["left", "middle", "right"])[labels])


def test_it_learns_and_says_what_it_has_learned(fitted):
    images, labels = blocks(classes=3, count=30)
    names = np.array(["left", "middle", "right"])[labels]
    assert fitted.classes_.tolist() == ["left", "middle", "right"]
    assert (fitted.n_features_in_, fitted.image_shape_, fitted.geometry_) == (64, (8, 8, 1), None)
    assert_array_equal(fitted.predict(images), names)
    assert fitted.score(images, names) == 1.0
    assert fitted.plan_.pattern == PATTERN
    assert isinstance(fitted.network_, torch.nn.Module)
    assert not fitted.network_.training
    assert [row["epoch"] for row in fitted.history_] == [1, 2, 3, 4, 5, 6]
    assert fitted.best_epoch_ == 6
    assert "val_loss" not in fitted.history_[0]


def test_probabilities_are_the_softmax_of_the_decision(fitted):
    images, _ = blocks(classes=3, count=30)
    logits = fitted.decision_function(images)
    assert_allclose(fitted.predict_proba(images), torch.softmax(torch.from_numpy(logits), 1).numpy())


def test_of_two_classes_the_decision_is_the_log_odds_of_the_second():
    images, labels = blocks()
    made = small().fit(images, labels)
    probability = made.predict_proba(images)[:, 1]
    assert_allclose(made.decision_function(images), np.log(probability / (1 - probability)), rtol=1e-6)


def test_settings_have_the_names_the_defaults_and_the_limits_of_a_training():
    parameters = ConvNetClassifier().get_params()
    for name in (*SETTINGS, "pattern"):
        assert parameters[name] == Config.model_fields[name].default, name
    with pytest.raises(ConfigError, match=r"epochs = 0: input should be greater.*\nepochs: Passes over"):
        small(epochs=0).fit(*blocks())


def test_the_same_seed_gives_the_same_network_and_another_another():
    images, labels = blocks()
    augmented = {"augment": True, "pattern": "INPUT -> CONV(2) -> RELU -> DROPOUT(0.5) -> CLASSIFIER", "epochs": 2}
    one, same, other = (small(random_state=seed, **augmented).fit(images, labels) for seed in (3, 3, 4))
    assert_array_equal(one.predict_proba(images), same.predict_proba(images))
    assert not np.array_equal(one.predict_proba(images), other.predict_proba(images))


def test_a_stream_of_random_numbers_is_drawn_from_and_torchs_own_is_left_alone():
    images, labels = blocks()
    before = torch.get_rng_state()
    stream = np.random.RandomState(0)
    one, two = (small(random_state=stream, epochs=1).fit(images, labels) for _ in range(2))
    again = small(random_state=np.random.RandomState(0), epochs=1).fit(images, labels)
    assert torch.equal(before, torch.get_rng_state())
    assert not np.array_equal(one.predict_proba(images), two.predict_proba(images))
    assert_array_equal(one.predict_proba(images), again.predict_proba(images))


def test_weights_stand_for_repetitions_whatever_the_recipe_and_the_order():
    images, labels = blocks()
    weights = np.arange(24) % 4
    many = {"augment": True, "pattern": "INPUT -> CONV(2) -> RELU -> BN -> DROPOUT(0.5) -> CLASSIFIER", "epochs": 2}
    many |= {"early_stopping": True, "label_smoothing": 0.1, "ema": 0.9, "class_weight": "balanced"}
    weighted = small(**many).fit(images, labels, sample_weight=weights)
    order = np.random.default_rng(0).permutation(np.repeat(np.arange(24), weights))
    repeated = small(**many).fit(images[order], labels[order])
    assert_array_equal(weighted.predict_proba(images), repeated.predict_proba(images))
    assert not np.array_equal(weighted.predict_proba(images), small(**many).fit(images, labels).predict_proba(images))


def test_heavy_images_win_where_labels_contradict_each_other():
    images, labels = blocks()
    both, told = np.concatenate([images, images]), np.concatenate([labels, 1 - labels])
    for heavy in (0, 1):
        weights = np.where(np.arange(48) < 24, 1 - heavy, heavy) * 9.0 + 1
        assert (small().fit(both, told, sample_weight=weights).predict(images) == labels).all() == (heavy == 0)


def test_class_weights_multiply_the_loss_of_a_class():
    images, labels = blocks()
    images[:] = images[0]  # nothing to tell the classes apart by
    images[:, 0, 0] = np.arange(24)
    pairs = {"epochs": 20, "learning_rate": 0.05}
    shares = {}
    for weight in (1.0, 9.0):
        made = small(class_weight={1: weight}, **pairs).fit(images, labels)
        shares[weight] = made.predict_proba(images)[:, 1].mean()
    assert shares[1.0] == pytest.approx(0.5, abs=0.15)
    assert shares[9.0] == pytest.approx(0.9, abs=0.1)


def test_balanced_classes_count_as_much_as_each_other():
    images, labels = blocks()
    rare = np.concatenate([np.flatnonzero(labels == 0), np.flatnonzero(labels == 1)[:3]])
    balanced = small(class_weight="balanced").fit(images[rare], labels[rare])
    by_hand = small(class_weight={1: 4.0}).fit(images[rare], labels[rare])  # 12 of one, 3 of the other
    assert_allclose(balanced.predict_proba(images), by_hand.predict_proba(images), rtol=1e-4)


def test_early_stopping_keeps_the_best_epoch_of_images_it_has_not_seen():
    images, labels = blocks(40)
    made = small(early_stopping=True, val=0.2, patience=2, epochs=40).fit(images, labels)
    assert len(made.history_) == made.best_epoch_ + 2 < 40
    figures = [(row["val_balanced_accuracy"], -row["val_loss"]) for row in made.history_]
    assert figures.index(max(figures)) == made.best_epoch_ - 1


def test_weights_count_in_the_validation_too():
    images, labels = blocks(40)
    labels = np.where(np.arange(40) < 8, 1 - labels, labels)  # some are wrong, and weigh little
    weights = np.where(np.arange(40) < 8, 1e-6, 1.0)
    made = small(early_stopping=True, val=0.4, monitor="accuracy").fit(images, labels, sample_weight=weights)
    assert max(row["val_accuracy"] for row in made.history_) > 0.9999


def test_it_is_quiet_unless_it_is_asked_to_speak(capsys):
    images, labels = blocks()
    small(epochs=2).fit(images, labels)
    assert capsys.readouterr() == ("", "")
    small(epochs=2, verbose=True).fit(images, labels)
    told = capsys.readouterr().err
    assert "epoch   1/2  loss" in told
    assert "val loss" not in told
    assert "best" not in told


def test_ctrl_c_ends_it_at_once(monkeypatch):
    steps = []

    def interrupted(self, *arguments):
        steps.append(arguments)
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr("convstage.step.Steps.gradient", interrupted)
    with pytest.raises(KeyboardInterrupt):
        small().fit(*blocks())
    assert len(steps) == 1


def test_more_threads_and_views_are_settings():
    images, labels = blocks()
    before = torch.get_num_threads()
    made = small(threads=2, tta=5).fit(images, labels)
    assert len(made.shifts_) == 5
    assert made.score(images, labels) == 1.0
    assert torch.get_num_threads() == before


@pytest.mark.parametrize(
    ("settings", "error", "text"),
    [
        ({"pattern": "INPUT -> [CONV -> RELU -> POOL]*N -> CLASSIFIER"}, PatternError, "N is a free letter"),
        ({"pattern": "INPUT -> [POOL]*5 -> CLASSIFIER"}, PatternError, "use at most 3 poolings"),
        ({"random_state": -1}, ConfigError, r"random_state = -1: expected 0 to 2\*\*32 - 1"),
        ({"device": "tpu"}, ConfigError, "device = 'tpu' cannot be used here"),
        ({"class_weight": "auto"}, ConfigError, "class_weight = 'auto': expected a dict of label to weight"),
        ({"class_weight": {0: 0.0}}, ConfigError, "finite, and above 0"),
        ({"class_weight": {7: 1.0}}, ValueError, "not in class_weight"),
        ({"early_stopping": True, "val": 0.7}, ConfigError, "val = 0.7: input should be less than 0.5"),
    ],
)
def test_settings_that_are_impossible(settings, error, text):
    with pytest.raises(error, match=text):
        small(**settings).fit(*blocks())


def test_a_loss_that_is_not_finite_is_an_error_without_a_run_folder():
    deep = small(pattern="INPUT -> [FC(32) -> RELU]*16 -> CLASSIFIER", learning_rate=10, clip_norm=1e30, epochs=30)
    with pytest.raises(TrainingError, match=r"not finite, so the step was not taken.\nA lower learning_rate usually"):
        deep.fit(*blocks())
    assert not hasattr(deep, "network_")


@pytest.mark.parametrize(
    ("weights", "text"),
    [
        (np.zeros(24), "weight.*zero"),
        (np.arange(24) - 1.0, r"sample_weight\[0\] is -1, which is negative"),
        (np.arange(24) % 2, "y has one class only where the weights are not zero, 1.\nA classifier needs two"),
        (np.ones(23), "sample_weight.shape"),
    ],
)
def test_weights_that_are_none(weights, text):
    with pytest.raises(ValueError, match=text):
        small().fit(*blocks(), sample_weight=weights)


def test_a_class_of_one_image_cannot_be_held_out():
    images, _ = blocks()
    with pytest.raises(DataError, match=r"class '1' has 1 image to train with.*\n.*\nOr fit with early_stopping=False"):
        small(early_stopping=True).fit(images, np.where(np.arange(24) == 5, 1, 0))


def test_labels_in_a_column_are_taken_with_a_warning():
    images, labels = blocks()
    with pytest.warns(DataConversionWarning, match="column-vector"):
        assert small(epochs=1).fit(images, labels[:, None]).classes_.tolist() == [0, 1]


def test_nothing_is_predicted_before_it_is_fitted():
    with pytest.raises(NotFittedError, match="not fitted yet"):
        small().predict(blocks()[0])


def test_what_is_kept_is_the_average_of_the_weights_where_one_is_asked_for():
    images, labels = blocks()
    raw, average = (small(ema=decay, learning_rate=0.003).fit(images, labels) for decay in (0.0, 0.99))
    losses = [[row["train_loss"] for row in made.history_] for made in (raw, average)]
    assert losses[0] == losses[1]  # the average has no part in the training
    assert not np.allclose(raw.predict_proba(images), average.predict_proba(images), atol=1e-3)
