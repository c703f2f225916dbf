"""Hyperparameters: what a layer kind accepts in its parentheses, and how that is read."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Integral
from typing import Any, Literal

from ..errors import PatternError
from ..text import cut
from .tree import Argument, Layer

#: The settings of one layer, every hyperparameter filled in.
Settings = dict[str, Any]
Sort = Literal["count", "pair", "shape", "real", "word", "padding"]

_WANTED: dict[Sort, str] = {
    "count": "a whole number of at least 1",
    "pair": "a whole number of at least 1, or height x width such as 5x3",
    "shape": "height x width x channels, such as 28x28x1",
    "real": "a number of at least 0 and below 1",
    "word": "one of {words}",
    "padding": "valid, same, or a number of zeros per side such as 1 or 2x1",
}


@dataclass(frozen=True, slots=True)
class Context:
    """What a default may depend on: the poolings so far, the image, the classes."""

    poolings: int = 0
    image: tuple[int, int, int] | None = None
    classes: int | None = None


@dataclass(frozen=True, slots=True)
class Hyperparameter:
    """One hyperparameter of a layer kind.

    Parameters
    ----------
    name : str
        The name it is written with, ``stride`` in ``stride=2``.
    sort : str
        What values it takes.
    default : callable
        From the context and the settings so far to the value; None when it has none.
    meaning : str
        One line for people.
    words : tuple of str
        The choices, for the sort "word".
    short : str
        The lecture's letter for it.
    """

    name: str
    sort: Sort
    default: Callable[[Context, Settings], Any]
    meaning: str
    words: tuple[str, ...] = ()
    short: str = ""

    @property
    def wanted(self) -> str:
        """What a value must be, in words."""
        return _WANTED[self.sort].format(words=", ".join(self.words))

    def read(self, value: Any) -> Any:
        """Return the value in the form the layer works with, or None when it is not acceptable."""
        whole = int(value) if isinstance(value, Integral) else None
        parts = value if isinstance(value, tuple) and all(isinstance(part, Integral) for part in value) else ()
        sizes = tuple(map(int, parts)) if all(part >= 1 for part in parts) else ()
        match self.sort:
            case "count":
                return whole if whole and whole >= 1 else None
            case "pair":
                if whole and whole >= 1:
                    return (whole, whole)
                return sizes if len(sizes) == 2 else None
            case "shape":
                return {2: (*sizes, 1), 3: sizes}.get(len(sizes))
            case "real":
                return float(value) if isinstance(value, int | float) and 0 <= value < 1 else None
            case "word":
                return value if value in self.words else None
            case "padding":
                if value in ("valid", "same"):
                    return value
                pair = parts if whole is None else (whole, whole)
                return pair if len(pair) == 2 and min(pair) >= 0 else None


def settle(layer: Layer, accepted: tuple[Hyperparameter, ...], context: Context, text: str) -> Settings:
    """Read a layer's hyperparameters and fill in the defaults.

    A value without a name goes to the first hyperparameter, in order, that is still
    open and takes values of its looks (number, size, word): ``CONV(5x5)`` is a filter
    size, ``CONV(32, 5x5)`` a number of filters and a size, ``POOL(avg, 3)`` a kind and a size.

    Raises
    ------
    PatternError
        An unknown name, a value twice, or a value of the wrong sort.
    """
    given: Settings = {}
    for argument in layer.arguments:
        parameter = _find(argument, layer, accepted, given, text)
        value = parameter.read(argument.values[0])
        if value is None:
            raise PatternError(f"{parameter.name} of {layer.kind} must be {parameter.wanted}.", text, *argument.span)
        if parameter.name in given:
            raise PatternError(f"{parameter.name} of {layer.kind} is given twice.", text, *argument.span)
        given[parameter.name] = value
    settings: Settings = {}
    for parameter in accepted:
        known = parameter.name in given
        settings[parameter.name] = given[parameter.name] if known else parameter.default(context, settings)
    return settings


def _find(
    argument: Argument, layer: Layer, accepted: tuple[Hyperparameter, ...], given: Settings, text: str
) -> Hyperparameter:
    names = [parameter.name for parameter in accepted]
    if argument.name is not None:
        for parameter in accepted:
            if argument.name in (parameter.name, parameter.short):
                return parameter
        near = difflib.get_close_matches(argument.name, names, n=1)
        hint = f"Did you mean {near[0]}?" if near else _takes(layer.kind, accepted)
        raise PatternError(f"{layer.kind} has no hyperparameter {cut(argument.name)!r}.", text, *argument.span, hint)
    looks_like: tuple[Sort, ...]
    match argument.values[0]:
        case tuple():
            looks_like = ("shape", "pair", "padding")
        case str():
            looks_like = ("word", "padding")
        case _:
            looks_like = ("count", "pair", "real", "padding")
    for parameter in accepted:
        if parameter.name not in given and parameter.sort in looks_like:
            return parameter
    problem = f"{layer.kind} cannot take {cut(str(argument))}."
    raise PatternError(problem, text, *argument.span, _takes(layer.kind, accepted))


def _takes(kind: str, accepted: tuple[Hyperparameter, ...]) -> str:
    if not accepted:
        return f"{kind} takes no hyperparameters."
    return f"{kind} takes " + "; ".join(f"{p.name}: {p.wanted}" for p in accepted) + "."
