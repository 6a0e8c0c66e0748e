import numpy as np
import pytest

from train.simulate.bodies import shapes
from train.simulate.bodies.surface import farthest_order, sample_mesh, vertex_normals

TETRAHEDRON = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], np.float32)
FACES = np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]])


def gap(points: np.ndarray, spots: np.ndarray) -> float:
    """Largest distance from any spot to its nearest point."""
    return float(np.linalg.norm(spots[:, None] - points[None], axis=2).min(axis=1).max())


def test_samples_lie_on_their_triangles() -> None:
    surface = sample_mesh(TETRAHEDRON, FACES, 50, seed=1)
    np.testing.assert_allclose(surface.weights.sum(axis=1), 1, atol=1e-6)
    points = surface.take(TETRAHEDRON)
    on_slope = np.isclose(points.sum(axis=1), 1, atol=1e-5)
    assert np.all(on_slope | np.isclose(points.min(axis=1), 0, atol=1e-6))


def test_every_prefix_is_spread_evenly() -> None:
    points = sample_mesh(TETRAHEDRON, FACES, 400, seed=1).take(TETRAHEDRON)
    area = 1.5 + np.sqrt(3) / 2
    for count in (50, 100, 400):
        spacing = np.sqrt(area / count)
        assert gap(points[:count], points) < 1.3 * spacing


def test_each_is_farthest_from_those_before() -> None:
    points = np.random.default_rng(0).random((40, 3)).astype(np.float32)
    order = farthest_order(points, 10)
    for k in range(1, 10):
        gaps = np.linalg.norm(points[:, None] - points[order[:k]][None], axis=2).min(axis=1)
        assert gaps[order[k]] == pytest.approx(gaps.max(), abs=1e-6)


def test_normals_point_outward() -> None:
    normals = vertex_normals(TETRAHEDRON, FACES)
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1, atol=1e-6)
    outward = TETRAHEDRON - TETRAHEDRON.mean(axis=0)
    assert np.all((normals * outward).sum(axis=1) > 0)


def test_all_faces_of_a_box_are_covered() -> None:
    box = shapes.box(0.2, 0.3, 0.4)
    half = np.array([0.1, 0.15, 0.2])
    prefix = box[: len(box) // 4]
    for axis in range(3):
        for side in (-1, 1):
            face = np.isclose(prefix[:, axis], side * half[axis], atol=1e-6)
            others = prefix[face][:, [k for k in range(3) if k != axis]]
            assert np.all(np.ptp(others, axis=0) > 1.7 * np.delete(half, axis))


def test_roundness_takes_a_box_to_an_ellipsoid() -> None:
    ball = shapes.box(0.2, 0.3, 0.4, roundness=1) / [0.1, 0.15, 0.2]
    np.testing.assert_allclose(np.linalg.norm(ball, axis=1), 1, atol=1e-5)


def test_a_canopy_is_a_dome_with_its_rim_at_zero() -> None:
    roof = shapes.canopy(0.5, 0.2)
    radius = np.hypot(roof[:, 0], roof[:, 1])
    assert radius.max() == pytest.approx(0.5, abs=0.02)
    assert roof[radius < 0.05, 2].min() > 0.19
    assert np.abs(roof[radius > 0.47, 2]).max() < 0.04
