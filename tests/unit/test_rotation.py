import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from train.simulate.movement.rotation import about, align, euler, from_vector, nearest, to_vector

ANGLES = st.floats(-7, 7)


@pytest.mark.parametrize(
    ("axis", "start", "end"),
    [("x", (0, 1, 0), (0, 0, 1)), ("y", (0, 0, 1), (1, 0, 0)), ("z", (1, 0, 0), (0, 1, 0))],
)
def test_quarter_turns_are_right_handed(
    axis: str, start: tuple[int, ...], end: tuple[int, ...]
) -> None:
    np.testing.assert_allclose(about(axis, np.array(np.pi / 2)) @ start, end, atol=1e-15)


def test_euler_applies_the_first_axis_first() -> None:
    # x by 90° takes y to z; then z by 90° leaves it there. The other way round: y to −x, and there.
    quarter = np.full(2, np.pi / 2)
    np.testing.assert_allclose(euler("xz", quarter) @ [0, 1, 0], [0, 0, 1], atol=1e-15)
    np.testing.assert_allclose(euler("zx", quarter) @ [0, 1, 0], [-1, 0, 0], atol=1e-15)


def test_euler_of_no_axis_is_the_identity_for_every_frame() -> None:
    np.testing.assert_array_equal(euler("", np.zeros((4, 0))), np.tile(np.eye(3), (4, 1, 1)))


@given(ANGLES, ANGLES)
def test_mean_of_two_turns_about_one_axis_is_half_way(a: float, b: float) -> None:
    b = a + (b % 3)  # less than half a turn apart
    both = about("y", np.array([a, b]))
    np.testing.assert_allclose(
        nearest(both.mean(axis=0)), about("y", np.array((a + b) / 2)), atol=1e-9
    )


def test_nearest_never_mirrors() -> None:
    assert np.linalg.det(nearest(np.diag([1.0, 1.0, -0.1]))) == pytest.approx(1)


@given(st.lists(st.floats(-1, 1), min_size=6, max_size=6))
def test_align_is_the_smallest_rotation_onto_the_target(values: list[float]) -> None:
    a, b = np.array(values[:3]), np.array(values[3:])
    if min(np.linalg.norm(a), np.linalg.norm(b)) < 0.1:
        return
    a, b = a / np.linalg.norm(a), b / np.linalg.norm(b)
    turn = align(a, b)
    np.testing.assert_allclose(turn @ a, b, atol=1e-6)
    np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-6)
    # The smallest: it turns by the angle between them, and trace R = 1 + 2 cos.
    assert np.trace(turn) == pytest.approx(1 + 2 * a @ b, abs=1e-6)


def test_align_of_opposite_directions_is_half_a_turn() -> None:
    turn = align(np.array([0.0, 0, 2]), np.array([0.0, 0, -1]))
    np.testing.assert_allclose(turn @ [0, 0, 1], [0, 0, -1])
    assert np.linalg.det(turn) == pytest.approx(1)


@given(st.tuples(st.floats(-1.7, 1.7), st.floats(-1.7, 1.7), st.floats(-1.7, 1.7)))
def test_a_vector_and_its_rotation_are_one(vector: tuple[float, float, float]) -> None:
    turn = from_vector(np.array(vector))
    np.testing.assert_allclose(to_vector(turn), vector, atol=1e-6)


def test_a_vector_is_axis_and_angle() -> None:
    for index, axis in enumerate("xyz"):
        np.testing.assert_allclose(
            from_vector(0.7 * np.eye(3)[index]), about(axis, np.array(0.7)), atol=1e-15
        )
