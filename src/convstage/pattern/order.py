"""The order of layers: what may follow what, the implied FLATTEN, and the modules' names."""

from __future__ import annotations

import difflib
from collections import Counter

from ..errors import PatternError
from ..text import cut
from .layers import LAYERS
from .tree import Layer


def in_order(layers: list[Layer], text: str) -> list[Layer]:
    """Return the layers with the implied FLATTEN put in.

    Raises
    ------
    PatternError
        An unknown layer; INPUT not once and first, CLASSIFIER not once and last; a
        layer that needs a map behind one that has flattened it.
    """
    for layer in layers:
        if layer.kind not in LAYERS:
            near = difflib.get_close_matches(layer.kind, LAYERS, n=1)
            hint = f"Did you mean {near[0]}?" if near else f"Layers are {', '.join(LAYERS)}."
            raise PatternError(f"unknown layer {cut(layer.kind)!r}.", text, *layer.span, hint)
    _check_ends(layers, text)
    ordered: list[Layer] = []
    flattened: Layer | None = None
    for layer in layers:
        kind = LAYERS[layer.kind]
        if kind.needs_map and flattened is not None:
            problem = f"{layer.kind} needs a map of height and width, but {flattened.kind} has made it a vector."
            raise PatternError(problem, text, *layer.span, f"Put {layer.kind} before {flattened.kind}.")
        if kind.needs_vector and flattened is None:
            ordered.append(Layer("FLATTEN", (), layer.span))
        if flattened is None and (kind.needs_vector or kind.makes_vector):
            flattened = layer
        ordered.append(layer)
    return ordered


def _check_ends(layers: list[Layer], text: str) -> None:
    for kind, place, index in (("INPUT", "begins with", 0), ("CLASSIFIER", "ends with", -1)):
        if not layers or layers[index].kind != kind:
            wrong = layers[index].span if layers else (0, len(text))
            raise PatternError(f"a pattern {place} {kind}.", text, *wrong, "Write INPUT -> … -> CLASSIFIER.")
        again = [layer for layer in layers if layer.kind == kind]
        if len(again) > 1:
            extra = again[1] if kind == "INPUT" else again[0]
            raise PatternError(f"a pattern has one {kind} only.", text, *extra.span, f"Remove this {kind}.")


def module_names(kinds: list[str]) -> list[str]:
    """Return the path of every layer's module in the network.

    A convolution opens a stage; the non-linearity, normalisation and pooling behind
    it belong to it. A layer outside a stage is numbered by its kind, or named after
    the fully connected layer that it follows.

    Examples
    --------
    >>> module_names(["INPUT", "CONV", "RELU", "POOL", "FLATTEN", "FC", "RELU", "CLASSIFIER"])
    ['input', 'stage1.conv', 'stage1.relu', 'stage1.pool', 'flatten', 'fc1', 'fc1_relu', 'classifier']
    """
    names: list[str] = []
    taken: Counter[str] = Counter()
    owner = ""
    for kind in kinds:
        key = LAYERS[kind].key
        if LAYERS[kind].makes_vector:
            owner = ""
            names.append(key)
            continue
        match kind:
            case "CONV":
                taken["stage"] += 1
                owner = f"stage{taken['stage']}."
                name = owner + key
            case "INPUT" | "CLASSIFIER":
                owner, name = "", key
            case "FC":
                taken[key] += 1
                name = f"{key}{taken[key]}"
                owner = f"{name}_"
            case _:
                name = f"{owner}{key}"
                taken[name] += 1
                if not owner or taken[name] > 1:
                    name += str(taken[name])
        names.append(name)
        if kind == "POOL":
            owner = ""
    return names
