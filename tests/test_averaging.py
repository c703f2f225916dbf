import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from convstage import Pattern
from convstage.averaging import averaged


def small() -> nn.Module:
    return Pattern("INPUT(6x6) -> CONV(2) -> BN -> RELU -> POOL -> CLASSIFIER(2)").plan().build(seed=0)


@given(st.floats(0, 0.999), st.lists(st.floats(-5, 5), min_size=1, max_size=30))
def test_the_average_is_the_recurrence(decay: float, values: list[float]) -> None:
    network = nn.Linear(1, 1, bias=False)
    average = averaged(network, decay)
    expected = 0.0
    for step, value in enumerate(values):
        nn.init.constant_(network.weight, value)
        average.update_parameters(network)
        share = min(decay, (1 + step) / (10 + step)) if step else 0.0
        expected = share * expected + (1 - share) * value
    assert abs(average.module.weight.item() - expected) < 1e-4


def test_without_decay_the_average_is_the_network() -> None:
    network = small()
    average = averaged(network, 0.0)
    for _ in range(3):
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.add_(1)
        average.update_parameters(network)
    for mine, theirs in zip(average.module.state_dict().values(), network.state_dict().values(), strict=True):
        assert torch.equal(mine, theirs)


def test_means_and_variances_of_batch_norm_are_averaged_and_counts_taken_over() -> None:
    network = small()
    average = averaged(network, 0.9)
    for value in (1.0, 3.0):
        network.get_submodule("stage1.bn").running_mean.fill_(value)
        network.get_submodule("stage1.bn").num_batches_tracked.fill_(int(value))
        average.update_parameters(network)
    norm = average.module.get_submodule("stage1.bn")
    assert torch.allclose(norm.running_mean, torch.tensor(1 + 2 * 9 / 11))
    assert norm.num_batches_tracked.item() == 3


def test_the_network_itself_is_left_alone() -> None:
    network = small()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    averaged(network, 0.9).update_parameters(network)
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())
