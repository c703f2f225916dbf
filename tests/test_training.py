import importlib.metadata
import json
import threading
from pathlib import Path

import numpy as np
import pytest
import torch

import convstage
from convstage import ConfigError, DataError, PatternError, RunError, TrainingError, train
from convstage.files import digest, read_tensors
from convstage.run import LAST, MODEL
from convstage.training import resume

PATTERN = "INPUT -> [CONV(4) -> RELU -> POOL]*2 -> FC(8) -> RELU -> DROPOUT(0.2) -> CLASSIFIER"


@pytest.fixture
def folder(tmp_path, make_folder):
    return make_folder(tmp_path / "images", {"0-healthy": 14, "1-corona": 14})


def quick(folder, tmp_path, **settings):
    settings = {"pattern": PATTERN, "epochs": 3, "batch_size": 5, "report": False, "out": tmp_path / "runs"} | settings
    return train(folder, **settings)


def weights(run: convstage.Run, file: str = MODEL) -> str:
    return digest(read_tensors(run.path / file)[0])


def test_training_learns_and_fills_the_run_folder(folder, tmp_path):
    run = quick(folder, tmp_path, epochs=12, learning_rate=0.01, augment=False, report=True)
    assert run.metrics["accuracy"]["value"] == 1.0
    losses = [float(row["train_loss"]) for row in run.history]
    assert losses[-1] < 0.3 * losses[0]
    tables = "audit.json config.json history.csv metrics.json predictions.csv split.json"
    files = [*tables.split(), "last.safetensors", "model.safetensors", "report.html", "CARD.md"]
    assert sorted(path.name for path in run.path.iterdir()) == sorted(files)
    assert {row["part"] for row in run.split} == {"train", "val", "test"}
    stored = run.config
    assert stored["settings"]["pattern"] == stored["model"]["pattern"] == PATTERN
    assert stored["settings"]["size"] == "24x24"
    assert stored["model"]["classes"] == ["0-healthy", "1-corona"]
    assert stored["environment"]["versions"]["torch"] == importlib.metadata.version("torch")


def test_the_resolved_settings_train_the_same_network_again(folder, tmp_path):
    first = quick(folder, tmp_path)
    again = train(folder, **first.config["settings"] | {"name": "again"})
    assert weights(first) == weights(again)


def test_the_seed_decides(folder, tmp_path):
    one, same, other = (quick(folder, tmp_path, seed=seed) for seed in (1, 1, 2))
    assert weights(one) == weights(same) != weights(other)
    assert [row["part"] for row in one.split] != [row["part"] for row in other.split]


def test_training_leaves_torch_as_it_was(folder, tmp_path):
    torch.manual_seed(5)
    expected = torch.rand(3)
    threads = torch.get_num_threads()
    torch.manual_seed(5)
    quick(folder, tmp_path, epochs=1, threads=1)
    assert torch.equal(torch.rand(3), expected)
    assert torch.get_num_threads() == threads


def test_training_works_outside_the_main_thread(folder, tmp_path):
    done = []
    thread = threading.Thread(target=lambda: done.append(quick(folder, tmp_path, epochs=1)))
    thread.start()
    thread.join()
    assert done[0].metrics["images"] == 4


class Cut(Exception):
    """The power is gone."""


OPTIONS = {"find_lr": True, "balance": "sampling", "label_smoothing": 0.1, "ema": 0.8, "tta": 5}


@pytest.mark.parametrize(
    ("cut_at", "options"), [(1, {}), (2, OPTIONS), (4, {}), (5, OPTIONS), (5, {}), (8, OPTIONS), (8, {}), (11, {})]
)
def test_a_run_cut_off_anywhere_resumes_to_the_identical_result(folder, tmp_path, monkeypatch, cut_at, options):
    """With a checkpoint after every step, cut off at one of them; batch norm, dropout and augmentation included."""
    pattern = PATTERN.replace("CONV(4)", "CONV(4) -> BN")
    settings = {"pattern": pattern, "save_every": 1e-9, "threads": 1, **options}
    whole = quick(folder, tmp_path, name="whole", **settings)

    write, calls = convstage.Run.write_last, []

    def write_and_fall(self, *content):
        write(self, *content)
        calls.append(1)
        if len(calls) == cut_at:
            raise Cut

    with monkeypatch.context() as patch:
        patch.setattr(convstage.Run, "write_last", write_and_fall)
        with pytest.raises(Cut):
            quick(folder, tmp_path, name="cut", **settings)
    run = resume(tmp_path / "runs/cut")
    for file in (MODEL, LAST):
        assert weights(run, file) == weights(whole, file)
    assert [row | {"images_per_second": ""} for row in run.history] == [
        row | {"images_per_second": ""} for row in whole.history
    ]
    assert run.predictions == whole.predictions


@pytest.mark.parametrize("option", OPTIONS.items(), ids=OPTIONS)
def test_every_option_changes_something(folder, tmp_path, option):
    plain, other = quick(folder, tmp_path), quick(folder, tmp_path, **dict([option]))
    assert plain.predictions != other.predictions
    if option[0] == "tta":
        assert weights(plain) == weights(other)


def test_the_average_is_what_is_validated_and_kept(folder, tmp_path):
    run = quick(folder, tmp_path, ema=0.9, epochs=1)
    last, _ = read_tensors(run.path / LAST)
    kept = {name: last[f"average.module.{name}"] for name in run.read_model()[0]}
    assert digest(kept) == weights(run)
    assert last["average.n_averaged"].item() == 4  # steps
    assert not all(torch.equal(tensor, last[f"network.{name}"]) for name, tensor in kept.items())


def test_a_run_cut_off_before_its_first_checkpoint_begins_anew(folder, tmp_path, monkeypatch):
    whole = quick(folder, tmp_path, name="whole", threads=1)

    def fall(*_):
        raise Cut

    with monkeypatch.context() as patch:
        patch.setattr(convstage.Run, "write_last", fall)
        with pytest.raises(Cut):
            quick(folder, tmp_path, name="cut", threads=1)
    assert weights(resume(tmp_path / "runs/cut")) == weights(whole)


def test_resuming_a_finished_run_changes_nothing(folder, tmp_path):
    run = quick(folder, tmp_path, report=True)
    before = {path.name: path.read_bytes() for path in run.path.iterdir()}
    resume(run.path)
    assert {path.name: path.read_bytes() for path in run.path.iterdir()} == before


def test_resuming_sweeps_up_after_a_crash(folder, tmp_path):
    run = quick(folder, tmp_path)
    (run.path / ".writing-abc.safetensors").write_bytes(b"half")
    resume(run.path)
    assert not list(run.path.glob(".*"))


def test_resuming_with_other_images_is_refused(folder, tmp_path):
    run = quick(folder, tmp_path, epochs=1)
    victim = folder / run.split[0]["name"]
    victim.write_bytes((folder / run.split[1]["name"]).read_bytes())
    with pytest.raises(DataError, match=r"1 of 28 images in .* are missing or have changed since training began: "):
        resume(run.path)


def test_training_stops_early_when_nothing_improves(folder, tmp_path):
    run = quick(folder, tmp_path, epochs=50, patience=2, learning_rate=1e-9, monitor="accuracy")
    assert len(run.history) < 50
    _, description = run.read_model()
    assert len(run.history) == description["epoch"] + 2


@pytest.mark.parametrize("monitor", ["balanced_accuracy", "loss"])
def test_the_best_epoch_is_kept(folder, tmp_path, monitor):
    run = quick(folder, tmp_path, epochs=6, monitor=monitor, learning_rate=0.02)
    rows = [{name: float(value) for name, value in row.items()} for row in run.history]
    ranks = [
        (-row["val_loss"] if monitor == "loss" else row["val_balanced_accuracy"], -row["val_loss"]) for row in rows
    ]
    assert run.read_model()[1]["epoch"] == 1 + ranks.index(max(ranks))


def test_a_loss_that_is_not_finite_is_refused_and_the_best_epoch_kept(folder, tmp_path, monkeypatch):
    good = quick(folder, tmp_path, name="good", epochs=1, threads=1)
    from torch.nn import functional

    honest, calls = functional.cross_entropy, []

    def turn_bad(logits, labels, weight=None, **smoothing):
        calls.append(1)
        loss = honest(logits, labels, weight, **smoothing)
        return loss * float("nan") if logits.requires_grad and len(calls) > 8 else loss

    monkeypatch.setattr(functional, "cross_entropy", turn_bad)
    with pytest.raises(TrainingError, match=r"loss nan, gradient nan in epoch \d, step \d: not finite") as caught:
        quick(folder, tmp_path, name="bad", threads=1)
    assert "the best so far, is kept in" in str(caught.value)
    kept = convstage.Run.open(tmp_path / "runs/bad").read_model()[0]
    assert all(torch.isfinite(tensor).all() for tensor in kept.values())
    assert set(kept) == set(good.read_model()[0])


def test_unbalanced_classes_are_weighted(tmp_path, make_folder, monkeypatch):
    folder = make_folder(tmp_path / "images", {"many": 30, "few": 8})
    from torch.nn import functional

    honest, seen = functional.cross_entropy, []

    def look(logits, labels, weight=None, **smoothing):
        if logits.requires_grad:
            seen.append(weight)
        return honest(logits, labels, weight, **smoothing)

    monkeypatch.setattr(functional, "cross_entropy", look)
    run = quick(folder, tmp_path, epochs=1)
    counts = [sum(row["part"] == "train" and row["class"] == name for row in run.split) for name in ("few", "many")]
    assert torch.allclose(seen[0] * torch.tensor(counts), torch.tensor(sum(counts) / 2))
    quick(folder, tmp_path, epochs=1, balance="off")
    assert seen[-1] is None


def test_colour_and_sizes_are_found_from_the_images(tmp_path, make_folder):
    folder = make_folder(tmp_path / "images", {"a": 6, "b": 6}, size=20)
    run = quick(folder, tmp_path, epochs=1)
    assert run.config["model"]["image"] == [20, 20, 1]


def test_the_pattern_may_say_the_size_and_the_channels(folder, tmp_path):
    run = quick(folder, tmp_path, epochs=1, pattern="INPUT(12x16x3) -> CONV(2) -> RELU -> POOL -> CLASSIFIER(2)")
    assert run.config["model"]["image"] == [12, 16, 3]
    assert run.config["model"]["geometry"]["channels"] == "colour"


def test_without_a_test_part_there_is_no_evaluation(folder, tmp_path):
    run = quick(folder, tmp_path, epochs=1, test=0)
    assert not run.has_metrics
    assert convstage.evaluate(run)["part"] == "val"


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"pattern": "INPUT -> [CONV -> RELU -> POOL]*6 -> CLASSIFIER"}, PatternError, "INPUT of at least 64x64"),
        ({"pattern": "INPUT -> CLASSIFIER(3)"}, PatternError, "CLASSIFIER says 3, but the number of classes is 2."),
        ({"pattern": "INPUT(8x8x4) -> CLASSIFIER"}, ConfigError, "INPUT has 4 channels; images are read with 1"),
        ({"device": "abacus"}, ConfigError, "device = 'abacus' cannot be used here.\nUse cpu, cuda or auto."),
        ({"size": "0"}, DataError, "the size must be a side such as 160, or height x width"),
        ({"name": "../up"}, ConfigError, "a run's name must be a folder's name, without slashes."),
    ],
)
def test_what_cannot_work_is_said_before_anything_is_written(folder, tmp_path, settings, error, message):
    with pytest.raises(error) as caught:
        quick(folder, tmp_path, **settings)
    assert message in str(caught.value)
    assert not (tmp_path / "runs").exists()


def test_a_run_folder_is_never_overwritten(folder, tmp_path):
    quick(folder, tmp_path, name="mine", epochs=1)
    with pytest.raises(RunError, match=r"mine exists already\.\nChoose another --name, or go on with it"):
        quick(folder, tmp_path, name="mine", epochs=1)
    assert [quick(folder, tmp_path, epochs=1).path.name for _ in range(2)] == ["images-1", "images-2"]


def test_unreadable_files_are_listed_and_training_goes_on(folder, tmp_path):
    (folder / "0-healthy/zero.png").write_bytes(b"")
    (folder / "1-corona/note.txt").write_text("no image")
    run = quick(folder, tmp_path, epochs=1, max_unreadable=0.1)
    assert (run.path / "unreadable.csv").read_text().splitlines() == [
        "file,reason",
        "0-healthy/zero.png,the file is empty",
        '1-corona/note.txt,"no image, or none of PNG, JPEG, BMP, TIFF, GIF, WEBP, PPM and DICOM"',
    ]
    assert len(run.split) == 28


def test_arrays_train_like_folders(tmp_path):
    random = np.random.default_rng(0)
    labels = np.arange(30) % 2
    images = random.integers(0, 60, (30, 16, 16)).astype(np.uint8)
    images[labels == 1, 4:12, 4:12] += 150
    np.savez(tmp_path / "blobs.npz", images=images, labels=labels, classes=["dark", "bright"])
    run = quick(tmp_path / "blobs.npz", tmp_path, epochs=10, learning_rate=0.01)
    assert run.path.name == "blobs-1"
    assert run.metrics["accuracy"]["value"] == 1.0
    assert set(run.metrics["per_class"]) == {"dark", "bright"}


def test_a_single_leftover_image_is_no_batch_of_its_own(tmp_path, make_folder):
    """Batch norm refuses a batch of one; 21 training images in batches of 20 must not leave one."""
    folder = make_folder(tmp_path / "images", {"a": 15, "b": 15})
    pattern = "INPUT -> CONV(2) -> RELU -> GAP -> FC(4) -> BN -> RELU -> CLASSIFIER"
    run = quick(folder, tmp_path, pattern=pattern, batch_size=20, epochs=1, val=0.1, test=0.2)
    assert sum(row["part"] == "train" for row in run.split) % 20 == 1 or len(run.history) == 1


def test_config_json_is_plain_json(folder, tmp_path):
    run = quick(folder, tmp_path, epochs=1)
    text = Path(run.path / "config.json").read_text()
    assert json.loads(text)["format"] == 1
    assert "NaN" not in text


def test_what_is_told_of_every_epoch_may_end_the_training_which_can_be_resumed(folder, tmp_path):
    class Enough(Exception):
        pass

    told = []

    def after_epoch(row):
        told.append(row["epoch"])
        if row["epoch"] == 2:
            raise Enough

    ready = convstage.training.prepare(
        folder, convstage.Config(pattern=PATTERN, batch_size=5, epochs=3, out=str(tmp_path))
    )
    run = convstage.training.begin(ready.config, ready.dataset, ready.plan)
    with pytest.raises(Enough):
        convstage.training.fit(run, ready.dataset, ready.plan, after_epoch)
    assert told == [1, 2]
    assert len(run.history) == 2 and not run.has_metrics
    assert weights(resume(run.path)) == weights(quick(folder, tmp_path))
