"""Where each modality's embeddings lie: taken away, cosines compare people and not sensors."""

from collections.abc import Sequence

import numpy as np
import torch

from train.data.pack import Pack, Record
from train.embed import embed_modalities
from train.model.network import GaitNetwork

WALKS = 1024
"""Walks a mean is of, at most."""


def centre_embeddings(
    network: GaitNetwork,
    pack: Pack,
    records: Sequence[Record],
    device: torch.device,
    precision: torch.dtype,
) -> None:
    """Makes the mean embedding of training walks the centre of each modality's embeddings.

    The triplets of Eq. 5 compare distances and leave all embeddings, and those of a modality, an
    offset in common. Euclidean distances within a modality do not see it, but cosines do, across
    modalities most of all. Neither labels nor test people are used.

    # Differs from Eq. 3, which has no centre: `model.centred` switches it off.

    Args:
        network: on `device`; its centres are replaced.
        pack: where the frames are.
        records: training walks; of more than `WALKS` as many are taken, evenly spaced.
        device: where to compute.
        precision: dtype of autocast.
    """
    some = spread(records, WALKS)
    for modality in network.modalities:
        network.branch(modality).centre.zero_()
    found = embed_modalities(
        network, pack, some, device, precision, "centring", network.unprojected
    )
    for modality, embeddings in found.items():
        network.branch(modality).centre.copy_(torch.from_numpy(embeddings.mean(axis=0)))


def spread(records: Sequence[Record], most: int) -> list[Record]:
    """At most so many of some walks, from first to last."""
    rows = np.linspace(0, len(records) - 1, min(most, len(records))).astype(int)
    return [records[row] for row in rows]
