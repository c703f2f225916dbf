"""Occlusion: how far the score falls when a window of the image is covered.

Zeiler and Fergus 2014, "Visualizing and Understanding Convolutional Networks", section 4.2; what covers is the
image itself, blurred, and not their grey. Captum slides the window, and the fast path of prediction
gives the scores.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..text import size
from .attribution import captum
from .question import Question
from .result import Found

#: Side of the window as a share of the image's, and its step as a share of its side; see docs/evidence.md.
WINDOW, STEP = 1 / 6, 1 / 2


def occlusion(question: Question) -> Found:
    """Return, for each pixel, the mean of what the score loses under the windows that cover it.

    Details
    -------
    window, stride : list of int
        Height and width; step down and right.
    largest_fall : float
        The most that the score loses under one window.
    """
    height, width = question.size
    window = max(1, round(height * WINDOW)), max(1, round(width * WINDOW))
    stride = max(1, round(window[0] * STEP)), max(1, round(window[1] * STEP))
    falls = [0.0]

    def score(x_nchw: Tensor) -> Tensor:
        scores = question.scores_of(question.logits_of(x_nchw))
        falls.append(question.score - float(scores.min()))
        return torch.from_numpy(scores)

    method: Any = captum().Occlusion(score)
    map_hw = method.attribute(
        question.x_nchw,
        sliding_window_shapes=(question.x_nchw.shape[1], *window),
        strides=(question.x_nchw.shape[1], *stride),
        baselines=question.blurred_nchw,
        perturbations_per_eval=question.batch,
    )
    fall = max(falls)
    return Found(
        map_hw[0].double().mean(dim=0).cpu().numpy(),
        {"window": list(window), "stride": list(stride), "largest_fall": fall},
        [f"A window of {size(window)} pixels, moved by {size(stride)}, covered by what is there, blurred."],
        "Blurring any part of the image leaves the score as it is.",
        question.rounding,
    )
