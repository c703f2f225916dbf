"""The measurement of a network: what is compared is the same, and what comes out is whole. Nothing is timed here."""

from __future__ import annotations

import copy
import json

import pytest
import torch

from convstage import Pattern
from convstage.bench import COMPARED, FEWEST, ROUNDS, TASKS, Side, _take_turns, bench, layer_by_layer, matrix_product
from convstage.errors import ConfigError
from convstage.network import Network
from convstage.show_bench import show_bench
from convstage.stage import Stage

TWO_STAGES = "INPUT(12x10x1) -> [CONV(4) -> RELU -> POOL]*2 -> FC(8) -> RELU -> CLASSIFIER(3)"
#: As little as can be: three rounds of one call.
NO_TIME = 1e-9


def built(pattern: str = TWO_STAGES) -> Network:
    return Pattern(pattern).plan().build(seed=0)


@pytest.fixture(scope="module")
def measured() -> dict:
    return bench(built(), batch=5, seconds=NO_TIME, stages=True)


PATTERNS = [
    TWO_STAGES,
    "INPUT(9x9x3) -> CONV(4, 4x3, stride=2) -> RELU -> POOL(3, stride=2) -> DROPOUT(0.5) -> FC(9) -> CLASSIFIER(2)",
    "INPUT(8x8x2) -> POOL(avg) -> CONV(4) -> BN -> GELU -> POOL -> GAP -> DROPOUT -> CLASSIFIER(4)",
    "INPUT(5x5x1) -> CONV(3) -> RELU -> CLASSIFIER(2)",
    "INPUT(4x4x1) -> FC(8) -> RELU -> CLASSIFIER(3)",
]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_both_sides_train_alike(pattern: str) -> None:
    result = bench(built(pattern), batch=6, seconds=NO_TIME)
    ours, torchs = result["losses"]["convstage"], result["losses"]["torch"]
    assert len(ours) == COMPARED
    assert len(set(ours)) == COMPARED  # they do train
    assert ours == pytest.approx(torchs, rel=1e-4)
    assert result["loss_difference"] == max(abs(a - b) for a, b in zip(ours, torchs, strict=True))


@pytest.mark.parametrize("pattern", PATTERNS)
def test_layer_by_layer_is_the_same_network_without_stages(pattern: str) -> None:
    network = built(pattern).eval()
    plain = layer_by_layer(network).eval()
    assert not any(isinstance(module, Stage) for module in plain.modules())
    assert {id(p) for p in plain.parameters()} == {id(p) for p in network.parameters()}
    height, width, channels = network.plan.image
    x = torch.randn(3, channels, height, width, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(plain(x), network(x))


def test_every_task_has_its_figures(measured: dict) -> None:
    assert set(measured["tasks"]) == set(TASKS) == {"train", "infer", "latency"}
    for figures in measured["tasks"].values():
        assert (figures["rounds"], figures["calls_each"]) == (FEWEST, 1)
        for name in ("convstage", "torch", "ratio"):
            values = figures[name]["values"]
            assert len(values) == FEWEST
            assert min(values) > 0
            assert (figures[name]["min"], figures[name]["max"]) == (min(values), max(values))
            assert figures[name]["median"] == sorted(values)[1]
        times = zip(figures["convstage"]["values"], figures["torch"]["values"], strict=True)
        assert figures["ratio"]["values"] == [torchs / ours for ours, torchs in times]


def test_it_says_what_was_measured_and_where(measured: dict) -> None:
    plan = built().plan
    assert (measured["pattern"], measured["image"], measured["classes"]) == (plan.pattern, [12, 10, 1], 3)
    assert (measured["batch"], measured["parameters"]) == (5, plan.parameters)
    assert measured["multiply_adds"] == plan.multiply_adds
    assert measured["processor"]
    assert measured["environment"]["threads"] == torch.get_num_threads()
    assert measured["environment"]["versions"]["torch"]
    assert json.loads(json.dumps(measured)) == measured


def test_stages_are_measured_by_themselves(measured: dict) -> None:
    assert measured["matrix_product_gflops"] > 0
    first, second = measured["stages"]
    assert (first["name"], first["input"], first["layers"]) == ("stage1", [12, 10, 1], ["CONV", "RELU", "POOL"])
    assert (second["name"], second["input"]) == ("stage2", [6, 5, 4])
    assert "input gradient" not in first  # nothing learns before it
    parts = [*(first[part] for part in ("forward", "weight gradient"))]
    parts += [second[part] for part in ("forward", "weight gradient", "input gradient")]
    assert all(part["ms"] > 0 and part["gflops"] > 0 for part in parts)
    rows = {row.name: row for row in built().plan.rows}
    forward = second["forward"]
    assert forward["gflops"] * forward["ms"] * 1e6 == pytest.approx(2 * 5 * rows["stage2.conv"].multiply_adds)
    assert forward["share"] == forward["gflops"] / measured["matrix_product_gflops"]


@pytest.mark.parametrize(("pattern", "names"), [(PATTERNS[2], ["stage1"]), (PATTERNS[4], [])])
def test_layers_that_are_no_stage_are_passed_through(pattern: str, names: list[str]) -> None:
    result = bench(built(pattern), batch=2, seconds=NO_TIME, stages=True)
    assert [stage["name"] for stage in result["stages"]] == names


def test_the_network_and_the_random_state_stay_as_they_are() -> None:
    network = built(PATTERNS[2])
    before, state = copy.deepcopy(network.state_dict()), torch.get_rng_state()
    bench(network, batch=2, seconds=NO_TIME, stages=True)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)
    assert network.training


def test_the_sides_take_turns_and_work_as_much() -> None:
    turns: list[str] = []

    class Counting(Side):
        def __init__(self, name: str) -> None:
            self.name = name

        def latency(self) -> None:
            turns.append(self.name)

    figures = _take_turns({"convstage": Counting("a"), "torch": Counting("b")}, "latency", 1e-4)
    assert turns.count("a") == turns.count("b")
    assert figures["rounds"] <= ROUNDS
    measured = turns[2 * (1 + FEWEST) :]  # after each has been tried alone
    each = 1 + figures["calls_each"]
    order = ["b", "a", "a", "b"] if figures["rounds"] % 2 == 0 else ["b", "a", "a", "b", "b", "a"]
    assert [measured[i * each] for i in range(len(order))] == order


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"batch": 0}, "the batch must be a whole number of at least 1; got 0."),
        ({"batch": 1, "seconds": 0.0}, "the seconds must be more than 0; got 0."),
        ({"batch": 1, "seconds": float("nan")}, "the seconds must be more than 0; got nan."),
        ({"batch": 1, "seconds": float("inf")}, "the seconds must be more than 0; got inf."),
    ],
)
def test_a_batch_or_time_that_is_none_is_refused(settings: dict, message: str) -> None:
    with pytest.raises(ConfigError) as raised:
        bench(built(), **settings)
    assert str(raised.value) == message


def test_a_matrix_product_has_a_speed() -> None:
    assert matrix_product(NO_TIME) > 0


def test_the_tables_say_the_figures_and_how_they_were_measured(
    measured: dict, capsys: pytest.CaptureFixture[str]
) -> None:
    known = copy.deepcopy(measured)
    known["tasks"]["train"] |= {
        "convstage": {"median": 10.0},
        "torch": {"median": 25.0},
        "ratio": {"median": 2.5, "min": 2.25, "max": 3.0},
    }
    known["stages"][0]["forward"] = {"ms": 123.4, "gflops": 1234.0, "share": 1.25}
    known |= {"processor": "Old Faithful", "loss_difference": 2e-7}
    show_bench(known)
    shown = capsys.readouterr().out
    words = " ".join(shown.split())
    assert "12×10×1 images, 3 classes" in words
    assert "training step, 5 images 500 images/s 10 ms 200 images/s 25 ms 2.50 (2.25–3.00)" in words
    assert "stage1 12×10×1 123 ms 1,234 125%" in words
    assert "their losses differ by at most 2.0e-07." in words
    assert f"Medians of {FEWEST} rounds" in words
    assert f"Old Faithful, {torch.get_num_threads()} threads, torch {torch.__version__}" in words
    del known["stages"]
    show_bench(known)
    assert "stage1" not in capsys.readouterr().out
