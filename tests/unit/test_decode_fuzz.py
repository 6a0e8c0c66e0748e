"""Corrupted clip files: whatever is done to them, only errors of the tree come out."""

import contextlib
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gait.clip import Clip
from gait.decode import Limits, decode_clip
from gait.decode.archive import natural_key
from gait.errors import GaitError
from gait.modality import Modality
from tests import clip_files as files

pytestmark = pytest.mark.serving

LIMITS = Limits(
    max_bytes=1 << 20,
    max_frames=40,
    max_pixels=1 << 16,
    max_decoded_pixels=1 << 22,
    max_inflated_bytes=1 << 22,
    max_entries=60,
)
MAGICS = [
    b"\x93NUMPY\x01\x00",
    b"PK\x03\x04",
    b"\x00\x00\x00\x18ftypisom",
    b"RIFF\x00\x00\x00\x00AVI ",
    b"\x1a\x45\xdf\xa3",
    b"GIF89a",
    b"II*\x00",
    b"BM",
    b"LASF",
    b"ply\n",
    b"\x89PNG\r\n\x1a\n",
    b"\xff\xd8\xff",
    b"# .PCD v0.7\n",
]
DESCRS = ["'|u1'", "'<f4'", "'|b1'", "'<i8'", "'|O'", "'<U3'", "[('x', '<f4')]", "'<M8[s]'"]


@cache
def samples() -> dict[str, bytes]:
    """One small valid file of each format."""
    masks, clouds = files.masks(3, 40, 40), files.clouds(2, points=60)
    pictures = {kind: files.pictures(masks, f".{kind}") for kind in ("png", "jpg", "bmp", "tiff")}
    one = files.picture(masks[0])
    classes = (masks[0] > 0).astype(np.uint8)
    colours = np.array([[0, 0, 0], [192, 128, 128]], np.uint8)
    return pictures | {
        "mp4": files.movie(masks, sound=True),
        "turned": files.movie(masks, turned=90),
        "interlaced": files.movie(files.masks(3, 48, 48), "matroska", interlaced=True),
        "mpeg2": files.movie(masks, "avi", "mpeg2video"),
        "mpeg4": files.movie(masks, "avi", "mpeg4"),
        "mjpeg": files.movie(masks, "avi", "mjpeg"),
        "vp9": files.movie(masks, "webm", "libvpx-vp9"),
        "vp8": files.movie(masks, "webm", "libvpx"),
        "ffv1": files.movie(masks, "matroska", "ffv1"),
        "apng": files.movie(masks, "apng", "apng"),
        "gif": files.gif(masks),
        "pages": files.tiff(masks),
        "palette": files.zipped({"a.png": files.palette_png(classes, colours)}, 0),
        "progressive": files.zipped({"a.jpg": files.scan_bomb(3)}, 0),
        "npy": files.npy(files.aligned_masks(2)),
        "record": files.npy(files.record(clouds[0])),
        "npz": files.npz(frames=files.range_views(2), labels=np.arange(2)),
        "pcd": files.zipped({f"{i}.pcd": files.pcd(cloud) for i, cloud in enumerate(clouds)}, 0),
        "pcd2": files.zipped({"a.pcd": files.pcd(clouds[0], "binary")}, 0),
        "pcd3": files.zipped({"a.pcd": files.pcd(clouds[0], "binary_compressed")}, 0),
        "bin": files.zipped({f"{i}.bin": files.kitti(cloud) for i, cloud in enumerate(clouds)}, 0),
        "ply": files.zipped({"a.ply": files.ply(clouds[0])}, 0),
        "ply2": files.zipped({"a.ply": files.ply(clouds[0], "ascii")}, 0),
        "las": files.zipped({"a.las": files.las(clouds[0])}, 0),
        "las4": files.zipped({"a.las": files.las(clouds[0], (1, 4), 6)}, 0),
        "comment": files.zipped({"a.png": one, "labels.txt": b"0"}, comment=b"x"),
    }  # fmt: skip


def survives(data: bytes, modality: Modality | None = None) -> None:
    """Decodes; anything but a clip or an error of the tree fails the test."""
    with contextlib.suppress(GaitError):
        clip = decode_clip(data, modality=modality, limits=LIMITS).clip
        assert isinstance(clip, Clip)
        assert len(clip) <= LIMITS.max_frames


names = st.sampled_from(sorted(samples()))
entry_names = st.text(
    st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=12
)


@pytest.mark.parametrize("name", sorted(samples()))
def test_the_samples_are_clips(name: str) -> None:
    assert decode_clip(samples()[name], limits=LIMITS).frames_used


@settings(deadline=None, max_examples=300)
@given(names, st.floats(0, 1))
def test_truncated_anywhere(name: str, part: float) -> None:
    data = samples()[name]
    survives(data[: int(part * len(data))])


@pytest.mark.parametrize("name", ["npy", "png", "bin"])
def test_truncation_is_never_taken_for_a_shorter_clip(name: str) -> None:
    data = samples()[name]
    for length in range(0, len(data), 97):
        with pytest.raises(GaitError):
            decode_clip(data[:length], limits=LIMITS)


@settings(deadline=None, max_examples=400)
@given(names, st.lists(st.tuples(st.floats(0, 1), st.integers(1, 255)), min_size=1, max_size=8))
def test_flipped_bytes(name: str, flips: list[tuple[float, int]]) -> None:
    data = bytearray(samples()[name])
    for place, bits in flips:
        data[int(place * (len(data) - 1))] ^= bits
    survives(bytes(data))


@settings(deadline=None, max_examples=200)
@given(names, st.integers(0, 200), st.binary(min_size=1, max_size=12))
def test_overwritten_headers(name: str, at: int, patch: bytes) -> None:
    data = bytearray(samples()[name])
    data[at : at + len(patch)] = patch
    survives(bytes(data))


@settings(deadline=None, max_examples=200)
@given(names, names, st.floats(0, 1), st.floats(0, 1))
def test_spliced_files(first: str, second: str, head: float, tail: float) -> None:
    one, other = samples()[first], samples()[second]
    survives(one[: int(head * len(one))] + other[int(tail * len(other)) :])


@settings(deadline=None, max_examples=300)
@given(st.sampled_from([b"", *MAGICS]), st.binary(max_size=400), st.sampled_from([None, *Modality]))
def test_random_bytes(magic: bytes, body: bytes, modality: Modality | None) -> None:
    survives(magic + body, modality)


@settings(deadline=None, max_examples=300)
@given(st.dictionaries(entry_names, st.binary(max_size=60), max_size=4))
def test_archives_of_anything(entries: dict[str, bytes]) -> None:
    survives(files.zipped(entries))


@settings(deadline=None, max_examples=300)
@given(
    st.sampled_from(DESCRS),
    st.lists(st.integers(0, 2**70), max_size=5),
    st.binary(max_size=64),
)
def test_any_npy_header(descr: str, shape: list[int], body: bytes) -> None:
    survives(files.npy_header(descr, f"({', '.join(map(str, shape))})", body))


@example("1 64\x0c64")  # what a million mutants brought out
@given(st.text("0123456789, \t\n\x0b\x0c\xa0", max_size=12))
def test_any_npy_shape(shape: str) -> None:
    survives(files.npy_header("'|u1'", f"({shape})"))


@given(st.text("0123456789", max_size=6), st.text("-./abc²٣", max_size=4))
def test_natural_order_compares_digits_as_numbers(number: str, text: str) -> None:
    small, large = f"{text}{number}x", f"{text}{int(number or 0) + 1}x"
    if number:
        assert natural_key(small) < natural_key(large)
    assert natural_key(text + "9" * 5000) > natural_key(text + "1")


def test_a_short_run_of_the_guided_fuzz(tmp_path: Path) -> None:
    from tests import fuzz_decoders

    arguments = fuzz_decoders.Arguments(inputs=300, keep=tmp_path / "failures", hang=120)
    report = fuzz_decoders.fuzz(arguments)
    assert (report.inputs, report.crashes, report.hangs, report.strangers) == (300, 0, 0, 0)
    assert not (tmp_path / "failures").exists()


def test_damaged_videos_write_nothing_to_the_log(capfd: pytest.CaptureFixture[str]) -> None:
    for name in ("gif", "avi", "mp4", "mpeg2", "vp9", "interlaced", "apng", "pages"):
        if name in samples():
            survives(samples()[name][: len(samples()[name]) // 2])
    assert capfd.readouterr() == ("", "")
