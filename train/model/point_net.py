"""A range view as a set of points, for the paper's A.3: what a network without a grid sees."""

from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn

from train.config import ModelConfig

POINTS = 256
"""Of a frame, at most. A person of the simulated packs lights some 840 pixels."""
_ALONG, _ACROSS = 0.569840291, 0.754877666
"""Places of a picture, times these, modulo 1, in order of size: the first of them are always spread
over all of it (Roberts, "The unreasonable effectiveness of quasirandom sequences", 2018)."""


class PointNet(nn.Module):
    """The same layers for each point, then the largest of each channel (Qi et al., CVPR 2017).

    # Differs from PointNet: without its two transformer networks, which align a cloud that may
    # stand in any direction; and normalised over the channels of a point, since the mean over a
    # batch would be that of empty pixels. Differs from raw points: packs hold none, so a point is a
    # lit pixel, with its place and its colour, which is its depth (but for the edges of markers
    # where range views are scatter plots). Metres and the sensor's own density are lost.

    The map that comes out has the shape of ResNet9's and is the same in every cell.

    Args:
        config: widths of the layers, and the shape of the map.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.shape = config.latent_shape[1:]
        layers: list[nn.Module] = []
        for inside, out in pairwise((5, *config.channels)):
            # Without a bias the first normalisation would make p and 2 p the same point.
            linear = nn.Linear(inside, out, bias=not layers)
            layers += [linear, nn.LayerNorm(out), nn.ReLU(True)]
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """`(N, 4, 64, 64)` colours and whether a pixel is lit → `(N, c, h, w)`, not negative."""
        counted = _counted(x[:, 3:])
        places = 2 * torch.cat([n / m for n, m in zip(counted, x.shape[2:], strict=True)], 1) - 1
        turns = _ALONG * counted[0] + _ACROSS * counted[1]
        order = x[:, 3:] * (1 + turns - turns.floor())
        many = min(POINTS, x.shape[2] * x.shape[3])
        chosen = order.flatten(2).topk(many, dim=2).indices.expand(-1, 6, -1)
        seen = torch.cat([x[:, :3], places, x[:, 3:]], 1).flatten(2).gather(2, chosen)
        points, lit = seen[:, :5].transpose(1, 2), seen[:, 5:].transpose(1, 2)
        # Layers end in a ReLU, so 0 is the least that any point has, and what an empty frame has.
        largest: Tensor = (cast(Tensor, self.layers(points)) * lit).amax(dim=1)
        return largest[:, :, None, None].expand(-1, -1, *self.shape)


def _counted(lit: Tensor) -> tuple[Tensor, Tensor]:
    """Row and column of each cell of `(N, 1, h, w)`, from 1, in as many numbers.

    Counted and not kept, so that the exported graph holds weights alone.
    """
    ones = torch.ones_like(lit)
    return ones.cumsum(2), ones.cumsum(3)
