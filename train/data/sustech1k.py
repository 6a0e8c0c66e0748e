"""SUSTech1K's layout, which simulated walkers share: `gait.sustech1k` reads its files."""

from collections.abc import Sequence

import numpy as np

import gait.sustech1k
from gait.clip import Frames
from gait.errors import EvaluationError
from gait.modality import Modality
from gait.sustech1k import RANGE_VIEWS, SILHOUETTES, load_range_views, load_silhouettes
from train.data.dataset_layout import DatasetLayout, Embedded, Scoring
from train.data.pack import Record
from train.protocols.result import ProtocolResult
from train.protocols.sustech1k import GALLERY, Labels, evaluate_sustech1k


def read(sequence: gait.sustech1k.Sequence, modality: Modality, name: str) -> Frames:
    """The frames of a sequence in one modality."""
    load = load_silhouettes if modality == Modality.SILHOUETTE else load_range_views
    return load(sequence, name)


def labels_of(records: Sequence[Record]) -> Labels:
    """Who walked how, seen from where, of walks of a pack."""
    subjects, types, views = (
        np.array([getattr(record, name) for record in records])
        for name in ("subject", "type", "view")
    )
    return Labels(subjects, types, views)


def score(embedded: Embedded, records: Sequence[Record], how: Scoring) -> ProtocolResult:
    """Scores embeddings by the cross-view protocol.

    Raises:
        EvaluationError: another gallery than the protocol's is wanted, or as `evaluate_sustech1k`.
    """
    if how.gallery != "list":
        raise EvaluationError(
            f"got gallery {how.gallery} for SUSTech1K's protocol, which has one gallery, the walks "
            f"of type {GALLERY}: leave --gallery out (it is FreeGait's)"
        )
    return evaluate_sustech1k(
        embedded.get(Modality.SILHOUETTE),
        embedded.get(Modality.RANGE_VIEW),
        labels_of(records),
        ranks=how.ranks,
        bootstrap=how.bootstrap,
        seed=how.seed,
        simulated=how.simulated,
        distance=how.distance,
    )


def in_gallery(record: Record) -> bool:
    """Whether a walk is of the type that is enrolled."""
    return GALLERY in record.type


SUSTECH1K = DatasetLayout(
    files={Modality.SILHOUETTE: SILHOUETTES, Modality.RANGE_VIEW: RANGE_VIEWS},
    read=read,
    score=score,
    in_gallery=in_gallery,
    is_probe=lambda record: not in_gallery(record),
    one_view=True,
)
