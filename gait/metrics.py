"""Distances between part embeddings and retrieval metrics, numpy alone.

An embedding is `(p, d)`: `p` body parts of `d` numbers. Smaller distance is closer. Ranks are
pessimistic about ties: a wrong item as near as the right one comes first, so that a collapsed
model, for which everything is equally far, scores nothing.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gait.errors import EvaluationError

Matrix = NDArray[np.float32]

_BLOCK = 256
"""Probe rows per block: block × gallery stays in the cache between the steps of a distance."""


class Distance(StrEnum):
    """How far two embeddings are apart."""

    EUCLIDEAN = "euclidean"
    """Mean over parts of `‖x_p − y_p‖`."""
    COSINE = "cosine"
    """1 − mean over parts of `cos(x_p, y_p)`."""


@dataclass(frozen=True, eq=False)
class Parts:
    """Embeddings split into length and direction of each part, ready for block products.

    Args:
        units: `(p, n, d)` float32 unit vectors; a part of length 0 stays 0.
        norms: `(p, n)` float32 lengths.
    """

    units: Matrix
    norms: Matrix

    @classmethod
    def of(cls, embeddings: ArrayLike) -> "Parts":
        """From `(n, p, d)` numbers.

        Raises:
            EvaluationError: not three-dimensional, or not finite.
        """
        array = np.asarray(embeddings)
        if array.ndim != 3 or array.dtype.kind not in "fiu" or 0 in array.shape[1:]:
            raise EvaluationError(
                f"got embeddings of shape {array.shape} and {array.dtype}, "
                "need numbers of shape (clips, parts, dimensions)"
            )
        units = np.array(array.transpose(1, 0, 2), dtype=np.float32, order="C")
        norms = np.sqrt(np.einsum("pnd,pnd->pn", units, units))
        if not np.isfinite(norms).all():
            clip = int(np.argwhere(~np.isfinite(norms))[0, 1])
            raise EvaluationError(f"got NaN, infinity or overflow in the embedding of clip {clip}")
        units /= np.where(norms > 0, norms, np.float32(1))[:, :, None]
        return cls(units, norms)

    def __len__(self) -> int:
        return int(self.norms.shape[1])

    def rows(self, rows: slice) -> "Parts":
        """Some of the embeddings, without copying."""
        return Parts(self.units[:, rows], self.norms[:, rows])


def distances(probe: Parts, gallery: Parts) -> dict[Distance, Matrix]:
    """Both distances of every probe to every gallery item, from one set of part products.

    With `u = x_p·y_p / (‖x_p‖‖y_p‖)` the part's cosine is `u` and its squared Euclidean distance
    `‖x_p‖² + ‖y_p‖² − 2‖x_p‖‖y_p‖u`.

    Returns:
        For each `Distance` a `(q, g)` float32 matrix.

    Raises:
        EvaluationError: the two differ in parts or dimensions.
    """
    (p, q, d), (gallery_p, g, gallery_d) = probe.units.shape, gallery.units.shape
    if (p, d) != (gallery_p, gallery_d):
        raise EvaluationError(
            f"got probes of {p} parts × {d} and gallery items of {gallery_p} × {gallery_d}, "
            "need the same for both"
        )
    euclidean, cosine = np.zeros((q, g), np.float32), np.zeros((q, g), np.float32)
    for start in range(0, q, _BLOCK):
        rows = slice(start, start + _BLOCK)
        _add_parts(probe, gallery, rows, euclidean[rows], cosine[rows])
    euclidean /= p
    np.subtract(1, cosine / p, out=cosine)
    return {Distance.EUCLIDEAN: euclidean, Distance.COSINE: cosine}


def _add_parts(
    probe: Parts, gallery: Parts, rows: slice, euclidean: Matrix, cosine: Matrix
) -> None:
    """Adds every part's Euclidean distance and cosine, in place and without new arrays."""
    u, squared = np.empty_like(cosine), np.empty_like(cosine)
    for x, x_norm, y, y_norm in zip(
        probe.units, probe.norms, gallery.units, gallery.norms, strict=True
    ):
        length = x_norm[rows, None]
        np.matmul(x[rows], y.T, out=u)
        cosine += u
        np.multiply(u, -2 * y_norm, out=squared)
        squared *= length
        squared += y_norm**2
        squared += length**2
        euclidean += np.sqrt(np.maximum(squared, 0, out=squared), out=squared)


def euclidean(probe: ArrayLike, gallery: ArrayLike) -> Matrix:
    """Mean over parts of the Euclidean distance: `1/P Σ_p ‖x_p − y_p‖`.

    Args:
        probe: `(q, p, d)` embeddings.
        gallery: `(g, p, d)` embeddings.

    Returns:
        `(q, g)` float32 distances, 0 or more. Two equal embeddings may be about 1e-3 of their
        length apart: the price of float32 products.

    >>> x = [[[3.0, 0.0], [0.0, 1.0]]]
    >>> y = [[[0.0, 4.0], [0.0, 0.0]], [[3.0, 0.0], [0.0, 0.0]]]
    >>> euclidean(x, y)  # (5 + 1) / 2 and (0 + 1) / 2
    array([[3. , 0.5]], dtype=float32)
    """
    return distances(Parts.of(probe), Parts.of(gallery))[Distance.EUCLIDEAN]


def cosine(probe: ArrayLike, gallery: ArrayLike) -> Matrix:
    """One minus the mean over parts of the cosine: `1 − 1/P Σ_p x_p·y_p / (‖x_p‖‖y_p‖)`.

    Args:
        probe: `(q, p, d)` embeddings.
        gallery: `(g, p, d)` embeddings.

    Returns:
        `(q, g)` float32 distances in 0..2. A part of length 0 has cosine 0 with everything.

    >>> x = [[[2.0, 0.0], [0.0, 1.0]]]
    >>> y = [[[5.0, 0.0], [0.0, 3.0]], [[0.0, 1.0], [0.0, -1.0]], [[1.0, 0.0], [0.0, 0.0]]]
    >>> cosine(x, y)  # cosines 1 and 1; 0 and −1; 1 and (nothing)
    array([[0. , 1.5, 0.5]], dtype=float32)
    """
    return distances(Parts.of(probe), Parts.of(gallery))[Distance.COSINE]


def positive_ranks(
    distance: NDArray[np.floating], probe: NDArray[Any], gallery: NDArray[Any]
) -> NDArray[np.int64]:
    """Where each probe finds its own subject: the ranks of its positives, 1 being nearest.

    `rank` of the k-th nearest positive = k + number of other subjects' items at most as far.

    Args:
        distance: `(q, g)`.
        probe: `(q,)` subject of each probe.
        gallery: `(g,)` subject of each gallery item.

    Returns:
        `(q, m)` rising ranks; `m` is the largest number of positives, missing ones are 0.

    >>> ids = np.array(["ann", "bob", "ann", "cid"])
    >>> d = np.array([[0.4, 0.1, 0.6, 0.9], [0.4, 0.4, 0.6, 0.9], [0.4, 0.1, 0.6, 0.9]])
    >>> positive_ranks(d, np.array(["ann", "bob", "eve"]), ids)  # bob ties with ann; no eve
    array([[2, 3],
           [2, 0],
           [0, 0]])
    """
    same = probe[:, None] == gallery[None, :]
    counts = same.sum(axis=1)
    m = int(counts.max(initial=0))
    slots = np.arange(m) < counts[:, None]
    positives = np.full((len(distance), m), np.inf, dtype=distance.dtype)
    positives[slots] = distance[same]
    positives.sort(axis=1)
    ranks = np.zeros((len(distance), m), dtype=np.int64)
    for k in range(m):
        threshold = positives[:, k, None]
        others = np.count_nonzero(distance <= threshold, axis=1)
        others -= np.count_nonzero(positives <= threshold, axis=1)
        ranks[:, k] = others + k + 1
    return np.where(slots, ranks, 0)


def rank_k(ranks: NDArray[np.int64], k: int) -> NDArray[np.bool_]:
    """Whether the probe's subject is among the `k` nearest gallery items.

    Args:
        ranks: `(q, m)` of `positive_ranks`.
        k: 1 or more.

    Returns:
        `(q,)`; false for a probe whose subject the gallery lacks.

    >>> ranks = np.array([[1, 9], [3, 4], [0, 0]])
    >>> rank_k(ranks, 1), rank_k(ranks, 3)
    (array([ True, False, False]), array([ True,  True, False]))
    """
    return np.asarray(((ranks > 0) & (ranks <= k)).any(axis=1))


def average_precision(ranks: NDArray[np.int64]) -> NDArray[np.float64]:
    """Precision at each positive, averaged over the positives: `1/m Σ_k k / rank_k`.

    Args:
        ranks: `(q, m)` of `positive_ranks`.

    Returns:
        `(q,)` in 0..1; 0 for a probe whose subject the gallery lacks. Their mean is mAP.

    >>> average_precision(np.array([[1, 2], [2, 4], [5, 0], [0, 0]]))
    array([1. , 0.5, 0.2, 0. ])
    """
    found = ranks > 0
    k = np.arange(1, ranks.shape[1] + 1)
    precision = np.where(found, k / np.maximum(ranks, 1), 0.0)
    return np.asarray(precision.sum(axis=1) / np.maximum(found.sum(axis=1), 1))


def inverse_negative_penalty(ranks: NDArray[np.int64]) -> NDArray[np.float64]:
    """How soon the hardest positive is found: `m / rank of the last positive`.

    Args:
        ranks: `(q, m)` of `positive_ranks`.

    Returns:
        `(q,)` in 0..1; 0 for a probe whose subject the gallery lacks. Their mean is mINP (Ye et
        al., "Deep Learning for Person Re-identification", 2021).

    >>> inverse_negative_penalty(np.array([[1, 2], [1, 8], [5, 0], [0, 0]]))
    array([1.  , 0.25, 0.2 , 0.  ])
    """
    last = ranks.max(axis=1, initial=0)
    return np.asarray((ranks > 0).sum(axis=1) / np.maximum(last, 1))
