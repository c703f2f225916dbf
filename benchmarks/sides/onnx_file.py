"""A network with the shared weights as an ONNX model."""

import onnx
from onnx import TensorProto, helper, numpy_helper

from networks import Network, Shared

#: Versions of operators and file that ONNX Runtime and OpenVINO both read.
OPSET, FILE = 17, 9


def build(network: Network, shared: Shared, batch: int) -> bytes:
    """Return the model for batches of one size, so that the runtimes can plan for it."""
    nodes, tensors = [], []
    weights = iter(shared.weights)
    here = "images"

    def add(operator: str, *inputs: str, **attributes: object) -> None:
        nonlocal here
        result = f"{operator}{len(nodes)}"
        nodes.append(helper.make_node(operator, [here, *inputs], [result], **attributes))
        here = result

    for kind, *_ in network.layers:
        if kind == "relu":
            add("Relu")
        elif kind == "pool":
            add("MaxPool", kernel_shape=[2, 2], strides=[2, 2])
        else:
            names = f"weight{len(tensors)}", f"bias{len(tensors)}"
            tensors += [numpy_helper.from_array(*pair) for pair in zip(next(weights), names, strict=True)]
            if kind == "conv":
                add("Conv", *names, kernel_shape=[3, 3], pads=[1, 1, 1, 1])
            else:
                if not any(node.op_type == "Flatten" for node in nodes):
                    add("Flatten", axis=1)
                add("Gemm", *names, transB=1)
    height, width, channels = network.image
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, [batch, channels, height, width])],
        [helper.make_tensor_value_info(here, TensorProto.FLOAT, [batch, network.classes])],
        tensors,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=FILE)
    onnx.checker.check_model(model)
    return model.SerializeToString()
