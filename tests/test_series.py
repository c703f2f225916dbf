"""What a cross-validation and a comparison share: the folder of several runs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from convstage import CrossValidation, RunError
from convstage.config import make_config
from convstage.files import write_json
from convstage.records import Record
from convstage.run import Run
from convstage.series import Series, spread, train_next
from convstage.training import prepare


class Rungs(Record):
    rungs: int


class Height(Record):
    height: int


@dataclass(frozen=True)
class Ladder(Series):
    LAYOUT = 3
    SETUP = "ladder.json"
    RESULT = "top.json"
    WHAT = "ladder"
    PARTS = "rungs"
    COMMAND = "climb"
    SETUP_SHAPE = Rungs
    RESULT_SHAPE = Height


@pytest.fixture
def ladder(tmp_path: Path) -> Ladder:
    write_json(tmp_path / "ladder.json", {"format": 3, "rungs": 2})
    return Ladder.open(tmp_path)


def test_a_folder_is_opened_with_its_settings(ladder: Ladder) -> None:
    assert isinstance(ladder, Ladder)
    assert ladder.setup["rungs"] == 2
    assert not ladder.is_done


def test_another_folder_is_refused(tmp_path: Path, ladder: Ladder) -> None:
    with pytest.raises(
        RunError, match=r"is no folder of a ladder: it has no ladder.json.\n.* that convstage climb made"
    ):
        Ladder.open(tmp_path / "nowhere")
    with pytest.raises(RunError, match="is no folder of a cross-validation"):
        CrossValidation.open(ladder.path)
    write_json(tmp_path / "ladder.json", {"format": 4})
    with pytest.raises(RunError, match="has layout 4; this version of convstage reads layout 3"):
        Ladder.open(tmp_path)


def test_a_result_that_is_not_there_yet_says_how_to_go_on(ladder: Ladder) -> None:
    with pytest.raises(RunError) as caught:
        _ = ladder.metrics
    expected = f"{ladder.path} is not through all its rungs yet.\nGo on with: convstage climb --resume {ladder.path}"
    assert str(caught.value) == expected
    write_json(ladder.path / "top.json", {"height": 2})
    assert ladder.is_done
    assert ladder.metrics == {"height": 2}


def test_settings_and_results_of_another_shape_are_damaged(ladder: Ladder) -> None:
    write_json(ladder.path / "top.json", {"height": "2"})
    with pytest.raises(RunError) as caught:
        _ = ladder.metrics
    assert str(caught.value) == (
        f"{ladder.path / 'top.json'} is damaged: height: input should be a valid integer.\n"
        f"Remove it, and make it anew: convstage climb --resume {ladder.path}"
    )
    write_json(ladder.path / "ladder.json", {"format": 3})
    with pytest.raises(RunError, match=r"ladder\.json is damaged: rungs: field required\.\nRestore it from a copy\."):
        _ = ladder.setup


def test_stopped_it_names_the_series_not_the_run(ladder: Ladder) -> None:
    stopped = ladder.stopped(15)
    assert stopped.signal == 15
    assert str(stopped).endswith(f"Go on with: convstage climb --resume {ladder.path}")


def test_a_run_is_trained_with_the_parts_and_the_audit_it_is_given(
    ladder: Ladder, make_folder, tmp_path, capfd
) -> None:
    pattern = "INPUT -> CONV(2) -> RELU -> POOL -> CLASSIFIER"
    config = make_config(epochs=1, pattern=pattern, batch_size=8, threads=1, audit=False)
    ready = prepare(make_folder(tmp_path / "images", {"a": 9, "b": 9}), config)
    parts = np.roll(ready.dataset.parts, 3)
    Run(ladder.path).write_audit({"probe": {"reason": "the shortcut was not looked for"}})
    run = Run(ladder.path / "rung-1")
    run.path.mkdir()
    (run.path / "litter.txt").write_text("cut off before it held all that is needed")
    train_next(ladder, run, ready.config, ready.dataset.with_parts(parts), ready.plan, "rung 1: [bold]as it is[/bold]")
    assert [row["part"] for row in run.split] == parts.tolist()
    assert "the shortcut was not looked for" in run.metrics["verdict"]["words"]
    assert not (run.path / "litter.txt").exists()
    assert "rung 1: [bold]as it is[/bold]: train 14, val 2, test 2" in capfd.readouterr().err


@given(st.lists(st.floats(0, 1), min_size=2, max_size=9))
def test_the_spread_is_that_of_a_sample(values: list[float]) -> None:
    found = spread([None, *values])
    assert found is not None
    assert found["mean"] == pytest.approx(np.mean(values))
    assert found["std"] == pytest.approx(np.std(values, ddof=1))


def test_one_value_has_no_spread() -> None:
    assert spread([0.5, None]) is None
    assert spread([]) is None
