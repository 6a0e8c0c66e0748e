"""Pairs are told apart from all other pairs of a batch, after CL-Gait (Guo et al., ECCV 2024).

# Differs from CL-Gait: it pre-trains with this contrast alone, on silhouettes and pseudo point
# clouds of other people made from estimated depth, and then trains with triplets. There are no such
# pictures here, so the contrast stands beside Eq. 5 from the start, on the training people. These
# come several times in a batch, so walks of the same person are no negatives of each other.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from train.rivals.rival import Rival, Seen

LARGEST_SCALE = 100.0
"""What cosines are multiplied by, at most, as in CLIP."""


class InfoNCE(Rival):
    """The term `contrast`.

    Args:
        temperature: by which cosines are divided at first; learned from there.
    """

    def __init__(self, temperature: float) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.tensor(-math.log(temperature)))

    def forward(self, seen: Seen) -> dict[str, Tensor]:
        """Of the mean cosine over parts; retrieval ranks by that of centred embeddings."""
        pair, labels = seen.of_all(F.normalize(seen.embeddings, dim=3))
        first, second = pair.flatten(2) / math.sqrt(pair.shape[2])
        scale = self.log_scale.clamp(max=math.log(LARGEST_SCALE)).exp()
        return {"contrast": contrast(scale * first @ second.T, labels)}


def contrast(logits: Tensor, labels: Tensor) -> Tensor:
    """Symmetric cross-entropy of each walk's own counterpart among those of other people.

    Args:
        logits: `(n, n)`; entry i, j compares walk i of one modality with walk j of the other.
        labels: `(n,)` subjects.

    Returns:
        Scalar, the mean of both directions.
    """
    pair = torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    same = (labels[:, None] == labels) & ~pair
    logits, own = logits.masked_fill(same, -torch.inf), torch.arange(len(labels)).to(labels)
    return (F.cross_entropy(logits, own) + F.cross_entropy(logits.T, own)) / 2
