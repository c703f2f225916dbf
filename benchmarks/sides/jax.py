"""JAX: the whole step compiled by XLA, maps (N, H, W, C), parameters and optimizer state donated to the step."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from networks import BETAS, DECAY, EPSILON, RATE, Layer, Network, Shared, channels_last

from .protocol import serve

Parameters = list[tuple[jax.Array, jax.Array]]
#: Parameters, means of gradients and of their squares, number of steps.
State = tuple[Parameters, Parameters, Parameters, jax.Array]


class Jax:
    def __init__(self, network: Network, shared: Shared, variant: str) -> None:  # noqa: ARG002
        self.versions = {"jax": jax.__version__}
        parameters = [(jnp.asarray(weight), jnp.asarray(bias)) for weight, bias in channels_last(network, shared)]
        zeros = [jax.tree.map(jnp.zeros_like, parameters) for _ in range(2)]
        self.state: State = (parameters, *zeros, jnp.zeros((), jnp.int32))
        self.images = jnp.asarray(np.ascontiguousarray(shared.images.transpose(0, 2, 3, 1)))
        self.labels = jnp.asarray(shared.labels.astype(np.int32))
        self.forward = jax.jit(lambda parameters, images: _forward(network.layers, parameters, images))
        self.step = jax.jit(
            lambda state, images, labels: _step(network.layers, state, images, labels), donate_argnums=0
        )

    def train(self) -> float:
        self.state, loss = self.step(self.state, self.images, self.labels)
        jax.block_until_ready(self.state)
        return float(loss)

    def infer(self) -> jax.Array:
        return jax.block_until_ready(self.forward(self.state[0], self.images))


def _forward(layers: tuple[Layer, ...], parameters: Parameters, x: jax.Array) -> jax.Array:
    remaining = iter(parameters)
    for kind, *_ in layers:
        if kind == "relu":
            x = jax.nn.relu(x)
        elif kind == "pool":
            x = lax.reduce_window(x, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
        elif kind == "conv":
            weight, bias = next(remaining)
            x = lax.conv_general_dilated(x, weight, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")) + bias
        else:
            weight, bias = next(remaining)
            x = x.reshape(x.shape[0], -1) @ weight + bias
    return x


def _loss(parameters: Parameters, layers: tuple[Layer, ...], images: jax.Array, labels: jax.Array) -> jax.Array:
    logits = _forward(layers, parameters, images)
    return jnp.mean(jax.nn.logsumexp(logits, axis=1) - logits[jnp.arange(len(labels)), labels])


def _step(layers: tuple[Layer, ...], state: State, images: jax.Array, labels: jax.Array) -> tuple[State, jax.Array]:
    parameters, means, squares, steps = state
    loss, gradients = jax.value_and_grad(_loss)(parameters, layers, images, labels)
    steps = steps + 1
    means = jax.tree.map(lambda m, g: BETAS[0] * m + (1 - BETAS[0]) * g, means, gradients)
    squares = jax.tree.map(lambda s, g: BETAS[1] * s + (1 - BETAS[1]) * g * g, squares, gradients)

    def update(parameter: Any, mean: Any, square: Any) -> Any:
        mean, square = mean / (1 - BETAS[0] ** steps), square / (1 - BETAS[1] ** steps)
        return parameter * (1 - RATE * DECAY) - RATE * mean / (jnp.sqrt(square) + EPSILON)

    return (jax.tree.map(update, parameters, means, squares), means, squares, steps), loss


if __name__ == "__main__":
    serve(Jax)
