"""Embeddings of any number of people, spread as a real model spreads those of simulated walkers.

The embedding of person s in modality m and view v is `μ_mv + b_sm + w`, each part then scaled to
its norm again. `μ_mv` is the mean of the view. `b` is normal with the covariance between people,
over both modalities jointly, so that one sensor finds the other's templates as well as the model
does. `w` is normal with the covariance of what is left: walk, frames, and what a view does to one
person.

A model with fewer numbers is brought to `PARTS × NUMBERS`, where that is wanted, by orthonormal
maps, another one for each copy of a part: all similarities stay exactly what they were, and the
numbers are as many as those of a model of full size.

Without a model, a spread is assumed whose similarities are like those that models show: of full
size like the demo's, of fewer numbers like the model that comes with the package.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.accuracy.embedded_walks import Walks
from gait.errors import DataError
from gait.modality import Modality

PARTS, NUMBERS = 16, 256
"""Of an embedding of full size."""
FULL = PARTS * NUMBERS

Matrix = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Sample:
    """Sampled embeddings: `(n, dimension)` unit vectors, and `(n,)` places in `list(Modality)`."""

    embeddings: Matrix
    modalities: NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Population:
    """What was fitted. `dimension` is the model's, `parts * d`.

    Args:
        parts: of an embedding.
        views: `(modalities, views, dimension)` means.
        between: `(k, modalities * dimension)`, such that `z @ between` has the covariance between
            people for standard normal z.
        within: `(modalities, dimension, dimension)`, the same of what is left.
    """

    parts: int
    views: Matrix
    between: Matrix
    within: Matrix

    @classmethod
    def of(cls, walks: Walks) -> "Population":
        """Fits embedded walks of which every person has equally many in every view.

        Raises:
            DataError: they are not balanced.
        """
        who = np.unique(walks.subjects, return_inverse=True)[1]
        seen = np.unique(walks.views, return_inverse=True)[1]
        cells = np.bincount(who * (seen.max() + 1) + seen)
        if (cells != cells[0]).any():
            raise DataError("need equally many walks of every person in every view")
        fits = [_fit(walks.whole[m], who, seen) for m in Modality]
        views, people, left = (np.stack(parts) for parts in zip(*fits, strict=True))
        each = len(walks) / people.shape[1]
        noise = (left**2).sum() / (len(walks) - people.shape[1]) / each  # of a mean of so many
        true = 1 - noise / ((people**2).sum() / (people.shape[1] - 1))
        joint = np.concatenate(list(people), axis=1) * np.sqrt(max(0.0, float(true)))
        within = [_factor(rest, len(walks) - people.shape[1]) for rest in left]
        between = _factor(joint, people.shape[1] - 1)
        return cls(walks.parts, views, between, np.stack(within))

    @classmethod
    def assumed(cls) -> "Population":
        """A spread that needs no model: of 16 parts of 16 numbers, much as demo models show it.

        Clips of a person are alike by .80 in one sensor and by .75 across both, in the median; of
        160 strangers, the one most like a clip is alike by .61. What tells people apart lies for
        the most part in 16 directions, as far as they are alike in all others.
        """
        rng, size = np.random.default_rng(16), PARTS * 16
        mean = 0.75 * rng.standard_normal((1, 1, size))
        shared = rng.standard_normal((16, size)) / 4
        own = np.concatenate([shared, 0.3 * np.eye(size)])
        both, each = np.sqrt(0.9), np.sqrt(0.1)
        between = np.kron([[both, both], [each, 0], [0, each]], own)
        within = 0.62 * np.eye(size)
        arrays = (mean.repeat(2, axis=0), between, np.stack([within, within]))
        return cls(PARTS, *(array.astype(np.float32) for array in arrays))

    @classmethod
    def projected(cls, numbers: int) -> "Population":
        """A spread that needs no model: of one part, much as Fisher's discriminant leaves it.

        Clips of a person are alike by .44 in one sensor and by .35 across both, in the median; of
        160 strangers, the one most like a clip of the same sensor is alike by .55. The model that
        comes with the package shows .36, .30 and .58, whatever 388 simulated people wear or carry.

        Args:
            numbers: of an embedding; the first tell people apart best.
        """
        rng, place = np.random.default_rng(40), 1 + np.arange(numbers) / 5
        own = np.diag(3.6 / place)
        both, each = np.sqrt(0.86), np.sqrt(0.14)
        between = np.kron([[both, both], [each, 0], [0, each]], own)
        within = np.diag(2.8 * place**-0.5)
        mean = 0.5 * rng.standard_normal((2, 1, numbers))
        arrays = (mean, between, np.stack([within, within]))
        return cls(1, *(array.astype(np.float32) for array in arrays))

    @property
    def dimension(self) -> int:
        """Numbers of an embedding before it is brought to full size."""
        return int(self.views.shape[2])

    def people(self, count: int, rng: np.random.Generator) -> Matrix:
        """What is a person's own: `(count, modalities, dimension)`."""
        own = rng.standard_normal((count, len(self.between)), np.float32) @ self.between
        return own.reshape(count, len(self.views), self.dimension)

    def clips(self, people: Matrix, modalities: NDArray[np.intp], seed: int) -> Sample:
        """One clip of each of these people `(n, modalities, dimension)`, in a random view."""
        rng, n = np.random.default_rng(seed), len(people)
        views = rng.integers(self.views.shape[1], size=n)
        found = people[np.arange(n), modalities] + self.views[modalities, views]
        noise = rng.standard_normal((n, self.within.shape[1]), np.float32)
        for modality in range(len(self.views)):
            rows = modalities == modality
            found[rows] += noise[rows] @ self.within[modality]
        return Sample(_normalised(found, self.parts), modalities)


@dataclass(frozen=True, eq=False)
class Lift:
    """The way to full size: `(copies, parts, d, NUMBERS)` orthonormal maps; None for no way."""

    maps: Matrix | None

    @classmethod
    def of(cls, parts: int, numbers: int) -> "Lift":
        """For embeddings of `parts × numbers`.

        Raises:
            DataError: they are larger than full size, or the parts do not divide it.
        """
        if (parts, numbers) == (PARTS, NUMBERS):
            return cls.none()
        if numbers > NUMBERS or PARTS % parts:
            raise DataError(
                f"got a model of {parts} × {numbers}, cannot bring it to {PARTS} × {NUMBERS}"
            )
        rng = np.random.default_rng(4096)
        maps = np.linalg.qr(rng.standard_normal((PARTS // parts, parts, NUMBERS, numbers)))[0]
        return cls(np.ascontiguousarray(maps.swapaxes(2, 3), np.float32))

    @classmethod
    def none(cls) -> "Lift":
        """Leaves embeddings as they are."""
        return cls(None)

    def __call__(self, embeddings: Matrix) -> Matrix:
        """`(n, parts * d)` unit vectors to `(n, PARTS * NUMBERS)` ones with the same products."""
        if self.maps is None:
            return embeddings
        copies, parts, numbers, _ = self.maps.shape
        split = embeddings.reshape(len(embeddings), parts, numbers) / np.float32(np.sqrt(copies))
        lifted = np.empty((len(embeddings), copies, parts, NUMBERS), np.float32)
        for copy in range(copies):
            for part in range(parts):
                lifted[:, copy, part] = split[:, part] @ self.maps[copy, part]
        return lifted.reshape(len(embeddings), -1)


def _fit(
    embeddings: Matrix, who: NDArray[np.intp], seen: NDArray[np.intp]
) -> tuple[Matrix, Matrix, Matrix]:
    """Means of views, offsets of people, and what is left."""
    views = np.stack([embeddings[seen == view].mean(axis=0) for view in range(seen.max() + 1)])
    rest = embeddings - views[seen]
    people = np.stack([rest[who == person].mean(axis=0) for person in range(who.max() + 1)])
    return views, people, rest - people[who]


def _factor(rows: Matrix, freedom: int) -> Matrix:
    """`(min(n, d), d)` F with `FᵀF = rowsᵀ rows / freedom`."""
    _, scale, axes = np.linalg.svd(rows / np.sqrt(freedom), full_matrices=False)
    return np.asarray(scale[:, None] * axes, np.float32)


def _normalised(embeddings: Matrix, parts: int) -> Matrix:
    split = embeddings.reshape(len(embeddings), parts, -1)
    split = split / (np.linalg.norm(split, axis=2, keepdims=True) * np.float32(np.sqrt(parts)))
    return np.asarray(split.reshape(len(embeddings), -1), np.float32)
