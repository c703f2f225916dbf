"""The cost model of docs/scale.md: it finds the constants that times were made from, and knows where it ends."""

import importlib
import json
import math
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"


@pytest.fixture(scope="module")
def model() -> ModuleType:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCHMARKS))
        return importlib.import_module("scale_model")


@given(st.floats(0, 1), st.floats(1, 1e5))
def test_it_finds_a_process_again(model: ModuleType, base: float, speed: float) -> None:
    worker = model.Worker(base, speed)
    found = model.fit_worker({images: worker.seconds(images) for images in (8, 16, 32)})
    assert found.seconds(24) == pytest.approx(worker.seconds(24), rel=1e-6)
    assert found.speed == pytest.approx(speed, rel=1e-3) or base > 1000 * 32 / speed


@given(st.floats(1e-6, 1e-2), st.floats(1e6, 1e11))
def test_it_finds_a_link_again(model: ModuleType, message: float, bandwidth: float) -> None:
    link = model.Link(message, bandwidth, 1)
    found = model.fit_link({size: link.seconds(size, 2) for size in (64, 4_000_000)}, 2, 3)
    assert found.sums == 3
    assert found.message == pytest.approx(message + 64 / bandwidth / 2)
    assert found.bandwidth == pytest.approx(bandwidth, rel=1e-3)


def test_a_process_alone_sends_nothing_and_a_ring_sends_twice_its_bytes(model: ModuleType) -> None:
    link = model.Link(1e-4, 1e9, 3)
    assert link.seconds(10**9, 1) == 0
    assert link.seconds(10**9, 2) == pytest.approx(3 * 2e-4 + 1)
    assert link.seconds(10**9, 10_000) == pytest.approx(3 * 2 * 9_999 * 1e-4 + 2, rel=1e-3)
    worker = model.Worker(0.01, 100)
    speeds = [model.speed(worker, link, 10**6, 32, machines) / machines for machines in (1, 2, 8, 64, 512)]
    assert speeds == sorted(speeds, reverse=True)
    assert speeds[0] == pytest.approx(32 / 0.33)


@given(st.floats(1e-5, 1e-2), st.floats(0.05, 0.95), st.integers(1, 512))
def test_up_to_there_and_no_further(model: ModuleType, message: float, share: float, images: int) -> None:
    worker, link = model.Worker(0.01, 100), model.Link(message, 1e9, 2)
    most = model.most_machines(worker, link, 4_000_000, images, share)
    if most is None:
        return
    alone = worker.seconds(images)
    kept = [alone / (alone + link.seconds(4_000_000, machines)) for machines in (most, most + 1)]
    assert kept[0] >= share or most == 1
    assert kept[1] < share


def test_a_network_is_no_faster_than_what_drives_it(model: ModuleType) -> None:
    link = model.Link(1e-4, 5e8, 2)
    assert model.over(1, link).bandwidth == pytest.approx(0.9 * 1.25e8)
    assert model.over(25, link).bandwidth == 5e8
    assert model.over(25, link).message > link.message


def test_the_prediction_that_is_promised_is_the_measurement_s(model: ModuleType) -> None:
    result = json.loads((BENCHMARKS / "results/scale.json").read_text())
    found = model.predicted(result)
    assert result["model"] == pytest.approx(found)
    assert math.isclose(found["error"], found["predicted"] / found["measured"] - 1)
    rows = model.scaling_table(result).splitlines()
    assert len(rows) == 2 + len(model.MACHINES)
    assert rows[2].count("(100%)") == len(model.NETWORKS)
