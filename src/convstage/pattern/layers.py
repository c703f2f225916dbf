"""LAYERS: every layer kind, defined in one place.

An entry says what hyperparameters the kind takes, what comes out for a given input,
how many weights, biases, multiply-adds and connections that costs, and how to build
the torch module. Everything but `build` is plain arithmetic on Python integers: a
plan of 10^15 parameters allocates nothing.

To add a kind, write a class and put it in `LAYERS`; the parser, the plan, the table,
the network and the contract test in ``tests/pattern/test_layers.py`` pick it up.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from ..sizes import NO_MARGINS, Margins, Shape, Window, same_margins
from .hyperparameters import Context, Hyperparameter, Settings

if TYPE_CHECKING:
    from torch import nn

#: Filters of the first convolution when the pattern gives none; they double after each pooling.
FIRST_FILTERS = 32
#: Units of a fully connected layer when the pattern gives none.
UNITS = 128


class LayerKind:
    """One kind of layer; the base class is a layer that changes nothing.

    Sizes are (height, width, channels) for a map and (length,) for a vector;
    counts are per image.
    """

    #: Its name in a pattern, its name in module paths, one line for people.
    name: str
    key: str
    meaning: str
    hyperparameters: tuple[Hyperparameter, ...] = ()
    #: It needs a map: after flattening it has no place.
    needs_map = False
    #: It needs a vector: a map is flattened first.
    needs_vector = False
    #: It makes a vector of a map.
    makes_vector = False
    #: Every output depends on the whole image.
    reads_all = False

    def window(self, settings: Settings) -> Window | None:
        """Return what slides over the map, None for a layer without a window."""
        return None

    def output(self, settings: Settings, shape: Shape) -> Shape:
        """Return the shape that comes out."""
        return shape

    def weights(self, settings: Settings, shape: Shape) -> int:
        """Return the number of learned weights, biases not counted."""
        return 0

    def biases(self, settings: Settings, shape: Shape) -> int:
        """Return the number of learned biases."""
        return 0

    def multiply_adds(self, settings: Settings, shape: Shape) -> int:
        """Return the multiplications (each with its addition), padding counted as the hardware does."""
        return 0

    def connections(self, settings: Settings, shape: Shape) -> int:
        """Return how many inputs all outputs read together."""
        return prod(shape)

    def build(self, settings: Settings, shape: Shape) -> nn.Module:
        """Return the torch module, with torch's own initial weights."""
        from torch import nn

        return nn.Identity()


class Input(LayerKind):
    name, key, meaning = "INPUT", "input", "the image: a matrix of pixels"
    hyperparameters = (Hyperparameter("shape", "shape", lambda context, _: context.image, "height x width x channels"),)

    def output(self, settings: Settings, shape: Shape) -> Shape:
        return tuple(settings["shape"])

    def connections(self, settings: Settings, shape: Shape) -> int:
        return 0


class ConvolutionLayer(LayerKind):
    name, key, meaning = "CONV", "conv", "filters slide over the map; each makes one feature map"
    needs_map = True
    hyperparameters = (
        Hyperparameter("filters", "count", lambda context, _: FIRST_FILTERS << context.poolings, "how many", short="k"),
        Hyperparameter("size", "pair", lambda *_: (3, 3), "height x width of a filter", short="f"),
        Hyperparameter("stride", "pair", lambda *_: (1, 1), "step of the window", short="s"),
        Hyperparameter("padding", "padding", lambda *_: "same", "zeros around the map", short="p"),
    )

    def window(self, settings: Settings) -> Window:
        return Window(settings["size"], settings["stride"], _margins(settings))

    def output(self, settings: Settings, shape: Shape) -> Shape:
        return (*self.window(settings).output(shape), settings["filters"])

    def weights(self, settings: Settings, shape: Shape) -> int:
        return prod(settings["size"]) * shape[2] * int(settings["filters"])

    def biases(self, settings: Settings, shape: Shape) -> int:
        return int(settings["filters"])

    def multiply_adds(self, settings: Settings, shape: Shape) -> int:
        return prod(self.window(settings).output(shape)) * self.weights(settings, shape)

    def connections(self, settings: Settings, shape: Shape) -> int:
        return self.window(settings).taps(shape) * shape[2] * int(settings["filters"])

    def build(self, settings: Settings, shape: Shape) -> nn.Module:
        from ..stage import Convolution

        window = self.window(settings)
        return Convolution(shape[2], settings["filters"], window.size, window.stride, window.margins)


class Pooling(LayerKind):
    name, key, meaning = "POOL", "pool", "keeps the largest (or the mean) of every window"
    needs_map = True
    hyperparameters = (
        Hyperparameter("kind", "word", lambda *_: "max", "max or avg", words=("max", "avg")),
        Hyperparameter("size", "pair", lambda *_: (2, 2), "height x width of the window", short="f"),
        Hyperparameter("stride", "pair", lambda _, settings: settings["size"], "step of the window", short="s"),
    )

    def window(self, settings: Settings) -> Window:
        return Window(settings["size"], settings["stride"])

    def output(self, settings: Settings, shape: Shape) -> Shape:
        return (*self.window(settings).output(shape), shape[2])

    def connections(self, settings: Settings, shape: Shape) -> int:
        return self.window(settings).taps(shape) * shape[2]

    def build(self, settings: Settings, shape: Shape) -> nn.Module:
        from torch import nn

        pool = nn.MaxPool2d if settings["kind"] == "max" else nn.AvgPool2d
        return pool(settings["size"], settings["stride"])


class Activation(LayerKind):
    """A non-linearity, cell by cell; `module` is its class in torch.nn."""

    def __init__(self, name: str, module: str, meaning: str) -> None:
        self.name, self.key, self.meaning, self.module = name, name.lower(), meaning, module

    def build(self, settings: Settings, shape: Shape) -> nn.Module:
        from torch import nn

        module: nn.Module = getattr(nn, self.module)()
        return module


class BatchNorm(LayerKind):
    name, key, meaning = (
        "BN",
        "bn",
        "batch normalisation: each channel to mean 0 and variance 1, then scaled and shifted",
    )

    def weights(self, settings: Settings, shape: Shape) -> int:
        return shape[-1]

    def biases(self, settings: Settings, shape: Shape) -> int:
        return shape[-1]

    def multiply_adds(self, settings: Settings, shape: Shape) -> int:
        return prod(shape)

    def build(self, settings: Settings, shape: Shape) -> nn.Module:
        from torch import nn

        return nn.BatchNorm2d(shape[2]) if len(shape) == 3 else nn.BatchNorm1d(shape[0])


class Dropout(LayerKind):
    name, key, meaning = "DROPOUT", "dropout", "while training, sets a random share of the values to zero"
    hyperparameters = (Hyperparameter("share", "real", lambda *_: 0.5, "share set to zero", short="p"),)

    def build(self, settings: Settings, shape: Shape) -> nn.Module:
        from torch import nn

        return nn.Dropout(settings["share"])


class GlobalAveragePooling(LayerKind):
    name, key, meaning = "GAP", "gap", "global average pooling: the mean of each map, one number per channel"
    needs_map = makes_vector = reads_all = True

    def output(self, settings: Settings, shape: Shape) -> Shape:
        return (shape[2],)

    def build(self, settings: Settings, shape: Shape) -> nn.Module:
        from torch import nn

        return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())


class Flatten(LayerKind):
    name, key, meaning = "FLATTEN", "flatten", "the maps as one vector: row by row, cell by cell, its channels together"
    needs_map = makes_vector = True

    def output(self, settings: Settings, shape: Shape) -> Shape:
        return (prod(shape),)

    def build(self, settings: Settings, shape: Shape) -> nn.Module:
        from ..stage import FlattenRows

        return FlattenRows()


class FullyConnected(LayerKind):
    name, key, meaning = "FC", "fc", "fully connected: every unit reads every value"
    needs_vector = reads_all = True
    hyperparameters = (Hyperparameter("units", "count", lambda *_: UNITS, "how many outputs"),)

    def output(self, settings: Settings, shape: Shape) -> Shape:
        return (self._units(settings),)

    def weights(self, settings: Settings, shape: Shape) -> int:
        return prod(shape) * self._units(settings)

    def biases(self, settings: Settings, shape: Shape) -> int:
        return self._units(settings)

    def multiply_adds(self, settings: Settings, shape: Shape) -> int:
        return self.weights(settings, shape)

    def connections(self, settings: Settings, shape: Shape) -> int:
        return self.weights(settings, shape)

    def build(self, settings: Settings, shape: Shape) -> nn.Module:
        from ..stage.linear import FullyConnected

        return FullyConnected(prod(shape), self._units(settings))

    def _units(self, settings: Settings) -> int:
        return int(settings[self.hyperparameters[0].name])


class Classifier(FullyConnected):
    name, key, meaning = "CLASSIFIER", "classifier", "one logit per class; softmax makes them probabilities"
    hyperparameters = (Hyperparameter("classes", "count", lambda context, _: context.classes, "how many"),)


def _margins(settings: Settings) -> Margins:
    match settings["padding"]:
        case "valid":
            return NO_MARGINS
        case "same":
            return same_margins(settings["size"])
        case (rows, columns):
            return (rows, rows, columns, columns)
    raise AssertionError(settings["padding"])


LAYERS: dict[str, LayerKind] = {
    kind.name: kind
    for kind in (
        Input(),
        ConvolutionLayer(),
        Activation("RELU", "ReLU", "keeps what is positive, everything else becomes 0"),
        Activation("SIGMOID", "Sigmoid", "squeezes into 0..1"),
        Activation("TANH", "Tanh", "squeezes into -1..1"),
        Activation("LEAKY_RELU", "LeakyReLU", "keeps what is positive, a hundredth of what is negative"),
        Activation("ELU", "ELU", "keeps what is positive, bends the negative towards -1"),
        Activation("GELU", "GELU", "weights each value with its normal probability"),
        Activation("SILU", "SiLU", "weights each value with its own sigmoid"),
        Pooling(),
        FullyConnected(),
        Classifier(),
        BatchNorm(),
        Dropout(),
        GlobalAveragePooling(),
        Flatten(),
    )
}


__all__ = ["LAYERS", "Context", "LayerKind"]
