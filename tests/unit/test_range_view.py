import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from gait.errors import ClipDtypeError, ClipEmptyError, ClipShapeError
from gait.range_view import COLUMNS, JET, ROWS, Forward, _bins, _nearest, project

pytestmark = pytest.mark.serving

Array = np.ndarray


def point(distance: float, azimuth: float, elevation: float, *, forward: Forward) -> Array:
    """A point by horizontal distance (m), degrees to the right and degrees up, seen forward."""
    right, up = np.radians(azimuth), np.radians(elevation)
    ahead, aside = distance * np.cos(right), distance * np.sin(right)
    return facing(np.array([[-ahead, aside, distance * np.tan(up)]]), forward)


def cylinder(distance: float, *, azimuth: float = 0.0, radius: float = 0.25) -> Array:
    """Returns of a 1.75 m cylinder on the ground 1.2 m below the sensor, on the 0.2° grid."""
    half = np.degrees(np.arcsin(radius / distance))
    angles = np.radians(np.arange(-half, half, 0.19188))
    across = distance * np.cos(angles)
    depth = across - np.sqrt(np.maximum(radius**2 - (distance * np.sin(angles)) ** 2, 0))
    elevations = np.arange(-24.9, 15, 0.2)
    d, e = (grid.ravel() for grid in np.meshgrid(depth, np.radians(elevations)))
    a = np.tile(angles + np.radians(azimuth), len(elevations))
    cloud = np.stack([-d * np.cos(a), d * np.sin(a), d * np.tan(e)], axis=1)
    return cloud[(cloud[:, 2] > -1.2) & (cloud[:, 2] < 0.55)]


def facing(cloud: Array, forward: Forward) -> Array:
    """A cloud that lies along −x, turned about z until it lies along `forward`."""
    ahead, right, up = -cloud[:, 0], cloud[:, 1], cloud[:, 2]
    x, y = {
        Forward.MINUS_X: (-ahead, right),
        Forward.PLUS_X: (ahead, -right),
        Forward.PLUS_Y: (right, ahead),
        Forward.MINUS_Y: (-right, -ahead),
    }[forward]
    return np.stack([x, y, up], axis=1)


def whole_view(cloud: Array, forward: Forward = Forward.MINUS_X) -> Array:
    """The view before any cropping: metres to the nearest point of each bin."""
    rows, columns, distance, _ = _bins(cloud, forward)
    return _nearest(rows, columns, distance, (ROWS, COLUMNS))


@pytest.mark.parametrize("forward", list(Forward))
@pytest.mark.parametrize(
    ("azimuth", "elevation", "row", "column"),
    [
        (0.01, 14.9, 0, COLUMNS // 2),  # top of the view, just right of straight ahead
        (-0.01, -0.1, 75, COLUMNS // 2 - 1),  # the horizon lies between rows 74 and 75
        (0.01, 0.1, 74, COLUMNS // 2),
        (19.188 + 0.05, -24.9, ROWS - 1, COLUMNS // 2 + 100),  # 100 bins to the right, bottom
        (-19.188 - 0.05, -10.1, 125, COLUMNS // 2 - 101),
    ],
)
def test_points_fall_on_their_pixel(
    forward: Forward, azimuth: float, elevation: float, row: int, column: int
) -> None:
    image = whole_view(point(7.0, azimuth, elevation, forward=forward), forward)
    assert image.shape == (200, 938)
    assert np.argwhere(np.isfinite(image)).tolist() == [[row, column]]
    assert image[row, column] == pytest.approx(7.0)


def test_hand_made_coordinates() -> None:
    # SUSTech1K: −x ahead, so the walker's left as the sensor sees it is −y. atan(1/10) = 5.7106°
    # is column 469 + 29 = 498, and z = −1 at √101 m is −5.682°: row ⌊20.682 / 0.2⌋ = 103.
    image = whole_view(np.array([[-10.0, 1.0, -1.0]]))
    assert np.argwhere(np.isfinite(image)).tolist() == [[103, 498]]
    assert image[103, 498] == pytest.approx(np.sqrt(101))  # z is not in the distance


def test_the_nearest_point_wins_in_any_order() -> None:
    near, far = (
        point(4.0, 1.0, 1.0, forward=Forward.PLUS_X),
        point(9.0, 1.0, 1.0, forward=Forward.PLUS_X),
    )
    for cloud in ([near, far], [far, near], [far, near, far]):
        image = whole_view(np.concatenate(cloud), Forward.PLUS_X)
        assert image.min() == pytest.approx(4.0)
        assert np.isfinite(image).sum() == 1


def test_turning_the_sensor_round_changes_nothing() -> None:
    cloud = cylinder(6.0, azimuth=20)
    cloud[:, :2] *= np.where(cloud[:, 2:] > 0, 1.2, 1.0)  # no symmetry
    minus = project([cloud])
    plus = project([cloud * np.array([-1, -1, 1])], Forward.PLUS_X)
    np.testing.assert_array_equal(minus.frames, plus.frames)
    for forward in Forward:
        turned = project([facing(cloud, forward)], forward)
        np.testing.assert_array_equal(minus.frames, turned.frames)


def test_what_is_right_of_the_axis_is_right_in_the_frame() -> None:
    cloud = cylinder(8.0)
    cloud[:, 0] -= np.where(cloud[:, 1] > 0, 1.0, 0.0)  # farther on the right
    frame = project([cloud]).frames[0]
    red, blue = frame[0].astype(int), frame[2].astype(int)
    assert (red - blue)[:, 20:32].sum() > 0 > (red - blue)[:, 32:44].sum()


@pytest.mark.parametrize("forward", list(Forward))
@pytest.mark.parametrize("azimuth", [0.0, -35.0])
@pytest.mark.parametrize("distance", [5.0, 10.0, 20.0])
def test_a_person_ends_64_tall_and_centred(
    distance: float, azimuth: float, forward: Forward
) -> None:
    frame = project([facing(cylinder(distance, azimuth=azimuth), forward)], forward).frames[0]
    filled = frame.any(axis=0)
    assert filled[0].any()
    assert filled[-1].any()
    # 0.5 m wide and 1.75 m tall keep their proportion: 18 columns, one bin more or less.
    width = filled.any(axis=0).sum()
    assert width == pytest.approx(64 * 0.5 / 1.75, abs=3.5)
    columns = np.flatnonzero(filled.any(axis=0))
    assert (columns[0] + columns[-1] + 1) / 2 == pytest.approx(32, abs=1)


def every_row(cloud: Array, step: int) -> Array:
    """What a sensor with fewer beams sees of a cloud: every `step`-th of its rows."""
    rows = np.round(np.degrees(np.arctan2(cloud[:, 2], np.hypot(cloud[:, 0], cloud[:, 1]))), 1)
    return cloud[np.isin(rows, np.unique(rows)[::step])]


@pytest.mark.parametrize("step", [2, 4, 8])
def test_rows_of_a_coarser_sensor_are_filled(step: int) -> None:
    cloud = cylinder(10.0)
    sparse = project([every_row(cloud, step)])
    assert sparse.steps == pytest.approx((0.2 * step, 0.19188), abs=0.01)
    full = project([cloud]).frames[0].any(axis=0)
    filled = sparse.frames[0].any(axis=0)
    assert filled.any(axis=1).all()
    assert (full & filled).sum() / (full | filled).sum() > 0.9


def test_columns_of_a_coarser_sensor_are_filled() -> None:
    cloud = cylinder(10.0)
    angle = np.degrees(np.arctan2(cloud[:, 1], -cloud[:, 0]))
    columns = np.round((angle - angle.min()) / 0.19188).astype(int)
    sparse = project([cloud[columns % 3 == 0]])
    assert sparse.steps == pytest.approx((0.2, 3 * 0.19188), abs=0.01)
    filled = sparse.frames[0].any(axis=0)
    columns = np.flatnonzero(filled.any(axis=0))
    assert filled[:, columns[0] : columns[-1] + 1].mean() > 0.97


def test_rows_that_the_person_left_empty_stay_empty() -> None:
    cloud = cylinder(10.0)
    hidden = cloud[(cloud[:, 2] < -0.5) | (cloud[:, 2] > -0.1)]
    black = ~project([hidden]).frames[0].any(axis=(0, 2))
    assert black.sum() == pytest.approx(64 * 0.4 / 1.75, abs=3)
    legs = cloud[(cloud[:, 2] > -0.4) | (np.abs(cloud[:, 1]) > 0.1)]
    frame = project([legs]).frames[0].any(axis=0)
    assert not frame[40:60, 31:33].any()


def test_colours_run_from_near_red_to_far_blue() -> None:
    steps = np.concatenate(
        [
            point(4 + k, a, 10.1 - 0.2 * k, forward=Forward.MINUS_X)
            for k in range(12)
            for a in (-0.1, 0.1)
        ]
    )
    frame = project([steps]).frames[0]
    seen = [tuple(frame[:, row, 32]) for row in np.linspace(0, 63, 12).round().astype(int)]
    assert seen[0] == tuple(JET[255])
    assert seen[-1] == tuple(JET[0])
    assert {*map(tuple, frame.reshape(3, -1).T)} <= {*map(tuple, JET), (0, 0, 0)}
    blues, reds = [int(s[2]) for s in seen], [int(s[0]) for s in seen]
    assert reds[:3] > reds[-3:]
    assert blues[:3] < blues[-3:]


def test_all_at_one_distance_is_red() -> None:
    exact = np.stack([np.full(30, -3.0), np.zeros(30), np.linspace(-0.5, 0.5, 30)], axis=1)
    frame = project([exact]).frames[0]
    assert {*map(tuple, frame.reshape(3, -1).T)} == {(0, 0, 0), tuple(JET[255])}


def test_unusable_frames_are_dropped_and_counted() -> None:
    good = cylinder(8.0)
    nothing = np.empty((0, 3))
    broken = np.full((4, 3), np.nan)
    above = good + np.array([0, 0, 50])
    aligned = project(
        [
            nothing,
            good,
            good[:1],
            -good * [1, 1, 0],
            broken,
            above,
            good.astype(np.float32),
            np.zeros((50, 3)),
        ]
    )
    assert aligned.kept.tolist() == [1, 6]
    assert aligned.dropped == {"empty": 2, "too_few_points": 1, "outside_view": 3}
    assert aligned.points_ignored == 4


def test_points_that_are_not_finite_are_ignored_and_counted() -> None:
    good = cylinder(8.0)
    bad = np.concatenate([good, [[np.nan, 0, 0], [-5, np.inf, 0], [-5, 0, -np.inf]]])
    aligned = project([bad, good])
    assert aligned.points_ignored == 3
    np.testing.assert_array_equal(aligned.frames[0], aligned.frames[1])


def test_frames_do_not_mix_across_chunks() -> None:
    clouds = [cylinder(4 + 0.05 * k, azimuth=k / 10) for k in range(150)]
    clouds[70] = np.empty((0, 3))
    together = project(clouds)
    assert together.kept.tolist() == [k for k in range(150) if k != 70]
    for k in (0, 63, 64, 149):
        alone = project([clouds[k]]).frames[0]
        np.testing.assert_array_equal(together.frames[k - (k > 70)], alone)


def test_no_usable_frame_is_an_error() -> None:
    with pytest.raises(ClipEmptyError, match="2 outside_view"):
        project([cylinder(8.0)] * 2, Forward.PLUS_X)
    with pytest.raises(ClipEmptyError, match="no frames at all"):
        project([])


def test_wrong_arrays_are_errors() -> None:
    with pytest.raises(ClipShapeError, match=r"\(10, 4\) in frame 1"):
        project([np.zeros((10, 3)), np.zeros((10, 4))])
    with pytest.raises(ClipShapeError):
        project([np.zeros(3)])
    with pytest.raises(ClipDtypeError, match="complex"):
        project([np.zeros((2, 3), dtype=complex)])
    with pytest.raises(ClipDtypeError, match="list"):
        project([[[1.0, 2.0, 3.0]]])  # type: ignore[list-item]


clouds = hnp.arrays(
    st.sampled_from([np.float16, np.float32, np.float64]),
    st.tuples(st.integers(0, 40), st.just(3)),
)


@settings(deadline=None)
@given(st.lists(clouds, max_size=4), st.sampled_from(list(Forward)))
def test_any_points_give_frames_or_a_named_error(points: list[Array], forward: Forward) -> None:
    try:
        aligned = project(points, forward)
    except ClipEmptyError:
        return
    assert len(aligned.frames) + sum(aligned.dropped.values()) == len(points)
    assert aligned.frames.shape == (len(aligned.kept), 3, 64, 64)
    assert aligned.frames.any(axis=(1, 2, 3)).all()


@settings(deadline=None)
@given(
    hnp.arrays(
        np.float64,
        st.tuples(st.integers(10, 300), st.just(3)),
        elements=st.floats(-30, 30, allow_nan=False),
    )
)
def test_wild_clouds_near_the_sensor_do_not_crash(cloud: Array) -> None:
    try:
        frames = project([cloud]).frames
    except ClipEmptyError:
        return
    assert {*map(tuple, frames[0].reshape(3, -1).T)} <= {*map(tuple, JET), (0, 0, 0)}
    assert frames.any()


def test_points_too_scattered_to_share_a_frame_are_dropped() -> None:
    diagonal = zip(np.linspace(-60, 60, 12), np.linspace(14.9, -24.9, 12), strict=True)
    scattered = [point(8.0, a, e, forward=Forward.MINUS_X) for a, e in diagonal]
    with pytest.raises(ClipEmptyError, match="1 too_few_points"):
        project([np.concatenate(scattered)])
