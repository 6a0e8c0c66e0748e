"""Embeddings as one signed byte a number, after a rotation that lets one scale fit all."""

from collections.abc import Sequence
from typing import Self

import faiss
import numpy as np
from numpy.typing import NDArray

from gallery.index.rotation import rotated, size
from gallery.index.rows import Ids, Mask
from gallery.index.rung import only
from gallery.template import Matrix

Codes = NDArray[np.uint8]

_DEVIATIONS = 6
"""Of the normal distribution that the range of a byte covers. Beyond it numbers are clipped."""
_BIAS = 128
"""How FAISS keeps signed bytes: the value plus this."""


class Int8:
    """Codes `(n, size)`. See `Rung` for what it does."""

    def __init__(self, codes: Codes) -> None:
        quantizer = faiss.ScalarQuantizer.QT_8bit_direct_signed
        inner = faiss.METRIC_INNER_PRODUCT
        self._flat = faiss.IndexScalarQuantizer(codes.shape[1], quantizer, inner)
        self._flat.add_sa_codes(np.ascontiguousarray(codes))
        self._codes: Codes = faiss.rev_swig_ptr(self._flat.codes.data(), codes.size)
        self._codes = self._codes.reshape(codes.shape)

    def __len__(self) -> int:
        return len(self._codes)

    @classmethod
    def of(cls, embeddings: Matrix) -> Self:
        """Holds embeddings `(n, dimension)`."""
        return cls((_rounded(embeddings) + _BIAS).astype(np.uint8))

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """What all parts hold, in their order."""
        return cls(np.concatenate([part._codes for part in parts]))

    def take(self, rows: Ids | Mask) -> Self:
        """A copy of some rows."""
        return type(self)(self._codes[rows])

    def near(self, queries: Matrix, allowed: Mask, count: int) -> tuple[Matrix, Ids]:
        """The rows whose codes have the largest inner product with each query."""
        count = min(count, int(allowed.sum()))
        wanted = only(allowed)
        # FAISS cuts a query's fractions off, so it is rounded as the rows are
        scores, rows = self._flat.search(_rounded(queries), count, params=wanted)
        return scores / _scale(queries.shape[1]) ** 2, rows

    def vectors(self, rows: Ids) -> Matrix | None:  # noqa: ARG002
        """None: it does not hold them."""
        return None

    def erase(self, rows: Ids) -> None:
        """Zeros in place of the codes of these rows."""
        self._codes[rows] = 0


def _rounded(embeddings: Matrix) -> Matrix:
    """Rotated embeddings in the units of the codes: whole numbers -127..127."""
    scaled = rotated(embeddings) * _scale(embeddings.shape[1])
    rounded: Matrix = np.clip(np.rint(scaled), -127, 127)
    return rounded


def _scale(dimension: int) -> np.float32:
    return np.float32(127 / _DEVIATIONS * np.sqrt(size(dimension)))
