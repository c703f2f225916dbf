"""What an ONNX file consists of, looked at before anything of it is run.

A file may come from anybody. ONNX knows loops, branches, functions, operators of other libraries, and
weights that are read from whatever file is named beside it. None of these is in what convstage writes,
so none is let in: operators are those of `OPERATORS`, and every number is in the file itself.

The layout is that of the ONNX project's ``onnx.proto`` (protocol buffers), of which only the parts
that are looked at are declared here; so that the `onnx` package, which brings ten times as much,
is needed for writing only. Protobuf comes with ONNX Runtime.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

from ..errors import RunError
from ..sizes import Margins, Pair

#: What the operators of the graphs are; everything else is refused.
OPERATORS = frozenset(
    (
        # pixels, views, probabilities
        *("Cast", "Concat", "Div", "Gather", "Identity", "LogSoftmax", "ReduceLogSumExp", "Reshape", "Softmax", "Sub"),
        # layers
        *("AveragePool", "BatchNormalization", "Conv", "Elu", "Erf", "Flatten", "Gemm", "GlobalAveragePool"),
        *("LeakyRelu", "MaxPool", "Relu", "Sigmoid", "Tanh", "Transpose", "Add", "Mul"),
        # int8
        *("DequantizeLinear", "QuantizeLinear"),
    )
)
#: Protocol buffers end there.
LARGEST = 2**31 - 1
#: Message -> field -> (number, type); `*` is a list, and a capital begins another message.
SCHEMA = {
    "Model": {
        "graph": (7, "Graph"),
        "metadata_props": (14, "Entry*"),
        "training_info": (20, "bytes*"),
        "functions": (25, "bytes*"),
    },
    "Entry": {"key": (1, "string"), "value": (2, "string")},
    "Graph": {
        "node": (1, "Node*"),
        "initializer": (5, "Tensor*"),
        "sparse_initializer": (15, "bytes*"),
    },
    "Node": {"name": (3, "string"), "op_type": (4, "string"), "attribute": (5, "Attribute*"), "domain": (7, "string")},
    "Attribute": {
        "name": (1, "string"),
        "tensor": (5, "Tensor"),
        "graph": (6, "bytes"),
        "ints": (8, "int64*"),
        "tensors": (10, "Tensor*"),
        "graphs": (11, "bytes*"),
        "sparse_tensor": (22, "bytes"),
        "sparse_tensors": (23, "bytes*"),
    },
    "Tensor": {"name": (8, "string"), "external_data": (13, "bytes*"), "data_location": (14, "int32")},
}
_OF_WINDOWS = ("Conv", "MaxPool", "AveragePool")
_ANEW = "Make it anew: convstage export RUN -o {}"


@cache
def _model() -> Any:
    """Return the class of the message `Model`."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    file = descriptor_pb2.FileDescriptorProto(name="looked_at.proto", package="looked_at", syntax="proto3")
    kinds = descriptor_pb2.FieldDescriptorProto
    for name, fields in SCHEMA.items():
        message = file.message_type.add(name=name)
        for field, (number, text) in fields.items():
            kind = text.removesuffix("*")
            added = message.field.add(name=field, number=number)
            added.label = kinds.LABEL_REPEATED if text.endswith("*") else kinds.LABEL_OPTIONAL
            if kind in SCHEMA:
                added.type, added.type_name = kinds.TYPE_MESSAGE, f".looked_at.{kind}"
            else:
                added.type = kinds.Type.Value(f"TYPE_{kind.upper()}")
    pool = descriptor_pool.DescriptorPool()  # of our own: the onnx package registers the whole of it in the shared one
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("looked_at.Model"))


def look(content: bytes, file: str) -> Any:
    """Return the structure of an ONNX file, without its numbers.

    Parameters
    ----------
    content : bytes
        The file.
    file : str
        Its name, for messages.

    Raises
    ------
    RunError
        It is no ONNX file, or has something in it that convstage never writes.
    """
    from google.protobuf.message import DecodeError

    try:
        model = _model().FromString(content)
    except DecodeError:
        raise RunError(f"{file} is damaged or no ONNX file.\n{_ANEW.format(file)}") from None
    if not model.graph.node:
        raise RunError(f"{file} is damaged or no ONNX file: it has no graph.\n{_ANEW.format(file)}")
    for what in _foreign(model):
        raise RunError(
            f"{file} has {what}, which convstage never writes; it is not run.\n"
            f"Only files that convstage export made are. {_ANEW.format(file)}"
        )
    return model


def _foreign(model: Any) -> Iterator[str]:
    """Yield, in words, what is not for us to run."""
    graph = model.graph
    for name, parts in (
        ("functions of its own", model.functions),
        ("a training procedure", model.training_info),
        ("sparse weights", graph.sparse_initializer),
    ):
        if parts:
            yield name
    for tensor in graph.initializer:
        yield from _outside(tensor)
    for node in graph.node:
        if node.domain not in ("", "ai.onnx") or node.op_type not in OPERATORS:
            name = f"{node.domain}.{node.op_type}" if node.domain else node.op_type
            yield f"an operator {name!r}"
        for attribute in node.attribute:
            if attribute.graph or attribute.graphs:
                yield "graphs in its graph"
            if attribute.sparse_tensor or attribute.sparse_tensors:
                yield "sparse weights"
            for tensor in (attribute.tensor, *attribute.tensors):
                yield from _outside(tensor)


def _outside(tensor: Any) -> Iterator[str]:
    if tensor.data_location or tensor.external_data:
        yield f"external data: the numbers of {tensor.name!r} are in another file"


def windows(model: Any) -> list[tuple[str, Pair, Pair, Margins]]:
    """Return operator, size, stride and margins of all that slides over a map, in the graph's order."""
    found = []
    for node in model.graph.node:
        if node.op_type in _OF_WINDOWS:
            ints = {attribute.name: list(attribute.ints) for attribute in node.attribute}
            size, stride = ints.get("kernel_shape", []), ints.get("strides", [1, 1])
            pads = ints.get("pads", [0, 0, 0, 0])
            top, left, bottom, right = pads if len(pads) == 4 else (-1, -1, -1, -1)
            found.append((node.op_type, tuple(size), tuple(stride), (top, bottom, left, right)))
    return found


__all__ = ["LARGEST", "OPERATORS", "look", "windows"]
