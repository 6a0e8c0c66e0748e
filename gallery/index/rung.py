"""Ways to hold embeddings in memory, from exact and large to rough and small."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Protocol, Self

import faiss
import numpy as np

from gallery.index.rows import Ids, Mask
from gallery.template import Matrix


class RungName(StrEnum):
    """How an index holds embeddings; each is smaller, and faster when there are many, than the
    one before it. Similarities are exact on all of them."""

    EXACT = "exact"
    """float32, 4 bytes a number."""
    INT8 = "int8"
    """1 byte a number."""
    BITS = "bits"
    """1 bit a number."""


class Rung(Protocol):
    """Embeddings of one segment, held in one way, in a fixed order.

    It proposes: what it finds is compared exactly afterwards, so that it may be rough.
    """

    def __len__(self) -> int: ...

    @classmethod
    def of(cls, embeddings: Matrix) -> Self:
        """Holds embeddings `(n, dimension)`, each of norm 1."""
        ...

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """What all parts hold, in their order."""
        ...

    def take(self, rows: Ids | Mask) -> Self:
        """A copy of some rows."""
        ...

    def near(self, queries: Matrix, allowed: Mask, count: int) -> tuple[Matrix, Ids]:
        """The rows that seem most like each query.

        Args:
            queries: `(b, dimension)` of norm 1.
            allowed: `(n,)`, which rows may be found.
            count: rows wanted for each query, at least 1.

        Returns:
            Estimated similarities `(b, m)`, in no order, and their rows `(b, m)`; m is `count` or
            the number of allowed rows, whichever is less.
        """
        ...

    def vectors(self, rows: Ids) -> Matrix | None:
        """The exact embeddings `(m, dimension)` of rows, or None if it does not hold them."""
        ...

    def erase(self, rows: Ids) -> None:
        """Overwrites what it holds of these rows with zeros, at once, also under a search."""
        ...


def largest(scores: Matrix, count: int) -> tuple[Matrix, Ids]:
    """The `count` largest of each row of `(b, n)`, in no order, and their columns."""
    if count >= scores.shape[1]:
        columns = np.broadcast_to(np.arange(scores.shape[1]), scores.shape)
        return scores, columns
    columns = np.argpartition(scores, -count, axis=1)[:, -count:]
    return np.take_along_axis(scores, columns, axis=1), columns


def only(allowed: Mask) -> faiss.SearchParameters | None:
    """What tells FAISS to look at the allowed rows `(n,)` alone; None, which is faster, for all."""
    if allowed.all():
        return None
    bits = np.packbits(allowed, bitorder="little")
    return faiss.SearchParameters(sel=faiss.IDSelectorBitmap(bits))  # type: ignore[call-arg, arg-type]
