"""ONNX Runtime: inference only."""

from functools import cached_property

import numpy as np
import onnxruntime

from networks import Network, Shared

from .onnx_file import build
from .protocol import THREADS, serve


class OnnxRuntime:
    def __init__(self, network: Network, shared: Shared, variant: str) -> None:  # noqa: ARG002
        self.versions = {"onnxruntime": onnxruntime.__version__}
        self.network, self.shared = network, shared
        self.image = shared.images[:1].copy()

    def _load(self, batch: int) -> onnxruntime.InferenceSession:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = THREADS
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        model = build(self.network, self.shared, batch)
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    @cached_property
    def of_batch(self) -> onnxruntime.InferenceSession:
        return self._load(len(self.shared.images))

    @cached_property
    def of_one(self) -> onnxruntime.InferenceSession:
        return self._load(1)

    def infer(self) -> np.ndarray:
        return self.of_batch.run(None, {"images": self.shared.images})[0]

    def latency(self) -> np.ndarray:
        return self.of_one.run(None, {"images": self.image})[0]


if __name__ == "__main__":
    serve(OnnxRuntime)
