"""The cross-view protocol of SUSTech1K."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gait.errors import EvaluationError
from gait.metrics import Distance
from train.data.identity import walks_hash
from train.protocols.outcomes import Lookup, Side, by_modality, metric_names, outcomes
from train.protocols.resample import resampled_people
from train.protocols.result import ProtocolResult
from train.protocols.summary import Layout, ProbeSet, people_hash, summarise

Strings = NDArray[np.str_]

GALLERY = "00-nm"
CONDITIONS: dict[str, tuple[str, ...]] = {
    "Normal": ("01-nm",),
    "Bag": ("bg",),
    "Clothing": ("cl",),
    "Carrying": ("cr",),
    "Umbrella": ("ub",),
    "Uniform": ("uf",),
    "Occlusion": ("oc",),
    "Night": ("nt",),
    "Overall": ("01", "02", "03", "04"),
}
"""Probe set → parts of the type, one of which a member has. A walk can be in several sets."""


@dataclass(frozen=True, eq=False)
class Labels:
    """Who walked how, seen from where: one entry for each clip.

    Args:
        subjects: `(n,)` ids.
        types: `(n,)` such as `01-cr-uf`.
        views: `(n,)` such as `090-near`.

    Raises:
        EvaluationError: not three string arrays of one length, or empty.
    """

    subjects: Strings
    types: Strings
    views: Strings

    def __post_init__(self) -> None:
        arrays = (self.subjects, self.types, self.views)
        if any(a.dtype.kind != "U" or a.shape != (len(a),) for a in arrays):
            raise EvaluationError(
                f"got labels of {[str(a.dtype) for a in arrays]}, need three flat string arrays"
            )
        if len({len(a) for a in arrays}) > 1 or not len(self.subjects):
            raise EvaluationError(
                f"got {[len(a) for a in arrays]} subjects, types and views, need one of each a clip"
            )

    def __len__(self) -> int:
        return len(self.subjects)

    @property
    def walks(self) -> list[tuple[str, ...]]:
        """Subject, type and view of each clip, sorted."""
        columns = (self.subjects, self.types, self.views)
        return sorted(zip(*(column.tolist() for column in columns), strict=True))


def evaluate_sustech1k(
    silhouette: NDArray[np.float32] | None,
    range_view: NDArray[np.float32] | None,
    labels: Labels,
    *,
    ranks: Sequence[int] = (1, 5, 10),
    bootstrap: int = 1000,
    seed: int = 0,
    simulated: bool = False,
    distance: Distance = Distance.COSINE,
) -> ProtocolResult:
    """Scores embeddings under the SUSTech1K protocol: both distances, all directions.

    Gallery: types containing `00-nm`, one view at a time, never the probe's own. `A_r[i, j]` is
    the share of the probes of view i whose subject is among the r nearest items of gallery view j;
    a probe whose subject that view lacks is a miss (and counts 0 in mAP and mINP). Score: mean over
    i of the mean over j ≠ i, unweighted, empty cells left out and counted.

    Args:
        silhouette: `(n, p, d)` embeddings of the camera's clips; None: there are none.
        range_view: `(n, p, d)` embeddings of the LiDAR's, of the same walks in the same order.
        labels: of the n walks; test subjects only.
        ranks: the r of Rank-r.
        bootstrap: resamples of people behind the 95 % intervals.
        seed: of the resamples.
        simulated: whether these are simulated people.
        distance: which distance is reported first; the result holds both.

    Raises:
        EvaluationError: the arrays do not fit each other, or there is no gallery, no probe or only
            one view.
    """
    found = compare_sustech1k(silhouette, range_view, labels, ranks)
    weights = resampled_people(found.layout.people, bootstrap, seed)
    return ProtocolResult(
        protocol="SUSTech1K",
        simulated=simulated,
        distance=distance,
        gallery_rule=f"type contains {GALLERY}, one view at a time, never the probe's own"
        + _lacking(labels),
        left_out={},
        metrics=found.layout.metrics,
        bootstrap=bootstrap,
        seed=seed,
        people_sha256=people_hash(labels.subjects.tolist()),
        walks_sha256=walks_hash(labels.walks),
        rows=summarise(found.layout, found.values, found.sets, weights),
    )


def _lacking(labels: Labels) -> str:
    """How many comparisons cannot succeed, since people were not seen from all views; in words."""
    gallery = np.char.find(labels.types, GALLERY) >= 0
    seen = set(zip(labels.subjects[gallery].tolist(), labels.views[gallery].tolist(), strict=True))
    views = sorted({view for _, view in seen})
    probes = zip(labels.subjects[~gallery].tolist(), labels.views[~gallery].tolist(), strict=True)
    there = [(who, other) in seen for who, own in probes for other in views if other != own]
    lack = 1 - sum(there) / max(1, len(there))
    return f"; {lack:.0%} of these views lack the person, who is missed then" if lack > 0 else ""


class Comparison(NamedTuple):
    """What happened to every probe under the protocol, before anything is averaged.

    Args:
        people: `(people,)` sorted ids, in the order of the layout's numbers.
        layout: who is compared with whom.
        values: of `outcomes`.
        sets: the conditions.
    """

    people: Strings
    layout: Layout
    values: dict[Lookup, NDArray[np.float32]]
    sets: list[ProbeSet]


def compare_sustech1k(
    silhouette: NDArray[np.float32] | None,
    range_view: NDArray[np.float32] | None,
    labels: Labels,
    ranks: Sequence[int],
) -> Comparison:
    """Looks every probe up. Arguments and errors as in `evaluate_sustech1k`."""
    embeddings = by_modality(silhouette, range_view)
    for modality, array in embeddings.items():
        if len(array) != len(labels):
            raise EvaluationError(
                f"got {len(array)} {modality} embeddings and {len(labels)} labels, need as many"
            )
    view_names, views = np.unique(labels.views, return_inverse=True)
    people, subjects = np.unique(labels.subjects, return_inverse=True)
    in_gallery = _contains(labels.types, (GALLERY,))
    if in_gallery.all() or not in_gallery.any() or len(view_names) < 2:
        raise EvaluationError(
            f"got {in_gallery.sum()} gallery clips (type {GALLERY}), {(~in_gallery).sum()} others "
            f"and {len(view_names)} views, need gallery, probes and at least 2 views"
        )
    gallery, probe = (
        Side.of(embeddings, np.flatnonzero(mask), subjects, views, len(view_names))
        for mask in (in_gallery, ~in_gallery)
    )
    compared = ~np.eye(len(view_names), dtype=np.bool_)
    metrics = metric_names(ranks)
    layout = Layout(probe, gallery, tuple(map(str, view_names)), compared, len(people), metrics)
    cells = [(int(i), int(j)) for i, j in np.argwhere(compared)]
    values = outcomes(probe, gallery, cells, ranks)
    sets = [
        ProbeSet(name, _contains(labels.types[probe.clips], parts))
        for name, parts in CONDITIONS.items()
    ]
    return Comparison(people, layout, values, sets)


def _contains(types: NDArray[Any], parts: Sequence[str]) -> NDArray[np.bool_]:
    found = np.zeros(len(types), dtype=np.bool_)
    for part in parts:
        found |= np.strings.find(types, part) >= 0
    return found
