"""The operator in torch's company: its compiler, its data-parallel training."""

import subprocess
import sys
import textwrap

import pytest
import torch
from torch.nn import functional as F

from convstage import Pattern
from convstage.stage import conv_relu_pool

PATTERN = "INPUT -> CONV(16) -> RELU -> CONV(20) -> RELU -> POOL -> CONV(8, s=2) -> RELU -> FC(9) -> CLASSIFIER"


def problem(count=6):
    network = Pattern(PATTERN).plan((14, 12, 3), 4).build(seed=0)
    generator = torch.Generator().manual_seed(1)
    return network, torch.randn(count, 3, 14, 12, generator=generator), torch.arange(count) % 4


def gradients(run, network, x, labels):
    network.zero_grad()
    loss = F.cross_entropy(run(x), labels)
    loss.backward()
    return [loss.detach(), *(parameter.grad for parameter in network.parameters())]


@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")  # inductor's own
@pytest.mark.parametrize("backend", ["aot_eager", "inductor"])
def test_it_compiles_without_a_break(backend):
    network, x, labels = problem()
    expected = gradients(network, network, x, labels)
    compiled = torch.compile(network, fullgraph=True, backend=backend)
    for ours, theirs in zip(gradients(compiled, network, x, labels), expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


def test_a_compiled_function_takes_other_batches():
    weight = torch.randn(20, 16, 3, 3)
    compiled = torch.compile(
        lambda x: conv_relu_pool(x, weight, padding="same", pool=2), fullgraph=True, backend="aot_eager", dynamic=True
    )
    for count in (2, 5):
        x = torch.randn(count, 16, 9, 8)
        assert torch.equal(compiled(x), conv_relu_pool(x, weight, padding="same", pool=2))


def test_data_parallel_training_has_the_gradients_of_the_whole_batch(tmp_path):
    """Two processes, each with half of the batch: the mean of their gradients is that of the whole."""
    network, x, labels = problem()
    expected = gradients(network, network, x, labels)[1:]
    script = tmp_path / "rank.py"
    script.write_text(
        textwrap.dedent(f"""
            import sys
            import torch
            from torch import distributed
            from torch.nn.parallel import DistributedDataParallel
            sys.path[:0] = {sys.path!r}
            from stage.test_torch import gradients, problem

            rank = int(sys.argv[1])
            store = distributed.FileStore({str(tmp_path / "store")!r}, 2)
            distributed.init_process_group("gloo", store=store, rank=rank, world_size=2)
            network, x, labels = problem()
            half = slice(3 * rank, 3 * rank + 3)
            found = gradients(DistributedDataParallel(network), network, x[half], labels[half])[1:]
            torch.save(found, f"{tmp_path}/{{rank}}.pt")
            distributed.destroy_process_group()
        """)
    )
    ranks = [subprocess.Popen([sys.executable, script, str(rank)], cwd=tmp_path) for rank in range(2)]
    assert [rank.wait(timeout=120) for rank in ranks] == [0, 0]
    for rank in range(2):
        for ours, whole in zip(torch.load(tmp_path / f"{rank}.pt"), expected, strict=True):
            torch.testing.assert_close(ours, whole, rtol=1e-4, atol=1e-5)
