"""What people send: each kind of file, made here, is read or refused with what to do."""

import os
import pickle
import struct
import subprocess
import sys
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from gait.decode import Limits, decode_clip
from gait.decode.kind import advice
from gait.decode.points.axes import CloudSource
from gait.decode.points.ground import without_ground
from gait.errors import (
    ClipDtypeError,
    ClipEmptyError,
    ClipError,
    ClipShapeError,
    CorruptFileError,
    DecodeError,
    GaitError,
    LimitExceededError,
    UnsupportedFormatError,
)
from gait.lidar import KNOWN, Axis
from gait.modality import Modality
from gait.quality.quality import Reason
from gait.range_view import Forward, project
from gait.silhouette import align
from tests import clip_files as files
from tests.street_videos import Walker, write_video

pytestmark = pytest.mark.serving

MASKS = files.masks(6, 120, 100)
WANT = align(MASKS).frames
CLOUDS = files.clouds()
VIEWS = project(CLOUDS, Forward.PLUS_X).frames


def overlap(found: NDArray[np.uint8], want: NDArray[np.uint8]) -> float:
    """Intersection over union of what is lit, mean over frames."""
    a, b = found.max(axis=1) > 127, want.max(axis=1) > 127
    if found.shape[1] == 3:
        a, b = found.any(axis=1), want.any(axis=1)
    return float(((a & b).sum(axis=(1, 2)) / (a | b).sum(axis=(1, 2))).mean())


@pytest.mark.parametrize(
    ("container", "codec", "form"),
    [
        ("mp4", "libx264", "mp4"),
        ("mov", "libx264", "mp4"),
        ("matroska", "libx264", "mkv"),
        ("matroska", "ffv1", "mkv"),
        ("webm", "libvpx-vp9", "webm"),
        ("webm", "libvpx", "webm"),
        ("avi", "mpeg4", "avi"),
        ("avi", "mjpeg", "avi"),
        ("avi", "mpeg2video", "avi"),
        ("apng", "apng", "apng"),
    ],
)
def test_videos_of_every_container(container: str, codec: str, form: str) -> None:
    found = decode_clip(files.movie(MASKS, container, codec))
    assert (found.format, found.frames_in, found.assumed) == (form, len(MASKS), {})
    assert overlap(found.clip.frames, WANT) > 0.97


def test_sound_is_passed_over() -> None:
    found = decode_clip(files.movie(MASKS, sound=True))
    assert overlap(found.clip.frames, WANT) > 0.97


def test_a_zipped_video_is_the_video() -> None:
    data = files.zipped({"walk/clip.mp4": files.movie(MASKS), "notes.txt": b"x"})
    found = decode_clip(data)
    assert (found.format, found.assumed) == ("zip/mp4", {"not_frames": "notes.txt"})


@pytest.mark.parametrize("turned", [90, 180, 270])
def test_videos_are_turned_as_they_say(turned: int) -> None:
    lying = np.ascontiguousarray(np.rot90(MASKS, -turned // 90, axes=(1, 2)))
    found = decode_clip(files.movie(lying, turned=turned))
    assert found.assumed == {"rotated": turned}
    assert overlap(found.clip.frames, WANT) > 0.97


def walking(frames: int = 6) -> NDArray[np.uint8]:
    figure = files.masks(frames, 120, 160)
    return np.stack([np.roll(figure[k % 3], 6 * k, axis=1) for k in range(frames)])


def test_interlaced_videos_lose_their_combs() -> None:
    masks = walking()
    found = decode_clip(files.movie(masks, "matroska", interlaced=True))
    assert found.assumed["deinterlaced"] == len(masks) == found.frames_used
    assert overlap(found.clip.frames, align(masks).frames) > 0.9


DIRTY = """
import hashlib, sys
sys.path.insert(0, ".")
from pathlib import Path
from gait.decode import decode_clip
for path in sorted(Path(sys.argv[1]).iterdir()):
    frames = decode_clip(path.read_bytes()).clip.frames
    print(path.name, hashlib.sha256(frames.tobytes()).hexdigest())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc fills freed memory when told to")
def test_no_pixel_comes_from_memory_that_was_never_written(tmp_path: Path) -> None:
    masks = walking()
    for name, data in {
        "h264": files.movie(masks, "matroska", interlaced=True),
        "mpeg2": files.movie(masks, "avi", "mpeg2video", interlaced=True),
        "mpeg4": files.movie(masks, "avi", "mpeg4", interlaced=True),
        "cut": files.movie(files.masks(30), "matroska", "mpeg4")[:-4000],
        "mjpeg": files.movie(masks, "avi", "mjpeg"),
    }.items():
        (tmp_path / name).write_bytes(data)
    seen = {
        subprocess.run(
            [sys.executable, "-c", DIRTY, str(tmp_path)],
            env=os.environ | {"MALLOC_PERTURB_": fill},
            check=True, capture_output=True, text=True, timeout=120,
        ).stdout
        for fill in ("1", "85", "170", "254")
    }  # fmt: skip
    assert len(seen) == 1
    assert len(seen.pop().splitlines()) == 5


def test_a_video_that_is_cut_off_gives_its_whole_frames() -> None:
    whole = files.movie(files.masks(30), "matroska", "mpeg4")
    found = decode_clip(whole[: len(whole) // 2])
    assert 0 < found.frames_used < 30
    assert overlap(found.clip.frames, align(files.masks(30)).frames[: found.frames_used]) > 0.9


def test_a_video_is_read_by_one_thread() -> None:
    """FFmpeg would start one for each core at each frame: 1.5 to 2 times the processor time."""
    data = files.movie(files.masks(60, 320, 240))
    decode_clip(data)  # what is started once is there from now on
    most = before = len(os.listdir("/proc/self/task"))  # noqa: PTH208
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(decode_clip, data)
        while not reading.done():
            most = max(most, len(os.listdir("/proc/self/task")))  # noqa: PTH208
        assert reading.result().frames_used
    assert most <= before + 1


def test_decoding_a_video_stops_at_each_cap() -> None:
    data = files.movie(files.masks(9), "matroska")
    for limits in (
        Limits(max_frames=8),
        Limits(max_pixels=120 * 100 - 1),
        Limits(max_decoded_pixels=9 * 120 * 100 - 1),
        Limits(max_inflated_bytes=1000),
    ):
        with pytest.raises(DecodeError):
            decode_clip(data, limits=limits)


@pytest.mark.parametrize("extension", [".png", ".bmp", ".tiff"])
def test_still_pictures_of_every_format(extension: str) -> None:
    found = decode_clip(files.pictures(MASKS, extension))
    assert found.format == f"zip/{extension[1:]}"
    np.testing.assert_array_equal(found.clip.frames, WANT)


def test_a_tiff_of_several_pages_is_a_clip() -> None:
    found = decode_clip(files.tiff(MASKS))
    assert found.format == "tiff"
    np.testing.assert_array_equal(found.clip.frames, WANT)
    with pytest.raises(LimitExceededError, match="6 pages among the frames"):
        decode_clip(files.zipped({"a.tiff": files.tiff(MASKS)}))


CLASSES = (MASKS > 0).astype(np.uint8)
PALETTE = np.zeros((16, 3), np.uint8)
PALETTE[15] = 192, 128, 128


def _alpha(mask: NDArray[np.uint8], colour: int) -> NDArray[np.uint8]:
    return np.dstack([np.full((*mask.shape, 3), colour, np.uint8), mask])


def _zipped(pictures: list[bytes]) -> bytes:
    return files.zipped({f"{place}.png": data for place, data in enumerate(pictures)})


def _png(pixels: NDArray[np.uint16] | NDArray[np.uint8]) -> bytes:
    return cv2.imencode(".png", pixels)[1].tobytes()


@pytest.mark.parametrize(
    "data",
    [
        _zipped([_png(mask) for mask in CLASSES]),
        _zipped([_png(mask * 7) for mask in CLASSES]),
        _zipped([_png(mask.astype(np.uint16) * 255) for mask in CLASSES]),
        _zipped([_png(mask.astype(np.uint16) * 65535) for mask in CLASSES]),
        _zipped([files.palette_png(mask * 15, PALETTE) for mask in CLASSES]),
        _zipped([_png(np.dstack([mask * 0, mask * 0, mask * 255])) for mask in CLASSES]),
        _zipped([_png(_alpha(mask, 255)) for mask in MASKS]),
        _zipped([_png(_alpha(mask, 0)) for mask in MASKS]),
        files.npy(CLASSES * np.int64(300)),
        files.npy(CLASSES * 24),
        files.npy(CLASSES * 255.0),
        files.npz(frames=MASKS, labels=np.arange(6), boxes=np.zeros((6, 4), np.float32)),
        files.zipped({f"m/{k}.png": _png(m) for k, m in enumerate(MASKS)}, comment=b"x" * 999),
    ],
    ids=["1", "7", "uint16 255", "uint16 65535", "palette", "red", "alpha", "black alpha", "300",
         "24", "float 255", "labels", "comment and folder"],
)  # fmt: skip
def test_masks_in_every_coding(data: bytes) -> None:
    found = decode_clip(data)
    assert found.clip.modality is Modality.SILHOUETTE
    np.testing.assert_array_equal(found.clip.frames, WANT)


def test_several_classes_are_refused_with_what_to_do() -> None:
    both = CLASSES.copy()
    both[:, :5] = 3
    with pytest.raises(ClipDtypeError, match=r"values 0, 1, 3, .*numpy.where\(mask == PERSON"):
        decode_clip(files.npy(both))


def test_frames_of_different_sizes_are_aligned_each_by_itself() -> None:
    crops = [mask[3 * k :, : 100 - 2 * k] for k, mask in enumerate(MASKS)]
    for data in (
        _zipped([_png(crop) for crop in crops]),
        files.npz(**{f"f{k}": crop for k, crop in enumerate(crops)}),
    ):
        assert overlap(decode_clip(data).clip.frames, WANT) > 0.97


def test_files_beside_the_frames_are_named() -> None:
    entries = {f"{k}.png": _png(mask) for k, mask in enumerate(MASKS)}
    beside = {"Thumbs.db": b"\xd0\xcf", "labels.csv": b"0,1", "bad\x07name": b"z"}
    found = decode_clip(files.zipped(entries | beside))
    assert found.assumed == {"not_frames": "Thumbs.db, labels.csv"}
    np.testing.assert_array_equal(found.clip.frames, WANT)


@pytest.mark.parametrize(
    ("entries", "error", "says"),
    [
        ({"a/1.png": _png(MASKS[0]), "b/1.png": _png(MASKS[1])}, ClipShapeError, "2 folders"),
        ({"1.png": _png(MASKS[0]), "2.png": b"no png"}, CorruptFileError, r"named \.png is not"),
        ({"1.webp": b"RIFF\0\0\0\0WEBPVP8 "}, UnsupportedFormatError, "WebP picture; convert"),
        ({"1.mp4": files.movie(MASKS), "2.mp4": files.movie(MASKS)}, UnsupportedFormatError,
         "2 videos"),
        ({"1.laz": files.las(CLOUDS[0], form=0x81)}, UnsupportedFormatError, "laspy.read"),
        ({"1.ply": files.ply(CLOUDS[0]).replace(b"vertex 600", b"face 600")}, CorruptFileError,
         "first element"),
        ({"1.ply": files.ply(CLOUDS[0]).replace(b"float z", b"float w")}, UnsupportedFormatError,
         "need x, y and z"),
        ({"1.las": files.las(CLOUDS[0])[:-5]}, CorruptFileError, "fewer bytes"),
        ({"1.ply": files.ply(CLOUDS[0])[:-5]}, CorruptFileError, "fewer bytes"),
    ],
)  # fmt: skip
def test_archives_that_are_refused_say_why(
    entries: dict[str, bytes], error: type[GaitError], says: str
) -> None:
    with pytest.raises(error, match=says):
        decode_clip(files.zipped(entries))


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"\xd4\xc3\xb2\xa1" + bytes(20), "pcap recording; .* cut the walking person's points out"),
        (b"#ROSBAG V2.0\n", "ROS 1 bag"),
        (b"\x1f\x8b\x08" + bytes(20), "gzip file; unpack it"),
        (bytes(257) + b"ustar", "tar archive; unpack it"),
        (b"\0\0\0\x18ftypheic", "HEIC .* convert each picture to PNG"),
        (b"OggS" + bytes(20), "Ogg video; convert it: ffmpeg -i"),
        (b"G" + bytes(187) + b"G", "transport stream; convert it: ffmpeg -i"),
        (b"\x89HDF\r\n", "HDF5 .* numpy.savez_compressed"),
        (b"\x80\x04\x95", "pickle, which is never read; .* numpy.savez_compressed"),
    ],
)
def test_other_formats_are_refused_with_how_to_convert(data: bytes, says: str) -> None:
    with pytest.raises(UnsupportedFormatError, match=says):
        decode_clip(data)
    assert advice(data)


def test_a_recording_of_a_scene_is_told_which_command_takes_it(tmp_path: Path) -> None:
    video = write_video(tmp_path / "street.mkv", (Walker((30, 40, 220), 20, 4.0),), 12)
    other = files.movie(MASKS, "avi", "wmv2")
    for data in (video.read_bytes(), other, b"\xd4\xc3\xb2\xa1" + bytes(20), b"FLV" + bytes(20)):
        with pytest.raises(GaitError, match=r"goes as it is to python -m capture\.run"):
            decode_clip(data)
    assert "python -m capture.run" in Reason.PHOTOGRAPH.advice


@pytest.mark.parametrize("columns", [3, 4, 5, 6, 7])
@pytest.mark.parametrize("dtype", ["<f4", "<f8"])
def test_bin_columns_are_found(columns: int, dtype: str) -> None:
    rng = np.random.default_rng(columns)

    def bin_of(cloud: NDArray[np.float32]) -> bytes:
        rest = rng.uniform(0, 60, (len(cloud), columns - 3))
        return np.column_stack([cloud, rest]).astype(dtype).tobytes()

    data = files.zipped({f"{k}.bin": bin_of(cloud) for k, cloud in enumerate(CLOUDS)})
    name = np.dtype(dtype).name
    for given in (None, columns):
        found = decode_clip(data, columns=given)
        assert found.assumed["bin_columns"] == f"{columns} of {name}"
        np.testing.assert_array_equal(found.clip.frames, VIEWS)


def test_bins_that_are_no_points_are_refused() -> None:
    noise = np.random.default_rng(0).bytes(4800)
    with pytest.raises(ClipShapeError, match="no points of a person"):
        decode_clip(files.zipped({"a.bin": noise}))


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("ply", files.ply),
        ("ply", lambda cloud: files.ply(cloud, "binary_big_endian")),
        ("ply", lambda cloud: files.ply(cloud, "ascii")),
        ("las", files.las),
        ("las", lambda cloud: files.las(cloud, (1, 4), 6)),
        ("npy", lambda cloud: files.npy(files.record(cloud))),
        ("pcd", lambda cloud: files.pcd(cloud, "binary").replace(b"x y z", b"X Y Z")),
    ],
)
def test_clouds_of_every_format(name: str, make: object) -> None:
    assert callable(make)
    found = decode_clip(files.zipped({f"{k}.{name}": make(c) for k, c in enumerate(CLOUDS)}))
    assert found.format == ("npz" if name == "npy" else f"zip/{name}")
    assert overlap(found.clip.frames, VIEWS) > 0.98


def test_pcd_fields_may_be_in_any_order_and_empty() -> None:
    rows = np.zeros(600, [("i", "<f4"), ("zyx", "<f4", 3)])
    rows["zyx"] = CLOUDS[0][:, ::-1]
    header = (
        "VERSION 0.7\nFIELDS ring intensity z y x _\nSIZE 1 4 4 4 4 1\nTYPE U F F F F U\n"
        "COUNT 0 1 1 1 1 0\nWIDTH 600\nHEIGHT 1\nDATA binary\n"
    )
    data = files.zipped({"a.pcd": header.encode() + rows.tobytes()})
    np.testing.assert_array_equal(decode_clip(data).clip.frames, VIEWS[:1])


def turned(
    cloud: NDArray[np.float32], forward: Axis, up: Axis = Axis.PLUS_Z
) -> NDArray[np.float32]:
    """A cloud with x ahead and z up as a file with other axes holds it."""
    axes = np.stack([forward.direction, np.cross(up.direction, forward.direction), up.direction])
    return (cloud @ axes).astype(np.float32)


AXES = [(forward, up) for forward in Axis for up in Axis if forward[1] != up[1]]


@pytest.mark.parametrize(("forward", "up"), AXES, ids="".join)
def test_every_axis_is_read_when_given_and_refused_when_wrong(forward: Axis, up: Axis) -> None:
    data = files.npz(**{f"f{k}": turned(cloud, forward, up) for k, cloud in enumerate(CLOUDS)})
    found = decode_clip(data, source=CloudSource(forward=forward, up=up))
    assert (found.assumed["forward"], found.assumed["up"]) == (forward, up)
    np.testing.assert_array_equal(found.clip.frames, VIEWS)
    level = {axis for axis in Axis if axis[1] != up[1]}
    for other in level - {forward}:
        with pytest.raises(ClipError) as caught:
            decode_clip(data, source=CloudSource(forward=other, up=up))
        assert f"say forward={forward}" in str(caught.value)
    with pytest.raises(ClipError, match="right angles"):
        decode_clip(data, source=CloudSource(forward=up, up=up))


@pytest.mark.parametrize("forward", [axis for axis in Axis if axis[1] != "z"])
def test_the_forward_axis_is_found_from_the_points(forward: Axis) -> None:
    data = files.npz(**{f"f{k}": turned(cloud, forward) for k, cloud in enumerate(CLOUDS)})
    found = decode_clip(data)
    assert (found.assumed["forward"], found.assumed["up"]) == (forward, "+z")
    np.testing.assert_array_equal(found.clip.frames, VIEWS)


def test_points_about_the_origin_are_refused() -> None:
    own = {f"f{k}": cloud - np.array([8, 0, 0], np.float32) for k, cloud in enumerate(CLOUDS)}
    with pytest.raises(ClipError, match="in its coordinates, not in the person's own"):
        decode_clip(files.npz(**own))


def test_a_walker_upside_down_is_refused_unless_it_is_said() -> None:
    rng = np.random.default_rng(0)
    feet = rng.uniform([7.5, -0.5, -1.4], [8.5, 0.5, -1.2], (300, 3))
    body = rng.uniform([7.9, -0.15, -1.2], [8.1, 0.15, 0.3], (900, 3))
    walker = np.concatenate([feet, body]).astype(np.float32)
    upright = decode_clip(files.npz(a=walker, b=walker)).clip.frames
    turned_over = walker * np.array([1, -1, -1], np.float32)
    data = files.npz(a=turned_over, b=turned_over)
    with pytest.raises(ClipError, match="say up=-z"):
        decode_clip(data)
    np.testing.assert_array_equal(
        decode_clip(data, source=CloudSource(up=Axis.MINUS_Z)).clip.frames, upright
    )
    assert decode_clip(data, source=CloudSource(up=Axis.PLUS_Z)).assumed["up"] == "+z"


def test_a_named_sensor_says_its_raster() -> None:
    found = decode_clip(
        files.npz(**{f"f{k}": cloud for k, cloud in enumerate(CLOUDS)}),
        source=CloudSource(KNOWN["hesai-xt32"]),
    )
    assert found.assumed["row_step_degrees"] == 1.0
    assert found.assumed["column_step_degrees"] == 0.19


def test_clouds_with_y_up_are_refused() -> None:
    lying = {f"f{k}": cloud[:, [0, 2, 1]] for k, cloud in enumerate(CLOUDS)}
    with pytest.raises(ClipError, match=r"0\.\d m high and 1\.\d m wide.*z points up"):
        decode_clip(files.npz(**lying))


def floor(points: int = 400, noise: float = 0.01) -> NDArray[np.float32]:
    rng = np.random.default_rng(3)
    low, high = [6.5, -1.5, -1.0], [9.5, 1.5, -1.0]
    flat = rng.uniform(low, high, (points, 3))
    flat[:, 2] += rng.normal(0, noise, points)
    return flat.astype(np.float32)


@pytest.mark.parametrize("noise", [0.0, 0.01, 0.02])
def test_the_floor_is_taken_away(noise: float) -> None:
    cloud = CLOUDS[0]
    cut = without_ground(np.concatenate([cloud, floor(noise=noise)]))
    assert np.isin(cut[:, 0], cloud[:, 0]).mean() > 0.98
    assert len(cut) > 0.93 * len(cloud)
    found = decode_clip(files.npz(a=np.concatenate([cloud, floor(noise=noise)])))
    assert found.assumed["ground_points_removed"]


def test_without_a_floor_nothing_is_taken() -> None:
    for cloud in CLOUDS:
        assert without_ground(cloud) is cloud


def test_a_long_clip_is_thinned_evenly() -> None:
    frames = np.stack([np.roll(files.aligned_masks(1)[0], k, axis=1) for k in range(40)])
    limits = Limits(kept_frames=10)
    for data in (files.npy(frames), files.pictures(frames), files.tiff(frames)):
        found = decode_clip(data, limits=limits)
        assert (found.frames_in, found.frames_used, found.dropped) == (40, 10, {"thinned": 30})
        np.testing.assert_array_equal(found.clip.frames[:, 0], frames[2::4])


def test_specks_and_other_people_are_told_apart() -> None:
    speck, near, legs = MASKS.copy(), MASKS.copy(), MASKS.copy()
    speck[:, 2:5, 5:8] = 255
    near[:, 20:100, 2:18] = 255
    legs[:, 68:71] = 0  # the mask lost a belt: still one person
    found = align(speck)
    assert found.cleaned == len(MASKS)
    np.testing.assert_array_equal(found.frames, WANT)
    with pytest.raises(ClipEmptyError, match="6 two_people"):
        align(near)
    assert align(legs).cleaned == 0


def test_frames_that_leave_the_picture_are_dropped() -> None:
    middle = MASKS.shape[2] // 2
    with pytest.raises(ClipEmptyError, match="6 cut_off"):
        align(MASKS[:, :, :middle])
    tight = np.zeros((1, 101, 41), np.uint8)
    cv2.ellipse(tight[0], (20, 50), (20, 50), 0, 0, 360, 255, -1)
    assert len(align(tight).frames) == 1  # cropped to the person: both borders


@pytest.mark.parametrize("masks", [255 - MASKS, np.full_like(MASKS, 255)])
def test_a_lit_background_is_refused(masks: NDArray[np.uint8]) -> None:
    with pytest.raises(ClipEmptyError, match="6 background_lit"):
        align(masks)


def test_what_comes_out_can_be_pickled() -> None:
    found = pickle.loads(pickle.dumps(decode_clip(files.npy(MASKS))))  # noqa: S301
    np.testing.assert_array_equal(found.clip.frames, WANT)
    with pytest.raises(GaitError) as caught:
        decode_clip(files.npy(MASKS), limits=Limits(max_frames=2))
    again = pickle.loads(pickle.dumps(caught.value))  # noqa: S301
    assert (type(again), str(again)) == (type(caught.value), str(caught.value))
    assert again.fields == caught.value.fields


def _texts(size: int) -> bytes:
    """A small PNG with a compressed text of `size` bytes in front of its pixels."""
    data = _png(MASKS[0])
    text = files.png_chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(size), 9))
    return data[:33] + text * 8 + data[33:]


def _empty_gif(frames: int) -> bytes:
    """A GIF of a large screen whose frames are of one pixel each."""
    one = b"\x2c" + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x02\x44\x01\0"
    screen = struct.pack("<HHBBB", 2000, 2000, 0x80, 0, 0) + bytes(3) + b"\xff" * 3
    return b"GIF89a" + screen + one * frames + b";"


def _endless_tiff() -> bytes:
    """A TIFF whose directory is followed by itself."""
    return b"II*\0" + struct.pack("<IHHHIIHHIII", 8, 2, 256, 4, 1, 9, 257, 4, 1, 9, 8) + bytes(40)


def _compressed(points: int) -> bytes:
    """One point many times: chains of copies as deep as they can be."""
    return files.pcd(np.full((points, 3), 1e-9), "binary_compressed")


BOMBS = {
    "scans": files.zipped({"a.jpg": files.scan_bomb(10_000)}),
    "many scans": files.zipped({f"{k}.jpg": files.scan_bomb(64) for k in range(300)}),
    "texts": files.zipped({"a.png": _texts(50 << 20)}),
    "gif": _empty_gif(20_000),
    "tiff": _endless_tiff(),
    "pages": files.tiff(np.zeros((4000, 8, 8), np.uint8)),
    "apng": files.movie(np.zeros((1, 64, 64), np.uint8), "apng", "apng") * 3,
    "lzf": files.zipped(dict.fromkeys((f"{k}.pcd" for k in range(120)), _compressed(4000))),
    "more lzf": files.zipped(dict.fromkeys((f"{k}.pcd" for k in range(300)), _compressed(5000))),
}


@pytest.mark.parametrize("name", BOMBS)
def test_small_files_cost_little(name: str) -> None:
    started = time.process_time()
    try:
        decode_clip(BOMBS[name])
    except GaitError:
        assert name != "texts"  # only the pixels count
    assert time.process_time() - started < 3
