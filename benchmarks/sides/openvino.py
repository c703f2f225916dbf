"""OpenVINO in float32: inference only."""

from functools import cached_property

import numpy as np
import openvino

from networks import Network, Shared

from .onnx_file import build
from .protocol import THREADS, serve


class OpenVino:
    def __init__(self, network: Network, shared: Shared, variant: str) -> None:  # noqa: ARG002
        self.versions = {"openvino": openvino.__version__.partition("-")[0]}
        self.network, self.shared = network, shared
        self.image = shared.images[:1].copy()

    def _request(self, batch: int) -> openvino.InferRequest:
        core = openvino.Core()
        model = core.read_model(model=build(self.network, self.shared, batch), weights=b"")
        settings = {
            "INFERENCE_NUM_THREADS": THREADS,
            "NUM_STREAMS": 1,
            # Left alone, it takes bfloat16 where the processor has it.
            "INFERENCE_PRECISION_HINT": "f32",
            "PERFORMANCE_HINT": "LATENCY",
        }
        return core.compile_model(model, "CPU", settings).create_infer_request()

    @cached_property
    def of_batch(self) -> openvino.InferRequest:
        return self._request(len(self.shared.images))

    @cached_property
    def of_one(self) -> openvino.InferRequest:
        return self._request(1)

    def infer(self) -> np.ndarray:
        return self.of_batch.infer({0: self.shared.images}, share_inputs=True)[0]

    def latency(self) -> np.ndarray:
        return self.of_one.infer({0: self.image}, share_inputs=True)[0]


if __name__ == "__main__":
    serve(OpenVino)
