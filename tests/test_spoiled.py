"""Spoiled settings and run folders: only our own errors come out; the short form of ``reliability/settings.py``."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import convstage
from convstage import RunError
from convstage.records import (
    AuditRecord,
    CalibrationRecord,
    ConfigRecord,
    MetricsRecord,
    ModelRecord,
    PositionRecord,
    SplitRecord,
    checked,
)
from killing import make_images
from spoiled_runs import FILES, QUICK, judge, spoil
from spoiled_settings import PIECES, files, judge_file, judge_keywords, keywords, values

SHAPES = (AuditRecord, CalibrationRecord, ConfigRecord, MetricsRecord, ModelRecord, PositionRecord, SplitRecord)
LONG = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


@pytest.mark.parametrize("piece", range(len(PIECES)))
def test_yaml_that_its_reader_trips_over_is_refused_in_our_words(piece: int, tmp_path) -> None:
    judge_file(tmp_path / "run.yaml", PIECES[piece].encode("utf-8", "surrogatepass"))


@settings(LONG, max_examples=150)
@given(files())
def test_a_config_file_of_any_content_is_read_or_refused(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        judge_file(Path(folder) / "run.yaml", content)


@settings(LONG, max_examples=150)
@given(keywords)
@example({"file": "x.yaml"})
@example({"clip_norm": float("inf")})
@example({"epochs": True})
def test_settings_of_any_kind_are_taken_or_refused(given_settings) -> None:
    judge_keywords(given_settings)


@settings(LONG, max_examples=150)
@given(st.sampled_from(SHAPES), values)
def test_data_of_any_kind_are_refused_in_our_words(shape, data) -> None:
    with pytest.raises(RunError, match=r"(?s)^runs/a/x\.json is damaged: .*\nRestore it from a copy\.$"):
        checked("runs/a/x.json", data, shape)


# ------------------------------------------------------------- run folders


@pytest.fixture(scope="module")
def runs(tmp_path_factory, pixel_cache) -> tuple[Path, Path]:
    """Return two runs of the same images: one with everything in it, and one of another network."""
    folder = make_images(tmp_path_factory.mktemp("data") / "images", (40, 40))
    (folder / "0/bad.png").write_bytes(b"no image")
    out = tmp_path_factory.mktemp("runs")
    common = {"epochs": 2, "batch_size": 16, "report": False, "threads": 1, "out": out}
    full = convstage.train(folder, pattern="INPUT -> CONV(2) -> BN -> RELU -> POOL -> CLASSIFIER", **common)
    nll = {"before": 0.4, "after": 0.3}
    full.write_calibration({"temperature": 1.2, "images": 30, "nll": nll, "calibration_error": nll})
    other = convstage.train(folder, pattern="INPUT -> CONV(3) -> RELU -> POOL -> CLASSIFIER", audit=False, **common)
    assert {path.name for path in full.path.iterdir()} == set(FILES)
    return full.path, other.path


@pytest.mark.parametrize("reader", QUICK)
def test_a_spoiled_run_folder_is_read_or_refused_in_our_words(reader: str, runs) -> None:
    @settings(LONG, max_examples=40)
    @given(st.randoms(use_true_random=False), st.integers(1, 3))
    def check(random, times: int) -> None:
        with tempfile.TemporaryDirectory() as scratch:
            run = Path(shutil.copytree(runs[0], Path(scratch) / "run"))
            what = [spoil(run, runs[1], random) for _ in range(times)]
            assert not (wrong := judge(reader, run)), f"{what}: {wrong}"

    check()


@pytest.mark.parametrize("reader", QUICK)
def test_what_is_as_it_was_is_read(reader: str, runs, tmp_path) -> None:
    assert judge(reader, Path(shutil.copytree(runs[0], tmp_path / "run"))) == ""


def test_a_reader_that_trips_is_found(runs, monkeypatch) -> None:
    """The measurement itself."""
    monkeypatch.setitem(judge.__globals__["READERS"], "load", lambda run: {}["x"])
    assert judge("load", runs[0]) == "KeyError: 'x'"
