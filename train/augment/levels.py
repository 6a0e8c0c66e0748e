"""The colours of range views as the numbers they stand for, and back."""

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from gait.range_view import JET

EMPTY = -1
"""The level of a pixel where nothing was measured."""

_STEP = 4
"""Neighbouring colours differ by as much in a channel, but for the last before 255."""

_SIDE = 256 // _STEP + 1

_BLACK = 24
"""No channel of a colour of the scale is all so small."""


def to_levels(frames: Tensor) -> Tensor:
    """Levels `(k, 64, 64)` int16, 0 farthest to 255 nearest, of colours `(k, 3, 64, 64)` uint8.

    A colour that is not of the scale counts as the nearest that is.
    """
    red, green, blue = ((frames.to(torch.int64) + 1) // _STEP).unbind(dim=1)
    return _table(frames.device)[(red * _SIDE + green) * _SIDE + blue]


def to_colours(levels: Tensor) -> Tensor:
    """The inverse of `to_levels`."""
    palette = _palette(levels.device)
    return palette[(levels.to(torch.int64)) % len(palette)].movedim(-1, 1).contiguous()


@lru_cache(maxsize=4)
def _palette(device: torch.device) -> Tensor:
    colours = np.concatenate([JET, np.zeros((1, 3), np.uint8)])
    return torch.from_numpy(colours).to(device)


@lru_cache(maxsize=4)
def _table(device: torch.device) -> Tensor:
    side = np.arange(_SIDE, dtype=np.int32)
    colours = np.stack(np.meshgrid(side, side, side, indexing="ij"), axis=-1).reshape(-1, 3)
    scale = (JET.astype(np.int32) + 1) // _STEP
    levels = np.empty(len(colours), np.int16)
    for start in range(0, len(colours), 1 << 14):
        some = slice(start, start + (1 << 14))
        apart = np.abs(colours[some, None] - scale).sum(axis=2)
        levels[some] = apart.argmin(axis=1)
    levels[(colours * _STEP < _BLACK).all(axis=1)] = EMPTY
    return torch.from_numpy(levels).to(device)
