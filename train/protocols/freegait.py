"""The pooled-gallery protocol of FreeGait."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from gait.errors import EvaluationError
from gait.metrics import Distance
from train.data.identity import walks_hash
from train.protocols.outcomes import Side, by_modality, metric_names, outcomes
from train.protocols.resample import resampled_people
from train.protocols.result import ProtocolResult
from train.protocols.summary import Layout, ProbeSet, people_hash, summarise

RULES = {
    "list": "the partition's GALLERY_SET",
    "complement": "every test sequence outside PROBE_SET (OpenGait's choice)",
}


def evaluate_freegait(
    silhouette: NDArray[np.float32] | None,
    range_view: NDArray[np.float32] | None,
    subjects: NDArray[np.str_],
    roles: NDArray[np.str_],
    *,
    gallery: Literal["list", "complement"] = "list",
    ranks: Sequence[int] = (1, 5),
    bootstrap: int = 1000,
    seed: int = 0,
    simulated: bool = False,
    distance: Distance = Distance.COSINE,
) -> ProtocolResult:
    """Scores embeddings under the FreeGait protocol: both distances, all directions.

    One gallery for all probes. Probes without a gallery item of their subject are left out and
    counted.

    Args:
        silhouette: `(n, p, d)` embeddings of the camera's clips; None: there are none.
        range_view: `(n, p, d)` embeddings of the LiDAR's, of the same walks in the same order.
        subjects: `(n,)` ids; test subjects only.
        roles: `(n,)` of `gallery`, `probe` or the empty string.
        gallery: the listed sequences, or all that are no probe.
        ranks: the r of Rank-r.
        bootstrap: resamples of people behind the 95 % intervals.
        seed: of the resamples.
        simulated: whether these are simulated people.
        distance: which distance is reported first; the result holds both.

    Raises:
        EvaluationError: the arrays do not fit each other, or no probe has a gallery item.
    """
    embeddings = by_modality(silhouette, range_view)
    lengths = [len(a) for a in (*embeddings.values(), subjects, roles)]
    if len(set(lengths)) > 1:
        raise EvaluationError(
            f"got {lengths} {', '.join(embeddings)} embeddings, subjects and roles, need one of "
            "each a clip"
        )
    unknown = set(roles.tolist()) - {"gallery", "probe", ""}
    if unknown or gallery not in RULES:
        raise EvaluationError(
            f"got roles {sorted(unknown)} and gallery rule {gallery!r}, need roles gallery, probe "
            f"or empty and a rule of {list(RULES)}"
        )
    in_gallery = roles == "gallery" if gallery == "list" else roles != "probe"
    findable = np.isin(subjects, subjects[in_gallery])
    probes = np.flatnonzero((roles == "probe") & findable)
    if not len(probes):
        raise EvaluationError("got no probe with a gallery item of its subject, need at least 1")
    people, numbers = np.unique(subjects, return_inverse=True)
    one_view = np.zeros(len(subjects), dtype=np.intp)
    probe, items = (
        Side.of(embeddings, clips, numbers, one_view, 1)
        for clips in (probes, np.flatnonzero(in_gallery))
    )
    metrics = metric_names(ranks)
    compared = np.ones((1, 1), dtype=np.bool_)
    layout = Layout(probe, items, ("all",), compared, len(people), metrics)
    weights = resampled_people(len(people), bootstrap, seed)
    values = outcomes(probe, items, [(0, 0)], ranks)
    everyone = ProbeSet("Overall", np.ones(len(probes), dtype=np.bool_))
    return ProtocolResult(
        protocol="FreeGait",
        simulated=simulated,
        distance=distance,
        gallery_rule=RULES[gallery],
        left_out={"no gallery item": int(np.count_nonzero((roles == "probe") & ~findable))},
        metrics=metrics,
        bootstrap=bootstrap,
        seed=seed,
        people_sha256=people_hash(subjects.tolist()),
        walks_sha256=walks_hash(sorted(zip(subjects.tolist(), roles.tolist(), strict=True))),
        rows=summarise(layout, values, [everyone], weights),
    )
