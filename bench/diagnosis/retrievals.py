"""Which probes were found with the most room to spare, and which failed worst."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gait.metrics import Distance, Parts, distances
from gait.modality import Modality
from train.data.dataset_layout import Embedded
from train.data.pack import Record
from train.embed import Embeddings, by_modality
from train.protocols.sustech1k import GALLERY
from train.report.strips import searched


class Retrieval(NamedTuple):
    """A probe looked up in one gallery view.

    Args:
        probe: position of the probe among the walks.
        gallery: positions of the gallery's walks.
        margin: distance of the nearest wrong person less that of the right one: below 0, somebody
            else was nearer.
    """

    probe: int
    gallery: NDArray[np.intp]
    margin: float


def extremes(
    records: Sequence[Record],
    embeddings: Embeddings | Embedded,
    probe: Modality,
    count: int,
    distance: Distance,
) -> tuple[list[Retrieval], list[Retrieval]]:
    """The largest and the smallest margins, each of different people, best and worst first.

    Every probe is looked up in every gallery view but its own, as in the protocol, among walks of
    the other modality, if there is one.
    """
    found = sorted(_all(records, by_modality(embeddings), probe, distance), key=lambda r: r.margin)
    return _different(records, found[::-1], count), _different(records, found, count)


def _all(
    records: Sequence[Record], embeddings: Embedded, probe: Modality, distance: Distance
) -> list[Retrieval]:
    types, views, subjects = (
        np.array([getattr(r, name) for r in records]) for name in ("type", "view", "subject")
    )
    enrolled = np.strings.find(types, GALLERY) >= 0
    found = []
    for view in np.unique(views[enrolled]):
        gallery = np.flatnonzero(enrolled & (views == view))
        probes = np.flatnonzero(~enrolled & (views != view))
        sides = embeddings[probe][probes], embeddings[searched(embeddings, probe)][gallery]
        far = distances(*map(Parts.of, sides))[distance]
        same = subjects[probes][:, None] == subjects[gallery]
        right = np.where(same, far, np.inf).min(axis=1)
        wrong = np.where(same, np.inf, far).min(axis=1)
        margins = wrong - right
        found += [
            Retrieval(int(p), gallery, float(m))
            for p, m in zip(probes, margins, strict=True)
            if np.isfinite(m)
        ]
    return found


def _different(
    records: Sequence[Record], found: Sequence[Retrieval], count: int
) -> list[Retrieval]:
    of_person: dict[str, Retrieval] = {}
    for retrieval in found:
        of_person.setdefault(records[retrieval.probe].subject, retrieval)
        if len(of_person) == count:
            break
    return list(of_person.values())
