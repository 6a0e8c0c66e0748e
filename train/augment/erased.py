"""Clips in one channel, and clips that lose a rectangle, as CAJ changes pictures.

Range views show one of their colour channels, or their grey, in all three; a rectangle of any clip
turns black, which is the background. A clip changes as a whole.

Source: Ye et al., ICCV 2021; Zhong et al., "Random Erasing Data Augmentation", 2020.
"""

import torch
from torch import Tensor

from gait.modality import SIZE
from train.augment.draws import Draws
from train.data.batches import TrainBatch
from train.machine.distributed import Ranks

AREA, ASPECT = (0.02, 0.4), (0.3, 3.33)
"""Of the rectangle: its share of the picture, and its height per width."""
_GREY = (0.299, 0.587, 0.114)


def channel_augmented(
    batch: TrainBatch, share: float, seed: int, iteration: int, ranks: Ranks
) -> TrainBatch:
    """The batch with its pictures changed: a function of seed and iteration.

    Args:
        batch: of this rank, on its device.
        share: of the clips, for either change.
        seed: of the run.
        iteration: 1 for the first.
        ranks: whose share the batch is.
    """
    if not share:
        return batch

    def draws(clips: Tensor, place: int) -> Draws:
        return Draws((seed, iteration, place), len(clips), clips.shape[1], clips.device, ranks)

    first, second, labels = batch
    if len(first):
        first = erased(first, share, draws(first, 2))
    if len(second):
        own = draws(second, 3)
        second = erased(single_channels(second, share, own), share, own)
    return TrainBatch(first, second, labels)


def single_channels(clips: Tensor, share: float, draws: Draws) -> Tensor:
    """Range views `(n, s, 3, 64, 64)` uint8, some of them in one channel or in grey."""
    frames = clips.flatten(0, 1)
    weights = torch.tensor(_GREY, device=frames.device)[:, None, None]
    grey = (frames * weights).sum(dim=1, keepdim=True).round().to(frames.dtype)
    rows = torch.arange(len(frames), device=frames.device)
    which = (4 * draws.clip()).long().clamp(max=3)
    one = torch.cat([frames, grey], dim=1)[rows, which][:, None]
    changed = draws.clips_with(share)[:, None, None, None]
    return torch.where(changed, one, frames).view_as(clips)


def erased(clips: Tensor, share: float, draws: Draws) -> Tensor:
    """Clips `(n, s, c, 64, 64)`, some of them with a black rectangle, the same in every frame."""
    area, aspect = draws.clip(*AREA), draws.clip_log(*ASPECT)
    sides = [(SIZE * side.sqrt()).clamp(max=SIZE) for side in (area * aspect, area / aspect)]
    places = torch.arange(SIZE, device=clips.device)
    inside = []
    for side in sides:
        start = draws.clip() * (SIZE - side)
        inside.append((places >= start[:, None]) & (places < (start + side)[:, None]))
    gone = inside[0][:, :, None] & inside[1][:, None, :]
    gone = gone & draws.clips_with(share)[:, None, None]
    return clips.flatten(0, 1).masked_fill(gone[:, None], 0).view_as(clips)
