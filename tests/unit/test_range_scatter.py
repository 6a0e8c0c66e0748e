"""Range views as scatter plots, beside the plots themselves."""

import io
import pickle
import tracemalloc

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from gait.clip import Clip
from gait.decode import decode_clip
from gait.errors import ClipEmptyError
from gait.modality import Modality
from gait.quality.judge import judge_clip
from gait.quality.quality import Reason
from gait.range_scatter import RADIUS, marker
from gait.range_style import RangeStyle
from gait.range_view import AZIMUTH_BIN, ELEVATION_BIN, Forward, project
from tests import clip_files as files
from tests.raster_walkers import walker

BEAMS = np.arange(-25, 15, 0.2)
FRAMES = [walker(frame, BEAMS) for frame in range(6)]
SCATTER = RangeStyle.SCATTER
LEVELS = np.radians(np.arange(-25, 14.9, 3.9))


def plotted(cloud: NDArray[np.float64]) -> NDArray[np.uint8]:
    """The frame by matplotlib and OpenCV, written after the description of OpenGait's files."""
    plt = pytest.importorskip("matplotlib.pyplot", reason="matplotlib is of the train extra")
    ahead, right, up = cloud[:, 0], -cloud[:, 1], cloud[:, 2]
    distance = np.hypot(ahead, right)
    across = (np.degrees(np.arctan2(right, ahead)) + 180) / AZIMUTH_BIN
    high = (np.degrees(np.arctan2(up, distance)) + 25) / ELEVATION_BIN
    size = 360 / AZIMUTH_BIN, 40 / ELEVATION_BIN
    figure, axes = plt.subplots(figsize=(size[0] / 100, size[1] / 100), dpi=100)
    axes.scatter(across, high, s=1, c=-distance, linewidths=0, alpha=1, cmap="jet")
    axes.set_facecolor("black")
    axes.axis("scaled")
    axes.xaxis.set_visible(False)
    axes.yaxis.set_visible(False)
    axes.set_xlim(0, size[0])
    axes.set_ylim(0, size[1])
    png = io.BytesIO()
    figure.savefig(png, dpi=100, bbox_inches="tight", pad_inches=0.0)
    plt.close(figure)
    decoded = cv2.imdecode(np.frombuffer(png.getvalue(), np.uint8), cv2.IMREAD_COLOR)
    assert decoded is not None
    picture = np.asarray(decoded)[:, :, ::-1]
    lit = np.flatnonzero(picture.any(axis=(1, 2)))
    person = picture[lit[0] : lit[-1]]
    wide = int(64 * person.shape[1] / len(person))
    resized = cv2.resize(person, (wide, 64), interpolation=cv2.INTER_CUBIC)
    brightness = resized.sum(axis=(0, 2), dtype=np.int64).cumsum()
    middle = int(np.argmax(brightness > brightness[-1] / 2))
    return np.asarray(resized[:, middle - 32 : middle + 32], np.uint8)


def drawn(cloud: NDArray[np.float64], style: RangeStyle = SCATTER) -> NDArray[np.uint8]:
    """`(64, 64, 3)` of one frame."""
    frame = project([cloud], Forward.PLUS_X, style=style).frames[0]
    return np.asarray(frame.transpose(1, 2, 0), np.uint8)


def apart(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> tuple[float, float]:
    """IoU of what is lit, and the mean difference in colour where both are."""
    first, second = one.any(axis=2), other.any(axis=2)
    both = first & second
    colours = np.abs(one.astype(int) - other)[both]
    return both.sum() / (first | second).sum(), float(colours.mean())


@pytest.mark.parametrize("frame", range(len(FRAMES)))
def test_it_is_the_plot(frame: int) -> None:
    want = plotted(FRAMES[frame])
    overlap, colours = apart(drawn(FRAMES[frame]), want)
    assert overlap > 0.97
    assert colours < 4


def test_the_two_styles_are_not_alike() -> None:
    overlap, colours = apart(drawn(FRAMES[0]), drawn(FRAMES[0], RangeStyle.BINS))
    assert overlap < 0.9
    assert colours > 15


def test_a_marker_covers_its_area() -> None:
    shape = marker()
    assert (shape.up, shape.across) == (1, 1)
    areas = shape.coverage.sum(axis=(2, 3))
    np.testing.assert_allclose(areas, np.pi * RADIUS**2, rtol=0.01)
    assert shape.coverage.max() < 1


@pytest.mark.parametrize("beams", [0.4, 1.0, 2.0])
def test_markers_of_a_coarser_sensor_touch(beams: float) -> None:
    clouds = [walker(frame, np.arange(-25, 15, beams)) for frame in range(6)]
    frames = project(clouds, Forward.PLUS_X, style=SCATTER).frames
    lit = frames[:, :, 20:44].max(axis=(1, 3))  # the rows of trunk and thighs
    assert lit.min() > 0, "a row without a pixel lies between two beams"


def test_what_cannot_be_drawn_is_dropped_as_in_bins() -> None:
    few, behind = FRAMES[0][:5], FRAMES[0] * [-1, 1, 1]
    nothing, broken = np.zeros((0, 3)), np.full((4, 3), np.nan)
    clouds = [few, behind, nothing, broken, FRAMES[1]]
    bins, scatter = (project(clouds, Forward.PLUS_X, style=style) for style in RangeStyle)
    assert scatter.dropped == bins.dropped == {"too_few_points": 1, "outside_view": 1, "empty": 2}
    assert scatter.kept.tolist() == [4]
    with pytest.raises(ClipEmptyError):
        project(clouds[:4], Forward.PLUS_X, style=SCATTER)


def test_points_at_one_distance_are_of_one_colour() -> None:
    angles = np.radians(np.arange(-2, 2, 0.2))
    board = np.array(
        [[8 * np.cos(a), 8 * np.sin(a), 8 * np.tan(e)] for a in angles for e in angles]
    )
    frame = drawn(board)
    assert (frame.argmax(axis=2)[frame.any(axis=2)] == 2).all(), "blue, as matplotlib has it"


def test_a_clip_is_drawn_as_it_is_asked_for() -> None:
    data = files.npz(**{str(k): cloud for k, cloud in enumerate(FRAMES)})
    bins, scatter = (decode_clip(data, style=style).clip.frames for style in RangeStyle)
    assert bins.shape == scatter.shape
    assert (bins != scatter).mean() > 0.1
    np.testing.assert_array_equal(decode_clip(data).clip.frames, bins)
    pictures = files.npy(scatter)  # drawn already: taken as they are
    np.testing.assert_array_equal(decode_clip(pictures).clip.frames, scatter)
    pickle.loads(pickle.dumps(decode_clip(data, style=SCATTER)))  # noqa: S301


@pytest.mark.parametrize("beams", [0.2, 0.4, 0.8])
@pytest.mark.parametrize("every", [1, 2])
def test_a_scatter_plot_is_no_photograph(beams: float, every: int) -> None:
    """Its blended edges are of no palette, whether they come as points or as pictures."""
    clouds = [walker(frame, np.arange(-25, 15, beams))[::every] for frame in range(20)]
    data = files.npz(**{f"{k:02}": cloud for k, cloud in enumerate(clouds)})
    bins, scatter = (decode_clip(data, style=style) for style in RangeStyle)
    assert scatter.quality.score > bins.quality.score - 0.1
    pictures = decode_clip(files.npy(scatter.clip.frames))
    assert Reason.PHOTOGRAPH not in pictures.quality.reasons


def test_a_real_photograph_is_one() -> None:
    rng = np.random.default_rng(0)
    skin = np.array([200, 150, 120])[:, None, None] + rng.integers(-40, 40, (12, 3, 64, 64))
    grey = np.repeat(rng.integers(60, 220, (12, 1, 64, 64)), 3, axis=1)
    for frames in (skin, grey):
        found = judge_clip(Clip(frames.astype(np.uint8), Modality.RANGE_VIEW))
        assert Reason.PHOTOGRAPH in found.reasons


def test_no_raster_makes_a_marker_that_costs_much() -> None:
    wide = np.array([[8, 8 * np.tan(a), 8 * np.tan(e)] for a in (-1, 0, 1) for e in LEVELS])
    close = wide * 0.05
    for cloud in (np.repeat(wide, 4, axis=0), np.repeat(close, 4, axis=0)):
        tracemalloc.start()
        project([cloud] * 3, Forward.PLUS_X, style=SCATTER)
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert most < 200e6


def test_points_that_others_hide_are_left_out_of_huge_clouds() -> None:
    rng = np.random.default_rng(0)
    once = FRAMES[0]
    copies = [once + rng.normal(0, 1e-9, once.shape) for _ in range(40)]
    huge = np.concatenate(copies)
    assert len(huge) > 20_000
    overlap, colours = apart(drawn(huge), drawn(once))
    assert overlap > 0.9
    assert colours < 15
