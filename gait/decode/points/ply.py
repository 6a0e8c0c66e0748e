"""PLY point clouds: `ascii`, `binary_little_endian` and `binary_big_endian`."""

import numpy as np

from gait.decode.limits import Limits
from gait.decode.points.cloud import AXES, Cloud, fields_xyz
from gait.decode.points.pcd import ascii_points
from gait.errors import CorruptFileError, UnsupportedFormatError

MAGIC = b"ply"
_MAX_HEADER = 4096
_ORDERS = {"binary_little_endian": "<", "binary_big_endian": ">", "ascii": "<"}
_TYPES = {
    "char": "i1", "int8": "i1", "uchar": "u1", "uint8": "u1", "short": "i2", "int16": "i2",
    "ushort": "u2", "uint16": "u2", "int": "i4", "int32": "i4", "uint": "u4", "uint32": "u4",
    "float": "f4", "float32": "f4", "double": "f8", "float64": "f8",
}  # fmt: skip


def is_ply(data: bytes) -> bool:
    """Whether the bytes begin like a PLY file."""
    return data[:4] in (b"ply\n", b"ply\r")


def decode_ply(data: bytes, limits: Limits) -> Cloud:
    """The x, y, z of a PLY file's vertices, which must be its first element.

    Raises:
        CorruptFileError: a header or body that is cut off or contradicts itself.
        LimitExceededError: more points than allowed, found in the header.
        UnsupportedFormatError: vertices without x, y, z, or behind other elements.
    """
    form, count, fields, start = _header(data)
    limits.check_points(count)
    names = [name for name, _ in fields]
    if not set(AXES) <= set(names) or len(set(names)) != len(names):
        raise UnsupportedFormatError(
            f"got PLY vertices of {', '.join(names)[:100] or 'nothing'}, need x, y and z in metres"
        )
    if form == "ascii":
        return ascii_points(data[start:], tuple(map(names.index, AXES)), count, "PLY")
    record = np.dtype([(name, _ORDERS[form] + kind) for name, kind in fields])
    if len(data) - start < count * record.itemsize:
        raise CorruptFileError("a PLY frame has fewer bytes than its header declares")
    return fields_xyz(np.frombuffer(data, record, count, start))


def _header(data: bytes) -> tuple[str, int, list[tuple[str, str]], int]:
    """Format, number of vertices, their fields, and where they begin."""
    stop = data.find(b"end_header", 0, _MAX_HEADER)
    start = data.find(b"\n", stop) + 1
    lines = [line.split() for line in data[: max(stop, 0)].decode("latin-1").splitlines()[1:]]
    lines = [words for words in lines if words and words[0] not in ("comment", "obj_info")]
    try:
        form = next(words[1] for words in lines if words[0] == "format")
        elements = [place for place, words in enumerate(lines) if words[0] == "element"]
        first = lines[elements[0]]
        if stop < 0 or not start or form not in _ORDERS or first[1] != "vertex":
            raise ValueError("not vertices first")
        end = elements[1] if len(elements) > 1 else len(lines)
        rows = [words for words in lines[elements[0] + 1 : end] if words[0] == "property"]
        return (
            form,
            _count(first[2]),
            [(words[2].lower(), _TYPES[words[1]]) for words in rows],
            start,
        )
    except (StopIteration, IndexError, KeyError, ValueError) as error:
        raise CorruptFileError(
            "a PLY frame has an unreadable header, or vertices are not its first element; "
            "save its points alone as .ply, .pcd or .npy"
        ) from error


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise ValueError("not a count")
    return int(text)
