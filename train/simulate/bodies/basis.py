"""The space of adult bodies: a mean body and how each shape parameter moves its points."""

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from train.simulate.bodies.body import RestBody, rest_body

Array = NDArray[np.float32]

PHENOTYPES = ("gender", "age", "muscle", "weight", "height", "proportions")
"""What an identity chooses, each in 0..1; 2/3 to 1 in age is adult."""

_ANCHORS: tuple[tuple[float, ...] | None, ...] = (
    None,  # the three ancestries, mixed equally
    (0, 1),
    (-1 / 3, 0, 1 / 3, 2 / 3, 1),
    (0, 0.5, 1),
    (0, 0.5, 1),
    (0, 1),
    (0, 1),
    (0, 0.5, 1),  # the last two stay at their middle
    (0, 0.5, 1),
)
VARIATIONS = sum(3 if anchors is None else len(anchors) for anchors in _ANCHORS)


@dataclass(frozen=True, eq=False)
class BodyBasis:
    """A linear body model of surface points and joints.

    Args:
        points: `(v, 3)` mean body, metres; x forward, y left, z up.
        normals: `(v, 3)` of the mean body.
        weights: `(v, 21)` binding to the segments.
        joints: `(23, 3)` heads of the 21 segments, then where the left and right fingers begin.
        components: `(k, v, 3)` movement of the points.
        joint_components: `(k, 23, 3)` movement of the joints.
        mask: `(b, 26)` which phenotype variations each blend shape is a product of.
        projection: `(b, k - 2 l)` from blend shapes to the first components; the other `2 l` are
            the local changes, each up then down.
        local_changes: `(l,)` names.
    """

    points: Array
    normals: Array
    weights: Array
    joints: Array
    components: Array
    joint_components: Array
    mask: Array
    projection: Array
    local_changes: NDArray[np.str_]

    def shape(self, phenotypes: NDArray[np.float64], changes: NDArray[np.float64]) -> RestBody:
        """One person.

        Args:
            phenotypes: `(6,)` values of `PHENOTYPES`.
            changes: `(l,)` local changes, −1..1, 0 for none.
        """
        blend = phenotype_weights(phenotypes, self.mask) @ self.projection
        both_ways = np.stack([np.maximum(changes, 0), np.maximum(-changes, 0)], axis=1)
        coefficients = np.concatenate([blend, both_ways.ravel()]).astype(np.float32)
        flat = self.components.reshape(len(coefficients), -1)
        points = self.points + (coefficients @ flat).reshape(-1, 3)
        flat = self.joint_components.reshape(len(coefficients), -1)
        heads = self.joints + (coefficients @ flat).reshape(-1, 3)
        return rest_body(points, self.normals, self.weights, heads[:21], heads[21:])

    def save(self, path: Path) -> None:
        """Writes all arrays to one uncompressed `.npz`."""
        np.savez(path, **{f.name: getattr(self, f.name) for f in fields(self)})

    @classmethod
    def load(cls, path: Path) -> "BodyBasis":
        """Reads what `save` wrote."""
        with np.load(path, allow_pickle=False) as arrays:
            return cls(**{f.name: arrays[f.name] for f in fields(cls)})


def phenotype_weights(phenotypes: NDArray[np.float64], mask: Array) -> Array:
    """Weight of each blend shape: the product of the interpolation weights of its variations.

    A phenotype between two anchors weighs both linearly (Anny, arXiv:2511.03589).

    Args:
        phenotypes: `(6,)`.
        mask: `(b, 26)`.

    Returns:
        `(b,)`.
    """
    values = iter([*phenotypes, 0.5, 0.5])
    variations = np.concatenate(
        [np.full(3, 1 / 3) if a is None else _between(next(values), a) for a in _ANCHORS]
    )
    return np.asarray(np.where(mask > 0, variations, 1).prod(axis=1), np.float32)


def _between(value: float, anchors: tuple[float, ...]) -> NDArray[np.float64]:
    hats = np.eye(len(anchors))
    return np.array([np.interp(value, anchors, hat) for hat in hats])
