"""NumPy `.npy` bytes into an array, from a header that is read by pattern and never evaluated."""

import math
import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gait.errors import CorruptFileError, ForbiddenContentError, UnsupportedFormatError

MAGIC = b"\x93NUMPY"
_MAX_HEADER = 4096
_HEADER = re.compile(
    r"\{\s*'descr':\s*(?P<descr>'[^']*'|\[.*\])\s*,\s*'fortran_order':\s*(?P<fortran>True|False)"
    r"\s*,\s*'shape':\s*\((?P<shape>\s*|\s*[0-9]+\s*(?:,\s*[0-9]+\s*)*,?\s*)\)\s*,?\s*\}\s*",
    re.DOTALL,
)
_SIMPLE = re.compile(r"'[<>|=]?(b1|\?|[iu][1248]|f[248])'")
_FIELD = re.compile(
    r"\(\s*'([A-Za-z_][A-Za-z0-9_]{0,31})'\s*,\s*('[<>|=]?(?:[iu][1248]|f[248])')\s*\)"
)
_FIELDS = 32


@dataclass(frozen=True)
class Header:
    """What a `.npy` file declares, and where its numbers begin."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    fortran_order: bool
    start: int


def read_header(data: bytes) -> Header:
    """Reads the header of `.npy` bytes (format versions 1 and 2).

    numpy's own reader evaluates the header as Python; this one matches the three fields that
    numpy writes and refuses everything else, so that no part of a hostile file is interpreted.

    Raises:
        CorruptFileError: the header is cut off or is not one.
        ForbiddenContentError: the array holds pickled Python objects.
        UnsupportedFormatError: structured, complex, text or other non-numeric elements.
    """
    text, start = _header_text(data)
    match = _HEADER.fullmatch(text)
    if not match:
        raise CorruptFileError("the .npy header is not one that numpy writes; save the array anew")
    shape = tuple(int(size) for size in match["shape"].split(",") if size.strip())
    return Header(_dtype(match["descr"]), shape, match["fortran"] == "True", start)


def read_array(data: bytes, header: Header) -> NDArray[Any]:
    """The array that `header` describes, as a view of `data` where that is possible.

    Raises:
        CorruptFileError: there are fewer or more bytes than the shape needs.
    """
    count = math.prod(header.shape)
    got, want = len(data) - header.start, count * header.dtype.itemsize
    if got != want:
        raise CorruptFileError(
            f"got {got} bytes of numbers, the .npy header asks for another size; save it anew"
        )
    flat = np.frombuffer(data, header.dtype, count, header.start)
    return flat.reshape(header.shape, order="F" if header.fortran_order else "C")


def _header_text(data: bytes) -> tuple[str, int]:
    major = data[6] if len(data) > 6 else 0
    if major not in (1, 2):
        raise CorruptFileError(f"got .npy format version {major}, versions 1 and 2 are read")
    width = 2 if major == 1 else 4
    start = 8 + width
    length = int.from_bytes(data[8:start], "little")
    if length > _MAX_HEADER or len(data) < start + length:
        raise CorruptFileError("the .npy header is cut off or too long")
    return data[start : start + length].decode("latin-1"), start + length


def _dtype(descr: str) -> np.dtype[Any]:
    if "O" in descr:
        raise ForbiddenContentError(
            "the .npy array holds pickled Python objects, which are never read; "
            "save a plain numeric array"
        )
    if descr.startswith("["):
        return _record(descr)
    if not _SIMPLE.fullmatch(descr):
        raise UnsupportedFormatError(
            f"got .npy elements of type {descr[:40]}, need bool, integer or floating numbers"
        )
    return np.dtype(descr.strip("'"))


def _record(descr: str) -> np.dtype[Any]:
    """A record of plain numbers, as some drivers save points."""
    fields = _FIELD.findall(descr)
    names = {name.lower() for name, _ in fields}
    left = _FIELD.sub("", descr).replace(",", "").replace(" ", "")
    if left != "[]" or not 0 < len(fields) == len(names) <= _FIELDS:
        raise UnsupportedFormatError(
            f"got .npy records of {descr[:40]}, need plain numeric fields such as x, y, z"
        )
    return np.dtype([(name.lower(), form.strip("'")) for name, form in fields])
