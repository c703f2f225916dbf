"""The filters of the first layer, as one picture: what the network looks for in the image itself."""

from __future__ import annotations

import math

import numpy as np
from torch import nn

from ..learned.frames import weight_picture
from ..pictures import Picture, Scale, enlarge

#: What the picture is called.
FILTERS = "filters of the first layer"
#: Pixels: side of a filter, about, and gap between two.
SIDE, GAP = 36, 3


def filter_grid(network: nn.Module) -> Picture | None:
    """Return the filters of the first convolution in rows, on white; None where there is no convolution.

    All have one scale: blue is negative, white 0, red positive. Filters of three channels are shown as
    colours, grey is 0.
    """
    first = next((layer for layer in network.modules() if isinstance(layer, nn.Conv2d)), None)
    if first is None:
        return None
    weights = first.weight.detach().cpu().numpy().transpose(0, 2, 3, 1)  # filters × height × width × channels
    scale = Scale.of(weights, signed=True)
    factor = max(1, SIDE // max(weights.shape[1:3]))
    tiles = [enlarge(weight_picture(one, scale), factor) for one in weights]
    columns = math.ceil(math.sqrt(len(tiles)))
    rows = math.ceil(len(tiles) / columns)
    height, width = (side + GAP for side in tiles[0].shape[:2])
    grid = np.full((rows * height + GAP, columns * width + GAP, 3), 255, np.uint8)
    for number, tile in enumerate(tiles):
        top, left = GAP + number // columns * height, GAP + number % columns * width
        grid[top : top + tile.shape[0], left : left + tile.shape[1]] = tile
    return grid
