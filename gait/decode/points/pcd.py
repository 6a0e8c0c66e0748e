"""PCD point clouds (Point Cloud Library, v0.7): `ascii`, `binary` and `binary_compressed`."""

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from gait.decode.limits import Limits
from gait.decode.points.cloud import AXES, Cloud, fields_xyz
from gait.decode.points.lzf import decompress
from gait.errors import CorruptFileError, LimitExceededError, UnsupportedFormatError

_MAX_HEADER = 4096
_MAX_VALUES = 64
_ENCODINGS = ("ascii", "binary", "binary_compressed")
_SIZES = struct.Struct("<2I")  # of a compressed body: bytes that follow, bytes when inflated
_KINDS = {"F": ("f", (4, 8)), "I": ("i", (1, 2, 4, 8)), "U": ("u", (1, 2, 4, 8))}


MAX_COMPRESSED = 8 << 20
"""Bytes that all `binary_compressed` frames of a clip may inflate to: about 1.5 s on one core. 300
frames of 1,700 points."""


@dataclass(frozen=True)
class Header:
    """What a PCD file declares, and where its numbers begin."""

    dtype: np.dtype[np.void]
    columns: tuple[int, ...]
    points: int
    encoding: str
    start: int


def is_pcd(data: bytes) -> bool:
    """Whether the bytes begin like a PCD file: comments, then `VERSION` or `FIELDS`."""
    for line in data[:_MAX_HEADER].split(b"\n"):
        if line.strip() and not line.startswith(b"#"):
            return line.startswith((b"VERSION", b"FIELDS"))
    return False


def decode_pcd(data: bytes, limits: Limits) -> Cloud:
    """The x, y, z of a PCD file's points.

    Raises:
        CorruptFileError: a header or body that is cut off or contradicts itself.
        LimitExceededError: more points or bytes than allowed, found in the header.
        UnsupportedFormatError: an unknown encoding.
    """
    header = read_header(data)
    limits.check_points(header.points)
    if header.encoding == "ascii":
        return ascii_points(data[header.start :], header.columns, header.points, "PCD")
    want = header.points * header.dtype.itemsize
    limits.check_inflated(want)
    if header.encoding == "binary_compressed":
        return _by_columns(_inflate(data, header.start, want), header)
    if len(data) - header.start < want:
        raise CorruptFileError("a binary PCD frame has fewer bytes than its header declares")
    return fields_xyz(np.frombuffer(data, header.dtype, header.points, header.start))


def check_compressed(frames: Iterable[bytes]) -> None:
    """Bounds what decompressing all frames of a clip costs, from their headers.

    Raises:
        LimitExceededError: they inflate to more than `MAX_COMPRESSED`.
        CorruptFileError, UnsupportedFormatError: as `read_header`.
    """
    headers = [read_header(data) for data in frames]
    packed = [h.points * h.dtype.itemsize for h in headers if h.encoding == "binary_compressed"]
    if sum(packed) > MAX_COMPRESSED:
        raise LimitExceededError(
            f"got compressed PCD frames of {sum(packed)} bytes, at most {MAX_COMPRESSED} are read; "
            "send the person's points only, or save the frames as binary",
            limit="max_compressed",
            allowed=MAX_COMPRESSED,
        )


def read_header(data: bytes) -> Header:
    """Reads a PCD header up to its `DATA` line.

    Raises:
        CorruptFileError: missing, contradicting or impossible lines.
        UnsupportedFormatError: an unknown encoding.
    """
    lines, start = _header_lines(data)
    try:
        fields = [name.lower() for name in lines["FIELDS"]]
        counts = [int(count) for count in lines.get("COUNT", ["1"] * len(fields))]
        kinds = zip(lines["TYPE"], map(int, lines["SIZE"]), strict=True)
        formats = [_format(kind, size) for kind, size in kinds]
        points = int((lines.get("POINTS") or lines["WIDTH"])[0])
        encoding = lines["DATA"][0]
        dtype = _record(fields, formats, counts)
        columns = tuple(sum(counts[: fields.index(axis)]) for axis in AXES)
    except (KeyError, ValueError, IndexError) as error:
        raise CorruptFileError("a PCD frame has an unreadable header; save it anew") from error
    if encoding not in _ENCODINGS:
        raise UnsupportedFormatError(
            f"got a PCD frame stored as {encoding[:20]!r}, need one of {', '.join(_ENCODINGS)}"
        )
    if points < 0:
        raise CorruptFileError(f"a PCD frame declares {points} points")
    return Header(dtype, columns, points, encoding, start)


def _header_lines(data: bytes) -> tuple[dict[str, list[str]], int]:
    lines: dict[str, list[str]] = {}
    start = 0
    while "DATA" not in lines:
        stop = data.find(b"\n", start, _MAX_HEADER)
        if stop < 0:
            raise CorruptFileError("a PCD frame has no DATA line; save it anew")
        words = data[start:stop].decode("latin-1").split()
        if words and not words[0].startswith("#"):
            lines[words[0]] = words[1:]
        start = stop + 1
    return lines, start


def _format(kind: str, size: int) -> str:
    letter, sizes = _KINDS[kind]
    if size not in sizes:
        raise ValueError(f"no {kind} of {size} bytes")
    return f"<{letter}{size}"


def _record(fields: list[str], formats: list[str], counts: list[int]) -> np.dtype[np.void]:
    """The record of one point; fields other than x, y, z are numbered, their names may repeat.

    A count of 0, which some drivers write for a field they leave out, takes no bytes.
    """
    if min(counts) < 0 or sum(counts) > _MAX_VALUES:
        raise ValueError(f"0..{_MAX_VALUES} values a point")
    columns = list(zip(fields, formats, counts, strict=True))
    if sorted(name for name, _, count in columns if name in AXES and count == 1) != list(AXES):
        raise UnsupportedFormatError(
            f"got PCD points of {', '.join(fields)[:100]}, need x, y and z once each, in metres"
        )
    return np.dtype(
        [
            (name, form) if name in AXES else (f"f{place}", form, (count,))
            for place, (name, form, count) in enumerate(columns)
        ]
    )


def _inflate(data: bytes, start: int, want: int) -> bytes:
    """The inflated body, `want` bytes by the header, which the body's own sizes must agree with."""
    begin = start + _SIZES.size
    if len(data) < begin:
        raise CorruptFileError("a compressed PCD frame is cut off; save it anew")
    packed, inflated = _SIZES.unpack_from(data, start)
    if inflated != want or len(data) - begin < packed:
        raise CorruptFileError(
            f"a compressed PCD frame holds {len(data) - begin} bytes for {inflated}, its header "
            f"declares {packed} for {want}; save it anew"
        )
    return decompress(data[begin : begin + packed], want)


def _by_columns(body: bytes, header: Header) -> NDArray[np.float64]:
    """A compressed body holds all values of one field, then all of the next."""
    cloud = np.empty((header.points, len(AXES)))
    for column, axis in enumerate(AXES):
        kind, offset = header.dtype.fields[axis][:2]  # type: ignore[index]
        cloud[:, column] = np.frombuffer(body, kind, header.points, offset * header.points)
    return cloud


def ascii_points(
    body: bytes, columns: tuple[int, ...], count: int, kind: str
) -> NDArray[np.float64]:
    """Points written as text, one a line.

    Args:
        body: the lines; more than `count` may follow.
        columns: where x, y and z stand in a line.
        count: points declared.
        kind: of file, for messages.

    Raises:
        CorruptFileError: too few lines, or one that is not numbers.
    """
    if not count:
        return np.empty((0, 3))
    text = body.decode("latin-1").splitlines()
    lines = list(islice(filter(str.strip, text), count))
    if not lines:
        raise CorruptFileError(f"an ascii {kind} frame has no points, its header declares some")
    try:
        points = np.loadtxt(
            lines, np.float64, comments=None, usecols=columns, max_rows=count, ndmin=2
        )
    except (ValueError, OverflowError) as error:
        raise CorruptFileError(f"an ascii {kind} frame holds a line that is not numbers") from error
    if len(points) != count:
        raise CorruptFileError(f"got {len(points)} points in a {kind} frame, {count} declared")
    return points
