"""Fits a network's projection to walks of people who are known."""

from collections.abc import Sequence

import numpy as np
import torch

from gait.errors import ConfigError
from train.data.pack import Pack, Record
from train.embed import embed_modalities
from train.model.network import GaitNetwork

WALKS = 6144
"""Walks that it is fitted to, at most."""


def fit_projection(
    network: GaitNetwork,
    people: Sequence[tuple[Pack, Sequence[Record]]],
    device: torch.device,
    precision: torch.dtype,
) -> None:
    """Fits the projection of a network that is trained, and centred if it is to be.

    Args:
        network: on `device`; its projection is replaced.
        people: packs and walks of theirs; of more than `WALKS` as many are taken, evenly spaced.
            People of different packs are different people.
        device: where to compute.
        precision: dtype of autocast.

    Raises:
        ConfigError: the network has no projection, or there are too few people for it.
    """
    projection = network.projection
    if projection is None:
        raise ConfigError("got a network without a projection: set model.projection")
    every = [(pack, record) for pack, records in people for record in records]
    rows = np.linspace(0, len(every) - 1, min(WALKS, len(every))).astype(int)
    some = [every[row] for row in rows]
    with network.unprojected():
        found = [
            embed_modalities(
                network, pack, [r for p, r in some if p is pack], device, precision, "projecting"
            )
            for pack, _ in people
        ]
    whose = [f"{place} {r.subject}" for place, (pack, _) in enumerate(people)
             for p, r in some if p is pack]  # fmt: skip
    embeddings = {m: np.concatenate([each[m] for each in found]) for m in found[0]}
    projection.fit(embeddings, whose)
