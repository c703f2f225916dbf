"""Keras on TensorFlow: ``train_on_batch``, as its users call it, or a training step of one's own as a graph."""

import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import tensorflow as tf

from networks import BETAS, DECAY, EPSILON, RATE, Network, Shared, channels_last

from .protocol import THREADS, Side, serve


class TrainOnBatch:
    def __init__(self, network: Network, shared: Shared) -> None:
        tf.config.threading.set_intra_op_parallelism_threads(THREADS)
        tf.config.threading.set_inter_op_parallelism_threads(THREADS)
        self.versions = {"keras": keras.__version__, "tensorflow": tf.__version__}
        self.network = _layers(network)
        self.network.set_weights([value for pair in channels_last(network, shared) for value in pair])
        self.optimizer = keras.optimizers.AdamW(
            RATE, weight_decay=DECAY, beta_1=BETAS[0], beta_2=BETAS[1], epsilon=EPSILON
        )
        self.network.compile(self.optimizer, keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        self.images = np.ascontiguousarray(shared.images.transpose(0, 2, 3, 1))
        self.labels = shared.labels.astype(np.int32)

    def train(self) -> float:
        self.network.reset_metrics()  # the loss that comes back is the mean since the last time
        return float(self.network.train_on_batch(self.images, self.labels))

    def infer(self) -> np.ndarray:
        return self.network.predict_on_batch(self.images)


class Function(TrainOnBatch):
    def __init__(self, network: Network, shared: Shared) -> None:
        super().__init__(network, shared)
        self.images, self.labels = tf.constant(self.images), tf.constant(self.labels)
        variables = self.network.trainable_variables
        self.optimizer.build(variables)

        @tf.function
        def step(images: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
            with tf.GradientTape() as tape:
                logits = self.network(images, training=True)
                losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
                loss = tf.reduce_mean(losses)
            self.optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
            return loss

        self.step = step
        self.forward = tf.function(lambda images: self.network(images, training=False))

    def train(self) -> float:
        return float(self.step(self.images, self.labels).numpy())

    def infer(self) -> np.ndarray:
        return self.forward(self.images).numpy()


def _layers(network: Network) -> keras.Sequential:
    layers = [keras.Input(network.image)]
    for kind, *size in network.layers:
        if kind == "conv":
            layers.append(keras.layers.Conv2D(size[0], 3, padding="same"))
        elif kind == "relu":
            layers.append(keras.layers.ReLU())
        elif kind == "pool":
            layers.append(keras.layers.MaxPooling2D(2))
        else:
            if not any(isinstance(layer, keras.layers.Flatten) for layer in layers):
                layers.append(keras.layers.Flatten())
            layers.append(keras.layers.Dense(size[0]))
    return keras.Sequential(layers)


def make(network: Network, shared: Shared, variant: str) -> Side:
    return Function(network, shared) if variant == "function" else TrainOnBatch(network, shared)


if __name__ == "__main__":
    serve(make)
