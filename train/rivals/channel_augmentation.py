"""Pictures of single channels, triplets of squared differences; after CAJ (Ye et al., ICCV 2021).

Half of the range views show one of their colour channels, or their grey, in all three channels, and
half of the clips of both modalities lose a rectangle. The added loss compares each walk, whatever
its modality, with its weighted farthest positives and nearest negatives.

# Differs from CAJ: it shows every visible picture twice, as it is and changed; here half of the
# clips are changed, so that a step costs what a step of the base does. What is erased turns black,
# which is the background, and not to the data set's mean. A clip changes as a whole. Distances are
# those of embeddings as they are, part by part; CAJ's features have one part. CAJ has this loss in
# place of other triplets, here it stands beside those of Eq. 5. Distances of unit vectors would not
# do: squares of their small differences leave the loss at log 2, whatever the network learns.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from gait.modality import SIZE
from train.augment.draws import Draws
from train.data.batches import TrainBatch
from train.losses import part_distances
from train.machine.distributed import Ranks
from train.rivals.rival import Rival, Seen

SHARE = 0.5
"""Of the clips shown in one channel, and of those that lose a rectangle."""
AREA, ASPECT = (0.02, 0.4), (0.3, 3.33)
"""Of the rectangle: its share of the picture, and its height per width."""
LARGEST = 88.0
_GREY = (0.299, 0.587, 0.114)


class ChannelAugmentation(Rival):
    """The term `squared_difference`; the pictures are changed by `channel_augmented`."""

    def forward(self, seen: Seen) -> dict[str, Tensor]:
        """Both modalities are anchors, positives and negatives alike."""
        pair, labels = seen.of_all(seen.embeddings)
        walks, labels = pair.flatten(0, 1), labels.repeat(2)
        distances = part_distances(walks, walks)
        return {"squared_difference": squared_difference(distances, labels[:, None] == labels)}


def squared_difference(distances: Tensor, same: Tensor) -> Tensor:
    """Mean of `log(1 + exp(± (far − near)²))`, with + where positives are farther than negatives.

    A square counts at most `LARGEST`, past which nothing is learned from it, as in CAJ's code. Left
    out, these squares outweigh all else at the start of a training and spoil it.

    Args:
        distances: `(p, m, m)`.
        same: `(m, m)` bool, true for two walks of a person; a walk is its own positive.

    Returns:
        Scalar.
    """
    gap = _weighted(distances, distances, same) - _weighted(distances, -distances, ~same)
    return F.softplus((gap * gap.abs()).clamp(max=LARGEST)).mean()


def _weighted(distances: Tensor, scores: Tensor, chosen: Tensor) -> Tensor:
    """`(p, m)` mean of the chosen distances, weighted by the softmax of their scores."""
    lowest = torch.finfo(scores.dtype).min  # a row that chooses nothing stays finite
    return (scores.masked_fill(~chosen, lowest).softmax(dim=2) * distances).sum(dim=2)


def channel_augmented(batch: TrainBatch, seed: int, iteration: int, ranks: Ranks) -> TrainBatch:
    """The batch with its pictures changed: a function of seed and iteration.

    Args:
        batch: of this rank, on its device.
        seed: of the run.
        iteration: 1 for the first.
        ranks: whose share the batch is.
    """
    first, second, labels = batch
    own = [
        Draws((seed, iteration, 2 + modality), len(x), x.shape[1], x.device, ranks)
        for modality, x in enumerate((first, second))
    ]
    second = erased(single_channels(second, own[1]), own[1])
    return TrainBatch(erased(first, own[0]), second, labels)


def single_channels(clips: Tensor, draws: Draws) -> Tensor:
    """Range views `(n, s, 3, 64, 64)` uint8, some of them in one channel or in grey."""
    frames = clips.flatten(0, 1)
    weights = torch.tensor(_GREY, device=frames.device)[:, None, None]
    grey = (frames * weights).sum(dim=1, keepdim=True).round().to(frames.dtype)
    rows = torch.arange(len(frames), device=frames.device)
    which = (4 * draws.clip()).long().clamp(max=3)
    one = torch.cat([frames, grey], dim=1)[rows, which][:, None]
    changed = draws.clips_with(SHARE)[:, None, None, None]
    return torch.where(changed, one, frames).view_as(clips)


def erased(clips: Tensor, draws: Draws) -> Tensor:
    """Clips `(n, s, c, 64, 64)`, some of them with a black rectangle, the same in every frame."""
    area, aspect = draws.clip(*AREA), draws.clip_log(*ASPECT)
    sides = [(SIZE * share.sqrt()).clamp(max=SIZE) for share in (area * aspect, area / aspect)]
    places = torch.arange(SIZE, device=clips.device)
    inside = []
    for side in sides:
        start = draws.clip() * (SIZE - side)
        inside.append((places >= start[:, None]) & (places < (start + side)[:, None]))
    gone = inside[0][:, :, None] & inside[1][:, None, :]
    gone = gone & draws.clips_with(SHARE)[:, None, None]
    return clips.flatten(0, 1).masked_fill(gone[:, None], 0).view_as(clips)
