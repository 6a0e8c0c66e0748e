"""What the project has to know about a dataset's layout: how it is read, and by which protocol."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

import gait.sustech1k
from gait.clip import Frames
from gait.metrics import Distance
from gait.modality import Modality
from train.data.pack import Record
from train.protocols.result import ProtocolResult

GalleryRule = Literal["list", "complement"]


class Scoring(NamedTuple):
    """How embeddings are scored.

    Args:
        ranks: the r of Rank-r.
        bootstrap: resamples of people behind the 95 % intervals.
        seed: of the resamples.
        simulated: whether these are simulated people.
        gallery: of layouts with lists: the listed gallery, or all sequences that are no probe.
        distance: which distance is reported first; results hold both.
    """

    ranks: tuple[int, ...] = (1, 5, 10)
    bootstrap: int = 1000
    seed: int = 0
    simulated: bool = False
    gallery: GalleryRule = "list"
    distance: Distance = Distance.COSINE


Embedded = dict[Modality, NDArray[np.float32]]
"""Embeddings `(n, p, d)` of the same sequences by one modality or both."""


@dataclass(frozen=True)
class DatasetLayout:
    """A dataset of `<subject>/<type>/<view>` folders: what is in them, and how it is scored.

    Args:
        files: the name of each modality's file in a sequence's folder.
        read: the frames uint8 `(s, c, 64, 64)` of a sequence in one modality, from a file of such
            a name. It raises LayoutError where there is none, and ClipError or DataError where it
            holds something else.
        score: scores embeddings of test sequences by the dataset's protocol.
        in_gallery: whether the protocol enrols a test sequence.
        is_probe: whether it looks it up.
        one_view: whether a probe is compared with the gallery of one other view at a time.
    """

    files: dict[Modality, str]
    read: Callable[[gait.sustech1k.Sequence, Modality, str], Frames]
    score: Callable[[Embedded, Sequence[Record], Scoring], ProtocolResult]
    in_gallery: Callable[[Record], bool]
    is_probe: Callable[[Record], bool]
    one_view: bool

    def by_rule(self, gallery: GalleryRule) -> "DatasetLayout":
        """The layout whose gallery is the listed one, or all that is no probe."""
        if gallery == "list":
            return self
        return replace(self, in_gallery=lambda record: not self.is_probe(record))
