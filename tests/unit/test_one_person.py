"""The person is found among all that a LiDAR measured, and alone makes the picture."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from gait.decode import Decoded, decode_clip
from gait.decode.points.axes import CloudSource
from gait.decode.points.beams import on_beams
from gait.decode.points.ground import without_patch
from gait.decode.points.person import one_person
from gait.errors import ClipError
from gait.lidar import KNOWN
from gait.quality.quality import Reason
from gait.range_view import Forward, project
from tests import clip_files as files
from tests.raster_walkers import GROUND, Cloud, ground, tilted, walker

pytestmark = pytest.mark.serving

FRAMES = 12
FINE = np.arange(-20, 5, 0.2) + 0.1
BEAMS = {
    "128": FINE,
    "32": FINE[::4],
    "whole degrees": np.arange(-16.0, 16),
    "16": np.arange(-15.0, 16, 2),
}
WALK = [walker(k, FINE) for k in range(FRAMES)]


def decoded(clouds: list[Cloud], source: CloudSource | None = None) -> Decoded:
    """A clip file of such clouds, as float32."""
    named = {f"f{k}": cloud.astype(np.float32) for k, cloud in enumerate(clouds)}
    return decode_clip(files.npz(**named), source=source or CloudSource())


def likeness(found: Decoded, want: Decoded) -> float:
    """Intersection over union of what is lit, mean over frames."""
    assert len(found.clip.frames) == len(want.clip.frames)
    a, b = found.clip.frames.any(axis=1), want.clip.frames.any(axis=1)
    return float(((a & b).sum(axis=(1, 2)) / (a | b).sum(axis=(1, 2))).mean())


CLEAN = decoded(WALK)


@pytest.mark.parametrize("beams", BEAMS)
def test_of_somebody_alone_nothing_is_taken(beams: str) -> None:
    clouds = [walker(k, BEAMS[beams]) for k in range(FRAMES)]
    found = one_person(clouds)
    assert (found.ground, found.others, found.beside) == (0, 0, 0)
    for cloud, kept in zip(clouds, found.clouds, strict=True):
        np.testing.assert_array_equal(cloud, kept)


@pytest.mark.parametrize("radius", [0.5, 0.7, 1.0, 1.5, 3.0])
@pytest.mark.parametrize("tilt", [(0, 0), (3, 0), (-5, 0), (0, 4), (3, 3)], ids=str)
def test_the_floor_goes_however_far_it_reaches_and_however_the_sensor_leans(
    radius: float, tilt: tuple[float, float]
) -> None:
    points = int(600 * radius)
    found = decoded([ground(cloud, radius, points=points, tilt=tilt) for cloud in WALK])
    want = decoded([tilted(cloud, *tilt) for cloud in WALK])
    assert int(found.assumed["ground_points_removed"]) > 0.8 * FRAMES * points
    assert found.quality.score > want.quality.score - 0.1
    # how a small patch slopes cannot be told
    assert likeness(found, want) > (0.9 if radius > 0.5 else 0.85)


def test_a_wide_floor_is_no_lying_person() -> None:
    """It was judged before the floor went, and then it was refused as 1.2 m high and 2.2 wide."""
    wide = [ground(cloud, 3.0, points=3000) for cloud in WALK]
    assert likeness(decoded(wide), CLEAN) > 0.9
    lying = [cloud[:, [0, 2, 1]] + [0, 0, 1] for cloud in WALK]
    with pytest.raises(ClipError, match="z points up"):
        decoded(lying)


def wall(cloud: Cloud) -> Cloud:
    """A wall 1.5 m behind the walker."""
    y, z = np.meshgrid(np.arange(-2, 3, 0.06), np.arange(GROUND, 1, 0.06))
    behind = np.full(y.size, cloud[:, 0].mean() + 1.5)
    return np.concatenate([cloud, np.column_stack([behind, y.ravel(), z.ravel()])])


def pole(cloud: Cloud) -> Cloud:
    """A pole 1 m in front of the walker."""
    height = np.linspace(GROUND, 1, 60)
    x, y, _ = cloud.mean(axis=0)
    return np.concatenate([cloud, np.column_stack([x - 1 + 0 * height, y + 0 * height, height])])


def strays(cloud: Cloud) -> Cloud:
    """Three points in the air, as rain and dust make."""
    rng = np.random.default_rng(len(cloud))
    return np.concatenate([cloud, cloud.mean(axis=0) + rng.uniform([1, -1, -1], [6, 1, 1], (3, 3))])


def low_stray(cloud: Cloud) -> Cloud:
    """One point far away and near the ground."""
    return np.concatenate([cloud, [[12.0, 1.0, GROUND + 0.02]]])


@pytest.mark.parametrize("add", [wall, pole, strays, low_stray])
def test_what_is_beside_the_person_goes(add: Callable[[Cloud], Cloud]) -> None:
    found = decoded([add(cloud) for cloud in WALK])
    assert found.assumed["other_points_removed"] == sum(len(add(c)) - len(c) for c in WALK)
    np.testing.assert_array_equal(found.clip.frames, CLEAN.clip.frames)
    assert found.quality.score == CLEAN.quality.score


def test_somebody_else_in_the_cloud_is_said() -> None:
    two = [np.concatenate([cloud, cloud + np.array([1.5, 0, 0])]) for cloud in WALK]
    found = decoded(two)
    assert Reason.SEVERAL_PEOPLE in found.quality.reasons
    assert found.quality.score < 0.5  # strict, as for enrolment, refuses
    assert int(found.assumed["other_points_removed"]) > 0


def test_it_is_the_same_person_in_every_frame() -> None:
    """Somebody larger passes by, for three frames: the one who is followed stays the person."""
    clouds = []
    for frame, cloud in enumerate(WALK):
        other = walker(frame, FINE, ahead=9.0)
        near = np.concatenate([other, other + 0.01]) if frame in (5, 6, 7) else other[:0]
        clouds.append(np.concatenate([cloud, near]))
    np.testing.assert_array_equal(decoded(clouds).clip.frames, CLEAN.clip.frames)


def test_strange_numbers_are_left_to_projection() -> None:
    odd = [np.concatenate([cloud, [[np.nan] * 3, [np.inf, 0, 0], [0, 0, 0]]]) for cloud in WALK]
    found = decoded(odd)
    assert found.points_ignored == 2 * FRAMES
    np.testing.assert_array_equal(found.clip.frames, CLEAN.clip.frames)
    huge = [np.concatenate([cloud, [[1e30, -1e30, 1e30]]]) for cloud in WALK]
    np.testing.assert_array_equal(decoded(huge).clip.frames, CLEAN.clip.frames)


@pytest.mark.parametrize("beams", ["whole degrees", "16"])
@pytest.mark.parametrize("sensor", [None, "hesai-xt32", "velodyne-vlp16"])
def test_beams_on_the_border_of_two_rows_stay_whole(beams: str, sensor: str | None) -> None:
    """In float32 half of each such beam fell into the next row: pictures were torn."""
    source = CloudSource(None if sensor is None else KNOWN[sensor])
    clouds = [walker(k, BEAMS[beams]) for k in range(FRAMES)]
    found = decoded(clouds, source)
    raised = decoded([_raised(cloud, 0.1) for cloud in clouds], source)
    assert likeness(found, raised) > 0.93


def _raised(cloud: Cloud, degrees: float) -> Cloud:
    level = np.hypot(cloud[:, 0], cloud[:, 1])
    elevation = np.arctan2(cloud[:, 2], level) + np.radians(degrees)
    return np.column_stack([cloud[:, :2], level * np.tan(elevation)])


@pytest.mark.parametrize("step", [0.2, 0.8, 1.0, 2.0])
def test_a_board_is_as_wide_for_its_height_whatever_the_beams(step: float) -> None:
    """The rows between beams are filled, and so are those beyond the first and the last beam: else
    what few beams see comes out too short, and too wide once it is made 64 high."""
    across = np.radians(np.arange(-2.0, 2.0, 0.19))
    boards = []
    for lowest in np.arange(-12, -10, 0.25):  # of a board 13° high, where its lowest beam may be
        beams = np.arange(-20, 20, step) + 0.1
        seen = np.radians(beams[(beams >= lowest) & (beams < lowest + 13)])
        y, z = np.meshgrid(7 * np.tan(across), np.tan(seen))
        boards.append(
            np.column_stack([np.full(y.size, 7.0), y.ravel(), (z * np.hypot(7, y)).ravel()])
        )
    frames = project(on_beams(boards), Forward.PLUS_X, whole_beams=True).frames
    wide = np.mean([np.ptp(np.flatnonzero(frame.any(axis=(0, 1)))) + 1 for frame in frames])
    assert wide == pytest.approx(22 * 64 / 65, rel=0.06)  # of 22 columns and 65 rows


def test_an_irregular_sensor_has_no_beams() -> None:
    rng = np.random.default_rng(0)
    cloud = rng.uniform([7, -0.3, -1.6], [7.4, 0.3, 0.1], (2000, 3))
    (found,) = on_beams([cloud])
    np.testing.assert_allclose(found, cloud, atol=0.002)
    same: NDArray[np.bool_] = (found == cloud).all(axis=1)
    assert same.mean() > 0.98


def test_where_rows_are_fine_beams_change_nothing() -> None:
    np.testing.assert_array_equal(
        project(on_beams(WALK), Forward.PLUS_X).frames, project(WALK, Forward.PLUS_X).frames
    )


def test_a_whole_field_of_ankles_is_nobodys() -> None:
    """So many cells are not gone through: a hostile cloud of them took half a second a frame."""
    rng = np.random.default_rng(0)
    fields = [rng.uniform([-50, -50, -1.6], [50, 50, -1.2], (5000, 3)) for _ in range(3)]
    assert all(kept is field for kept, field in zip(without_patch(fields), fields, strict=True))


def test_empty_frames_pass() -> None:
    assert one_person([np.empty((0, 3)), np.zeros((3, 3))]).others == 0
    assert len(on_beams([np.empty((0, 3))])[0]) == 0
