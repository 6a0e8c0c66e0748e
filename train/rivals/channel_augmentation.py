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

from train.losses import part_distances
from train.rivals.rival import Rival, Seen

SHARE = 0.5
"""Of the clips that are changed, see `train.augment.erased`."""
LARGEST = 88.0
"""Square of a difference that still counts."""


class ChannelAugmentation(Rival):
    """The term `squared_difference`; the pictures are changed by `train.augment.erased`."""

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
