"""Augmentation: every batch is seen a little shifted, turned, scaled, brighter or darker.

Applied to whole batches. All randomness comes from the generator that is passed in, so
that a batch is a function of the seed and its position alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import torch
    from torch import Tensor

Flip = Literal["none", "horizontal", "vertical", "both"]


@dataclass(frozen=True, slots=True)
class Augmentation:
    """How far a batch is varied; all zero means not at all.

    Attributes
    ----------
    shift : float
        Largest shift, as a share of the image's side.
    rotate : float
        Largest turn, in degrees, either way.
    zoom : float
        Largest change of scale: 0.1 means 0.9 to 1.1 times.
    brightness, contrast : float
        Largest change, in units of the data's standard deviation and as a share.
    flip : {"none", "horizontal", "vertical", "both"}
        Mirror half of the images. Never by default: letters, digits and bodies have a side.
    """

    shift: float = 0.0
    rotate: float = 0.0
    zoom: float = 0.0
    brightness: float = 0.0
    contrast: float = 0.0
    flip: Flip = "none"

    def __call__(self, x: Tensor, generator: torch.Generator, part: slice | None = None, of: int = 0) -> Tensor:
        """Return the batch, varied.

        Parameters
        ----------
        x : Tensor, shape (N, C, H, W)
            Standardised.
        generator : Generator
            Source of all randomness.
        part, of : slice and int, optional
            Which images of a batch of how many `x` is; they come out as they would in the whole batch.
        """
        import torch
        from torch.nn import functional as F

        n, _, height, width = x.shape
        part, of = (slice(0, n), n) if part is None else (part, of)

        def uniform(reach: float) -> Tensor:
            return (2 * torch.rand(of, generator=generator)[part] - 1) * reach

        if self.shift or self.rotate or self.zoom or self.flip != "none":
            angle, scale = torch.deg2rad(uniform(self.rotate)), 1 + uniform(self.zoom)
            cos, sin = torch.cos(angle) * scale, torch.sin(angle) * scale
            mirror_x, mirror_y = (side[part] for side in self._mirrors(of, generator))
            # In grid_sample's units a side is 2 long, and both axes are: a turn must allow for the proportions.
            rows_x = torch.stack([cos * mirror_x, -sin * mirror_y * height / width, 2 * uniform(self.shift)], 1)
            rows_y = torch.stack([sin * mirror_x * width / height, cos * mirror_y, 2 * uniform(self.shift)], 1)
            grid = _affine_grid(torch.stack([rows_x, rows_y], 2), height, width)
            x = F.grid_sample(x, grid, padding_mode="border", align_corners=False)
        if self.brightness or self.contrast:
            x = x * (1 + uniform(self.contrast)).view(n, 1, 1, 1) + uniform(self.brightness).view(n, 1, 1, 1)
        return x

    def _mirrors(self, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        import torch

        x, y = (1.0 - 2 * torch.randint(0, 2, (2, n), generator=generator)).unbind()
        one = torch.ones(n)
        return (x if self.flip in ("horizontal", "both") else one), (y if self.flip in ("vertical", "both") else one)


def _affine_grid(theta: Tensor, height: int, width: int) -> Tensor:
    """Return torch's `affine_grid`, shape (n, height, width, 2), of transposed matrices (n, 3, 2), align_corners=False.

    A place is a part of its column plus a part of its row, so that one addition per place
    does; torch multiplies a matrix with every place, which takes longer than to look the
    pixels up.
    """
    import torch

    n = len(theta)
    across, down = (torch.linspace(-1, 1, side) * (side - 1) / side for side in (width, height))
    columns = across[:, None] * theta[:, None, 0]
    rows = down[:, None] * theta[:, None, 1] + theta[:, None, 2]
    return torch.add(columns[:, None], rows[:, :, None], out=torch.empty(n, height, width, 2))
