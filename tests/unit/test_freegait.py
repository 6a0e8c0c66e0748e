"""FreeGait's pickles: several plausible forms are read, the rest is described."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gait.errors import ClipDtypeError, ClipShapeError, ForbiddenPickleError, LayoutError
from gait.modality import Modality
from gait.sustech1k import Sequence
from train.data.freegait import FREEGAIT, read, to_frames

RNG = np.random.default_rng(0)
MASKS = (RNG.random((3, 64, 64)) > 0.5).astype(np.uint8) * 255
COLOURS = RNG.integers(2, 256, (3, 3, 64, 64), dtype=np.uint8)
SOURCE = Path("image.pkl")


def _form(content: Any) -> str:
    return f"{type(content).__name__}{getattr(content, 'dtype', '')}{np.shape(content)}"


def _rows(frames: Any, modality: Modality = Modality.SILHOUETTE) -> Any:
    return to_frames(frames, modality, SOURCE)


@pytest.mark.parametrize(
    "content",
    [
        MASKS,
        MASKS[..., None],
        MASKS[:, None],
        np.repeat(MASKS[..., None], 3, axis=3),
        np.repeat(MASKS[:, None], 3, axis=1),
        MASKS > 0,
        MASKS // 255,
        MASKS / 255,
        (MASKS / 255).astype(np.float16),
        MASKS.astype(np.float32),
        list(MASKS),
    ],
    ids=_form,
)
def test_every_form_of_a_silhouette_gives_the_same_frames(content: Any) -> None:
    frames = _rows(content)
    assert frames.dtype == np.uint8
    assert np.array_equal(frames, MASKS[:, None])


@pytest.mark.parametrize(
    "content",
    [COLOURS, COLOURS.transpose(0, 2, 3, 1), COLOURS / 255, list(COLOURS), COLOURS.astype(float)],
    ids=_form,
)
def test_every_form_of_a_range_view_gives_the_same_frames(content: Any) -> None:
    assert np.array_equal(_rows(content, Modality.RANGE_VIEW), COLOURS)


def test_one_channel_of_a_range_view_is_repeated() -> None:
    frames = _rows(MASKS, Modality.RANGE_VIEW)
    assert np.array_equal(frames, np.repeat(MASKS[:, None], 3, axis=1))


@pytest.mark.parametrize("size", [(128, 128), (32, 32), (128, 88), (64, 44)])
def test_other_sizes_are_resized(size: tuple[int, int]) -> None:
    half = np.zeros((2, *size), np.uint8)
    half[:, : size[0] // 2] = 200
    frames = _rows(half)
    assert frames.shape == (2, 1, 64, 64)
    assert (frames[:, :, :31] == 200).all()
    assert (frames[:, :, 33:] == 0).all()


def test_frames_of_different_sizes_in_one_sequence() -> None:
    frames = _rows([np.full((50, 30), 9, np.uint8), np.full((80, 64), 7, np.uint8)])
    assert frames[:, 0, 0, 0].tolist() == [9, 7]


def test_no_frame_is_no_frame() -> None:
    assert _rows(np.zeros((0, 64, 64), np.uint8)).shape == (0, 1, 64, 64)


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        ({"a": 1}, ClipShapeError, "holds a dict, need frames"),
        (MASKS[0], ClipShapeError, r"has frames of shape \(64,\)"),
        (np.zeros((2, 5, 64, 64), np.uint8), ClipShapeError, r"has frames of shape \(5, 64, 64\)"),
        (np.zeros((2, 0, 64), np.uint8), ClipShapeError, r"has a frame of \(0, 64\)"),
        (np.zeros((1, 1, 5000), np.uint8), ClipShapeError, "sides up to 4096"),
        ([1, 2], ClipShapeError, "has a frame of int"),
        (np.zeros(100_001, np.uint8), ClipShapeError, "at most 100000 are read"),
        (MASKS.astype(np.int64), ClipDtypeError, "has frames of int64"),
        (MASKS * -1.0, ClipDtypeError, "has values from -255 to"),
        (MASKS * 2.0, ClipDtypeError, "to 510, need"),
        (np.full((1, 64, 64), np.nan), ClipDtypeError, "has values from nan"),
    ],
)
def test_anything_else_is_described(content: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message) as caught:
        _rows(content)
    assert str(caught.value).startswith("image.pkl")


def _sequence(folder: Path, files: dict[str, object]) -> Sequence:
    for name, content in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(pickle.dumps(content))
    return Sequence("0001", "devid_1", "seq_00_new", folder)


@pytest.mark.parametrize(
    "names", [("image.pkl", "range_pkl.pkl"), ("image/image.pkl", "range_pkl/range_pkl.pkl")]
)
def test_both_trees_are_read(tmp_path: Path, names: tuple[str, str]) -> None:
    sequence = _sequence(tmp_path, {names[0]: MASKS, names[1]: COLOURS, "lidar.pkl": [1]})
    silhouettes, range_views = (read(sequence, m, FREEGAIT.files[m]) for m in Modality)
    assert np.array_equal(silhouettes, MASKS[:, None])
    assert np.array_equal(range_views, COLOURS)


def test_other_names_can_be_given(tmp_path: Path) -> None:
    sequence = _sequence(tmp_path, {"sil.pkl": MASKS, "depth.pkl": COLOURS})
    with pytest.raises(LayoutError, match=r"has no image\.pkl"):
        read(sequence, Modality.SILHOUETTE, FREEGAIT.files[Modality.SILHOUETTE])
    assert len(read(sequence, Modality.SILHOUETTE, "sil.pkl")) == 3


def test_a_pickle_of_something_else_is_refused(tmp_path: Path) -> None:
    sequence = _sequence(tmp_path, {"image.pkl": tmp_path, "range_pkl.pkl": COLOURS})
    with pytest.raises(ForbiddenPickleError, match=r"image\.pkl asks for pathlib"):
        read(sequence, Modality.SILHOUETTE, "image.pkl")
