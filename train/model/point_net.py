"""A range view as a set of points, for the paper's A.3: what a network without a grid sees."""

from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn

from train.config import ModelConfig

STEP = 2
"""Every how many rows and columns a pixel gives a point."""


class PointNet(nn.Module):
    """The same layers for each point, then the largest of each channel (Qi et al., CVPR 2017).

    # Differs from PointNet: without its two transformer networks, which align a cloud that may
    # stand in any direction; and normalised over the channels of a point, since the mean over a
    # batch would be that of empty pixels. Differs from raw points: packs hold none, so a point is a
    # lit pixel, with its place and its colour, which is its depth. Metres and the sensor's own
    # density are lost.

    The map that comes out has the shape of ResNet9's and is the same in every cell.

    Args:
        config: widths of the layers, and the shape of the map.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.shape = config.latent_shape[1:]
        layers: list[nn.Module] = []
        for inside, out in pairwise((5, *config.channels)):
            layers += [nn.Linear(inside, out, bias=False), nn.LayerNorm(out), nn.ReLU(True)]
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """`(N, 4, 64, 64)` colours and whether a pixel is lit → `(N, c, h, w)`, not negative."""
        x = x[:, :, ::STEP, ::STEP]
        points = torch.cat([x[:, :3], _places(x[:, 3:])], 1).flatten(2).transpose(1, 2)
        lit = x[:, 3:].flatten(2).transpose(1, 2)
        # Layers end in a ReLU, so 0 is the least that any point has, and what an empty frame has.
        largest = (cast(Tensor, self.layers(points)) * lit).amax(dim=1)
        return largest[:, :, None, None].expand(-1, -1, *self.shape)


def _places(lit: Tensor) -> Tensor:
    """Row and column of each cell of `(N, 1, h, w)`: `(N, 2, h, w)`, in (-1, 1].

    Counted and not kept as numbers, so that the exported graph holds weights alone.
    """
    ones = torch.ones_like(lit)
    counted = torch.cat([ones.cumsum(2) / lit.shape[2], ones.cumsum(3) / lit.shape[3]], 1)
    return 2 * counted - 1
