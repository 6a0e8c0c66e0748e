"""Clips with fewer frames: dropped ones, lower rates, short windows."""

import torch
from torch import Tensor

from train.augment.draws import Draws


def choose(draws: Draws) -> Tensor:
    """For each frame of each clip the frame of the clip that takes its place, `(n, s)`.

    A third of the clips loses frames at random, a third all but a window of them; what is lost is
    filled with frames that are left, so that as many remain.
    """
    n, s = draws.clips, draws.frames
    place = torch.arange(s, device=draws.device)[None]
    kind = draws.clip().view(n, s)[:, :1]
    first = (draws.clip().view(n, s)[:, :1] * s).long()
    length = 1 + (draws.clip().view(n, s)[:, :1] * s).long()
    window = (first + place % length).clamp(max=s - 1)
    kept = draws.frame().view(n, s) > 0.4
    kept[:, 0] |= ~kept.any(dim=1)
    last = torch.where(kept, place, torch.zeros_like(place)).cummax(dim=1).values
    found = torch.where(kept.cumsum(dim=1) > 0, last, kept.to(torch.int8).argmax(dim=1)[:, None])
    return torch.where(kind < 1 / 3, found, torch.where(kind < 2 / 3, window, place.expand(n, s)))
