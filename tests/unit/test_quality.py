"""Quality of clips: each reason on a clip of our own, what must not matter, and the modes."""

import pickle
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from gait.clip import Clip
from gait.decode import Decoded, decode_clip
from gait.errors import ClipEmptyError, ClipQualityError
from gait.modality import Modality
from gait.quality.judge import judge_clip
from gait.quality.quality import Mode, Quality, Reason, require_quality
from gait.silhouette import align
from tests import clip_files as files

pytestmark = pytest.mark.serving

WALK = files.walker()


def quality_of(frames: NDArray[np.uint8]) -> Quality:
    return decode_clip(files.npz(frames=frames)).quality


def aligned(frames: NDArray[np.uint8]) -> Clip:
    return Clip(align(frames).frames, Modality.SILHOUETTE)


def moving(shape: Any) -> NDArray[np.uint8]:
    """Twenty frames of a shape `(h, w)` that widens and narrows."""
    height, width = shape.shape
    out = np.zeros((20, height, 2 * width), np.uint8)
    for index, frame in enumerate(out):
        wide = int(width * (1.2 + 0.3 * np.sin(index * 2 * np.pi / 8)))
        start = width - wide // 2
        frame[:, start : start + wide] = cv2.resize(shape, (wide, height))
    return np.pad(out, ((0, 0), (10, 10), (10, 10)))


def people(apart: int) -> NDArray[np.uint8]:
    return np.maximum(WALK, np.roll(WALK, apart, axis=2))


def still() -> NDArray[np.uint8]:
    return WALK[np.zeros(20, int)]


def photographs() -> NDArray[np.uint8]:
    rng = np.random.default_rng(0)
    ground = cv2.GaussianBlur(rng.integers(0, 255, (160, 200), np.uint8), (0, 0), 12).astype(float)
    ground = np.clip((ground - ground.min()) / np.ptp(ground) * 120 + 17, 0, 255)
    return np.where(WALK > 0, 180, ground).astype(np.uint8)


def shadowed() -> NDArray[np.uint8]:
    """A walker in 64×64 frames on a strip of floor."""
    frames = align(WALK).frames[:, 0].copy()
    frames[:, 60:] = 0
    frames[:, 60:, 6:58] = 255
    return frames


def half_step() -> NDArray[np.uint8]:
    """A fifth of a cycle: nothing comes round."""
    return files.walker(frames=12, height=320, width=400, period=60)


@pytest.mark.parametrize("frames", [WALK, files.coloured(WALK), files.walker(40, 400, 500, 1.3)])
def test_a_walker_has_nothing_wrong(frames: NDArray[np.uint8]) -> None:
    quality = quality_of(frames)
    assert (quality.score, quality.reasons) == (1.0, ())


@pytest.mark.parametrize(
    ("frames", "reason"),
    [
        (still(), Reason.NOT_WALKING),
        (WALK[:, ::-1], Reason.UPSIDE_DOWN),
        (moving(np.full((120, 60), 255, np.uint8)), Reason.NOT_A_PERSON),
        (moving(cv2.circle(np.zeros((120, 120), np.uint8), (60, 60), 59, (255,), -1)),
         Reason.NOT_A_PERSON),
        (np.random.default_rng(0).integers(0, 2, (20, 64, 64), np.uint8) * 255, Reason.NOISE),
        (255 - align(WALK).frames[:, 0], Reason.INVERTED),
        (photographs(), Reason.PHOTOGRAPH),
        (align(WALK).frames[:1, 0], Reason.TOO_FEW_FRAMES),
    ],
)  # fmt: skip
def test_what_is_no_walk_is_refused_with_its_reason(
    frames: NDArray[np.uint8], reason: Reason
) -> None:
    quality = quality_of(frames)
    assert quality.reasons[0] is reason or quality.severity[reason] == 1
    with pytest.raises(ClipQualityError, match=r"the mode standard needs 0\.1") as refused:
        require_quality(quality, Mode.STANDARD)
    assert str(reason) in refused.value.fields["quality_reasons"]  # type: ignore[operator]
    assert reason.advice in str(refused.value)
    require_quality(quality, Mode.OFF)


@pytest.mark.parametrize(
    ("frames", "reason"),
    [
        (255 - WALK, Reason.INVERTED),
        (people(90), Reason.SEVERAL_PEOPLE),
        (np.zeros_like(WALK), Reason.NOBODY),
    ],
)
def test_where_no_frame_is_left_the_reason_is_said(
    frames: NDArray[np.uint8], reason: Reason
) -> None:
    with pytest.raises(ClipEmptyError) as refused:
        quality_of(frames)
    assert refused.value.fields["quality_reasons"] == [str(reason)]
    assert reason.advice in str(refused.value)


def specked(frames: int) -> NDArray[np.uint8]:
    out = WALK.copy()
    out[:frames, 20:23, 10:13] = 255
    return out


def emptied(frames: int) -> NDArray[np.uint8]:
    out = WALK.copy()
    out[:frames] = 0
    return out


def joined(frames: int) -> NDArray[np.uint8]:
    out = WALK.copy()
    out[:frames] = people(90)[:frames]
    return out


def cut(frames: int) -> NDArray[np.uint8]:
    out = WALK.copy()
    for frame in out[:frames]:
        frame[:] = np.roll(frame, -int(np.flatnonzero(frame.any(axis=0)).mean()), axis=1)
        frame[:, 100:] = 0
    return out


def lowered(frames: int) -> NDArray[np.uint8]:
    """The feet at the lower border, the head away from the upper one."""
    out = WALK.copy()
    for frame in out[:frames]:
        lowest = int(np.flatnonzero(frame.any(axis=1))[-1])
        frame[:] = np.roll(frame, len(frame) - 1 - lowest, axis=0)
    return out


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (specked, Reason.SPECKS),
        (emptied, Reason.NOBODY),
        (joined, Reason.SEVERAL_PEOPLE),
        (cut, Reason.CUT_OFF),
        (lowered, Reason.TOUCHES_BORDER),
    ],
)
def test_more_of_it_is_worse(damage: object, reason: Reason) -> None:
    assert callable(damage)
    found = [quality_of(damage(frames)) for frames in (0, 6, 12)]
    assert reason not in found[0].severity
    assert 0 < found[1].severity[reason] < found[2].severity[reason]
    assert 1 == found[0].score > found[1].score > found[2].score


def test_fewer_frames_are_worse() -> None:
    clip = aligned(WALK)
    scores = [judge_clip(Clip(clip.frames[:n], clip.modality)).severity for n in (10, 7, 4, 1)]
    few = [severity.get(Reason.TOO_FEW_FRAMES, 0.0) for severity in scores]
    assert few == sorted(few)
    assert (few[0], few[-1]) == (0, 1)


def low(rows: int) -> NDArray[np.uint8]:
    """A walker so many pixels high."""
    scale = rows / (np.ptp(np.flatnonzero(WALK[0].any(axis=1))) + 1)
    size = (round(WALK.shape[2] * scale), round(WALK.shape[1] * scale))
    small = np.stack([cv2.resize(f, size, interpolation=cv2.INTER_AREA) for f in WALK])
    return ((small > 90) * 255).astype(np.uint8)


def test_people_of_few_pixels_are_worse_and_are_not_enrolled() -> None:
    found = {rows: quality_of(low(rows)) for rows in (40, 20, 16, 14, 12, 10)}
    assert all(Reason.PHOTOGRAPH not in each.reasons for each in found.values())
    severity = [each.severity.get(Reason.TOO_SMALL, 0.0) for each in found.values()]
    assert severity == sorted(severity)
    assert severity[:2] == [0, 0]
    strict = [rows for rows, each in found.items() if each.passes(Mode.STRICT)]
    assert strict == [40, 20, 16, 14]
    assert found[10].passes(Mode.STANDARD)


def test_specks_and_empty_frames_do_not_hide_how_low_somebody_is() -> None:
    frames = low(12)
    whole = quality_of(frames).severity[Reason.TOO_SMALL]
    frames[:, 0, 0] = 255
    frames[::2] = 0
    assert quality_of(frames).severity[Reason.TOO_SMALL] >= whole


def test_a_part_of_a_step_is_no_cycle() -> None:
    assert Reason.UNDER_ONE_CYCLE in quality_of(half_step()).severity
    assert Reason.UNDER_ONE_CYCLE not in quality_of(WALK).severity


def test_floor_at_the_feet_is_seen() -> None:
    assert Reason.GROUND in quality_of(shadowed()).severity


def test_two_people_in_aligned_frames_are_seen() -> None:
    half = align(WALK).frames[:, 0, :, 14:46]
    assert quality_of(np.concatenate([half, half], axis=2)).reasons[0] is Reason.SEVERAL_PEOPLE


def test_colours_of_a_photograph_are_no_distances() -> None:
    frames = files.coloured(align(WALK).frames[:, 0])
    grey = np.where(frames.any(axis=3, keepdims=True), 128, 0).astype(np.uint8)
    grey = grey + np.zeros(3, np.uint8)
    assert judge_clip(_views(frames)).score == 1
    assert judge_clip(_views(grey)).reasons[0] is Reason.PHOTOGRAPH


def _views(frames: NDArray[np.uint8]) -> Clip:
    return Clip(np.ascontiguousarray(np.moveaxis(frames, 3, 1)), Modality.RANGE_VIEW)


def clouds(points: int, rows: float = 0.2) -> Decoded:
    """A figure of points 8 m ahead, in rows so many degrees apart."""
    rng = np.random.default_rng(0)
    mask = align(WALK).frames[:, 0] > 127
    frames = {}
    for index, frame in enumerate(mask):
        up, across = np.nonzero(frame)
        chosen = rng.choice(len(up), points)
        z = 0.9 - up[chosen] * 1.8 / 64
        z = np.tan(np.radians(np.round(np.degrees(np.arctan(z / 8)) / rows) * rows)) * 8
        x = np.full(points, 8.0)
        xyz = np.stack([x, (across[chosen] - 32) * 1.8 / 64, z], 1)
        frames[f"{index:02}"] = xyz.astype(np.float32)
    return decode_clip(files.npz(**frames))


def test_few_points_and_coarse_rasters_are_seen() -> None:
    assert Reason.TOO_FEW_POINTS not in clouds(600).quality.severity
    assert Reason.TOO_FEW_POINTS in clouds(20).quality.severity
    assert Reason.UNKNOWN_SENSOR not in clouds(600).quality.severity
    assert Reason.UNKNOWN_SENSOR in clouds(600, rows=2.4).quality.severity


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(Modality),
    arrays.arrays(np.uint8, st.tuples(st.integers(1, 12), st.integers(1, 4), st.just(2))),
)
def test_any_clip_has_a_quality(modality: Modality, seeds: NDArray[np.uint8]) -> None:
    rough = np.resize(seeds, (len(seeds), modality.channels, 8, 8))
    clip = Clip(np.ascontiguousarray(rough.repeat(8, axis=2).repeat(8, axis=3)), modality)
    quality = judge_clip(clip)
    assert 0 <= quality.score <= 1
    assert all(0 < value <= 1 for value in quality.severity.values())
    assert quality.passes(Mode.OFF)


def test_strict_refuses_more_than_standard() -> None:
    poor = Quality({Reason.TOO_FEW_FRAMES: 0.6})
    assert [poor.passes(mode) for mode in Mode] == [True, True, False]
    assert Quality().score == 1


def test_of_one_reason_the_worse_counts() -> None:
    one, other = Quality({Reason.NOISE: 0.2, Reason.SPECKS: 0.1}), Quality({Reason.NOISE: 0.5})
    assert one.joined(other) == Quality({Reason.NOISE: 0.5, Reason.SPECKS: 0.1})
    assert one.reasons == (Reason.NOISE, Reason.SPECKS)


def test_every_reason_has_advice_and_travels() -> None:
    assert len({reason.advice for reason in Reason}) == len(Reason)
    decoded = pickle.loads(  # noqa: S301
        pickle.dumps(decode_clip(files.npz(frames=still())))
    )
    assert decoded.quality.reasons == (Reason.NOT_WALKING,)
