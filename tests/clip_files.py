"""Clip files as a client would send them, of a simulated figure that is wide at the hips."""

import io
import stat
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

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


def zipped(entries: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
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


def gif(frames: Masks) -> bytes:
    animation = cv2.Animation()
    animation.frames = [cv2.cvtColor(frame, cv2.COLOR_GRAY2BGR) for frame in frames]
    animation.durations = [100] * len(frames)
    done, data = cv2.imencodeanimation(".gif", animation)
    assert done
    return data.tobytes()
