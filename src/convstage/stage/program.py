"""A trained network as one call into the library: the fast path of prediction.

The layers' filters are packed once, and the layers follow one another without torch's
operators in between, which cost more than the arithmetic of a small network on one
image. An image's logits do not depend on what else is in its batch.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from ..sizes import output_size
from .load import library
from .modules import FUSED, FlattenRows, Stage
from .op import fastest_way


class Program:
    """The layers of a network, packed for this machine: a snapshot of its weights.

    Parameters
    ----------
    network : nn.Sequential
        Layers and stages, on the processor, float32, in evaluation mode.
    image : (int, int, int)
        Height, width, channels of its input.

    Raises
    ------
    UnsupportedError
        The library is not there, or a layer is none of those that it knows.
    ValueError
        A layer is not for what the one before it gives.
    """

    def __init__(self, network: nn.Sequential, image: tuple[int, int, int]) -> None:
        loaded = library()
        if loaded is None:
            raise UnsupportedError("the compiled kernel is not loaded")
        self._library = loaded
        self._handle = ctypes.c_void_p(loaded.convstage_program_new())
        self.image = image
        self.classes = 0
        layers = list(network)
        for layer in layers:
            _check_stage(layer)
        shape: tuple[int, ...] = image
        while layers:
            shape = self._add(layers, shape)
        self.classes = shape[0]
        self._state = _State(network)

    def is_of(self, network: nn.Module) -> bool:
        """Return whether the network's weights are still those that were packed."""
        return self._state.is_of(network)

    def __del__(self) -> None:
        if handle := getattr(self, "_handle", None):
            self._library.convstage_program_delete(handle)

    def __call__(self, x: Tensor) -> Tensor:
        """Return the logits, shape (n, classes), of images (n, channels, height, width), float32."""
        height, width, channels = self.image
        if x.dtype != torch.float32 or x.dim() != 4 or tuple(x.shape[1:]) != (channels, height, width):
            raise ValueError(
                f"images are float32 of shape (n, {channels}, {height}, {width}), not {x.dtype} {tuple(x.shape)}."
            )
        x = _numbers(x, torch.channels_last)
        y = torch.empty((x.shape[0], self.classes))
        if x.shape[0] and not self._library.convstage_program_run(self._handle, x.shape[0], x.data_ptr(), y.data_ptr()):
            raise MemoryError("not enough memory for these images; try fewer at a time.")
        return y

    def _add(self, layers: list[nn.Module], shape: tuple[int, ...]) -> tuple[int, ...]:
        """Add the first of the layers, take it off the list, and return the shape of its output."""
        layer = layers.pop(0)
        match layer:
            case FlattenRows():
                return (shape[0] * shape[1] * shape[2],)
            case nn.Dropout() | nn.Identity():
                return shape
            case Stage():
                return self._add_stage(layer, shape)
            case nn.Linear():
                if len(shape) > 1:
                    raise UnsupportedError("the fast path knows fully connected layers of vectors only")
                filters, length = layer.weight.shape
                _check_size("a fully connected layer", "numbers", length, shape[0])
                relu = bool(layers) and isinstance(layers[0], nn.ReLU)
                if relu:
                    layers.pop(0)
                weight, bias = _floats(layer.weight), _bias(layer.bias, filters)
                self._check(
                    self._library.convstage_program_add_dense(
                        self._handle, length, filters, relu, _address(weight), _address(bias)
                    )
                )
                return (filters,)
        raise UnsupportedError(f"the fast path does not know {type(layer).__name__}")

    def _add_stage(self, stage: Stage, shape: tuple[int, ...]) -> tuple[int, ...]:
        conv: Any = stage[0]
        (filters, channels, *size), stride, (top, bottom, left, right) = conv.weight.shape, conv.stride, conv.margins
        pool, pool_stride = stage.window
        _check_size("a convolution", "channels", channels, shape[-1])
        high = output_size(shape[0], size[0], stride[0], top, bottom)
        wide = output_size(shape[1], size[1], stride[1], left, right)
        pooled = output_size(high, pool[0], pool_stride[0]), output_size(wide, pool[1], pool_stride[1])
        output = (*pooled, filters)
        if min(high, wide, *pooled) < 1:
            raise ValueError(
                f"a map of {shape[0]} × {shape[1]} cells is too small for the filter or the pooling window."
            )
        sizes = [*shape, filters, *size, *stride, top, left, high, wide, *pool, *pool_stride, *pooled]
        weight, bias = _floats(conv.weight.permute(0, 2, 3, 1)), _bias(conv.bias, filters)
        numbers = (ctypes.c_int64 * len(sizes))(*sizes)
        self._check(self._library.convstage_program_add_stage(self._handle, numbers, _address(weight), _address(bias)))
        return output

    def _check(self, done: bool) -> None:
        if not done:
            raise MemoryError("not enough memory for the network's filters.")


def runner(network: nn.Module, image: tuple[int, int, int]) -> Callable[[Tensor], Tensor]:
    """Return the fast path for a network in evaluation mode if there is one, else the network itself."""
    program = _programs.get(network)
    if program is None or not program.is_of(network):
        _programs.pop(network, None)
        if network.training or not isinstance(network, nn.Sequential):
            return network
        try:
            program = _programs[network] = Program(network, image)
        except UnsupportedError:
            return network
    return network if network.training else program


_programs: WeakKeyDictionary[nn.Module, Program] = WeakKeyDictionary()


class UnsupportedError(ValueError):
    """The fast path cannot run this network; the network itself can."""


def _check_stage(layer: nn.Module) -> None:
    """Refuse a stage that is more than the operator, or whose pooling is faster apart; before anything is packed.

    Without a pooling torch is faster for some shapes, but not with one image, where its calls cost more than the work.
    """
    if not isinstance(layer, Stage):
        return
    if not layer.fused or len(layer) != layer.fused:
        raise UnsupportedError(f"the fast path does not know {type(layer).__name__} of these layers")
    conv: Any = layer[0]
    if (
        layer.fused == len(FUSED)
        and fastest_way(tuple(conv.weight.shape), conv.stride, *layer.window, record=False) != "kernel"
    ):
        raise UnsupportedError("torch's operators are faster for a stage, or a part of it")


def _check_size(layer: str, what: str, expected: int, given: int) -> None:
    if expected != given:
        raise ValueError(
            f"{layer} of the network is for {expected} {what}, and gets {given}: "
            "do the layers fit each other, and the shape of the image?"
        )


def _floats(tensor: Tensor | None) -> Tensor | None:
    """Return a tensor's numbers one after the other; the library copies them."""
    if tensor is None:
        return None
    if tensor.dtype != torch.float32 or tensor.device.type != "cpu":
        raise UnsupportedError(f"the fast path is for float32 on the processor, not {tensor.dtype} on {tensor.device}")
    return _numbers(tensor.detach())


def _numbers(tensor: Tensor, order: torch.memory_format = torch.contiguous_format) -> Tensor:
    """Return a tensor whose numbers lie in memory one after the other, for the library to read."""
    if tensor.device.type != "cpu" or tensor.layout != torch.strided:
        raise ValueError(f"the fast path is for tensors on the processor, not {tensor.layout} on {tensor.device}.")
    last = tensor.storage_offset() + sum((n - 1) * step for n, step in zip(tensor.shape, tensor.stride(), strict=True))
    if tensor.numel() and (last + 1) * tensor.itemsize > tensor.untyped_storage().nbytes():
        raise ValueError("a tensor's memory is smaller than the tensor: somebody has resized its storage.")
    return tensor.resolve_neg().contiguous(memory_format=order)


def _bias(bias: Tensor | None, filters: int) -> Tensor | None:
    if bias is not None:
        _check_size("a bias", "filters", bias.numel(), filters)
    return _floats(bias)


def _address(tensor: Tensor | None) -> int | None:
    return None if tensor is None else tensor.data_ptr()


#: Parameters of up to so many numbers are compared number by number: biases, first and last layers.
SMALL = 4096


class _State:
    """What a network's weights were: where they lay, how often they were written to, and the small ones themselves.

    Fused optimizers write to weights without counting it; no step of one leaves all biases as they were.
    """

    def __init__(self, network: nn.Module) -> None:
        self.places = _places(network)
        self.small = [p.detach().clone() for p in network.parameters() if p.numel() <= SMALL]

    def is_of(self, network: nn.Module) -> bool:
        if self.places != _places(network):
            return False
        small = [parameter for parameter in network.parameters() if parameter.numel() <= SMALL]
        return all(map(torch.equal, self.small, small))


def _places(network: nn.Module) -> list[tuple[int, int]]:
    # Parameters made in inference mode count no writes.
    return [(p.data_ptr(), 0 if p.is_inference() else p._version) for p in network.parameters()]
