"""Grad-CAM: the last feature maps that still have places, weighted by how much the score rises with each.

Selvaraju et al. 2017, "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization",
equations 1 and 2; Captum computes it. What speaks against the class is left out, as in the paper.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor
from torch.nn import functional as F

from ..errors import ConfigError
from ..pattern import Plan
from ..text import size
from .attribution import captum
from .question import Question
from .result import Found

#: Fewer cells along a side do not place anything: 7 are what the networks of the paper's field end with.
CELLS = 7


@dataclass(frozen=True, slots=True)
class Chosen:
    """The layer whose maps are weighted.

    Attributes
    ----------
    name : str
        Of its module.
    cells, receptive_field : (int, int)
        Height and width of its maps, and of the part of the image that a cell depends on.
    reason : str
        Why it was chosen.
    """

    name: str
    cells: tuple[int, int]
    receptive_field: tuple[int, int]
    reason: str


def grad_cam(question: Question) -> Found:
    """Return the layer's maps, weighted, kept where positive and enlarged to the image's size by bilinear steps.

    Details
    -------
    layer : str
    cells, receptive_field : list of int
        See `Chosen`.

    Raises
    ------
    ConfigError
        The network has no convolution.
    """
    chosen = choose_layer(question.classifier.plan)

    def score(x_nchw: Tensor) -> Tensor:
        return question.score_tensor(question.network(x_nchw))

    method: Any = captum().LayerGradCam(score, question.network.get_submodule(chosen.name))
    x_nchw = question.x_nchw.clone().requires_grad_()
    cells = method.attribute(x_nchw, relu_attributions=True).detach().double()
    map_hw = F.interpolate(cells, question.size, mode="bilinear", align_corners=False)[0, 0].cpu().numpy()
    seen = size(chosen.receptive_field)
    notes = [f"Layer {chosen.name}: {size(chosen.cells)} cells, each of which sees {seen} pixels; {chosen.reason}."]
    if any(row.kind == "FLATTEN" for row in question.classifier.plan.rows):
        notes.append(
            "What follows weighs every place by itself, which Grad-CAM's one weight for each map averages away."
        )
    return Found(
        map_hw,
        {"layer": chosen.name, "cells": list(chosen.cells), "receptive_field": list(chosen.receptive_field)},
        notes,
        f"No cell of {chosen.name} speaks for {question.name}: the weighted sum of its maps is positive nowhere, or "
        "the same everywhere.",
        question.rounding / map_hw.size,
    )


def choose_layer(plan: Plan) -> Chosen:
    """Return the last stage whose maps have at least `CELLS` cells along each side; else that with the most cells.

    Later stages know more of what is seen, and less of where.

    Raises
    ------
    ConfigError
        The network has no convolution.
    """
    modules = [row.name.partition(".")[0] for row in plan.rows if row.kind == "CONV"]
    ends = [next(row for row in reversed(plan.rows) if row.name.partition(".")[0] == name) for name in modules]
    if not ends:
        raise ConfigError(
            "Grad-CAM weights the maps of a convolution, and the network has none.\nChoose another method."
        )
    large = [row for row in ends if min(row.output[:2]) >= CELLS]
    row = large[-1] if large else max(ends, key=lambda row: row.output[0] * row.output[1])
    if large:
        reason = f"the last stage with {CELLS} cells or more along each side"
    else:
        reason = f"no stage has {CELLS} cells along each side, and this one has the most: it places things coarsely"
    height, width = row.output[:2]
    seen = min(row.receptive_field[0], plan.image[0]), min(row.receptive_field[1], plan.image[1])
    return Chosen(row.name.partition(".")[0], (height, width), seen, reason)
