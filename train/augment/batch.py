"""The clips of a batch as other sensors would have seen them."""

import torch
from torch import Tensor

from train.augment import range_views, silhouettes
from train.augment.draws import Draws
from train.augment.frames import choose
from train.augment.levels import to_colours, to_levels
from train.config import AugmentConfig
from train.data.batches import TrainBatch
from train.machine.distributed import Ranks

FEWEST_LIT = 60
"""Pixels of a silhouette; one that has fewer afterwards stays as it was."""


def augmented(
    batch: TrainBatch,
    config: AugmentConfig,
    seed: int,
    iteration: int,
    iterations: int,
    ranks: Ranks,
) -> TrainBatch:
    """The batch with a share of its clips changed: a function of seed and iteration.

    Args:
        batch: of this rank, on its device.
        config: which share, and how it grows.
        seed: of the run.
        iteration: 1 for the first.
        iterations: of the run.
        ranks: whose share the batch is.
    """
    share = share_at(config, iteration / iterations)
    if not share:
        return batch

    def draws(clips: Tensor, modality: int) -> Draws:
        return Draws((seed, iteration, modality), len(clips), clips.shape[1], clips.device, ranks)

    first, second, labels = batch
    if len(first):
        first = changed_silhouettes(first, share, draws(first, 0))
    if len(second):
        second = changed_range_views(second, share, draws(second, 1))
    return TrainBatch(first, second, labels)


def share_at(config: AugmentConfig, progress: float) -> float:
    """The share of clips that are changed when so much of the run is done, 0..1."""
    return config.share * min(1.0, progress / config.ramp) if config.ramp else config.share


def changed_silhouettes(clips: Tensor, share: float, draws: Draws) -> Tensor:
    """Silhouettes `(n, s, 1, 64, 64)` uint8, a share of the clips as another camera sees them."""
    chosen = draws.choose(share)
    if not len(chosen):
        return clips
    before = _with_fewer_frames(clips[chosen], draws).flatten(0, 1)
    x = before.float() / 255
    for change in silhouettes.ALL:
        x = change(x, draws)
    enough = (x >= silhouettes.LIT).sum(dim=(1, 2, 3)) >= FEWEST_LIT
    after = torch.where(enough[:, None, None, None], (255 * x).round().to(torch.uint8), before)
    return _put(clips, chosen, after)


def changed_range_views(clips: Tensor, share: float, draws: Draws) -> Tensor:
    """Range views `(n, s, 3, 64, 64)` uint8, a share of the clips as another LiDAR sees them."""
    chosen = draws.choose(share)
    if not len(chosen):
        return clips
    levels = to_levels(_with_fewer_frames(clips[chosen], draws).flatten(0, 1))
    for change in range_views.ALL:
        levels = change(levels, draws)
    return _put(clips, chosen, to_colours(levels))


def _with_fewer_frames(clips: Tensor, draws: Draws) -> Tensor:
    return clips[torch.arange(len(clips), device=clips.device)[:, None], choose(draws)]


def _put(clips: Tensor, chosen: Tensor, frames: Tensor) -> Tensor:
    changed = clips.clone()
    changed[chosen] = frames.view(len(chosen), *clips.shape[1:])
    return changed
