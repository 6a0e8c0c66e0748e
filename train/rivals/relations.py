"""How the walks of a batch are alike, as distributions, and how far two of these are apart."""

import torch
from torch import Tensor
from torch.nn import functional as F

TEMPERATURE = 0.1
"""By which cosines are divided before the softmax."""


def relations(embeddings: Tensor) -> Tensor:
    """Of each walk, the logarithm of its likeness to every other one, as shares of 1.

    Args:
        embeddings: `(n, p, d)`.

    Returns:
        `(n, n − 1)`: log-softmax of the mean cosines over parts, without the walk itself.
    """
    n, parts = embeddings.shape[:2]
    units = F.normalize(embeddings, dim=2).flatten(1)
    cosines = units @ units.T / parts
    others = cosines.flatten()[1:].view(n - 1, n + 1)[:, :-1].reshape(n, n - 1)
    return (others / TEMPERATURE).log_softmax(dim=1)


def divergence(taught: Tensor, teacher: Tensor) -> Tensor:
    """Mean of `KL(teacher ‖ taught)` over distributions in the last axis, given by logarithms."""
    return F.kl_div(taught, teacher, reduction="none", log_target=True).sum(dim=-1).mean()


def both_ways(first: Tensor, second: Tensor) -> Tensor:
    """The divergences of both from each other, summed."""
    return divergence(first, second) + divergence(second, first)


def class_shares(cosines: Tensor, scale: float) -> Tensor:
    """Logarithms of the shares that a BNNeck gives to each subject: `(n, p, N)` cosines → same."""
    return torch.log_softmax(scale * cosines, dim=-1)
