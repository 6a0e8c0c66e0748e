"""Rotations as matrices: about an axis, in Euler order, averaged, aligned."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

AXES = "xyz"


def about(axis: str, angle: Array) -> Array:
    """Right-handed rotation about a coordinate axis.

    Args:
        axis: `x`, `y` or `z`.
        angle: `(...)` radians.

    Returns:
        `(..., 3, 3)` matrices that act on column vectors.
    """
    first = (AXES.index(axis) + 1) % 3
    second = (first + 1) % 3
    turn = np.zeros((*angle.shape, 3, 3))
    turn[..., AXES.index(axis), AXES.index(axis)] = 1.0
    turn[..., first, first] = turn[..., second, second] = np.cos(angle)
    turn[..., second, first] = np.sin(angle)
    turn[..., first, second] = -turn[..., second, first]
    return turn


def euler(order: Sequence[str], angles: Array) -> Array:
    """Rotations about fixed axes, the first of `order` applied first: `R = R_last … R_first`.

    Args:
        order: axes, such as `"xyz"`.
        angles: `(..., len(order))` radians.

    Returns:
        `(..., 3, 3)`.
    """
    turn = np.broadcast_to(np.eye(3), (*angles.shape[:-1], 3, 3))
    for index, axis in enumerate(order):
        turn = about(axis, angles[..., index]) @ turn
    return turn


def nearest(matrices: Array) -> Array:
    """The rotation closest to each matrix (orthogonal Procrustes).

    Of a weighted sum of rotations it is their mean, and between two neighbours of a recording
    it interpolates along the shortest way.

    Args:
        matrices: `(..., 3, 3)`.

    Returns:
        `(..., 3, 3)` rotations, `U diag(1, 1, det UVᵀ) Vᵀ`.
    """
    u, _, vt = np.linalg.svd(matrices)
    u[..., 2] *= np.linalg.det(u @ vt)[..., None]
    return np.asarray(u @ vt)


def align(source: Array, target: Array) -> Array:
    """The smallest rotation that takes direction `source` to direction `target`.

    Args:
        source: `(3,)` any length but zero.
        target: `(3,)` any length but zero; not opposite to `source` for a unique answer (then
            half a turn about some axis at right angles to it).

    Returns:
        `(3, 3)`, Rodrigues' formula.
    """
    a, b = source / np.linalg.norm(source), target / np.linalg.norm(target)
    cosine = float(a @ b)
    if cosine < -1 + 1e-12:
        across = np.cross(a, np.eye(3)[np.argmin(np.abs(a))])
        across /= np.linalg.norm(across)
        return np.asarray(2 * np.outer(across, across) - np.eye(3))
    x, y, z = np.cross(a, b)
    skew = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.asarray(np.eye(3) + skew + skew @ skew / (1 + cosine))


def from_vector(vectors: Array) -> Array:
    """Rotations by `|v|` radians about the axis `v` (Rodrigues' formula).

    Args:
        vectors: `(..., 3)`.

    Returns:
        `(..., 3, 3)`.
    """
    angle = np.linalg.norm(vectors, axis=-1)[..., None, None]
    skew = np.zeros((*vectors.shape[:-1], 3, 3))
    for axis, (row, column) in enumerate(((2, 1), (0, 2), (1, 0))):
        skew[..., row, column] = vectors[..., axis]
        skew[..., column, row] = -vectors[..., axis]
    bend = np.sinc(angle / (2 * np.pi)) ** 2 / 2  # (1 − cos a) / a²
    return np.asarray(np.eye(3) + np.sinc(angle / np.pi) * skew + bend * (skew @ skew))


def to_vector(turns: Array) -> Array:
    """The inverse of `from_vector` for rotations by less than half a turn.

    Args:
        turns: `(..., 3, 3)`.

    Returns:
        `(..., 3)`.
    """
    cosine = np.clip((np.trace(turns, axis1=-2, axis2=-1) - 1) / 2, -1, 1)
    angle = np.arccos(cosine)[..., None]
    sides = ((2, 1), (0, 2), (1, 0))
    twice = np.stack([turns[..., a, b] - turns[..., b, a] for a, b in sides], axis=-1)
    return np.asarray(twice / (2 * np.sinc(angle / np.pi)))
