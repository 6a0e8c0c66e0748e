"""Clip files as a client would send them, of a simulated figure that is wide at the hips."""

import io
import stat
import struct
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray

Masks = NDArray[np.uint8]


def masks(frames: int = 6, height: int = 120, width: int = 100) -> Masks:
    """`(s, h, w)` 0/255: a body and two legs whose distance changes from frame to frame."""
    out = np.zeros((frames, height, width), np.uint8)
    unit = height // 12
    for index, frame in enumerate(out):
        centre, step = width // 2, (index % 4) * unit // 2
        frame[unit : 7 * unit, centre - unit : centre + unit] = 255
        frame[7 * unit : 11 * unit, centre - unit - step : centre - step] = 255
        frame[7 * unit : 11 * unit, centre + step : centre + unit + step] = 255
    return out


def walker(
    frames: int = 20, height: int = 160, width: int = 200, stout: float = 1.0, period: int = 10
) -> Masks:
    """`(s, h, w)` 0/255: a figure with head, trunk and limbs that walks from left to right."""
    out = np.zeros((frames, height, width), np.uint8)
    size = 0.8 * height
    for index, frame in enumerate(out):
        hip = np.array([width / 2 + (index - frames / 2) * 0.02 * size, 0.1 * height + 0.5 * size])
        neck, swing = hip - [0, 0.32 * size], 0.45 * np.sin(2 * np.pi * index / period)
        _limb(frame, hip, neck, 0.18 * size * stout)
        cv2.circle(frame, (neck - [0, 0.10 * size]).astype(int).tolist(), int(0.07 * size), 255, -1)
        for side in (-1, 1):
            _limb(frame, neck, neck + _turned_down(0.36 * size, -side * swing), 0.06 * size)
            knee = hip + _turned_down(0.25 * size, side * swing)
            ankle = knee + _turned_down(0.22 * size, side * swing - max(0.0, -side * swing))
            _limb(frame, hip, knee, 0.10 * size * stout)
            _limb(frame, knee, ankle, 0.07 * size)
            _limb(frame, ankle, ankle + np.array([0.10 * size, 0]), 0.05 * size)
    return out


def _turned_down(length: float, angle: float) -> NDArray[np.float64]:
    return length * np.array([np.sin(angle), np.cos(angle)])


def _limb(frame: Masks, one: NDArray[Any], other: NDArray[Any], thick: float) -> None:
    cv2.line(frame, one.astype(int).tolist(), other.astype(int).tolist(), 255, max(1, int(thick)))


def coloured(frames: Masks) -> Masks:
    """Masks `(s, h, w)` as range views `(s, h, w, 3)`: JET colours inside, black around."""
    ramp = np.linspace(0, 255, frames.shape[1]).astype(np.uint8)[:, None]
    ramp = np.ascontiguousarray(np.broadcast_to(ramp, frames.shape[1:]))
    colours = cv2.applyColorMap(ramp, cv2.COLORMAP_JET)[..., ::-1]
    return np.where(frames[..., None] > 0, colours, 0).astype(np.uint8)


def aligned_masks(frames: int = 6, seed: int = 0) -> Masks:
    """`(s, 64, 64)` that need no alignment."""
    column = np.random.default_rng(seed).integers(10, 54)
    out = np.zeros((frames, 64, 64), np.uint8)
    out[:, :, column - 8 : column + 8] = 255
    return out


def range_views(frames: int = 6, size: int = 64) -> Masks:
    """`(s, h, w, 3)` RGB: JET colours inside the figure, black around it."""
    inside = masks(frames, size, size) > 0
    ramp = np.broadcast_to(np.linspace(0, 255, size).astype(np.uint8)[:, None], (size, size))
    colours = cv2.applyColorMap(np.ascontiguousarray(ramp), cv2.COLORMAP_JET)[..., ::-1]
    return np.where(inside[..., None], colours, 0).astype(np.uint8)


def clouds(frames: int = 5, forward: float = 1.0, points: int = 600) -> list[NDArray[np.float32]]:
    """Per frame `(k, 3)`: a person 1.7 m tall, 8 m away on the axis `forward` · x."""
    rng = np.random.default_rng(7)
    out = []
    for _ in range(frames):
        low, high = [forward * 8 - 0.2, -0.3, -1.0], [forward * 8 + 0.2, 0.3, 0.7]
        out.append(rng.uniform(low, high, (points, 3)).astype(np.float32))
    return out


def npy(array: NDArray[Any]) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=True)
    return file.getvalue()


def npz(**arrays: NDArray[Any]) -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, allow_pickle=True, **arrays)
    return file.getvalue()


def npy_header(descr: str, shape: str, body: bytes = b"") -> bytes:
    """`.npy` bytes with any header at all."""
    header = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + body


def record(points: NDArray[Any]) -> NDArray[Any]:
    """Points as records with named fields, the way some drivers hand them out."""
    rows = np.zeros(len(points), [("intensity", "<u2"), *((axis, "<f4") for axis in "xyz")])
    for place, axis in enumerate("xyz"):
        rows[axis] = points[:, place]
    return rows


def zipped(
    entries: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED, comment: bytes = b""
) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        archive.comment = comment
        for name, data in entries.items():
            archive.writestr(name, data)
    return file.getvalue()


def linked(name: str, target: bytes) -> bytes:
    """A zip with one symbolic link."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        entry = zipfile.ZipInfo(name)
        entry.create_system = 3
        entry.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(entry, target)
    return file.getvalue()


def picture(pixels: Masks, extension: str = ".png") -> bytes:
    """A PNG or JPEG of `(h, w)` grey or `(h, w, 3)` RGB pixels."""
    done, data = cv2.imencode(extension, pixels[..., ::-1] if pixels.ndim == 3 else pixels)
    assert done
    return data.tobytes()


def pictures(frames: Masks, extension: str = ".png") -> bytes:
    """A zip of pictures whose names sort as numbers only."""
    return zipped({f"{i}{extension}": picture(frame, extension) for i, frame in enumerate(frames)})


def pcd(points: NDArray[Any], encoding: str = "ascii") -> bytes:
    """A PCD file with x, y, z and intensity."""
    rows = np.column_stack([points, np.zeros(len(points))]).astype("<f4")
    header = (
        "# .PCD v0.7 - Point Cloud Data file format\nVERSION 0.7\nFIELDS x y z intensity\n"
        "SIZE 4 4 4 4\nTYPE F F F F\nCOUNT 1 1 1 1\n"
        f"WIDTH {len(points)}\nHEIGHT 1\nVIEWPOINT 0 0 0 1 0 0 0\nPOINTS {len(points)}\n"
        f"DATA {encoding}\n"
    )
    if encoding == "ascii":
        text = "\n".join(" ".join(f"{value:.6f}" for value in row) for row in rows)
        return (header + text).encode()
    if encoding == "binary":
        return header.encode() + rows.tobytes()
    packed = lzf(rows.T.tobytes())
    return header.encode() + struct.pack("<2I", len(packed), rows.nbytes) + packed


def lzf(data: bytes) -> bytes:
    """LZF that finds runs of one byte and nothing else."""
    out, at = bytearray(), 0
    while at < len(data):
        run = 0
        while at and run < 264 and data[at + run : at + run + 1] == data[at - 1 : at]:
            run += 1
        if run > 8:
            out += bytes([7 << 5, run - 9, 0])
            at += run
        else:
            out += bytes([0, data[at]])
            at += 1
    return bytes(out)


def kitti(points: NDArray[Any]) -> bytes:
    return np.column_stack([points, np.zeros(len(points))]).astype("<f4").tobytes()


def video(frames: NDArray[np.uint8], folder: Path, extension: str, codec: str) -> bytes | None:
    """An mp4 or avi of grey or RGB frames; `None` where OpenCV lacks the codec."""
    path = folder / f"clip.{extension}"
    size = frames.shape[2], frames.shape[1]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*codec), 10.0, size)
    if not writer.isOpened():
        return None
    for frame in frames:
        writer.write(
            frame[..., ::-1] if frame.ndim == 3 else cv2.cvtColor(frame, cv2.COLOR_GRAY2BGR)
        )
    writer.release()
    return path.read_bytes()


def movie(
    frames: NDArray[np.uint8],
    container: str = "mp4",
    codec: str = "libx264",
    *,
    sound: bool = False,
    interlaced: bool = False,
    turned: int = 0,
) -> bytes:
    """A video of grey or RGB frames by FFmpeg.

    Args:
        frames: `(s, h, w)` or `(s, h, w, 3)`.
        container: FFmpeg's name of it.
        codec: FFmpeg's name of it.
        sound: with a second of silence.
        interlaced: every second line is of the following frame, as an interlaced camera sees it.
        turned: degrees against the clock that a player is told to turn it by.
    """
    file = io.BytesIO()
    with av.open(file, "w", format=container) as target:
        stream = target.add_stream(codec, rate=10)
        assert isinstance(stream, av.VideoStream)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = {"ffv1": "bgr0", "mjpeg": "yuvj420p", "apng": "rgb24"}.get(
            codec, "yuv420p"
        )
        if codec == "libx264":
            stream.options = {"crf": "5"}
        if interlaced:
            stream.codec_context.flags |= 0x40000 | 0x20000000  # DCT and motion by fields
        audio = target.add_stream("aac", rate=44100) if sound else None
        assert audio is None or isinstance(audio, av.AudioStream)
        for place, frame in enumerate(frames):
            if interlaced:
                frame = frame.copy()
                frame[1::2] = frames[min(place + 1, len(frames) - 1), 1::2]
            pixels = frame if frame.ndim == 3 else np.repeat(frame[..., None], 3, axis=2)
            target.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        target.mux(stream.encode())
        if audio is not None:
            silence = np.zeros((1, 1024), np.float32)
            for _ in range(44):
                heard = av.AudioFrame.from_ndarray(silence, format="fltp", layout="mono")
                heard.sample_rate = 44100
                target.mux(audio.encode(heard))
            target.mux(audio.encode())
    data = file.getvalue()
    return turned_as_phones_do(data, turned) if turned else data


def turned_as_phones_do(mp4: bytes, degrees: int) -> bytes:
    """An mp4 whose track header says to turn it, as phones write it."""
    at = mp4.index(b"tkhd") + 4 + 40
    cos, sin = round(np.cos(np.radians(degrees))), round(np.sin(np.radians(degrees)))
    matrix = struct.pack(">9i", cos << 16, -sin << 16, 0, sin << 16, cos << 16, 0, 0, 0, 1 << 30)
    return mp4[:at] + matrix + mp4[at + len(matrix) :]


def tiff(pages: Masks) -> bytes:
    """A TIFF of several pages."""
    done, data = cv2.imencodemulti(".tiff", list(pages))
    assert done
    return data.tobytes()


def png_chunk(kind: bytes, content: bytes) -> bytes:
    whole = kind + content
    return struct.pack(">I", len(content)) + whole + struct.pack(">I", zlib.crc32(whole))


def palette_png(classes: Masks, palette: NDArray[np.uint8]) -> bytes:
    """A PNG of `(h, w)` indices into `(n, 3)` colours."""
    rows = b"".join(b"\0" + row.tobytes() for row in classes)
    header = struct.pack(">IIBBBBB", classes.shape[1], classes.shape[0], 8, 3, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + png_chunk(b"IHDR", header)
        + png_chunk(b"PLTE", palette.tobytes())
        + png_chunk(b"IDAT", zlib.compress(rows))
        + png_chunk(b"IEND", b"")
    )


def ply(points: NDArray[Any], form: str = "binary_little_endian") -> bytes:
    """A PLY file with x, y, z and intensity, and a face element behind."""
    kind = "float" if form != "ascii" else "double"
    fields = "".join(f"property {kind} {axis}\n" for axis in ("x", "y", "z"))
    header = (
        f"ply\nformat {form} 1.0\ncomment a person\nelement vertex {len(points)}\n{fields}"
        "property uchar intensity\nelement face 0\nproperty list uchar int vertex_index\n"
        "end_header\n"
    ).encode()
    if form == "ascii":
        return header + "".join(f"{x!r} {y!r} {z!r} 7\n" for x, y, z in points.tolist()).encode()
    order = "<" if form == "binary_little_endian" else ">"
    rows = np.zeros(len(points), [("at", f"{order}f4", 3), ("intensity", "u1")])
    rows["at"] = points
    return header + rows.tobytes()


def las(points: NDArray[Any], version: tuple[int, int] = (1, 2), form: int = 1) -> bytes:
    """A LAS file, to a tenth of a millimetre, its coordinates moved by 100 m."""
    stride, size = 28, 375 if version >= (1, 4) else 227
    header = bytearray(size)
    header[:4] = b"LASF"
    header[24:26] = bytes(version)
    old = 0 if version >= (1, 4) else len(points)
    struct.pack_into("<HIIBHI", header, 94, size, size, 0, form, stride, old)
    struct.pack_into("<6d", header, 131, *[1e-4] * 3, *[100.0] * 3)
    if version >= (1, 4):
        struct.pack_into("<Q", header, 247, len(points))
    rows = np.zeros(len(points), [("at", "<i4", 3), ("rest", "V16")])
    rows["at"] = np.round((points - 100.0) / 1e-4)
    return bytes(header) + rows.tobytes()


def scan_bomb(scans: int) -> bytes:
    """A progressive JPEG with many scans that hold nothing."""
    data = picture(aligned_masks(1)[0], ".jpg")
    progressive = data.replace(b"\xff\xc0", b"\xff\xc2", 1)
    at = progressive.index(b"\xff\xda")
    return progressive[:at] + b"\xff\xda\0\x08\x01\x01\0\x01\x01\0" * scans + b"\xff\xd9"


def gif(frames: Masks) -> bytes:
    animation = cv2.Animation()
    animation.frames = [cv2.cvtColor(frame, cv2.COLOR_GRAY2BGR) for frame in frames]
    animation.durations = [100] * len(frames)
    done, data = cv2.imencodeanimation(".gif", animation)
    assert done
    return data.tobytes()
