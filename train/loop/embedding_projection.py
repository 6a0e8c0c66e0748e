"""Fits a network's projection to walks of people who are known."""

from collections.abc import Sequence
from itertools import count

import numpy as np
import torch
from torch import Tensor

from gait.errors import ConfigError
from gait.modality import Modality
from train.augment.batch import changed_range_views, changed_silhouettes
from train.augment.draws import Draws
from train.data.pack import Pack, Record
from train.embed import embed_modalities
from train.loop.embedding_centre import spread
from train.machine.distributed import Ranks
from train.model.network import GaitNetwork

WALKS = 16_384
"""Walks of a pack that it is fitted to, at most."""

SEEN_BY_OTHERS = 9
"""Where maps are projected, one walk of so many is also taken as another camera and another LiDAR
would have seen it, so that what sensors do counts as a difference within people."""

People = Sequence[tuple[Pack, Sequence[Record]]]


def fit_projection(
    network: GaitNetwork, people: People, device: torch.device, precision: torch.dtype
) -> None:
    """Fits the projection of a network that is trained.

    Args:
        network: on `device`; its projection is replaced.
        people: packs and walks of theirs; of more than `WALKS` of a pack as many are taken, evenly
            spaced. People of different packs are different people.
        device: where to compute.
        precision: dtype of autocast.

    Raises:
        ConfigError: the network has no projection, or there are too few people for it.
    """
    projection, draw = network.projection, count()
    if projection is None:
        raise ConfigError("got a network without a projection: set model.projection")

    def by_others(clips: Tensor, modality: Modality, lengths: Tensor) -> Tensor:
        seen = _by_others(clips, modality, next(draw))
        return network.description(seen, modality, lengths)

    found, whose, untouched = [], [], []
    for place, (pack, records) in enumerate(people):
        some = spread(records, WALKS)
        again = some[::SEEN_BY_OTHERS] if projection.of_maps else []
        for own, embed in ((some, network.description), (again, by_others)):
            if not own:
                continue
            found.append(
                embed_modalities(network, pack, own, device, precision, "projecting", embed)
            )
            whose += [f"{place} {each.subject}" for each in own]
            untouched += [embed is not by_others] * len(own)
    joined = {m: np.concatenate([each[m][:, 0] for each in found]) for m in found[0]}
    projection.fit(joined, whose, np.array(untouched))


def _by_others(clips: Tensor, modality: Modality, number: int) -> Tensor:
    key = (0, number, list(Modality).index(modality))
    draws = Draws(key, len(clips), clips.shape[1], clips.device, Ranks())
    change = changed_silhouettes if modality == Modality.SILHOUETTE else changed_range_views
    return change(clips, 1.0, draws)
