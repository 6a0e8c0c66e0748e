"""Embeddings as one bit a number: the sign, after a random rotation.

Two unit vectors at angle θ differ in the share θ/π of such signs (Charikar, "Similarity estimation
techniques from rounding algorithms", 2002), so the number of different bits says how alike they
are. Some of the bits are compared for all rows, the rest for the rows that look best by then.
"""

from collections.abc import Sequence
from typing import Self

import faiss
import numpy as np
from numpy.typing import NDArray

from gallery.index.rotation import rotated
from gallery.index.rows import Ids, Mask
from gallery.index.rung import largest, only
from gallery.template import Matrix

Codes = NDArray[np.uint8]

FIRST = 1024
"""Bits that are compared for all rows."""
SHARE = 0.01
"""Of a segment's rows, how many are compared in all bits; and more than
`SPARE` times as many as are wanted."""
SPARE = 4


class Bits:
    """First codes `(n, first / 8)` and further codes `(n, rest / 8)`. See `Rung` for what it does.

    `size` bits make a rotated embedding; `first` is 1024 of them, or all if there are fewer.
    """

    def __init__(self, first: Codes, rest: Codes) -> None:
        self._binary = faiss.IndexBinaryFlat(8 * first.shape[1])
        self._binary.add(np.ascontiguousarray(first))
        self._first: Codes = faiss.rev_swig_ptr(self._binary.xb.data(), first.size)  # type: ignore[attr-defined]
        self._first = self._first.reshape(first.shape)
        self._rest = rest

    def __len__(self) -> int:
        return len(self._rest)

    @classmethod
    def of(cls, embeddings: Matrix) -> Self:
        """Holds embeddings `(n, dimension)`."""
        return cls(*_signs(embeddings))

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """What all parts hold, in their order."""
        first = np.concatenate([part._first for part in parts])
        return cls(first, np.concatenate([part._rest for part in parts]))

    def take(self, rows: Ids | Mask) -> Self:
        """A copy of some rows."""
        return type(self)(self._first[rows], self._rest[rows])

    def near(self, queries: Matrix, allowed: Mask, count: int) -> tuple[Matrix, Ids]:
        """The rows that differ from each query in the fewest bits."""
        first, rest = _signs(queries)
        total = int(allowed.sum())
        count = min(count, total)
        looked = min(total, max(SPARE * count, int(SHARE * len(self))))
        wanted = only(allowed)
        differ, rows = self._binary.search(first, looked, params=wanted)
        for query, bits in enumerate(rest):
            others = self._rest[rows[query]].view(np.uint64)
            differ[query] += np.bitwise_count(others ^ bits.view(np.uint64)).sum(1, dtype=np.int32)
        angles = differ * np.float32(np.pi / 8 / (first.shape[1] + rest.shape[1]))
        scores, best = largest(np.cos(angles, dtype=np.float32), count)
        return scores, np.take_along_axis(rows, best, axis=1)

    def vectors(self, rows: Ids) -> Matrix | None:  # noqa: ARG002
        """None: it does not hold them."""
        return None

    def erase(self, rows: Ids) -> None:
        """Zeros in place of the codes of these rows."""
        self._first[rows] = 0
        self._rest[rows] = 0


def _signs(embeddings: Matrix) -> tuple[Codes, Codes]:
    codes = np.packbits(rotated(embeddings) > 0, axis=1)
    return np.ascontiguousarray(codes[:, : FIRST // 8]), np.ascontiguousarray(
        codes[:, FIRST // 8 :]
    )
