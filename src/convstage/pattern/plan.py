"""Pattern x image size x classes -> Plan: the account of every layer, without allocating anything."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import groupby
from math import prod
from typing import TYPE_CHECKING, Any

from ..errors import PatternError
from ..sizes import Pair, Shape, Window, input_size
from ..text import count, size
from .expand import expand
from .hyperparameters import Context, Settings, settle
from .layers import LAYERS, LayerKind
from .order import in_order, module_names
from .tree import Chain, Layer

if TYPE_CHECKING:
    from ..network import Network

#: Bytes of one float32 value.
FLOAT_BYTES = 4
#: Counts and distances above this are taken for a slip of the finger.
MAX_FIGURE = 10**100


@dataclass(frozen=True, slots=True)
class Row:
    """One layer of a plan; all figures are for one image.

    Attributes
    ----------
    kind, name : str
        ``CONV`` and where its module stands in the network, ``stage1.conv``.
    settings : dict
        Every hyperparameter, defaults filled in.
    window : Window or None
        Filter size, stride and padding, for layers that slide.
    input, output : tuple of int
        (height, width, channels) of a map, (length,) of a vector.
    weights, biases, multiply_adds : int
        What the layer learns and what it costs.
    connections : int
        How many inputs all outputs read together; padding is not an input.
    receptive_field : (int, int)
        Height and width of the part of the image that one output depends on.
        It may be larger than the image: the rest is padding.
    span : (int, int)
        Where the layer stands in the pattern's text.
    """

    kind: str
    name: str
    settings: Settings
    window: Window | None
    input: Shape
    output: Shape
    weights: int
    biases: int
    multiply_adds: int
    connections: int
    receptive_field: Pair
    span: Pair = field(repr=False)

    @property
    def parameters(self) -> int:
        """Weights and biases."""
        return self.weights + self.biases

    @property
    def dense_connections(self) -> int:
        """Connections of a fully connected layer between the same shapes; 0 for INPUT."""
        return prod(self.input) * prod(self.output) if self.input else 0

    @property
    def activation_bytes(self) -> int:
        """Memory of the output, float32."""
        return prod(self.output) * FLOAT_BYTES

    @property
    def layer(self) -> LayerKind:
        """The registry's entry for this kind."""
        return LAYERS[self.kind]

    def to_dict(self) -> dict[str, Any]:
        """Return the row as plain data."""
        window = self.window
        return {
            "kind": self.kind,
            "name": self.name,
            "filter": window and list(window.size),
            "stride": window and list(window.stride),
            "padding": window and dict(zip(("top", "bottom", "left", "right"), window.margins, strict=True)),
            "settings": {k: list(v) if isinstance(v, tuple) else v for k, v in self.settings.items()},
            "input": list(self.input),
            "output": list(self.output),
            "weights": self.weights,
            "biases": self.biases,
            "parameters": self.parameters,
            "multiply_adds": self.multiply_adds,
            "connections": self.connections,
            "dense_connections": self.dense_connections,
            "receptive_field": list(self.receptive_field),
            "activation_bytes": self.activation_bytes,
        }


@dataclass(frozen=True, repr=False)
class Plan:
    """The account of a network: one `Row` per layer, and totals.

    Made by `Pattern.plan`; shows itself as a table on a terminal, and with a drawing in Jupyter.
    """

    pattern: str
    rows: tuple[Row, ...]

    @property
    def image(self) -> tuple[int, int, int]:
        """Height, width and channels of the image."""
        height, width, channels = self.rows[0].output
        return height, width, channels

    @property
    def classes(self) -> int:
        """Number of classes."""
        return self.rows[-1].output[0]

    @property
    def weights(self) -> int:
        """Learned weights of all layers, biases not counted."""
        return sum(row.weights for row in self.rows)

    @property
    def biases(self) -> int:
        """Learned biases of all layers."""
        return sum(row.biases for row in self.rows)

    @property
    def parameters(self) -> int:
        """Weights and biases of all layers."""
        return self.weights + self.biases

    @property
    def multiply_adds(self) -> int:
        """Multiplications (each with its addition) to classify one image."""
        return sum(row.multiply_adds for row in self.rows)

    @property
    def activation_bytes(self) -> int:
        """Memory of all layers' outputs for one image, the image included, float32."""
        return sum(row.activation_bytes for row in self.rows)

    def build(self, seed: int | None = None) -> Network:
        """Return the torch network, its weights drawn after He et al. (2015).

        Parameters
        ----------
        seed : int, optional
            Makes the weights reproducible; without it torch's own random state is used.
        """
        from ..network import Network

        return Network(self, seed=seed)

    def to_dict(self) -> dict[str, Any]:
        """Return the plan as plain data, ready for JSON."""
        totals = ("weights", "biases", "parameters", "multiply_adds", "activation_bytes")
        return {
            "pattern": self.pattern,
            "input": list(self.image),
            "classes": self.classes,
            "layers": [row.to_dict() for row in self.rows],
            "totals": {name: getattr(self, name) for name in totals},
        }

    def __rich__(self) -> Any:
        from .show import plan_table

        return plan_table(self)

    def __str__(self) -> str:
        from .show import as_text

        return as_text(self)

    def __repr__(self) -> str:
        sizes = f"{len(self.rows):,} layers, {count(self.parameters)} parameters"
        return f"<Plan of {self.pattern} for {size(self.image)}: {sizes}>"

    def to_html(self, *words: str) -> str:
        """Return the plan's drawing and table as a part of a page, as Jupyter shows them.

        Parameters
        ----------
        *words : str
            Lines that stand before them.
        """
        from .display import plan_html

        return plan_html(self, *words)

    def _repr_html_(self) -> str:
        return self.to_html()


def make_plan(tree: Chain, text: str, image: tuple[int, int, int] | None, classes: int | None) -> Plan:
    """Account for every layer of a pattern without free parts; see `Pattern.plan`."""
    layers = in_order(expand(tree, text), text)
    names = module_names([layer.kind for layer in layers])
    settled = _settled(layers, image, classes, text)
    windows = [LAYERS[layer.kind].window(settings) for layer, settings in zip(layers, settled, strict=True)]
    rows: list[Row] = []
    shape: Shape = ()
    seen, step = (1, 1), (1, 1)
    for layer, name, settings, window in zip(layers, names, settled, windows, strict=True):
        kind = LAYERS[layer.kind]
        if window is not None:
            _check_fit(layer, window, shape, rows, windows, text)
            # Distill 2019, eq. 2: the field grows by (f - 1) times the strides of all layers before.
            seen = (seen[0] + (window.size[0] - 1) * step[0], seen[1] + (window.size[1] - 1) * step[1])
            step = (step[0] * window.stride[0], step[1] * window.stride[1])
        if kind.reads_all:
            seen = rows[0].output[0], rows[0].output[1]
        output = kind.output(settings, shape)
        row = Row(
            kind=kind.name,
            name=name,
            settings=settings,
            window=window,
            input=shape,
            output=output,
            weights=kind.weights(settings, shape),
            biases=kind.biases(settings, shape),
            multiply_adds=kind.multiply_adds(settings, shape),
            connections=kind.connections(settings, shape),
            receptive_field=seen,
            span=layer.span,
        )
        if max(prod(output), row.parameters, row.multiply_adds, row.connections, *seen, *step) > MAX_FIGURE:
            raise PatternError(f"figures of {layer.kind} go beyond 10^100.", text, *layer.span)
        rows.append(row)
        shape = output
    return Plan(str(tree), tuple(rows))


def _settled(layers: list[Layer], image: tuple[int, int, int] | None, classes: int | None, text: str) -> list[Settings]:
    """Return the settings of every layer."""
    settled: list[Settings] = []
    poolings = 0
    for layer in layers:
        settings = settle(layer, LAYERS[layer.kind].hyperparameters, Context(poolings, image, classes), text)
        if layer.kind == "INPUT":
            _agreed(settings["shape"], image, layer, text)
        if layer.kind == "CLASSIFIER":
            _agreed(settings["classes"], classes, layer, text)
        settled.append(settings)
        poolings += layer.kind == "POOL"
    return settled


def _agreed(written: Any, asked: Any, layer: Layer, text: str) -> None:
    """Refuse when neither the pattern nor the caller says it, or when they differ."""
    example = "28x28x1" if layer.kind == "INPUT" else "10"
    what = "image size" if layer.kind == "INPUT" else "number of classes"
    if written is None:
        problem = f"{layer.kind} has no {what}."
        raise PatternError(problem, text, *layer.span, f"Write {layer.kind}({example}), or give the {what} beside it.")
    if asked is not None and written != asked:
        said, wanted = ("x".join(map(str, v)) if isinstance(v, tuple) else str(v) for v in (written, asked))
        problem = f"{layer.kind} says {said}, but the {what} is {wanted}."
        raise PatternError(problem, text, *layer.span, f"Write {layer.kind}({wanted}), or {layer.kind} alone.")


def _check_fit(
    layer: Layer, window: Window, shape: Shape, rows: list[Row], windows: list[Window | None], text: str
) -> None:
    margins, size = window.margins, window.size
    if max(margins[:2]) >= size[0] or max(margins[2:]) >= size[1]:
        raise PatternError(
            f"padding of {layer.kind} must be less than its filter size {size[0]}×{size[1]}.", text, *layer.span,
            "A window that lies in the padding alone sees nothing of the image.",
        )  # fmt: skip
    if min(window.output(shape)) >= 1:
        return
    axis = 0 if window.output(shape)[0] < 1 else 1
    sizes = [row.output[axis] for row in rows]
    history = " → ".join(str(n) for n, _ in groupby(sizes))
    padding = sum(margins[2 * axis : 2 * axis + 2])
    arithmetic = f"floor(({shape[axis]} + {padding} - {size[axis]})/{window.stride[axis]}) + 1"
    kinds = [row.kind for row in rows]
    poolings = "1 pooling" if kinds.count("POOL") == 1 else f"{kinds.count('POOL')} poolings"
    least = [_least_image([slid for slid in windows if slid is not None], a) for a in (0, 1)]
    ways = [f"use at most {poolings}"] if layer.kind == "POOL" else ["use padding=same"]
    if max(least) <= MAX_FIGURE:  # a number that nobody can read is no way out
        ways.append(f"INPUT of at least {least[0]}x{least[1]}")
    raise PatternError(
        f"{layer.kind} {size[0]}×{size[1]} does not fit a {shape[0]}×{shape[1]} map.", text, *layer.span,
        f"{('Height', 'Width')[axis]}: {history}, and {arithmetic} = {window.output(shape)[axis]}.\n"
        f"Way out: {', or '.join(ways)}.",
    )  # fmt: skip


def _least_image(windows: list[Window], axis: int) -> int:
    """Return the smallest image side for which all windows have a place to stand."""
    n = 1
    for window in reversed(windows):
        if n > MAX_FIGURE:  # it only grows, by as many digits for each window
            break
        before, after = window.margins[2 * axis : 2 * axis + 2]
        n = max(1, input_size(n, window.size[axis], window.stride[axis], before, after))
    return n
