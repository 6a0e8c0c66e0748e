"""Hostile clip files: refused by name, from their headers, without inflating them."""

import io
import re
import struct
import subprocess
import sys
import tracemalloc
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest

from gait.decode import Limits, decode_clip
from gait.errors import (
    CorruptFileError,
    DecodeError,
    ForbiddenContentError,
    GaitError,
    LimitExceededError,
)
from tests import clip_files as files

pytestmark = pytest.mark.serving

FRAME = files.picture(files.aligned_masks(1)[0])


def _resized_png(width: int, height: int) -> bytes:
    """A PNG whose header lies about its size, with a right checksum."""
    header = b"IHDR" + struct.pack(">II", width, height) + FRAME[24:29]
    return FRAME[:12] + header + struct.pack(">I", zlib.crc32(header)) + FRAME[33:]


def _resized_jpeg(width: int, height: int) -> bytes:
    data = bytearray(files.picture(files.aligned_masks(1)[0], ".jpg"))
    at = data.index(b"\xff\xc0")
    data[at + 5 : at + 9] = struct.pack(">HH", height, width)
    return bytes(data)


def _bomb(size: int) -> bytes:
    return files.zipped({"a.npy": files.npy_header("'|u1'", f"({size},)") + bytes(size)})


def _understated(size: int) -> bytes:
    """A zip entry that inflates to `size` bytes but declares 100, in both of its headers."""
    data = bytearray(files.zipped({"a.npy": bytes(size)}))
    for signature, at in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        start = data.index(signature) + at
        data[start : start + 4] = struct.pack("<I", 100)
    return bytes(data)


def _encrypted() -> bytes:
    data = bytearray(files.zipped({"a.png": FRAME}))
    for signature, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(signature) + at] |= 1
    return bytes(data)


def _twice() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a.png", FRAME)
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("a.png", FRAME)
    return file.getvalue()


def _pickled() -> bytes:
    return files.npy(np.array([{"a": print}], dtype=object))


def _many_entries(count: int) -> bytes:
    return files.zipped({f"{i}.png": b"" for i in range(count)})


ARCHIVE = files.zipped({"a.png": FRAME})
POINT = files.pcd(np.zeros((1, 3)))

FORBIDDEN = {
    "pickled npy": _pickled(),
    "pickled npz": files.npz(a=np.array([None], dtype=object)),
    "pickled field": files.npy_header("[('a', '|O')]", "(3, 64, 64)"),
    "absolute": files.zipped({"/etc/a.png": FRAME}),
    "parent": files.zipped({"a/../../b.png": FRAME}),
    "backslash": files.zipped({"..\\b.png": FRAME}),
    "drive": files.zipped({"C:\\b.png": FRAME}),
    "link": files.linked("a.png", b"/etc/passwd"),
    "twice": _twice(),
    "twice in disguise": files.zipped({"a.png": FRAME, "./a.png": FRAME}),
    "encrypted": _encrypted(),
    "nested": files.zipped({"a.png": files.zipped({"b.png": FRAME})}),
    "lzma": files.zipped({"a.png": FRAME}, zipfile.ZIP_LZMA),
}

TOO_LARGE = {
    "million frames": files.npy_header("'|u1'", "(1000000, 64, 64)"),
    "million entries": _many_entries(7_000),
    "huge npy": files.npy_header("'<f8'", "(9223372036854775807, 9223372036854775807, 64)"),
    "long npy": files.npy_header("'|u1'", "(" + "9" * 3000 + ", 64, 64)"),
    "large frames": files.npy_header("'|u1'", "(2, 100000, 100000)"),
    "many bytes": files.npy_header("'<f8'", "(1000, 2000, 2000)"),
    "many points": files.npy_header("'<f4'", "(600000, 3)"),
    "many clouds": files.npy_header("'<f4'", "(5000, 10, 3)"),
    "zip bomb": _bomb(300 << 20),
    "png bomb": files.zipped({"a.png": _resized_png(60_000, 60_000)}),
    "jpeg bomb": files.zipped({"a.jpg": _resized_jpeg(60_000, 60_000)}),
    "pcd": files.zipped({"a.pcd": POINT.replace(b"POINTS 1", b"POINTS 9999999999")}),
    "gif": b"GIF89a" + struct.pack("<HH", 65535, 65535) + bytes(100),
    "64-bit zip": ARCHIVE[:-22] + b"PK\x06\x07" + bytes(16) + ARCHIVE[-22:],
}


@pytest.mark.parametrize("name", FORBIDDEN)
def test_forbidden_content_is_never_read(name: str) -> None:
    with pytest.raises(ForbiddenContentError):
        decode_clip(FORBIDDEN[name])


@pytest.mark.parametrize("name", TOO_LARGE)
def test_caps_are_checked_from_headers(name: str) -> None:
    data = TOO_LARGE[name]
    tracemalloc.start()
    try:
        with pytest.raises(LimitExceededError) as caught:
            decode_clip(data)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert caught.value.fields["limit"] in Limits.__dataclass_fields__
    assert peak < 4 << 20, "something was inflated before the caps were checked"


def test_entry_that_inflates_beyond_its_declared_size_is_stopped() -> None:
    data = _understated(200 << 20)
    tracemalloc.start()
    try:
        with pytest.raises(CorruptFileError, match="inflated"):
            decode_clip(data)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 << 20


def test_every_cap_can_be_set() -> None:
    frames = files.npy(files.aligned_masks(9))
    cloud = files.npz(a=files.clouds(1)[0])
    packed = files.zipped({"a.pcd": files.pcd(np.zeros((600, 3)), "binary_compressed")})
    for data, limits in (
        (frames, Limits(max_bytes=len(frames) - 1)),
        (frames, Limits(max_frames=8)),
        (frames, Limits(max_pixels=64 * 64 - 1)),
        (frames, Limits(max_inflated_bytes=9 * 64 * 64 - 1)),
        (files.pictures(files.aligned_masks(9)), Limits(max_entries=8)),
        (files.pictures(files.masks(9, 90, 90)), Limits(max_decoded_pixels=9 * 90 * 90 - 1)),
        (cloud, Limits(max_points=599)),
        (packed, Limits(max_points=599)),
        (packed, Limits(max_inflated_bytes=600 * 16 - 1)),
        (files.gif(files.masks(9)), Limits(max_frames=8)),
        (files.gif(files.masks(9)), Limits(max_decoded_pixels=9 * 120 * 100 - 1)),
    ):
        with pytest.raises(LimitExceededError):
            decode_clip(data, limits=limits)


def test_videos_that_understate_their_header_are_counted_while_decoding(tmp_path: Path) -> None:
    data = files.video(files.masks(9), tmp_path, "avi", "MJPG")
    if data is None:
        pytest.skip("OpenCV here cannot write MJPG")
    lying = bytearray(data)
    lying[48:52] = struct.pack("<I", 2)
    with pytest.raises(LimitExceededError):
        decode_clip(bytes(lying), limits=Limits(max_frames=8))
    with pytest.raises(LimitExceededError):
        decode_clip(bytes(lying), limits=Limits(max_decoded_pixels=8 * 120 * 100))


@pytest.mark.parametrize(("extension", "codec"), [("mp4", "mp4v"), ("avi", "MJPG")])
def test_video_without_frames(tmp_path: Path, extension: str, codec: str) -> None:
    data = files.video(files.masks(0), tmp_path, extension, codec)
    if data is None:
        pytest.skip(f"OpenCV here cannot write {codec}")
    with pytest.raises(CorruptFileError):
        decode_clip(data)


def test_gif_without_frames() -> None:
    with pytest.raises(CorruptFileError, match="no frame"):
        decode_clip(b"GIF89a" + struct.pack("<HHBBB", 64, 64, 0, 0, 0) + b";")


def test_mp4_boxes_that_overlap_or_hide_large_frames(tmp_path: Path) -> None:
    data = files.video(files.masks(3), tmp_path, "mp4", "mp4v")
    if data is None:
        pytest.skip("OpenCV here cannot write mp4v")
    large = bytearray(data)
    entry = data.index(b"stsd") + 4 + 40
    large[entry : entry + 4] = struct.pack(">HH", 1, 1)
    assert len(decode_clip(bytes(large)).clip) == 3  # FFmpeg asks the stream
    with pytest.raises(GaitError):
        decode_clip(bytes(large), limits=Limits(max_pixels=119 * 100))
    overlapping = bytearray(data)
    overlapping[data.index(b"moov") - 4 : data.index(b"moov")] = struct.pack(">I", 1 << 30)
    assert len(decode_clip(bytes(overlapping)).clip) == 3  # the file ends before the box does


def test_messages_never_carry_names_or_content() -> None:
    entries = {"Jane Doe/../x.png": FRAME}
    with pytest.raises(DecodeError) as caught:
        decode_clip(files.zipped(entries))
    assert not re.search("Jane|Doe", str(caught.value))


GUARDED = """
import resource, sys
sys.path.insert(0, ".")
from pathlib import Path
from gait.decode import Limits, decode_clip
from gait.errors import GaitError
import cv2
cv2.setNumThreads(1)
used = int(Path("/proc/self/statm").read_text().split()[0]) * 4096
resource.setrlimit(resource.RLIMIT_AS, (used + (256 << 20),) * 2)
for path in sorted(Path(sys.argv[1]).iterdir()):
    try:
        decode_clip(path.read_bytes())
    except GaitError as error:
        print(path.name, error.code)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="address-space limits are Linux's")
def test_hostile_files_are_refused_within_256_mib(tmp_path: Path) -> None:
    hostile = FORBIDDEN | TOO_LARGE | {"understated": _understated(600 << 20)}
    for number, data in enumerate(hostile.values()):
        (tmp_path / f"{number:03}").write_bytes(data)
    done = subprocess.run(
        [sys.executable, "-c", GUARDED, str(tmp_path)], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == len(hostile)


def test_the_error_tree_is_all_that_comes_out_of_an_empty_directory() -> None:
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 5, 5, 0xFFFFFF, 0xFFFFFF, 0)
    with pytest.raises(GaitError):
        decode_clip(end)
