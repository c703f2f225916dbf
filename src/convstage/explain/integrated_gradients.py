"""Integrated gradients: the gradient of every pixel, averaged on the straight way from a reference to this image.

Sundararajan, Taly and Yan 2017, "Axiomatic Attribution for Deep Networks". The map adds up to the difference
between the scores of the image and of the reference, up to the error of the numerical integral,
which is told.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor

from .attribution import captum
from .question import Question, why_flat
from .result import Found

#: Points on the way, and their weights (Gauss and Legendre).
STEPS, RULE = 32, "gausslegendre"


def integrated_gradients(question: Question) -> Found:
    """Return each pixel's share of the difference that the image makes to the score.

    Details
    -------
    sum : float
        Of the map.
    score, reference : float
        Scores of the image and of the reference; their difference is what the map should add up to.
    relative_error : float
        How far it is from that, as a share of the difference.
    steps : int
        Points of the numerical integral.
    """

    def score(x_nchw: Tensor) -> Tensor:
        return question.score_tensor(question.network(x_nchw))

    method: Any = captum().IntegratedGradients(score)
    shares = method.attribute(
        question.x_nchw,
        baselines=question.reference_nchw,
        n_steps=STEPS,
        method=RULE,
        internal_batch_size=question.batch,
    )
    map_hw = shares.detach()[0].double().sum(dim=0).cpu().numpy()
    first = float(question.scores_of(question.logits_of(question.reference_nchw))[0])
    total, difference = float(map_hw.sum()), question.score - first
    details = {
        "sum": total,
        "score": question.score,
        "reference": first,
        "relative_error": abs(total - difference) / max(abs(difference), np.finfo(np.float64).tiny),
        "steps": STEPS,
    }
    notes = [
        f"From the {question.reference} image, with a score of {first:+.3f}, to this one; "
        f"the map adds up to {total:+.3f} of {difference:+.3f}."
    ]
    return Found(map_hw, details, notes, why_flat(question, map_hw), question.rounding / map_hw.size)
