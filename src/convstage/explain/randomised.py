"""Randomised weights: a map that stays as it is when the network forgets what it has learned shows the image alone.

Adebayo et al. 2018, "Sanity Checks for Saliency Maps": weights are drawn anew, those after the last stage or those
of all layers, and the maps before and after are compared by Spearman's rank correlation. Its sign is left
out: what speaks for a class in a random network might as well speak against it.
"""

from __future__ import annotations

from copy import copy, deepcopy

import numpy as np
import torch

from ..network import Network, initialise
from ..stage import Stage
from .methods import METHODS, ask
from .question import Question
from .result import Evidence

#: Draws of the weights, and the seed of the first.
DRAWS, SEED = 3, 0


def likeness(evidence: Evidence, *, stages: bool) -> float:
    """Return how alike a map and those of networks with random weights are, 0..1: the mean over the draws.

    The maps as they are shown are compared. One that is flat after the draw has nothing in common.

    Parameters
    ----------
    evidence : Evidence
    stages : bool
        Draw the weights of all layers anew; otherwise only those after the last stage.
    """
    from scipy.stats import spearmanr

    found = []
    for draw in range(DRAWS):
        other = ask(METHODS[evidence.method], _forgetful(evidence.question, stages, SEED + draw))
        if other.flat or evidence.flat:
            found.append(0.0)
        else:
            found.append(abs(float(spearmanr(evidence.smooth_hw.ravel(), other.smooth_hw.ravel()).statistic)))
    return float(np.mean(found))


def redraw(network: Network, *, stages: bool, seed: int) -> Network:
    """Return a network with the weights of its layers drawn anew, as before training; with the stages' or without."""
    drawn, generator = deepcopy(network), torch.Generator().manual_seed(seed)
    for layer in drawn:
        if stages or not isinstance(layer, Stage):
            initialise(layer, generator)
    return drawn


def _forgetful(question: Question, stages: bool, seed: int) -> Question:
    """Return the same question to a network that has forgotten what it learned."""
    classifier = copy(question.classifier)
    classifier.network = redraw(question.classifier.network, stages=stages, seed=seed)
    return Question(
        classifier, question.subject, question.target, contrast=question.contrast, reference=question.reference
    )
