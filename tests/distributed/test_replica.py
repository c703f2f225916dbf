"""What several processes do together is what one does, layer by layer; all in one process, share by share."""

from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from convstage import ConfigError
from convstage.config import make_config
from convstage.data import Augmentation
from convstage.data.augment import Flip
from convstage.data.pixel_rows import PixelRows
from convstage.distributed import Share, World
from convstage.distributed.replica import SharedBatchNorm, SharedDropout, replicate, settle
from convstage.pattern import Pattern
from convstage.recipe import make_optimizer
from convstage.step import Steps


def alone(count: int) -> Share:
    share = Share()
    share.take(count)
    return share


@pytest.mark.parametrize("shape", [(6, 3), (6, 3, 5, 4)])
@pytest.mark.parametrize("training", [True, False])
def test_batch_norm_alone_is_torchs(shape, training):
    torch.manual_seed(0)
    theirs = (nn.BatchNorm1d if len(shape) == 2 else nn.BatchNorm2d)(3).train(training)
    nn.init.normal_(theirs.weight)
    nn.init.normal_(theirs.bias)
    ours = SharedBatchNorm(type(theirs)(3).train(training), alone(6))
    ours.load_state_dict(theirs.state_dict())
    results = []
    for layer in (theirs, ours):
        x = (100 + torch.randn(shape, generator=torch.Generator().manual_seed(1))).requires_grad_()
        y = layer(x)
        (y * torch.arange(y.numel()).view(y.shape).cos()).sum().backward()
        results.append([y, x.grad, layer.weight.grad, layer.bias.grad, *layer.state_dict().values()])
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(other, one, rtol=1e-4, atol=2e-4)


def test_the_gradient_of_batch_norm_is_its_derivative():
    torch.manual_seed(0)
    layer = SharedBatchNorm(nn.BatchNorm2d(2).double(), alone(3)).double()
    x = torch.randn(3, 2, 2, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(layer, (x,))


@pytest.mark.parametrize("shape", [(7, 5), (7, 4, 6, 6)])
def test_dropout_drops_what_one_process_drops(shape):
    x = torch.randn(shape)
    if x.dim() == 4:
        x = x.contiguous(memory_format=torch.channels_last)
    torch.manual_seed(3)
    whole = F.dropout(x, 0.4)
    parts = []
    for rank in range(3):
        share = Share(World(rank, 3))
        part = share.take(7)
        torch.manual_seed(3)
        parts.append(SharedDropout(0.4, share)(x[part]))
    torch.testing.assert_close(torch.cat(parts), whole)
    assert torch.equal(SharedDropout(0.4, share).eval()(x), x)


@pytest.mark.parametrize("flip", ["none", "both"])
def test_images_are_varied_as_in_the_whole_batch(flip: Flip):
    augment = Augmentation(shift=0.1, rotate=10, zoom=0.1, brightness=0.1, contrast=0.1, flip=flip)
    x = torch.randn(7, 1, 9, 9)
    whole = augment(x, torch.Generator().manual_seed(5))
    parts = [World(rank, 3).share(7) for rank in range(3)]
    varied = [augment(x[part], torch.Generator().manual_seed(5), part, 7) for part in parts]
    assert torch.equal(torch.cat(varied), whole)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    from conftest import make_class_folders
    from convstage.data import choose_geometry, load_dataset, open_source

    folder = make_class_folders(tmp_path_factory.mktemp("data") / "images", {"few": 9, "many": 30}, size=16)
    name, source = open_source(folder)
    return load_dataset(name, source, choose_geometry(source), val=0.15, test=0.15, seed=0)


CPU = torch.device("cpu")
PLAN = Pattern("INPUT -> CONV(2) -> RELU -> POOL -> FC(4) -> DROPOUT(0.5) -> CLASSIFIER").plan("16x16x1", 2)


def gradient_of(dataset, world: World, **settings):
    """Return one process's part of a step: the gradient, loss and images that were right."""
    share = Share(world)
    steps = Steps(dataset, make_config(batch_size=7, clip_norm=1e9, **settings), CPU, share)
    network = PLAN.build(seed=0).train()
    for name, layer in network.named_children():
        if isinstance(layer, nn.Dropout):
            setattr(network, name, SharedDropout(layer.p, share))
    batch = steps.batches(0)[1]
    found = steps.gradient(network, make_optimizer(network, 0), batch, 0, 1)
    return torch.cat([parameter.grad.flatten() for parameter in network.parameters()]), found


@pytest.mark.parametrize("size", [2, 3])
@pytest.mark.parametrize("settings", [{"balance": "off"}, {"balance": "weights", "label_smoothing": 0.2}], ids=str)
def test_the_mean_gradient_of_all_shares_is_that_of_the_batch(dataset, size, settings):
    """Unequal shares and class weights included: a step has 6 or 7 images."""
    whole, found = gradient_of(dataset, World(), **settings)
    shares = [gradient_of(dataset, World(rank, size), **settings) for rank in range(size)]
    mean = torch.stack([gradient for gradient, _ in shares]).mean(0)
    torch.testing.assert_close(mean, whole, rtol=1e-4, atol=1e-6)
    assert sum(part.loss for _, part in shares) == pytest.approx(found.loss, rel=1e-5)
    assert sum(part.correct for _, part in shares) == found.correct


def test_the_order_does_not_depend_on_the_processes(dataset):
    config = make_config(batch_size=7)
    one, other = (Steps(dataset, config, CPU, Share(world)).batches(4) for world in (World(), World(1, 3)))
    assert [batch.tolist() for batch in one] == [batch.tolist() for batch in other]


def test_only_the_images_of_the_share_are_read(dataset):
    read = []

    class Pixels(PixelRows):
        def __getitem__(self, rows):
            read.append(rows)
            return dataset.pixels[rows]

    share = Share(World(1, 2))
    pixels = Pixels(dataset.pixels.array, dataset.pixels.rows)
    steps = Steps(replace(dataset, pixels=pixels), make_config(batch_size=7), CPU, share)
    network, batch = PLAN.build(seed=0).train(), steps.batches(0)[0]
    steps.gradient(network, make_optimizer(network, 0), batch, 0, 0)
    assert [rows.tolist() for rows in read] == [batch[len(batch) // 2 :].tolist()]


def test_more_processes_than_images_in_a_step_are_refused(dataset):
    with pytest.raises(ConfigError, match=r"a step has 2, too few for 4 processes: .*\nRaise --batch-size"):
        Steps(dataset, make_config(batch_size=3), CPU, Share(World(0, 4)))


def test_alone_a_network_is_its_own_replica():
    network = PLAN.build(seed=0)
    assert replicate(network, Share()) is network
    settle(network, PLAN.image, Share())
    assert all(parameter.grad is None for parameter in network.parameters())
