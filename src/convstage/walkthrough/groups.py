"""The steps of a walk as they are shown: in groups whose maps share one colour scale."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from ..pattern.layers import Activation
from ..pictures import Scale
from ..text import size
from .steps import SOFTMAX, Step, weights_of


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """Steps that belong together: a stage, the vector, a fully connected layer and what follows it.

    Attributes
    ----------
    name : str
        ``stage1``; of layers outside a stage the first one's name.
    title : str
        For people.
    steps : tuple of Step
    scale : Scale
        Of all their values.
    filters : ndarray, shape (filters, height, width, channels), or None
        Of the convolution, if there is one.
    filter_scale : Scale or None
        Of all weights of the filters, signed.
    """

    name: str
    title: str
    steps: tuple[Step, ...]
    scale: Scale
    filters: np.ndarray[tuple[int, int, int, int], np.dtype[np.float32]] | None
    filter_scale: Scale | None

    @property
    def is_map(self) -> bool:
        """Whether there are maps to show; vectors otherwise."""
        return self.steps[0].is_map


def groups_of(steps: Iterable[Step]) -> list[Group]:
    """Return the groups between the image and the probabilities, in order."""
    groups: list[Group] = []
    between = [step for step in steps if step.kind != "INPUT" and step.name != SOFTMAX]
    for _, members in groupby(between, key=_owner):
        first, *others = members
        # The vector has the values of the maps before it: the same colours, so that they can be found again.
        scale = groups[-1].scale if first.kind == "FLATTEN" and groups else None
        groups.append(_group((first, *others), scale))
    return groups


def _owner(step: Step) -> tuple[bool, str]:
    """Return what the name says that a layer belongs to: ``stage1.relu`` to stage1, ``fc1_relu`` to fc1."""
    stage, _, name = step.name.rpartition(".")
    unit = name.split("_")[0]
    return step.is_map, stage or (unit if unit.startswith(("fc", "classifier")) else "")


def _group(steps: tuple[Step, ...], scale: Scale | None) -> Group:
    first = steps[0]
    scale = scale or Scale.of(*(step.output for step in steps))
    if first.kind != "CONV":
        return Group(first.name, ", ".join(step.name for step in steps), steps, scale, None, None)
    filters = weights_of(first)["weight"]
    name = first.name.partition(".")[0]
    title = f"{name}: {size(first.input.shape)} becomes {size(steps[-1].shape)}"
    return Group(name, title, steps, scale, filters, Scale.of(filters, signed=True))


def words(step: Step) -> str:
    """Return what a layer does, in a line."""
    settings = step.row.settings
    match step.kind:
        case "CONV":
            padding = settings["padding"] if isinstance(settings["padding"], str) else size(settings["padding"])
            return (
                f"convolution with {settings['filters']} filters of {size((*settings['size'], step.input.shape[2]))}, "
                f"stride {size(settings['stride'])}, padding {padding}: before the non-linearity"
            )
        case "POOL":
            kind = {"max": "the largest", "avg": "the mean"}[settings["kind"]]
            return f"pooling: {kind} of every {size(settings['size'])} cells, stride {size(settings['stride'])}"
        case "DROPOUT":
            return "dropout: after training it changes nothing"
        case _ if isinstance(step.row.layer, Activation):
            return f"after the non-linearity: it {step.row.layer.meaning}"
        case _:
            return step.row.layer.meaning
