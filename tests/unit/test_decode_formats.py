"""Every clip format of docs/service.md becomes the clip it should."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from gait.decode import Limits, decode_clip
from gait.decode.points.axes import CloudSource
from gait.errors import (
    ClipDtypeError,
    ClipEmptyError,
    ClipError,
    ClipModalityError,
    ClipShapeError,
    CorruptFileError,
    GaitError,
    UnsupportedFormatError,
)
from gait.lidar import Axis
from gait.modality import Modality
from gait.range_view import Forward, project
from gait.silhouette import align
from tests import clip_files as files

pytestmark = pytest.mark.serving

MASKS = files.masks()
ALIGNED = files.aligned_masks()
SOFT = np.where(np.arange(64) % 2, ALIGNED, ALIGNED // 2)
VIEWS = files.range_views()
CLOUDS = files.clouds()


@pytest.mark.parametrize(
    ("array", "want"),
    [
        (ALIGNED, ALIGNED),
        (ALIGNED[:, None], ALIGNED),
        (ALIGNED[..., None], ALIGNED),
        (ALIGNED > 0, ALIGNED),
        ((ALIGNED > 0).astype(np.int64), ALIGNED),
        (ALIGNED.astype(np.int16), ALIGNED),
        (ALIGNED.astype(">f4") / 255, ALIGNED),
        (np.asfortranarray(ALIGNED), ALIGNED),
        (np.where(ALIGNED, 0.5, 0.0), ALIGNED),
        (SOFT / 255, SOFT),
        (SOFT.astype(np.uint16) * 257, SOFT),
        (ALIGNED[0], ALIGNED[:1]),
    ],
    ids=[
        "3d",
        "4d",
        "last",
        "bool",
        "0/1",
        "int16",
        "float",
        "fortran",
        "half",
        "soft",
        "soft16",
        "one",
    ],
)
def test_aligned_silhouettes_keep_their_pixels(
    array: NDArray[Any], want: NDArray[np.uint8]
) -> None:
    decoded = decode_clip(files.npy(array))
    assert decoded.clip.modality is Modality.SILHOUETTE
    np.testing.assert_array_equal(decoded.clip.frames[:, 0], want)
    assert (decoded.format, decoded.inferred) == ("npy", True)
    assert (decoded.frames_in, decoded.frames_used, decoded.dropped) == (len(want), len(want), {})


@pytest.mark.parametrize("array", [VIEWS, VIEWS.transpose(0, 3, 1, 2)], ids=["last", "first"])
def test_aligned_range_views_keep_their_pixels(array: NDArray[Any]) -> None:
    decoded = decode_clip(files.npz(frames=array), modality=Modality.RANGE_VIEW)
    assert decoded.clip.modality is Modality.RANGE_VIEW
    np.testing.assert_array_equal(decoded.clip.frames, VIEWS.transpose(0, 3, 1, 2))
    assert (decoded.format, decoded.inferred) == ("npz", False)


def test_other_silhouettes_are_aligned() -> None:
    want = align(MASKS).frames
    per_frame = {f"f{i}": mask for i, mask in enumerate(MASKS)}
    for data in (files.npy(MASKS), files.pictures(MASKS), files.npz(**per_frame)):
        np.testing.assert_array_equal(decode_clip(data).clip.frames, want)


def test_range_view_pictures_of_any_size_end_up_64_rows_tall() -> None:
    frames = decode_clip(files.npy(files.range_views(4, 100))).clip.frames
    assert frames.shape == (4, 3, 64, 64)
    lit = np.asarray(frames.any(axis=1))
    top, bottom = lit[:, 0], lit[:, -1]
    assert top.any(axis=1).all()
    assert bottom.any(axis=1).all()


def test_pictures_tell_their_modality_and_keep_their_colours() -> None:
    decoded = decode_clip(files.pictures(VIEWS))
    assert (decoded.format, decoded.clip.modality) == ("zip/png", Modality.RANGE_VIEW)
    np.testing.assert_array_equal(decoded.clip.frames, VIEWS.transpose(0, 3, 1, 2))


def test_jpeg_noise_does_not_move_the_person() -> None:
    decoded = decode_clip(files.pictures(MASKS, ".jpg"))
    assert decoded.format == "zip/jpeg"
    difference = np.abs(decoded.clip.frames.astype(int) - align(MASKS).frames)
    assert difference.mean() < 3


@pytest.mark.parametrize(
    ("extension", "codec"), [("mp4", "mp4v"), ("avi", "MJPG"), ("avi", "XVID")]
)
def test_videos_of_silhouettes(tmp_path: Path, extension: str, codec: str) -> None:
    data = files.video(MASKS, tmp_path, extension, codec)
    if data is None:
        pytest.skip(f"OpenCV here cannot write {codec}")
    decoded = decode_clip(data)
    assert (decoded.format, decoded.frames_in) == (extension, len(MASKS))
    assert np.abs(decoded.clip.frames.astype(int) - align(MASKS).frames).mean() < 6


def test_gif_is_a_video_too() -> None:
    decoded = decode_clip(files.gif(MASKS))
    assert (decoded.format, decoded.frames_in) == ("gif", len(MASKS))
    assert np.abs(decoded.clip.frames.astype(int) - align(MASKS).frames).mean() < 3


def test_coloured_video_is_refused_with_advice(tmp_path: Path) -> None:
    data = files.video(VIEWS, tmp_path, "avi", "MJPG")
    if data is None:
        pytest.skip("OpenCV here cannot write MJPG")
    with pytest.raises(ClipModalityError, match="videos carry silhouettes only"):
        decode_clip(data)


def test_every_cloud_format_gives_the_projection() -> None:
    want = project(CLOUDS, Forward.PLUS_X).frames
    longest = max(len(cloud) for cloud in CLOUDS) + 3
    padded = np.full((len(CLOUDS), longest, 3), np.nan, np.float32)
    for row, cloud in zip(padded, CLOUDS, strict=True):
        row[: len(cloud)] = cloud
    numbered = dict(enumerate(CLOUDS))
    made = {
        "zip/bin": files.zipped({f"{i}.bin": files.kitti(c) for i, c in numbered.items()}),
        "zip/pcd": files.zipped({f"{i}.pcd": files.pcd(c, "binary") for i, c in numbered.items()}),
        "npz": files.npz(**{f"frame{i}": c for i, c in numbered.items()}),
        "npy": files.npy(padded),
    }
    for form, data in made.items():
        decoded = decode_clip(data)
        assert (decoded.format, decoded.clip.modality) == (form, Modality.RANGE_VIEW)
        np.testing.assert_array_equal(decoded.clip.frames, want)
    npy_entries = files.zipped({f"{i}.npy": files.npy(c) for i, c in numbered.items()})
    np.testing.assert_array_equal(decode_clip(npy_entries).clip.frames, want)


def test_ascii_pcd_is_the_binary_one_up_to_rounding() -> None:
    data = files.zipped({f"{i}.pcd": files.pcd(c) for i, c in enumerate(CLOUDS)})
    want = project([cloud.round(6) for cloud in CLOUDS], Forward.PLUS_X).frames
    assert np.mean(decode_clip(data).clip.frames != want) < 1e-3


def test_compressed_pcd_is_the_binary_one() -> None:
    data = files.zipped(
        {f"{i}.pcd": files.pcd(c, "binary_compressed") for i, c in enumerate(CLOUDS)}
    )
    want = project(CLOUDS, Forward.PLUS_X).frames
    np.testing.assert_array_equal(decode_clip(data).clip.frames, want)


def test_forward_axis_is_handed_on() -> None:
    behind = files.npz(**{f"f{i}": c for i, c in enumerate(files.clouds(forward=-1.0))})
    assert decode_clip(behind, source=CloudSource(forward=Axis.MINUS_X)).frames_used == 5
    with pytest.raises(ClipError, match=r"toward -x of the sensor, .* say forward=-x"):
        decode_clip(behind, source=CloudSource(forward=Axis.PLUS_X))


def test_entries_are_read_in_natural_order() -> None:
    frames = np.stack([np.roll(ALIGNED[0], shift, axis=1) for shift in range(12)])
    decoded = decode_clip(files.pictures(frames))
    np.testing.assert_array_equal(decoded.clip.frames[:, 0], frames)


def test_what_desktops_add_to_archives_is_left_out() -> None:
    entries = {"walk/1.png": files.picture(MASKS[0]), "__MACOSX/walk/._1.png": b"x", "walk/": b""}
    assert decode_clip(files.zipped(entries | {"walk/.DS_Store": b"y"})).frames_in == 1


def test_blank_frames_are_dropped_and_counted() -> None:
    frames = ALIGNED.copy()
    frames[[1, 4]] = 0
    decoded = decode_clip(files.npy(frames))
    assert (decoded.frames_in, decoded.frames_used, decoded.dropped) == (6, 4, {"empty": 2})
    with pytest.raises(ClipEmptyError, match="6 empty"):
        decode_clip(files.npy(frames * 0))


def test_a_blank_picture_fits_among_range_views() -> None:
    frames = VIEWS.copy()
    frames[2] = 0
    assert decode_clip(files.pictures(frames)).dropped == {"empty": 1}


@pytest.mark.parametrize(
    ("data", "modality"),
    [
        (files.npy(ALIGNED), Modality.RANGE_VIEW),
        (files.npy(VIEWS), Modality.SILHOUETTE),
        (files.pictures(VIEWS), Modality.SILHOUETTE),
        (files.npz(**{f"f{i}": c for i, c in enumerate(CLOUDS)}), Modality.SILHOUETTE),
    ],
)
def test_a_wrong_modality_is_a_conflict(data: bytes, modality: Modality) -> None:
    with pytest.raises(ClipModalityError, match=f"said to be {modality}"):
        decode_clip(data, modality=modality)


PHOTO = np.full((4, 64, 64, 3), (180, 120, 100), np.uint8)


@pytest.mark.parametrize(
    ("data", "error", "says"),
    [
        (files.npy(np.full((3, 64, 64), np.nan)), ClipDtypeError, "NaN"),
        (files.npy(np.full((3, 64, 64), 255.0)), ClipDtypeError, "scale them"),
        (files.npy(np.full((3, 64, 64), -1)), ClipDtypeError, "-1..0"),
        (files.npy(np.full((3, 64, 64), 300)), ClipDtypeError, "0..300"),
        (files.npy(VIEWS > 0), ClipDtypeError, "bool"),
        (files.npy(np.zeros((3, 5, 64, 64), np.uint8)), ClipShapeError, "shape"),
        (files.npy(np.zeros(9, np.uint8)), ClipShapeError, "shape"),
        (files.npy(np.zeros((0, 64, 64), np.uint8)), ClipEmptyError, "shape"),
        (files.npy(np.zeros((3, 64, 0), np.uint8)), ClipEmptyError, "shape"),
        (files.npy(np.zeros((3, 64, 64), complex)), UnsupportedFormatError, "type"),
        (files.npz(a=ALIGNED, b=ALIGNED), ClipShapeError, "2 arrays"),
        (files.npz(a=ALIGNED[0], b=CLOUDS[0]), ClipShapeError, "2 arrays"),
        (files.pictures(PHOTO), ClipModalityError, "photograph"),
        (files.picture(MASKS[0]), UnsupportedFormatError, "single frame"),
        (files.pcd(CLOUDS[0]), UnsupportedFormatError, "single frame"),
        (files.zipped({}), ClipEmptyError, "without files"),
        (files.zipped({"a.txt": b"hello"}), UnsupportedFormatError, "entry"),
        (files.zipped({"a.bin": b"12345"}), CorruptFileError, "multiple of 3 to 8 numbers"),
        (files.zipped({"a.pcd": files.pcd(CLOUDS[0], "ascii").replace(b"DATA ascii", b"DATA gz")}),
         UnsupportedFormatError, "'gz', need one of ascii, binary, binary_compressed"),
        (files.zipped({"a.png": files.picture(ALIGNED[0]), "b.npy": files.npy(ALIGNED[0])}),
         UnsupportedFormatError, "npy and png"),
        (files.zipped({"a.png": files.picture(ALIGNED[0]), "b.png": files.picture(VIEWS[0])}),
         ClipModalityError, "one modality"),
        (b"", UnsupportedFormatError, "none of the formats"),
        (b"%PDF-1.7", UnsupportedFormatError, "got a PDF; convert each picture to PNG"),
    ],
)  # fmt: skip
def test_what_cannot_be_a_clip_says_why(data: bytes, error: type[GaitError], says: str) -> None:
    with pytest.raises(error, match=says):
        decode_clip(data)


def test_unusable_points_are_ignored_and_counted() -> None:
    cloud = CLOUDS[0].copy()
    cloud[:7] = np.inf
    decoded = decode_clip(files.npz(a=cloud, b=CLOUDS[1]), limits=Limits(max_frames=2))
    assert (decoded.frames_used, decoded.points_ignored) == (2, 7)


@pytest.mark.parametrize("encoding", ["ascii", "binary", "binary_compressed"])
@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        (b"FIELDS x y z intensity", b"FIELDS x y w intensity"),
        (b"FIELDS x y z intensity", b"FIELDS x y z x"),
        (b"COUNT 1 1 1 1", b"COUNT 1 1 2 1"),
        (b"COUNT 1 1 1 1", b"COUNT 1 1 1"),
        (b"COUNT 1 1 1 1", b"COUNT 1 1 1 100"),
        (b"SIZE 4 4 4 4", b"SIZE 4 4 4 3"),
        (b"TYPE F F F F", b"TYPE F F F Q"),
        (b"POINTS 600", b"POINTS -1"),
        (b"POINTS 600", b"POINTS six"),
        (b"POINTS 600", b"POINTS 601"),
        (b"DATA", b"DOTA"),
    ],
)
def test_pcd_headers_that_contradict_are_corrupt(line: bytes, wrong: bytes, encoding: str) -> None:
    data = files.pcd(CLOUDS[0], encoding)
    assert line in data
    with pytest.raises((CorruptFileError, UnsupportedFormatError)):
        decode_clip(files.zipped({"a.pcd": data.replace(line, wrong)}))


def test_pcd_fields_beyond_xyz_may_repeat_and_hold_several_values() -> None:
    rows = np.zeros(600, [("a", "<u2", 2), ("xyz", "<f8", 3), ("b", "<i1"), ("c", "<i1")])
    rows["xyz"] = CLOUDS[0]
    header = (
        "VERSION 0.7\nFIELDS rgb x y z _ _\nSIZE 2 8 8 8 1 1\nTYPE U F F F I I\n"
        "COUNT 2 1 1 1 1 1\nWIDTH 600\nHEIGHT 1\nDATA binary\n"
    )
    data = files.zipped({"a.pcd": header.encode() + rows.tobytes()})
    want = project(CLOUDS[:1], Forward.PLUS_X).frames
    np.testing.assert_array_equal(decode_clip(data).clip.frames, want)
