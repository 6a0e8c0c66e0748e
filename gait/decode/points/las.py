"""LAS point clouds, versions 1.0 to 1.4, not compressed."""

import struct

import numpy as np

from gait.decode.limits import Limits
from gait.decode.points.cloud import Cloud
from gait.errors import CorruptFileError, UnsupportedFormatError

MAGIC = b"LASF"
_SMALLEST = 227
_COMPRESSED = 0x80
_RECORD = 12
"""Bytes of the three coordinates at the beginning of each point, whatever its format."""


def decode_las(data: bytes, limits: Limits) -> Cloud:
    """The x, y, z of a LAS file's points, scaled and moved as its header says.

    Raises:
        CorruptFileError: cut off, or a header that contradicts itself.
        UnsupportedFormatError: LAZ, its compressed form.
        LimitExceededError: more points than allowed, found in the header.
    """
    if len(data) < _SMALLEST:
        raise CorruptFileError("a LAS frame is cut off; save it anew")
    major, minor = data[24:26]
    start, _, form, stride, count = struct.unpack_from("<IIBHI", data, 96)
    if form & _COMPRESSED:
        raise UnsupportedFormatError(
            "got a LAZ frame, which is compressed; save it as LAS: "
            "laspy.read('frame.laz').write('frame.las'), or las2las -i frame.laz -o frame.las"
        )
    if (major, minor) >= (1, 4) and not count and len(data) >= 255:
        (count,) = struct.unpack_from("<Q", data, 247)
    limits.check_points(count)
    if stride < _RECORD or start < _SMALLEST or start + count * stride > len(data):
        raise CorruptFileError("a LAS frame has fewer bytes than its header declares")
    scale, offset = np.frombuffer(data, "<f8", 6, 131).reshape(2, 3)
    record = np.dtype({"names": ["at"], "formats": ["(3,)<i4"], "itemsize": stride})
    points: Cloud = np.frombuffer(data, record, count, start)["at"] * scale + offset
    return points
