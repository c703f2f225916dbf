"""Convstage, as its own training and prediction run it."""

from collections.abc import Callable

import numpy as np
import torch
from torch.nn import functional as F

import convstage
from convstage.memory import keep_memory
from convstage.optimizer import AdamW
from convstage.stage import active
from convstage.stage.program import runner
from networks import BETAS, DECAY, EPSILON, RATE, Network, Shared, by_rows

from .protocol import THREADS, serve


class Convstage:
    def __init__(self, network: Network, shared: Shared, variant: str) -> None:  # noqa: ARG002
        keep_memory()
        torch.set_num_threads(THREADS)
        self.versions = {"convstage": convstage.__version__, "torch": torch.__version__, "stage": active().name}
        self.network = convstage.Pattern(network.pattern).plan(network.image, network.classes).build()
        layers = [m for m in self.network.modules() if isinstance(m, torch.nn.Conv2d | torch.nn.Linear)]
        with torch.no_grad():
            for layer, (weight, bias) in zip(layers, shared.weights, strict=True):
                first = layer.weight.ndim == 2 and weight.shape[1] == np.prod(network.last_map)
                layer.weight.copy_(torch.from_numpy(by_rows(weight, network) if first else weight))
                layer.bias.copy_(torch.from_numpy(bias))
        self.optimizer = AdamW([(self.network.parameters(), DECAY)], lr=RATE, betas=BETAS, eps=EPSILON)
        self.run: Callable[[torch.Tensor], torch.Tensor] | None = None
        self.images = torch.from_numpy(shared.images).contiguous(memory_format=torch.channels_last)
        self.labels = torch.from_numpy(shared.labels)
        self.image = self.images[:1].clone(memory_format=torch.preserve_format)

    def train(self) -> float:
        self.network.train()
        self.run = None
        loss = F.cross_entropy(self.network(self.images), self.labels)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss.item()

    def infer(self) -> torch.Tensor:
        return self.predict(self.images)

    def latency(self) -> torch.Tensor:
        return self.predict(self.image)

    def predict(self, images: torch.Tensor) -> torch.Tensor:
        """As a loaded network does it: packed once, until it is trained further."""
        if self.run is None:
            self.run = runner(self.network.eval(), self.network.plan.image)
        with torch.inference_mode():
            return self.run(images)


if __name__ == "__main__":
    serve(Convstage)
