"""Triplet and cross-entropy losses (Eq. 5), and the sum of all named terms (Eq. 18).

Everything here runs in float32: callers switch autocast off. No value is read back to the host
and no shape depends on the data, so a step can be compiled or captured as a graph.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from train.config import ModelConfig

Gather = Callable[[Tensor], Tensor]
"""Joins the rows `(n, …)` of all processes in rank order; differentiable."""


class Losses(NamedTuple):
    """What one forward pass is trained on.

    `terms` holds each loss by name before its weight; `total` is the weighted sum to minimise.
    All are scalar tensors on the device; reading them is the caller's choice of when to wait.
    """

    terms: dict[str, Tensor]
    total: Tensor


def part_distances(anchors: Tensor, others: Tensor) -> Tensor:
    """Euclidean distance of every anchor to every other, in each part.

    Args:
        anchors: `(n, p, d)`.
        others: `(k, p, d)`.

    Returns:
        `(p, n, k)`, with gradient 0 where a distance is 0.
    """
    a, b = anchors.transpose(0, 1), others.transpose(0, 1)
    # The same shift of both changes no distance and keeps ‖a‖² + ‖b‖² − 2ab from cancelling.
    centre = a.detach().mean(dim=1, keepdim=True)
    a, b = a - centre, b - centre
    norms = a.square().sum(2)[:, :, None] + b.square().sum(2)[:, None, :]
    squared = norms - 2 * torch.bmm(a, b.transpose(1, 2))
    apart = squared > torch.finfo(squared.dtype).eps * norms
    return squared.masked_fill(~apart, 1).sqrt() * apart


def batch_all_triplet(
    distances: Tensor, positive: Tensor, negative: Tensor, margin: float
) -> Tensor:
    """Mean of `relu(margin + D_ij − D_ik)` over its non-zero triplets, then over parts.

    Every anchor i meets every positive j with every negative k. Instead of all n³ triplets, each
    row's negatives are sorted: those nearer than `margin + D_ij` are a prefix, and the prefix sum
    gives their total. Loss and gradient are those of the plain definition.

    Args:
        distances: `(p, n, k)` float32, of n anchors to k others.
        positive: `(n, k)` bool.
        negative: `(n, k)` bool.
        margin: distance by which negatives are to be farther than positives.

    Returns:
        Scalar; 0 where no triplet violates the margin.
    """
    nearest = distances.masked_fill(~negative, torch.inf).sort(dim=2).values
    totals = F.pad(nearest.masked_fill(nearest.isinf(), 0).cumsum(dim=2), (1, 0))
    reach = margin + distances
    count = torch.searchsorted(nearest.detach().contiguous(), reach.detach().contiguous())
    loss = (count * reach - totals.gather(2, count)) * positive
    triplets = (count * positive).sum(dim=(1, 2))
    return (loss.sum(dim=(1, 2)) / triplets.clamp(min=1)).mean()


def cross_modal_triplet(first: Tensor, second: Tensor, labels: Tensor, margin: float) -> Tensor:
    """L_tri of Eq. 5: anchors of one modality, positives and negatives of the other, both ways.

    A clip's own counterpart is one of its positives.

    Args:
        first: `(n, p, d)` embeddings of one modality.
        second: `(n, p, d)` of the other; row i is the same walk.
        labels: `(n,)` int64 subjects.
        margin: see `batch_all_triplet`.

    Returns:
        Scalar, the mean of the two directions.
    """
    same = labels[:, None] == labels
    distances = part_distances(first, second)
    # Both directions are as one of twice as many parts: half as many operations.
    both = torch.cat([distances, distances.transpose(1, 2)])
    return batch_all_triplet(both, same, ~same, margin)


def within_modality_triplet(first: Tensor, second: Tensor, labels: Tensor, margin: float) -> Tensor:
    """Triplets of one modality, averaged over both. Not in the paper; off by default.

    Arguments and result as `cross_modal_triplet`.
    """
    return (
        one_modality_triplet(first, labels, margin) + one_modality_triplet(second, labels, margin)
    ) / 2


def one_modality_triplet(embeddings: Tensor, labels: Tensor, margin: float) -> Tensor:
    """Triplets of one modality's embeddings `(n, p, d)`; an anchor is no positive of itself."""
    same = labels[:, None] == labels
    positive = same & ~torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    return batch_all_triplet(part_distances(embeddings, embeddings), positive, ~same, margin)


def part_cross_entropy(cosines: Tensor, labels: Tensor, scale: float, smoothing: float) -> Tensor:
    """L_ce of Eq. 5: mean over clips and parts, with label smoothing.

    Args:
        cosines: `(n, p, N)` from the BNNeck.
        labels: `(n,)` int64 in 0..N-1.
        scale: factor that makes logits of cosines.
        smoothing: share of probability spread over all subjects.

    Returns:
        Scalar.
    """
    logits = scale * cosines.flatten(0, 1)
    targets = labels.repeat_interleave(cosines.shape[1])
    return F.cross_entropy(logits, targets, label_smoothing=smoothing)


def gather_pair(pair: Tensor, labels: Tensor, gather: Gather | None) -> tuple[Tensor, Tensor]:
    """A pair `(2, n, …)` and labels `(n,)` with the rows of all processes; None: of this one."""
    if gather is None:
        return pair, labels
    return gather(pair.transpose(0, 1)).transpose(0, 1), gather(labels)


def identity_losses(
    pair: Tensor, cosines: Tensor, labels: Tensor, config: ModelConfig, gather: Gather | None
) -> dict[str, Tensor]:
    """L_tri and L_ce of Eq. 5 by name, unweighted.

    Args:
        pair: `(2, n, p, d)` embeddings of both modalities; row i is the same walk.
        cosines: `(2n, p, N)` from the BNNeck, in the same order.
        labels: `(n,)` int64 subjects.
        config: margin, scale and smoothing, and whether triplets within a modality count too.
        gather: joins rows of all processes for the triplets; None for a single one.
    """
    terms = {
        "ce": part_cross_entropy(cosines, labels.repeat(2), config.scale, config.label_smoothing)
    }
    (first, second), labels = gather_pair(pair, labels, gather)
    terms["triplet"] = cross_modal_triplet(first, second, labels, config.margin)
    if config.within_modality_triplets:
        terms["triplet_within"] = within_modality_triplet(first, second, labels, config.margin)
    return terms
