"""Rank-1 on held-out training people: what the best checkpoint is chosen by."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from gait.metrics import Distance, Parts, distances, positive_ranks, rank_k
from gait.modality import Modality
from train.data.pack import Pack, Record
from train.embed import embed_modalities
from train.model.network import GaitNetwork

Vectors = NDArray[np.float32]

Validation = dict[tuple[Modality, Modality, Distance], float]
"""Rank-1 in percent by probe modality, gallery modality and distance."""


def can_validate(records: Sequence[Record]) -> bool:
    """Whether somebody was seen from two sides, and so can be found from another than a probe's."""
    return len({(r.subject, r.view) for r in records}) > len({r.subject for r in records})


def validate(
    network: GaitNetwork,
    pack: Pack,
    records: Sequence[Record],
    device: torch.device,
    precision: torch.dtype,
) -> Validation:
    """Rank-1 in both cross-modal directions, percent, all walks of the held-out people pooled.

    A network of one modality is scored within it.

    Args:
        network: on `device`.
        pack: where the frames are.
        records: walks of the held-out people, of whom `can_validate` is true.
        device: where to compute.
        precision: dtype of autocast.

    Returns:
        By probe modality, gallery modality and distance.
    """
    found = embed_modalities(network, pack, records, device, precision, title="validating")
    subjects = np.array([r.subject for r in records])
    views = np.array([r.view for r in records])
    pairs = [(a, b) for a in found for b in found if a is not b or len(found) == 1]
    return {
        (a, b, distance): value
        for a, b in pairs
        for distance, value in rank1(found[a], found[b], subjects, views).items()
    }


def rank1(
    probes: Vectors, gallery: Vectors, subjects: NDArray[np.str_], views: NDArray[np.str_]
) -> dict[Distance, float]:
    """Percent of probes whose nearest walk, among those from other views, is their subject's.

    As in the protocols, a probe to which somebody else's walk is as near is a miss. Probe and
    gallery item i are the same walk. There are at least two views (`can_validate`).

    Args:
        probes, gallery: `(n, p, d)` float32.
        subjects, views: `(n,)`.

    Returns:
        By distance.
    """
    found = {}
    for distance, matrix in distances(Parts.of(probes), Parts.of(gallery)).items():
        matrix[views[:, None] == views] = np.inf
        hits = rank_k(positive_ranks(matrix, subjects, subjects), 1)
        found[distance] = float(100 * np.mean(hits))
    return found
