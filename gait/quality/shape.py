"""How far a clip's mean picture lies from those of people who walk.

Of the frames only what is lit counts, so both modalities share one table of three measures, each
of the mean picture in 16×16 cells, brought to norm 1:

- its distance from the mean of people, along their principal directions (Mahalanobis's) and beside
  them;
- a linear rule that tells people from boxes, ellipses, animals, vehicles and other shapes;
- a linear rule that tells people from people upside down.

Each is scaled so that an average person has 0 and nearly all people stay below 1.
`python -m train.simulate.measure_shapes` makes the table from simulated and recorded walkers.
"""

from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray

from gait.errors import CorruptDataError
from gait.modality import SIZE

GRID = 16
DIRECTIONS = 24
NEARLY_ALL = 0.998
"""Part of the measured people who lie below 1."""

TABLE = Path(__file__).with_name("shapes.npz")

Rows = NDArray[np.float32]
Cells = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Shapes:
    """The mean pictures of people who walk.

    Args:
        mean: `(256,)` of people's rows.
        directions: `(k, 256)` orthonormal, in which they differ most.
        spread: `(k,)` standard deviations along them.
        usual: `(2,)` what nearly all stay below, along the directions and beside them.
        person: `(258,)` weights against other shapes, then what an average and what nearly every
            person exceeds.
        upright: `(258,)` the same against people upside down.
    """

    mean: Rows
    directions: Rows
    spread: Rows
    usual: Rows
    person: Rows
    upright: Rows

    @classmethod
    def measured(cls, people: Rows, others: Rows) -> Self:
        """From rows `(n, 256)` of people and of other shapes, as `rows_of` makes them."""
        mean = people.mean(axis=0)
        _, size, axes = np.linalg.svd(people - mean, full_matrices=False)
        axes, spread = axes[:DIRECTIONS], size[:DIRECTIONS] / np.sqrt(len(people))
        usual = np.quantile(_parts(people, mean, axes, spread), NEARLY_ALL, axis=0)
        turned = rows_of(people.reshape(-1, GRID, GRID)[:, ::-1])
        person, upright = _rule(people, others), _rule(people, turned)
        return cls(mean, axes, spread, usual.astype(np.float32), person, upright)

    def distance(self, rows: Rows) -> NDArray[np.float32]:
        """Of each row from people: up to 1 for nearly all people, 2 is twice as far."""
        parts = _parts(rows, self.mean, self.directions, self.spread) / self.usual
        far: Rows = np.maximum(parts.max(axis=1), _beyond(self.person, rows))
        return far

    def turned(self, rows: Rows) -> NDArray[np.float32]:
        """How much more each row is like people upside down: up to 1 for nearly all people."""
        return _beyond(self.upright, rows)


def cells_of(lit: NDArray[np.bool_]) -> Cells:
    """`(s, 16, 16)`: the part of each cell of 4×4 pixels of frames `(s, 64, 64)` that is lit."""
    tall = lit.view(np.uint8).reshape(-1, SIZE).astype(np.float32)
    cells = cv2.resize(tall, (GRID, len(lit) * GRID), interpolation=cv2.INTER_AREA)
    return cells.reshape(len(lit), GRID, GRID).astype(np.float32, copy=False)


def mean_picture(lit: NDArray[np.bool_]) -> Cells:
    """`(16, 16)` mean over frames `(s, 64, 64)` of what is lit."""
    mean: Cells = cells_of(lit).mean(axis=0)
    return mean


def rows_of(pictures: NDArray[np.float32]) -> Rows:
    """Pictures `(n, 16, 16)` as rows `(n, 256)` of norm 1."""
    rows = pictures.reshape(len(pictures), -1)
    norm = np.sqrt((rows**2).sum(axis=1, keepdims=True))
    normed: Rows = (rows / np.maximum(norm, 1e-6)).astype(np.float32)
    return normed


def save_shapes(shapes: Shapes, path: Path = TABLE) -> None:
    """Writes the table."""
    held = {each.name: getattr(shapes, each.name).astype(np.float16) for each in fields(shapes)}
    np.savez_compressed(path, allow_pickle=False, **held)


@cache
def load_shapes() -> Shapes:
    """The table that comes with the package.

    Raises:
        CorruptDataError: it cannot be read.
    """
    try:
        with np.load(TABLE, allow_pickle=False) as table:
            return Shapes(*[table[each.name].astype(np.float32) for each in fields(Shapes)])
    except (OSError, ValueError, KeyError) as error:
        raise CorruptDataError(f"{TABLE} cannot be read; install the package again") from error


def _parts(rows: Rows, mean: Rows, axes: Rows, spread: Rows) -> Rows:
    """`(n, 2)`: how far rows lie along the directions, in standard deviations, and beside them."""
    off = rows - mean
    along = off @ axes.T
    beside = (off**2).sum(axis=1) - (along**2).sum(axis=1)
    scaled = np.sqrt(((along / spread) ** 2).mean(axis=1))
    return np.stack([scaled, np.sqrt(np.maximum(beside, 0))], axis=1).astype(np.float32)


def _beyond(rule: Rows, rows: Rows) -> NDArray[np.float32]:
    average, edge = rule[-2:]
    beyond: Rows = ((average - rows @ rule[:-2]) / (average - edge)).astype(np.float32)
    return beyond


def _rule(people: Rows, others: Rows, decay: float = 0.1, rounds: int = 12) -> Rows:
    """Weights of a logistic regression, both sides counting alike, by Newton's method."""
    rows = np.concatenate([people, others]).astype(np.float64)
    middle = rows.mean(axis=0)
    rows -= middle
    wanted = np.repeat([1.0, 0.0], [len(people), len(others)])
    counts = np.repeat([500 / len(people), 500 / len(others)], [len(people), len(others)])
    weights = np.zeros(rows.shape[1])
    for _ in range(rounds):
        likely = 1 / (1 + np.exp(-rows @ weights))
        slope = rows.T @ (counts * (wanted - likely)) - decay * weights
        bend = (rows.T * (counts * likely * (1 - likely))) @ rows + decay * np.eye(len(weights))
        weights += np.linalg.solve(bend, slope)
    values = people @ weights
    edge = np.quantile(values, 1 - NEARLY_ALL)
    return np.concatenate([weights, [values.mean(), edge]]).astype(np.float32)
