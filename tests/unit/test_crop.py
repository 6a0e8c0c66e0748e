import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gait.crop import fit, mass_centre

pytestmark = pytest.mark.serving


@pytest.mark.parametrize(
    ("columns", "centre"),
    [([4], 0.5), ([1, 1], 1.0), ([0, 0, 2, 0], 2.5), ([3, 1], 2 / 3), ([0, 1, 0, 1], 2.0)],
)
def test_the_centre_halves_the_mass(columns: list[int], centre: float) -> None:
    assert mass_centre(np.array(columns)) == pytest.approx(centre)


@given(st.lists(st.integers(0, 500), min_size=1, max_size=80).filter(any))
def test_as_much_mass_left_as_right(columns: list[int]) -> None:
    mass = np.array(columns, dtype=np.int64)
    centre = mass_centre(mass)
    share = np.clip(centre - np.arange(len(mass)), 0, 1)
    assert (mass * share).sum() == pytest.approx(mass.sum() / 2)


def test_keeps_the_aspect() -> None:
    # 32 rows × 10 columns enlarge twofold: a bar 64 high and 20 wide, in the middle.
    image = np.zeros((32, 50), dtype=np.uint8)
    image[:, 30:40] = 255
    frame = fit(image, (image > 0).sum(axis=0), blend=False, empty=0)
    expected = np.zeros((64, 64), dtype=np.uint8)
    expected[:, 22:42] = 255
    np.testing.assert_array_equal(frame, expected)


def test_pads_with_the_empty_value() -> None:
    frame = fit(np.ones((64, 4), dtype=np.float32), np.full(4, 64), blend=False, empty=np.inf)
    assert np.isfinite(frame).sum() == 64 * 4
    assert np.isfinite(frame[:, 30:34]).all()


def test_cuts_what_is_wider_than_the_frame() -> None:
    image = np.full((64, 500), 255, dtype=np.uint8)
    assert (fit(image, np.full(500, 64), blend=True, empty=0) == 255).all()


@given(
    st.integers(1, 200), st.integers(1, 200), st.data(), st.booleans(), st.sampled_from([0, np.inf])
)
def test_always_gives_a_frame(
    height: int, width: int, data: st.DataObject, blend: bool, empty: float
) -> None:
    empty = 0 if blend else empty
    columns = np.zeros(width, dtype=np.int64)
    columns[data.draw(st.integers(0, width - 1))] = data.draw(st.integers(1, 10**6))
    image = np.ones((height, width), dtype=np.float32)
    frame = fit(image, columns, blend=blend, empty=empty)
    assert frame.shape == (64, 64)
    # The column with the mass is where the frame looks; blended with what is beside it.
    least = 0.3 * min(1, 64 / height) if blend else 1
    assert (frame[:, 30:34].max(axis=1) >= least - 1e-6).all()
