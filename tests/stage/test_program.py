"""The fast path of prediction: the network's own logits, whatever the batch, the instruction set, the threads."""

import copy
import gc
import threading
import weakref

import pytest
import torch
from torch import nn

from convstage import Pattern
from convstage.stage import program as module
from convstage.stage.program import Program, UnsupportedError, runner

PATTERNS = [
    "INPUT -> FC(20) -> RELU -> CLASSIFIER",
    "INPUT -> CONV(32) -> RELU -> FC(128) -> RELU -> CLASSIFIER",
    "INPUT -> [CONV(32|64) -> RELU -> POOL]*2 -> FC(100) -> RELU -> DROPOUT(0.5) -> CLASSIFIER",
    "INPUT -> [CONV(16|33) -> RELU -> CONV(40) -> RELU -> POOL]*2 -> FC(300) -> FC(17) -> RELU -> CLASSIFIER",
    "INPUT -> CONV(5, 5x3, s=2) -> RELU -> POOL(3, s=2) -> CONV(7, 1) -> RELU -> POOL(2, s=1) -> CLASSIFIER",
]


def network_of(pattern, image=(28, 22, 3), classes=5):
    network = Pattern(pattern).plan(image, classes).build(seed=1).eval()
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name.endswith("bias"):
                parameter.uniform_(-0.5, 0.5)
    return network


def images(network, count=5):
    height, width, channels = network.plan.image
    return torch.randn(count, channels, height, width, generator=torch.Generator().manual_seed(2))


def logits(run, x):
    with torch.inference_mode():
        return run(x)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_it_gives_the_networks_logits(pattern, isa):
    network = network_of(pattern)
    x = images(network)
    torch.testing.assert_close(Program(network, network.plan.image)(x), logits(network, x), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_an_image_alone_has_the_logits_it_has_in_a_batch(pattern, isa):
    network = network_of(pattern)
    run, x = Program(network, network.plan.image), images(network, 110)
    together = run(x)
    for index in (0, 1, 57, 109):
        assert torch.equal(run(x[index : index + 1])[0], together[index])
    assert torch.equal(run(x[3:40]), together[3:40])
    assert run(x[:0]).shape == (0, 5)


def test_the_number_of_threads_changes_nothing():
    network = network_of(PATTERNS[3])
    run, x, before = Program(network, network.plan.image), images(network, 9), torch.get_num_threads()
    results = []
    for count in (1, 2, 3):
        torch.set_num_threads(count)
        results.append(run(x))
    torch.set_num_threads(before)
    assert torch.equal(results[0], results[1])
    assert torch.equal(results[0], results[2])


def test_several_callers_at_once_get_their_own_results():
    network = network_of(PATTERNS[2])
    run, x = Program(network, network.plan.image), images(network, 12)
    expected = [run(x[i : i + 3]) for i in range(4)]
    wrong = []

    def call(i):
        wrong.extend(1 for _ in range(20) if not torch.equal(run(x[i : i + 3]), expected[i]))

    threads = [threading.Thread(target=call, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_an_image_with_infinities_is_the_networks_too():
    network = network_of(PATTERNS[3])
    x = images(network)
    x[2, 0, 5, 5] = float("inf")
    ours, theirs = Program(network, network.plan.image)(x), logits(network, x)
    assert torch.equal(ours.isnan(), theirs.isnan())
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4, equal_nan=True)
    assert ours[:2].isfinite().all()


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("INPUT -> CONV(4) -> BN -> RELU -> CLASSIFIER", "the fast path does not know Stage"),
        ("INPUT -> CONV(4) -> RELU -> POOL(avg) -> CLASSIFIER", "the fast path does not know Stage"),
        ("INPUT -> FC(4) -> TANH -> CLASSIFIER", "the fast path does not know Tanh"),
        (
            "INPUT -> CONV(16) -> RELU -> POOL -> CONV(16, 5) -> RELU -> POOL -> CLASSIFIER",
            "torch's operators are faster",
        ),
        ("INPUT -> CONV(16) -> RELU -> CONV(16) -> RELU -> POOL(3, s=2) -> CLASSIFIER", "torch's operators are faster"),
    ],
)
def test_other_layers_run_as_the_network_itself(pattern, reason):
    network = network_of(pattern)
    with pytest.raises(UnsupportedError, match=reason):
        Program(network, network.plan.image)
    assert runner(network, network.plan.image) is network


def test_a_network_that_is_refused_is_refused_before_anything_is_packed(monkeypatch):
    packed = []
    monkeypatch.setattr(Program, "_add_stage", lambda self, stage, shape: packed.append(stage))
    network = network_of("INPUT -> CONV(16) -> RELU -> POOL -> CONV(16, 5) -> RELU -> POOL -> CLASSIFIER")
    assert runner(network, network.plan.image) is network
    assert not packed


def test_convolutions_without_pooling_stay_on_the_fast_path():
    network = network_of("INPUT -> CONV(8) -> RELU -> CONV(9, 5) -> RELU -> CONV(16, 1) -> RELU -> CLASSIFIER")
    assert isinstance(runner(network, network.plan.image), Program)


def test_other_types_run_as_the_network_itself():
    network = network_of(PATTERNS[2]).double()
    assert runner(network, network.plan.image) is network


def test_without_the_library_the_network_runs_itself(monkeypatch):
    monkeypatch.setattr(module, "library", lambda: None)
    network = network_of(PATTERNS[2])
    assert runner(network, network.plan.image) is network


def test_a_network_is_packed_once_and_again_when_its_weights_change():
    network = network_of(PATTERNS[2])
    x, image = images(network), network.plan.image
    first = runner(network, image)
    assert isinstance(first, Program)
    assert runner(network, image) is first
    with torch.no_grad():
        network.classifier.weight.mul_(2)
    second = runner(network, image)
    assert second is not first
    torch.testing.assert_close(second(x), logits(network, x), rtol=1e-4, atol=1e-4)
    network.classifier.weight = nn.Parameter(torch.zeros_like(network.classifier.weight))
    assert torch.equal(runner(network, image)(x)[0], network.classifier.bias.detach())


def test_a_step_of_the_optimizer_is_noticed():
    """A fused one, which does not count as a write."""
    network = network_of(PATTERNS[2])
    x, image = images(network), network.plan.image
    optimizer = torch.optim.AdamW(network.parameters(), fused=True)
    before = runner(network, image)
    logits(before, x)
    torch.nn.functional.cross_entropy(network(x), torch.arange(5)).backward()
    optimizer.step()
    assert runner(network, image) is not before
    torch.testing.assert_close(runner(network, image)(x), logits(network, x), rtol=1e-4, atol=1e-4)


def test_a_network_in_training_runs_itself():
    network = network_of(PATTERNS[2])
    assert runner(network, network.plan.image) is not network
    network.train()
    assert runner(network, network.plan.image) is network


def test_a_packed_network_can_go_and_can_be_copied():
    network = network_of(PATTERNS[2])
    packed = weakref.ref(runner(network, network.plan.image))
    twin = copy.deepcopy(network)
    assert runner(twin, twin.plan.image) is not packed()
    del network
    gc.collect()
    assert packed() is None


@pytest.mark.parametrize("shape", [(1, 3, 28, 23), (1, 1, 28, 22), (3, 28, 22)])
def test_images_of_another_shape_are_refused(shape):
    network = network_of(PATTERNS[2])
    with pytest.raises(ValueError, match=r"images are float32 of shape \(n, 3, 28, 22\), not torch.float32 "):
        Program(network, network.plan.image)(torch.zeros(shape))
