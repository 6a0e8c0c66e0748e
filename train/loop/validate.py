"""Cross-modal Rank-1 on held-out training people: what the best checkpoint is chosen by."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from gait.metrics import cosine
from train.data.pack import Pack, Record
from train.embed import embed_sequences
from train.model.network import GaitNetwork

Vectors = NDArray[np.float32]


def validate(
    network: GaitNetwork,
    pack: Pack,
    records: Sequence[Record],
    device: torch.device,
    precision: torch.dtype,
) -> dict[str, float]:
    """Rank-1 in both cross-modal directions, percent, all walks of the held-out people pooled.

    Args:
        network: on `device`.
        pack: where the frames are.
        records: walks of the held-out people.
        device: where to compute.
        precision: dtype of autocast.

    Returns:
        By direction, probe modality → gallery modality.
    """
    silhouettes, range_views = embed_sequences(
        network, pack, records, device, precision, title="validating"
    )
    subjects = np.array([r.subject for r in records])
    views = np.array([r.view for r in records])
    return {
        "silhouette → range_view": rank1(silhouettes, range_views, subjects, views),
        "range_view → silhouette": rank1(range_views, silhouettes, subjects, views),
    }


def rank1(
    probes: Vectors, gallery: Vectors, subjects: NDArray[np.str_], views: NDArray[np.str_]
) -> float:
    """Percent of probes whose nearest walk, among those from other views, is their subject's.

    The distance is the mean per-part cosine distance; probe and gallery item i are the same walk.

    Args:
        probes, gallery: `(n, p, d)` float32.
        subjects, views: `(n,)`.
    """
    distance = cosine(probes, gallery)
    distance[views[:, None] == views] = np.inf
    return float(100 * np.mean(subjects[distance.argmin(axis=1)] == subjects))
