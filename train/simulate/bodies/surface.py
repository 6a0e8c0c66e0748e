"""Points spread evenly over surfaces: what both sensors see instead of triangles."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Surface:
    """Samples of a triangle mesh, each a weighted mean of its triangle's corners.

    Args:
        corners: `(v, 3)` vertex indices.
        weights: `(v, 3)` barycentric weights, each row summing to 1.
    """

    corners: NDArray[np.int64]
    weights: Array

    def take(self, per_vertex: NDArray[np.floating]) -> Array:
        """Interpolates vertex values `(vertices, ...)` at the samples: `(v, ...)`."""
        corners = per_vertex[self.corners]
        mixed = np.einsum("vk,vk...->v...", self.weights, corners)
        return np.asarray(mixed, np.float32)


def sample_mesh(vertices: Array, faces: NDArray[np.int64], count: int, seed: int) -> Surface:
    """Spreads `count` samples evenly over a mesh, in an order whose every prefix is spread evenly.

    Many candidates are drawn uniformly by area, then picked one by one, each time the one
    farthest from all picked so far (Eldar et al., 1997, "The farthest point strategy").

    Args:
        vertices: `(n, 3)` metres.
        faces: `(m, 3)` triangles.
        count: number of samples.
        seed: of the candidates.
    """
    rng = np.random.default_rng(seed)
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1)
    candidates = rng.choice(len(faces), size=4 * count, p=area / area.sum())
    root = np.sqrt(rng.random((4 * count, 1)))
    split = rng.random((4 * count, 1))
    weights = np.hstack([1 - root, root * (1 - split), root * split]).astype(np.float32)
    surface = Surface(faces[candidates], weights)
    order = farthest_order(surface.take(vertices), count)
    return Surface(surface.corners[order], surface.weights[order])


def farthest_order(points: Array, count: int) -> NDArray[np.int64]:
    """Indices of `count` of the `points` `(n, 3)`, each farthest from those before it."""
    picked = np.zeros(count, np.int64)
    gap = np.full(len(points), np.inf, np.float32)
    columns = np.ascontiguousarray(points.T)
    for k in range(1, count):
        last = columns[:, picked[k - 1], None]
        offset = columns - last
        np.minimum(gap, (offset * offset).sum(axis=0), out=gap)
        picked[k] = gap.argmax()
    return picked


def vertex_normals(vertices: Array, faces: NDArray[np.int64]) -> Array:
    """Outward unit normals `(n, 3)`: the area-weighted mean over the faces around a vertex."""
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    face = np.cross(b - a, c - a)
    normals = np.zeros_like(vertices)
    for k in range(3):
        np.add.at(normals, faces[:, k], face)
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    return np.asarray(normals / np.maximum(length, 1e-12), np.float32)
