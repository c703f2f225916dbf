"""BUILDERS: every layer kind as operators of ONNX, one entry each.

An entry adds the operators of one layer to a graph, and returns the name of what comes out.
Maps are (n, channels, height, width) in the graph, as in torch. Operators are those of
opset 17 (ONNX 1.12, 2022): what the standard has got later, such as GELU, is composed, so
that older programs read the files, too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import sqrt
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..sizes import Pair

if TYPE_CHECKING:
    import onnx

    from ..pattern.plan import Row

#: Version of the operators, and of the file format that belongs to it.
OPSET, IR_VERSION = 17, 8

Array = npt.NDArray[Any]


@dataclass
class Graph:
    """Operators and constants, as they are added.

    Attributes
    ----------
    nodes : list of NodeProto
    constants : dict of str to ndarray
        Weights by their names in the network's state dict, and what else does not change.
    """

    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: dict[str, Array] = field(default_factory=dict)

    def add(self, name: str, operator: str, *inputs: str, **attributes: Any) -> str:
        """Add an operator and return the name of its output, which is its own."""
        from onnx.helper import make_node

        self.nodes.append(make_node(operator, inputs, [name], name=name, **attributes))
        return name

    def constant(self, name: str, value: Array) -> str:
        """Add a constant and return its name."""
        self.constants[name] = value
        return name

    def number(self, name: str, value: float) -> str:
        """Add a single float32."""
        return self.constant(name, np.array(value, np.float32))


@dataclass(frozen=True)
class Layer:
    """A layer of a plan, and its weights.

    Attributes
    ----------
    row : Row
        Kind, name, settings and sizes.
    weights : dict of str to ndarray
        All of the network, by their names in its state dict.
    """

    row: Row
    weights: Mapping[str, Array]

    def place(self, graph: Graph, *names: str) -> list[str]:
        """Add weights of this layer, by their names within it, to a graph; return their names there."""
        keys = [f"{self.row.name}.{name}" for name in names]
        return [graph.constant(key, self.weights[key]) for key in keys]


#: Graph, layer, name of what comes in -> name of what comes out.
Builder = Callable[[Graph, Layer, str], str]


def _nothing(graph: Graph, layer: Layer, x: str) -> str:  # noqa: ARG001  # entries are called alike
    return x


def _convolution(graph: Graph, layer: Layer, x: str) -> str:
    window = layer.row.window
    assert window is not None
    top, bottom, left, right = window.margins
    return graph.add(
        layer.row.name,
        "Conv",
        x,
        *layer.place(graph, "weight", "bias"),
        kernel_shape=window.size,
        strides=window.stride,
        pads=(top, left, bottom, right),
    )


def _pooling(graph: Graph, layer: Layer, x: str) -> str:
    operator = "MaxPool" if layer.row.settings["kind"] == "max" else "AveragePool"
    size: Pair = layer.row.settings["size"]
    return graph.add(layer.row.name, operator, x, kernel_shape=size, strides=layer.row.settings["stride"])


def _fully_connected(graph: Graph, layer: Layer, x: str) -> str:
    return graph.add(layer.row.name, "Gemm", x, *layer.place(graph, "weight", "bias"), transB=1)


def _batch_norm(graph: Graph, layer: Layer, x: str) -> str:
    places = layer.place(graph, "weight", "bias", "running_mean", "running_var")
    return graph.add(layer.row.name, "BatchNormalization", x, *places, epsilon=1e-5)


def _global_average(graph: Graph, layer: Layer, x: str) -> str:
    name = layer.row.name
    return graph.add(name, "Flatten", graph.add(f"{name}.mean", "GlobalAveragePool", x), axis=1)


def _flatten(graph: Graph, layer: Layer, x: str) -> str:
    """Row by row, cell by cell, the channels of a cell together: see `convstage.stage.FlattenRows`."""
    name = layer.row.name
    return graph.add(name, "Flatten", graph.add(f"{name}.rows", "Transpose", x, perm=(0, 2, 3, 1)), axis=1)


def _gelu(graph: Graph, layer: Layer, x: str) -> str:
    """Add x (1 + erf(x/√2)) / 2 (Hendrycks and Gimpel 2016), as torch computes it unless told to approximate."""
    name = layer.row.name
    scaled = graph.add(f"{name}.scaled", "Div", x, graph.number(f"{name}.sqrt2", sqrt(2)))
    share = graph.add(f"{name}.share", "Add", graph.add(f"{name}.erf", "Erf", scaled), graph.number(f"{name}.one", 1))
    half = graph.add(f"{name}.half", "Mul", x, graph.number(f"{name}.0.5", 0.5))
    return graph.add(name, "Mul", half, share)


def _silu(graph: Graph, layer: Layer, x: str) -> str:
    name = layer.row.name
    return graph.add(name, "Mul", x, graph.add(f"{name}.sigmoid", "Sigmoid", x))


def _activation(operator: str, **attributes: float) -> Builder:
    """Return the entry of a non-linearity that is one operator."""

    def build(graph: Graph, layer: Layer, x: str) -> str:
        return graph.add(layer.row.name, operator, x, **attributes)

    return build


#: Name of a layer kind in a pattern -> how it is built; see the contract test in tests/export/test_nodes.py.
BUILDERS: dict[str, Builder] = {
    "INPUT": _nothing,
    "CONV": _convolution,
    "RELU": _activation("Relu"),
    "SIGMOID": _activation("Sigmoid"),
    "TANH": _activation("Tanh"),
    "LEAKY_RELU": _activation("LeakyRelu", alpha=0.01),
    "ELU": _activation("Elu", alpha=1.0),
    "GELU": _gelu,
    "SILU": _silu,
    "POOL": _pooling,
    "FC": _fully_connected,
    "CLASSIFIER": _fully_connected,
    "BN": _batch_norm,
    "DROPOUT": _nothing,
    "GAP": _global_average,
    "FLATTEN": _flatten,
}

__all__ = ["BUILDERS", "IR_VERSION", "OPSET", "Graph", "Layer"]
