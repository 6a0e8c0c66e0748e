"""Fits a network's projection to walks of people who are known."""

from collections.abc import Sequence

import numpy as np
import torch

from gait.errors import ConfigError
from train.data.pack import Pack, Record
from train.embed import embed_modalities
from train.loop.embedding_centre import spread
from train.model.network import GaitNetwork

WALKS = 8192
"""Walks of a pack that it is fitted to, at most."""


def fit_projection(
    network: GaitNetwork,
    people: Sequence[tuple[Pack, Sequence[Record]]],
    device: torch.device,
    precision: torch.dtype,
) -> None:
    """Fits the projection of a network that is trained, and centred if it is to be.

    Args:
        network: on `device`; its projection is replaced.
        people: packs and walks of theirs; of more than `WALKS` of a pack as many are taken, evenly
            spaced. People of different packs are different people.
        device: where to compute.
        precision: dtype of autocast.

    Raises:
        ConfigError: the network has no projection, or there are too few people for it.
    """
    projection = network.projection
    if projection is None:
        raise ConfigError("got a network without a projection: set model.projection")
    some = [(pack, spread(records, WALKS)) for pack, records in people]
    with network.unprojected():
        found = [
            embed_modalities(network, pack, records, device, precision, title="projecting")
            for pack, records in some
        ]
    whose = [f"{place} {each.subject}" for place, (_, own) in enumerate(some) for each in own]
    projection.fit({m: np.concatenate([each[m] for each in found]) for m in found[0]}, whose)
