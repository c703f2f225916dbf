"""The learning rate, looked for: a short training in which it rises, and what the loss says (Smith 2017).

L. N. Smith, "Cyclical learning rates for training neural networks", WACV 2017, calls it
the range test. From a rate that changes nothing to one that spoils everything, the
rate grows by the same factor every step. Where the loss is lowest, learning and spoiling
are in balance; a tenth of that is the rate for a whole training.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import count, islice

import numpy as np
import torch

from .config import Config
from .data import Dataset
from .errors import TrainingError
from .memory import keep_memory
from .pattern import Plan
from .recipe import make_optimizer
from .step import Steps
from .terminal import console, track

#: The rates tried, from the first to the last, in so many steps.
FIRST, LAST, STEPS = 1e-5, 1.0, 100
#: How much of the smoothed loss is left after a step.
SMOOTHING = 0.9
#: The test ends when the smoothed loss is so many times the lowest.
SPOILED = 4.0
#: Share of the rate of the lowest loss that is chosen.
SHARE = 0.1
#: Levels of the chart, from low to high.
LEVELS = "▁▂▃▄▅▆▇█"


@dataclass(frozen=True)
class Search:
    """What a range test has found, one value for every step.

    Attributes
    ----------
    rates, losses : list of float
        Learning rate, and the loss of the batch before the step with it.
    smoothed : list of float
        The losses so far, as an exponential moving average with the bias of its start corrected.
    """

    rates: list[float]
    losses: list[float]
    smoothed: list[float]

    @property
    def lowest(self) -> float:
        """The rate at which the smoothed loss is lowest."""
        return self.rates[int(np.argmin(self.smoothed))]

    @property
    def chosen(self) -> float:
        """The rate for a training, to two digits."""
        return float(f"{SHARE * self.lowest:.1e}")

    def chart(self, width: int = 40) -> str:
        """Return the smoothed loss as a line of bars."""
        values = np.interp(np.linspace(0, 1, width), np.linspace(0, 1, len(self.smoothed)), self.smoothed)
        top = 1.5 * self.smoothed[0]  # of what is far above the start, the height says nothing
        shares = (np.minimum(values, top) - values.min()) / max(top - values.min(), 1e-12)
        return "".join(LEVELS[round(share * (len(LEVELS) - 1))] for share in shares)


def find_rate(config: Config, dataset: Dataset, plan: Plan, where: torch.device) -> Search:
    """Train a network of its own for a few steps with a rising rate, say what was found, and return it.

    Raises
    ------
    TrainingError
        The loss is not finite from the start.
    """
    keep_memory()
    network = plan.build(config.seed).to(where).train()
    optimizer = make_optimizer(network, config.weight_decay)
    steps = Steps(dataset, config, where)
    positions = ((epoch, step, batch) for epoch in count() for step, batch in enumerate(steps.batches(epoch)))
    search, average = Search([], [], []), 0.0
    tracked = track(islice(positions, STEPS), "Finding a learning rate", STEPS, "steps")
    for number, (epoch, step, batch) in enumerate(tracked):
        outcome = steps.gradient(network, optimizer, batch, epoch, step)
        average = SMOOTHING * average + (1 - SMOOTHING) * outcome.loss
        smoothed = average / (1 - SMOOTHING ** (number + 1))
        if not outcome.is_finite or smoothed > SPOILED * min(search.smoothed, default=math.inf):
            break
        rate = FIRST * (LAST / FIRST) ** (number / (STEPS - 1))
        search.rates.append(rate)
        search.losses.append(outcome.loss)
        search.smoothed.append(smoothed)
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.step()
    if not search.rates:
        raise TrainingError("the loss is not finite from the first step on, so no learning rate can be found.")
    for line in (
        f"loss at learning rates from {search.rates[0]:.0e} to {search.rates[-1]:.0e}: {search.chart()}",
        f"learning rate {search.chosen:g}: a tenth of {search.lowest:.1e}, where the loss is lowest",
    ):
        console.print(line, highlight=False, soft_wrap=True)
    return search
