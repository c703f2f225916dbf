"""A network that several processes train: each computes its share of a step, and all have the same gradient.

Gradients are averaged by `torch.nn.parallel.DistributedDataParallel`. Two kinds of layers
look beyond one image, or beyond what one process knows: batch normalisation and dropout.
They are replaced by ones that do over all processes what torch's do over a batch.
"""

from __future__ import annotations

import warnings
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .world import Share


def replicate(network: nn.Module, share: Share) -> nn.Module:
    """Return what to call in a network's place during training; the parameters stay those of `network`.

    Parameters
    ----------
    network : Module
        Its batch normalisation and dropout layers are replaced, under the same names; its
        weights become those of the leading process. Alone, it is returned as it is.
    share : Share
        Which images each step is computed for.
    """
    if share.world.alone:
        return network
    from torch.nn.parallel import DistributedDataParallel

    # A filter of one channel has no memory format, so that torch finds its gradient's strides odd; it copies it.
    warnings.filterwarnings("ignore", "Grad strides do not match bucket view strides")
    for parent in list(network.modules()):
        for name, layer in list(parent.named_children()):
            if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
                setattr(parent, name, SharedBatchNorm(layer, share))
            elif isinstance(layer, nn.Dropout):
                setattr(parent, name, SharedDropout(layer.p, share))
    with warnings.catch_warnings():
        # The option has another name from torch 2.13 on; older ones do not know that.
        warnings.filterwarnings("ignore", "`broadcast_buffers` is deprecated", FutureWarning)
        # Batch statistics are the same everywhere, so there are no buffers to send.
        return DistributedDataParallel(network, broadcast_buffers=False, gradient_as_bucket_view=True)


def settle(replica: nn.Module, image: tuple[int, int, int], share: Share) -> None:
    """Have the gradients once, so that their order is the same after a restart as in the middle of a training.

    `DistributedDataParallel` puts gradients into buckets in the order in which they came in
    the first step, from the second step on. With more than two processes the sums depend on
    the place in the bucket, in their last bit; so the first step is one that changes nothing.

    Parameters
    ----------
    replica : Module
        What `replicate` has returned.
    image : (int, int, int)
        Height, width and channels of the network's input.
    share : Share
        As in `replicate`.
    """
    if share.world.alone:
        return
    was_training = replica.training
    replica.eval()  # statistics stay as they are
    height, width, channels = image
    share.take(share.world.size)
    replica(torch.zeros(1, channels, height, width)).sum().backward()
    replica.zero_grad(set_to_none=True)
    replica.train(was_training)


class SharedBatchNorm(nn.BatchNorm2d):
    """Batch normalisation (Ioffe and Szegedy 2015) over the images of all processes.

    One sum over all processes in the forward pass, and one in the backward pass, as in
    `torch.nn.SyncBatchNorm`, which exists for GPUs only.

    Parameters
    ----------
    layer : BatchNorm1d or BatchNorm2d
        Its parameters and running statistics become this layer's.
    share : Share
        Which images a step is computed for.
    """

    def __init__(self, layer: nn.BatchNorm1d | nn.BatchNorm2d, share: Share) -> None:
        super().__init__(layer.num_features, layer.eps, layer.momentum)
        self.weight, self.bias = layer.weight, layer.bias
        self.running_mean, self.running_var = layer.running_mean, layer.running_var
        self.num_batches_tracked = layer.num_batches_tracked
        self.share = share
        self.train(layer.training)

    def _check_input_dim(self, input: Tensor) -> None:  # noqa: A002
        """Take vectors (N, C), too: one layer does for both of torch's."""

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x)
        cells = self.share.count * (x.numel() // (x.shape[0] * x.shape[1]))
        y, mean, variance = _Normalise.apply(x, self.weight, self.bias, self.eps, self.share, cells)  # type: ignore[no-untyped-call]
        with torch.no_grad():
            assert self.running_mean is not None and self.running_var is not None
            assert self.num_batches_tracked is not None and self.momentum is not None
            self.num_batches_tracked.add_(1)
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * (cells / max(1, cells - 1)), self.momentum)
        return y  # type: ignore[no-any-return]


class _Normalise(torch.autograd.Function):
    """The normalisation of a training step, and its gradient (Ioffe and Szegedy 2015, section 3)."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, eps: float, share: Share, cells: int
    ) -> tuple[Tensor, Tensor, Tensor]:
        over = [0, *range(2, x.dim())]
        variance, mean = torch.var_mean(x, over, correction=0)
        # In float64 the difference of the squares below loses nothing that matters.
        mean, variance = mean.double(), variance.double()
        sums = torch.stack([mean, variance + mean**2]) * (x.numel() // x.shape[1])
        share.world.add(sums)
        mean, squares = sums / cells
        variance = (squares - mean**2).clamp_(min=0)
        scale = (variance + eps).rsqrt().to(x.dtype)
        mean, variance = mean.to(x.dtype), variance.to(x.dtype)
        ctx.save_for_backward(x, weight, mean, scale)
        ctx.share, ctx.cells = share, cells
        ctx.mark_non_differentiable(mean, variance)
        return F.batch_norm(x, mean, variance, weight, bias, eps=eps), mean, variance

    @staticmethod
    def backward(ctx: Any, gradient: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, mean, scale = ctx.saved_tensors
        over = [0, *range(2, x.dim())]
        shape = (1, -1, *(1 for _ in over[1:]))
        normal = (x - mean.view(shape)) * scale.view(shape)
        sums = torch.stack([gradient.sum(over), (gradient * normal).sum(over)])
        bias_gradient, weight_gradient = sums.clone()  # of this process; DistributedDataParallel averages them
        ctx.share.world.add(sums)
        of_mean, of_variance = (value.view(shape) for value in sums / ctx.cells)
        of_x = (weight * scale).view(shape) * (gradient - of_mean - normal * of_variance)
        return of_x, weight_gradient, bias_gradient, None, None, None


class SharedDropout(nn.Dropout):
    """Dropout (Srivastava et al. 2014) that drops what one process would drop of the whole batch.

    The mask is drawn for all images of the step, from the same random state in every
    process, and the part of this process's images is taken.

    Parameters
    ----------
    p : float
        Share of the values that become zero.
    share : Share
        Which images a step is computed for.
    """

    def __init__(self, p: float, share: Share) -> None:
        super().__init__(p)
        self.share = share

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.p == 0:
            return x
        is_map = x.dim() == 4 and x.is_contiguous(memory_format=torch.channels_last)
        layout = torch.channels_last if is_map else torch.contiguous_format
        mask = torch.empty((self.share.count, *x.shape[1:]), dtype=x.dtype, device=x.device, memory_format=layout)
        mask = F.dropout(mask.fill_(1.0), self.p)
        return x * mask[self.share.part]
