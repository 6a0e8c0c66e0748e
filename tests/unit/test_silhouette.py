import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from gait.errors import ClipDtypeError, ClipEmptyError, ClipShapeError
from gait.silhouette import align

pytestmark = pytest.mark.serving


def walker(height: int, width: int, *, top: int, bottom: int, centre: int) -> np.ndarray:
    mask = np.zeros((height, width), dtype=np.uint8)
    middle, half = (top + bottom) // 2, (bottom - top) // 2
    cv2.ellipse(mask, (centre, middle), (max(1, half // 4), half), 0, 0, 360, 255, -1)
    return mask


@pytest.mark.parametrize("size", [(64, 64), (33, 47), (480, 640), (1080, 1920), (600, 260)])
def test_a_person_ends_64_tall_and_centred(size: tuple[int, int]) -> None:
    height, width = size
    mask = walker(
        height, width, top=height // 10, bottom=height - height // 8, centre=width - width // 3
    )
    frame = align(mask[None]).frames[0, 0]
    assert frame.shape == (64, 64)
    assert frame[0].any()
    assert frame[-1].any()
    mass = frame.sum(axis=0, dtype=np.int64)
    assert mass[:32].sum() / mass.sum() == pytest.approx(0.5, abs=0.06)


def test_position_in_the_picture_does_not_matter() -> None:
    masks = np.stack(
        [
            walker(240, 320, top=20, bottom=150, centre=100),
            walker(240, 320, top=60, bottom=190, centre=250),
        ]
    )
    first, second = align(masks).frames
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("scale", [1, 255])
def test_zero_one_masks_mean_the_same_as_zero_255(scale: int) -> None:
    mask = walker(100, 80, top=10, bottom=90, centre=30) // 255
    frames = align(mask[None] * np.uint8(scale)).frames
    np.testing.assert_array_equal(frames, align(mask[None].astype(bool)).frames)
    assert frames.max() == 255


def test_soft_values_stay_soft() -> None:
    mask = walker(64, 64, top=0, bottom=63, centre=32)
    soft = cv2.GaussianBlur(mask, (5, 5), 0).astype(np.uint8)
    frame = align(soft[None]).frames[0]
    assert len(np.unique(frame)) > 10


def test_compression_noise_does_not_move_the_person() -> None:
    clean = walker(240, 320, top=20, bottom=150, centre=100)
    noise = np.random.default_rng(0).integers(0, 20, clean.shape, dtype=np.uint8)
    noise[:, :200] = 0  # all of it on one side
    noisy = np.maximum(clean, noise)
    difference = align(noisy[None]).frames.astype(int) - align(clean[None]).frames
    assert np.abs(difference).max() < 20


def test_an_aligned_silhouette_hardly_changes() -> None:
    once = align(walker(480, 640, top=40, bottom=460, centre=200)[None]).frames[:, 0]
    twice = align(once).frames[:, 0]
    assert np.abs(once.astype(int) - twice).mean() < 4


def test_unusable_frames_are_dropped_and_counted() -> None:
    good = walker(100, 100, top=5, bottom=95, centre=50)
    speck = np.zeros_like(good)
    speck[50, 50] = 255
    line = np.zeros_like(good)
    line[50] = 255  # 100 pixels in a single row
    faint = good // 3
    aligned = align(np.stack([speck, good, np.zeros_like(good), line, good, faint]))
    assert aligned.kept.tolist() == [1, 4]
    assert aligned.dropped == {"too_small": 2, "empty": 2}
    assert aligned.frames.shape == (2, 1, 64, 64)


@pytest.mark.parametrize(
    ("rows", "columns", "kept"), [(16, 2, True), (16, 1, False), (30, 1, False), (7, 6, False)]
)
def test_a_low_person_needs_less_mass(rows: int, columns: int, kept: bool) -> None:
    mask = np.zeros((6, 40, 40), np.uint8)
    mask[:, 4 : 4 + rows, 20 : 20 + columns] = 255
    mask[0, 10:18, 10:20] = 255  # one frame that is kept in any case
    mask[0, :, 20:] = 0
    assert (len(align(mask).frames) == 6) == kept


@pytest.mark.parametrize("lost", [3, 10])
def test_what_is_left_of_a_high_person_is_no_low_one(lost: int) -> None:
    masks = np.repeat(walker(200, 200, top=20, bottom=150, centre=100)[None], 24, axis=0)
    masks[::lost] = 0
    masks[::lost, 60:76, 90:92] = 255
    aligned = align(masks)
    assert aligned.dropped == {"too_small": len(masks[::lost])}
    assert aligned.heights is not None
    assert set(aligned.heights.tolist()) == {131}


@pytest.mark.parametrize("count", [0, 3])
def test_no_usable_frame_is_an_error(count: int) -> None:
    with pytest.raises(ClipEmptyError, match=f"{count} empty" if count else "no frames at all"):
        align(np.zeros((count, 64, 64), dtype=np.uint8))


def test_wrong_arrays_are_errors() -> None:
    with pytest.raises(ClipShapeError, match="frames, height, width"):
        align(np.zeros((64, 64), dtype=np.uint8))
    with pytest.raises(ClipShapeError):
        align(np.zeros((2, 0, 64), dtype=np.uint8))
    with pytest.raises(ClipDtypeError, match="float64"):
        align(np.zeros((2, 64, 64)))  # type: ignore[arg-type]


@given(hnp.arrays(np.uint8, hnp.array_shapes(min_dims=3, max_dims=3, max_side=40)))
def test_any_mask_gives_frames_or_a_named_error(masks: np.ndarray) -> None:
    try:
        aligned = align(masks)
    except ClipEmptyError as error:
        assert sum(count for count in error.fields.values() if isinstance(count, int)) == len(masks)  # noqa: PT017
        return
    assert len(aligned.frames) + sum(aligned.dropped.values()) == len(masks)
    assert aligned.frames.shape == (len(aligned.kept), 1, 64, 64)


@given(st.integers(8, 100), st.integers(5, 60), st.integers(0, 100), st.integers(1, 99))
def test_a_box_is_centred_wherever_it_is(height: int, width: int, top: int, left: int) -> None:
    mask = np.zeros((200, 160), dtype=np.uint8)
    mask[top : top + height, left : left + width] = 255
    frame = align(mask[None]).frames[0, 0].astype(np.int64)
    assert (frame[:, 31:33].min(axis=1) > 0).all()
    mass = frame.sum(axis=0)
    assert abs(mass[:32].sum() - mass[32:].sum()) <= 255 * 64 * 1.01
