"""What happened to every probe: its ranks in each gallery view, for each way to compare."""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise, product

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from gait.errors import EvaluationError
from gait.metrics import (
    Distance,
    Parts,
    average_precision,
    distances,
    inverse_negative_penalty,
    positive_ranks,
    rank_k,
)
from gait.modality import Modality
from gait.progress import progress

Embeddings = dict[Modality, NDArray[np.float32]]
Indices = NDArray[np.intp]

_ROWS = 1024
"""Probes compared at once: bounds the distance matrix when the gallery is not split by view."""


@dataclass(frozen=True)
class Lookup:
    """One way to look people up: whose probes, whose gallery, which distance."""

    probe: Modality
    gallery: Modality
    distance: Distance


LOOKUPS = tuple(Lookup(*names) for names in product(Modality, Modality, Distance))


def by_modality(
    silhouette: NDArray[np.float32] | None, range_view: NDArray[np.float32] | None
) -> Embeddings:
    """The embeddings that there are.

    Raises:
        EvaluationError: there are none, or some are no finite numbers.
    """
    both = zip(Modality, (silhouette, range_view), strict=True)
    found = {modality: array for modality, array in both if array is not None}
    if not found:
        raise EvaluationError("got no embeddings, need those of at least one modality")
    for modality, array in found.items():
        if array.dtype.kind != "f":
            continue
        rows = np.flatnonzero(~np.isfinite(array).all(axis=tuple(range(1, array.ndim))))
        if len(rows):
            raise EvaluationError(
                f"got NaN or infinity in {len(rows)} of {len(array)} {modality} embeddings, the "
                f"first in row {rows[0]}, counted from 0"
            )
    return found


@dataclass(frozen=True, eq=False)
class Side:
    """Probes or gallery: clips grouped by view, their embeddings alike.

    Args:
        clips: `(n,)` source index of each clip.
        subjects: `(n,)` number of each clip's subject.
        slices: per view, which of these clips show it.
        parts: the embeddings in this order, per modality.
    """

    clips: Indices
    subjects: Indices
    slices: tuple[slice, ...]
    parts: dict[Modality, Parts]

    @classmethod
    def of(
        cls, embeddings: Embeddings, clips: Indices, subjects: Indices, views: Indices, count: int
    ) -> "Side":
        """Takes `clips` of all clips' embeddings, subjects and views (numbers below `count`)."""
        clips = clips[np.argsort(views[clips], kind="stable")]
        edges = np.searchsorted(views[clips], np.arange(count + 1))
        return cls(
            clips,
            subjects[clips],
            tuple(slice(int(a), int(b)) for a, b in pairwise(edges)),
            {modality: Parts.of(array[clips]) for modality, array in embeddings.items()},
        )


def metric_names(ranks: Sequence[int]) -> tuple[str, ...]:
    """Names of the metrics in the order of `outcomes`.

    Raises:
        EvaluationError: a rank below 1, twice the same, or none.
    """
    if not ranks or min(ranks) < 1 or len(set(ranks)) < len(ranks):
        raise EvaluationError(f"got ranks {tuple(ranks)}, need different ones of 1 or more")
    return (*(f"rank{k}" for k in ranks), "mAP", "mINP")


def outcomes(
    probe: Side, gallery: Side, cells: Sequence[tuple[int, int]], ranks: Sequence[int]
) -> dict[Lookup, NDArray[np.float32]]:
    """Every probe's metrics in every gallery view it is compared with.

    Blocks run on as many threads as there are cores, each with a single-threaded matrix product.

    Args:
        probe: the probes.
        gallery: the gallery.
        cells: pairs (probe view, gallery view) to compare.
        ranks: the r of Rank-r.

    Returns:
        For each comparison `(q, views, metrics)` values in 0..1 in the order of `probe.clips` and
        `metric_names`; 0 where nothing was compared, and for a probe whose subject the gallery
        view lacks (a miss).
    """
    shape = (len(probe.clips), len(gallery.slices), len(metric_names(ranks)))
    values = {
        way: np.zeros(shape, dtype=np.float32)
        for way in LOOKUPS
        if way.probe in probe.parts and way.gallery in gallery.parts
    }

    def work(job: tuple[Modality, Modality, slice, int]) -> None:
        probe_modality, gallery_modality, rows, view = job
        columns = gallery.slices[view]
        matrices = distances(
            probe.parts[probe_modality].rows(rows), gallery.parts[gallery_modality].rows(columns)
        )
        for distance, matrix in matrices.items():
            found = positive_ranks(matrix, probe.subjects[rows], gallery.subjects[columns])
            way = Lookup(probe_modality, gallery_modality, distance)
            values[way][rows, view] = _metrics(found, ranks)

    jobs = list(product(probe.parts, gallery.parts, _blocks(probe, cells)))
    with (
        threadpool_limits(1, user_api="blas"),
        ThreadPoolExecutor(cores()) as pool,
        progress() as bar,
    ):
        task = bar.add_task("comparing", total=len(jobs), note="")
        for _ in pool.map(lambda job: work((job[0], job[1], *job[2])), jobs):
            bar.advance(task)
    return values


def _blocks(probe: Side, cells: Sequence[tuple[int, int]]) -> Iterator[tuple[slice, int]]:
    for view, gallery_view in cells:
        rows = probe.slices[view]
        for start in range(rows.start, rows.stop, _ROWS):
            yield slice(start, min(start + _ROWS, rows.stop)), gallery_view


def _metrics(found: NDArray[np.int64], ranks: Sequence[int]) -> NDArray[np.float64]:
    columns = [rank_k(found, k) for k in ranks]
    return np.stack([*columns, average_precision(found), inverse_negative_penalty(found)], axis=1)


def cores() -> int:
    """Cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
