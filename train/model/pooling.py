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


def horizontal_pooling(features: Tensor, parts: int) -> Tensor:
    """HPP of Eq. 2: mean plus maximum of each of `parts` horizontal strips.

    Args:
        features: `(n, c, h, w)` with `h` a multiple of `parts`.
        parts: number of strips p, top to bottom.

    Returns:
        `(n, p, c)`.
    """
    n, c, h, w = features.shape
    strips = features.reshape(n, c, parts, h // parts * w)
    return (strips.mean(dim=3) + strips.amax(dim=3)).transpose(1, 2)
