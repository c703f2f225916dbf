"""Plain PyTorch, as its users write it: eager, channels-last, or channels-last and compiled."""

import torch
from torch import nn
from torch.nn import functional as F

from networks import BETAS, DECAY, EPSILON, RATE, Network, Shared

from .protocol import THREADS, serve


class Torch:
    def __init__(self, network: Network, shared: Shared, variant: str) -> None:
        torch.set_num_threads(THREADS)
        self.versions = {"torch": torch.__version__}
        memory_format = torch.contiguous_format if variant == "eager" else torch.channels_last
        self.network: nn.Module = _layers(network, shared).to(memory_format=memory_format)
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(), lr=RATE, betas=BETAS, eps=EPSILON, weight_decay=DECAY, fused=True
        )
        self.images = torch.from_numpy(shared.images).contiguous(memory_format=memory_format)
        self.labels = torch.from_numpy(shared.labels)
        self.image = self.images[:1].clone(memory_format=torch.preserve_format)
        if variant == "compile":
            self.network = torch.compile(self.network)

    def train(self) -> float:
        loss = F.cross_entropy(self.network(self.images), self.labels)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        return loss.item()

    def infer(self) -> torch.Tensor:
        with torch.inference_mode():
            return self.network(self.images)

    def latency(self) -> torch.Tensor:
        with torch.inference_mode():
            return self.network(self.image)


def _layers(network: Network, shared: Shared) -> nn.Sequential:
    layers: list[nn.Module] = []
    weights = iter(shared.weights)
    flattened = False
    for kind, *_ in network.layers:
        if kind == "relu":
            layers.append(nn.ReLU())
        elif kind == "pool":
            layers.append(nn.MaxPool2d(2))
        else:
            weight, bias = next(weights)
            if kind == "fc" and not flattened:
                layers.append(nn.Flatten())
                flattened = True
            outputs, inputs = weight.shape[:2]
            layer = nn.Conv2d(inputs, outputs, 3, padding=1) if kind == "conv" else nn.Linear(inputs, outputs)
            with torch.no_grad():
                layer.weight.copy_(torch.from_numpy(weight))
                layer.bias.copy_(torch.from_numpy(bias))
            layers.append(layer)
    return nn.Sequential(*layers)


if __name__ == "__main__":
    serve(Torch)
