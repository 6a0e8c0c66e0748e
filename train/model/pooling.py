"""From frames to one map, and from a map to parts (Eq. 1 and 2)."""

from typing import assert_never

import torch
from torch import Tensor

from train.config import FramePooling

POWER = 3.0
"""Exponent of the generalised mean: between the mean (1) and the maximum (infinity)."""

_SMALLEST = 1e-6
"""What the generalised mean takes for zero: its slope has no bound there."""


def temporal_pooling(
    features: Tensor, lengths: Tensor | None = None, kind: FramePooling = FramePooling.MAX
) -> Tensor:
    """TP of Eq. 1: one map from those of a clip's frames, whose number and order do not matter.

    Args:
        features: `(n, s, c, h, w)`, not negative for a generalised mean.
        lengths: `(n,)` int64, each 1..s: frames beyond a clip's length are padding and never
            matter. None: every frame counts.
        kind: what is taken over the frames; the paper takes the maximum.

    Returns:
        `(n, c, h, w)`.
    """
    if lengths is not None:
        real = torch.arange(features.shape[1], device=features.device) < lengths[:, None]
        return over_frames(features, real, kind)
    if kind == FramePooling.MAX:
        # The same maximum, channels last: torch would lay it, and all that follows, anew.
        return features.permute(0, 1, 3, 4, 2).amax(dim=1).permute(0, 3, 1, 2)
    return over_frames(features, None, kind)


def over_frames(features: Tensor, real: Tensor | None, kind: FramePooling) -> Tensor:
    """`temporal_pooling` where padding may lie anywhere.

    Args:
        features: `(n, s, c, h, w)`, not negative for a generalised mean.
        real: `(n, s)` bool, false where a frame is padding; None: every frame counts.
        kind: what is taken over the frames.
    """
    if kind == FramePooling.MAX:
        return (features if real is None else _where(real, features, float("-inf"))).amax(dim=1)
    if real is None:
        real = features.new_ones(features.shape[:2], dtype=torch.bool)
    count = real.sum(dim=1)[:, None, None, None].to(features.dtype)
    match kind:
        case FramePooling.MEAN:
            return _where(real, features, 0).sum(dim=1) / count
        case FramePooling.UPPER_HALF:
            ordered = _where(real, features, float("-inf")).sort(dim=1, descending=True).values
            place = torch.arange(features.shape[1], device=features.device)
            upper = place < ((count.flatten() + 1) / 2).floor()[:, None]
            return _where(upper, ordered, 0).sum(dim=1) / upper.sum(dim=1)[:, None, None, None]
        case FramePooling.GENERALISED_MEAN:
            powers = _where(real, features.clamp(min=_SMALLEST).pow(POWER), 0)
            return (powers.sum(dim=1) / count).pow(1 / POWER)
    assert_never(kind)


def _where(real: Tensor, features: Tensor, padding: float) -> Tensor:
    return features.masked_fill(~real[:, :, None, None, None], padding)


def horizontal_pooling(features: Tensor, *strips: int, columns: int = 1) -> Tensor:
    """HPP of Eq. 2: mean plus maximum of each horizontal strip.

    # Differs from Eq. 2 with more than one column: a strip is cut into cells from left to right,
    # and its feature is what its cells give, end to end; so where in the strip something is stays.

    Args:
        features: `(n, c, h, w)`.
        strips: how many strips the height is cut into, at one scale or several; each divides it.
        columns: cells of a strip; divides the width.

    Returns:
        `(n, p, c · columns)`, p the strips of all scales: scale by scale, each from top to bottom.
    """
    n, c, h, w = features.shape
    pooled = []
    for number in strips:
        cells = features.reshape(n, c, number, h // number, columns, w // columns)
        # (n, c, strips, rows, columns, width) → mean and maximum over each cell
        cells = cells.transpose(3, 4).flatten(4)
        own = cells.mean(dim=4) + cells.amax(dim=4)
        pooled.append(own.permute(0, 2, 3, 1).flatten(2))
    return pooled[0] if len(pooled) == 1 else torch.cat(pooled, dim=1)
