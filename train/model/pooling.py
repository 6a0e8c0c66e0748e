"""From frames to one map, and from a map to parts (Eq. 1 and 2)."""

import torch
from torch import Tensor


def temporal_pooling(features: Tensor, lengths: Tensor | None = None) -> Tensor:
    """TP of Eq. 1: the maximum over frames, so their number and order do not matter.

    Args:
        features: `(n, s, c, h, w)`.
        lengths: `(n,)` int64, each 1..s: frames beyond a clip's length are padding and never
            matter. None: every frame counts.

    Returns:
        `(n, c, h, w)`.
    """
    if lengths is not None:
        real = torch.arange(features.shape[1], device=features.device) < lengths[:, None]
        features = features.masked_fill(~real[:, :, None, None, None], float("-inf"))
    return features.amax(dim=1)


def horizontal_pooling(features: Tensor, *strips: int) -> Tensor:
    """HPP of Eq. 2: mean plus maximum of each horizontal strip.

    Args:
        features: `(n, c, h, w)`.
        strips: how many strips the height is cut into, at one scale or several; each divides it.

    Returns:
        `(n, p, c)`, p the strips of all scales: scale by scale, each from top to bottom.
    """
    n, c, h, w = features.shape
    scales = [features.reshape(n, c, number, h // number * w) for number in strips]
    pooled = [scale.mean(dim=3) + scale.amax(dim=3) for scale in scales]
    return (pooled[0] if len(pooled) == 1 else torch.cat(pooled, dim=2)).transpose(1, 2)
