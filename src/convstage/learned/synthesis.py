"""Images made to excite a filter or a class: activation maximisation.

After Erhan, Bengio, Courville and Vincent, "Visualizing Higher-Layer Features of a Deep
Network" (2009): gradient ascent on the pixels. What keeps the result from being noise
follows Olah, Mordvintsev and Schubert, "Feature Visualization" (Distill 2017): the image
is drawn by its Fourier coefficients, low frequencies first; it is shifted a little at every
step; total variation costs (Mahendran and Vedaldi 2015). Pixels stay what pixels can be.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from ..data import Standardisation
from ..sizes import Pair
from ..terminal import track

#: Steps of the ascent: so many, fewer where they would cost more multiply-adds than `MOST_WORK`, never below `FEWEST`.
STEPS, FEWEST, MOST_WORK = 160, 32, 200_000_000_000
#: Forward, and backward to the pixels.
PASSES = 2
#: Values of one batch's maps; each is kept for the way back.
BATCH_VALUES = 25_000_000
#: Adam's rate (Kingma and Ba 2015), and the standard deviation of the noise that it starts from.
RATE, NOISE = 0.05, 0.05
#: Frequency f has the weight f^-DECAY. The amplitudes of natural images fall with about the power 1.
DECAY = 1.25
#: Cost of total variation, times the side: a pattern costs the same when it is drawn larger.
VARIATION = 0.05
#: Images up to this side are drawn pixel by pixel, and variation costs nothing: they have no more than edges to show.
SMALL = 5
#: Shifts go up to this share of the side, and end with this share of the steps left.
SHIFT, SETTLED = 1 / 12, 0.15
#: The noise lies around the mean of the training images, as far as a sigmoid reaches it.
DARKEST, LIGHTEST = 0.02, 0.98

Respond = Callable[[Tensor], Tensor]


@dataclass(frozen=True, slots=True, eq=False)
class Synthesised:
    """Images that were made to excite something, each its own.

    Attributes
    ----------
    pixels : ndarray of uint8, shape (n, height, width, channels)
        As they are shown.
    values, start : ndarray, shape (n,)
        What they reach, as they are shown, and the noise that they began as.
    steps : int
        Of gradient ascent.
    """

    pixels: npt.NDArray[np.uint8]
    values: npt.NDArray[np.float64]
    start: npt.NDArray[np.float64]
    steps: int


def steps_for(work: int) -> int:
    """Return how many steps are taken, when one costs `work` multiply-adds for all images together."""
    return max(FEWEST, min(STEPS, MOST_WORK // max(1, PASSES * work)))


def most_images(work: int) -> int:
    """Return for how many images the fewest steps still take no more than five times `MOST_WORK`."""
    return max(1, 5 * MOST_WORK // max(1, PASSES * FEWEST * work))


def synthesise(
    respond: Respond,
    shape: tuple[int, int, int],
    targets: Sequence[int],
    scales: npt.NDArray[np.float64],
    standardisation: Standardisation,
    *,
    steps: int,
    seed: Sequence[int],
    finish: Respond = nn.Identity(),  # noqa: B008  # it has no state
    title: str = "Making images",
) -> Synthesised:
    """Return images that excite outputs of a function, one for each.

    Parameters
    ----------
    respond : callable
        Standardised images (n, channels, height, width) to outputs (n, K).
    shape : (int, int, int)
        Height, width and channels of an image.
    targets : sequence of int, length n
        Which of the K outputs each image is for.
    scales : ndarray, shape (n,)
        What is much for these outputs, above 0.
    standardisation : Standardisation
        What the network wants of pixels.
    steps : int
    seed : sequence of int
        Gives, with the target, the noise that an image begins as: it is the same whatever
        else is made beside it.
    finish : callable
        What is still done to outputs (n, K) before they are told; not climbed, because a
        ReLU that is zero shows no way up.
    title : str
        What the progress bar says.
    """
    canvas = Canvas(shape, standardisation)
    chosen = torch.tensor(list(targets))[:, None]
    scale = torch.tensor(scales, dtype=torch.float32)

    def shown(spectrum: Tensor) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float64]]:
        with torch.no_grad():
            pixels = canvas.pixels(spectrum)
            outputs = finish(respond(standardisation(pixels))).gather(1, chosen)
            return pixels, outputs[:, 0].double().numpy()

    cost = VARIATION * max(0, max(shape[:2]) - SMALL)
    spectrum = torch.stack([canvas.noise([*seed, target]) for target in targets]).requires_grad_()
    _, start = shown(spectrum)
    ascent = torch.optim.Adam([spectrum], lr=RATE)
    for shift in track(_shifts(canvas.reach, steps, seed), title, steps, "steps"):
        whole = canvas.draw(spectrum)
        value = respond(canvas.part(whole, *shift)).gather(1, chosen)[:, 0]
        # Divided by itself as it grows, so that it does not outgrow what variation costs.
        gain = value / torch.maximum(scale, value.detach())
        loss = (cost * _variation(whole) - gain).sum()
        (spectrum.grad,) = torch.autograd.grad(loss, [spectrum])
        ascent.step()
    return Synthesised(*shown(spectrum), start, steps)


class Canvas:
    """What images are drawn on: a little larger than they are, so that they can be shifted.

    Parameters
    ----------
    shape : (int, int, int)
        Height, width and channels of an image.
    standardisation : Standardisation
    """

    def __init__(self, shape: tuple[int, int, int], standardisation: Standardisation) -> None:
        self.shape = shape
        self.reach = round(max(shape[:2]) * SHIFT)
        self.size = (shape[0] + 2 * self.reach, shape[1] + 2 * self.reach)
        self._mean, self._std = (torch.tensor(v).view(-1, 1, 1) for v in (standardisation.mean, standardisation.std))
        self._middle = torch.logit(self._mean.clamp(DARKEST, LIGHTEST))
        self._weights = None if max(shape[:2]) <= SMALL else _frequencies(self.size)

    def noise(self, seed: Sequence[int]) -> Tensor:
        """Return an image without anything to see: as its spectrum, real and imaginary parts last, or as pixels."""
        places = self.size if self._weights is None else (*self._weights.shape, 2)
        random = np.random.default_rng(seed).normal(0, NOISE, (self.shape[2], *places))
        return torch.from_numpy(random.astype(np.float32))

    def draw(self, spectrum: Tensor) -> Tensor:
        """Return whole canvases, (n, channels, rows, columns) in 0..1, from spectra."""
        if self._weights is not None:
            spectrum = torch.view_as_complex(spectrum) * self._weights
            spectrum = torch.fft.irfft2(spectrum, s=self.size, norm="ortho")
        return torch.sigmoid(self._middle + spectrum)

    def part(self, whole: Tensor, down: int, right: int) -> Tensor:
        """Return a part of canvases as the network reads images."""
        cut = whole[:, :, down : down + self.shape[0], right : right + self.shape[1]]
        return (cut - self._mean) / self._std

    def pixels(self, spectrum: Tensor) -> npt.NDArray[np.uint8]:
        """Return the images in the middle of the canvases, (n, height, width, channels)."""
        here = slice(self.reach, self.reach + self.shape[0]), slice(self.reach, self.reach + self.shape[1])
        middle = self.draw(spectrum)[:, :, *here]
        return (255 * middle).round().byte().permute(0, 2, 3, 1).contiguous().numpy()


def _frequencies(canvas: Pair) -> Tensor:
    """Return the weight of every Fourier coefficient; their mean square is 1."""
    rows, columns = torch.fft.fftfreq(canvas[0])[:, None], torch.fft.rfftfreq(canvas[1])
    weights = torch.sqrt(rows**2 + columns**2).clamp(min=1 / max(canvas)) ** -DECAY
    return weights / weights.square().mean().sqrt()


def _shifts(reach: int, steps: int, seed: Sequence[int]) -> npt.NDArray[np.int64]:
    """Return where in its canvas the image lies at every step; in the last ones it stays in the middle."""
    shifts = np.random.default_rng([*seed]).integers(0, 2 * reach, (steps, 2), endpoint=True)
    shifts[round(steps * (1 - SETTLED)) :] = reach
    return shifts


def _variation(pixels: Tensor) -> Tensor:
    """Return the mean difference of neighbours, down and right together, of each image."""
    down, right = (torch.diff(pixels, dim=axis).abs() for axis in (2, 3))
    return torch.stack(
        [one.mean((1, 2, 3)) if one.numel() else one.new_zeros(len(pixels)) for one in (down, right)]
    ).sum(0)
