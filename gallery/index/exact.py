"""Embeddings as they are: float32."""

from collections.abc import Sequence
from typing import Self

import numpy as np

from gallery.index.rows import Ids, Mask
from gallery.index.rung import largest
from gallery.template import Matrix


class Exact:
    """A matrix `(n, dimension)`. See `Rung` for what it does."""

    def __init__(self, embeddings: Matrix) -> None:
        self._embeddings = embeddings

    def __len__(self) -> int:
        return len(self._embeddings)

    @classmethod
    def of(cls, embeddings: Matrix) -> Self:
        """Holds a copy of embeddings `(n, dimension)`."""
        return cls(np.array(embeddings, np.float32, order="C"))

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """What all parts hold, in their order."""
        return cls(np.concatenate([part._embeddings for part in parts]))

    def take(self, rows: Ids | Mask) -> Self:
        """A copy of some rows."""
        return type(self)(self._embeddings[rows])

    def near(self, queries: Matrix, allowed: Mask, count: int) -> tuple[Matrix, Ids]:
        """The most similar rows of each query."""
        scores: Matrix = queries @ self._embeddings.T
        scores[:, ~allowed] = -np.inf
        return largest(scores, min(count, int(allowed.sum())))

    def vectors(self, rows: Ids) -> Matrix | None:
        """The embeddings of rows."""
        return self._embeddings[rows]

    def erase(self, rows: Ids) -> None:
        """Zeros in place of the embeddings of these rows."""
        self._embeddings[rows] = 0
