"""What the headers of PNG, JPEG, BMP and TIFF pictures declare, read before any decoder."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from gait.errors import CorruptFileError, LimitExceededError

PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
JPEG_MAGIC = b"\xff\xd8\xff"
_TIFF_MAGICS = (b"II*\x00", b"MM\x00*")

MAX_SCANS = 64
"""Scans of one JPEG. Progressive ones of usual programs have about ten; each costs the decoder a
pass over the whole picture, however few bytes it has."""

USUAL_SCANS = 10
"""So many passes of a progressive JPEG cost about what its pixels do."""

MAX_PAGES = 3000
_NOT_SOF = (0xC4, 0xC8, 0xCC)
_KEPT_CHUNKS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")
_TIFF_SIZES = {1: 1, 3: 2, 4: 4}  # byte, short, long
_TIFF_WIDTH, _TIFF_HEIGHT = 256, 257


@dataclass(frozen=True)
class Declared:
    """Size in pixels, and how many times decoding goes over them."""

    height: int
    width: int
    passes: int = 1


def still_kind(data: bytes) -> str | None:
    """`png`, `jpeg`, `bmp` or `tiff` by the first bytes, else None."""
    if data.startswith(PNG_MAGIC):
        return "png"
    if data.startswith(JPEG_MAGIC):
        return "jpeg"
    if data.startswith(_TIFF_MAGICS):
        return "tiff"
    # Two letters alone are found in many files: the size of the header has few values.
    known = len(data) > 26 and data[14:18] in (b"\x28\0\0\0", b"\x6c\0\0\0", b"\x7c\0\0\0")
    return "bmp" if data.startswith(b"BM") and known else None


def declared(data: bytes, kind: str) -> Declared:
    """Size of a picture of this kind, without decoding it.

    Raises:
        CorruptFileError: the header is cut off or declares no pixels.
        LimitExceededError: a JPEG with more than `MAX_SCANS` scans.
    """
    if kind == "png":
        found = _png(data)
    elif kind == "jpeg":
        found = _jpeg(data)
    elif kind == "bmp":
        width, height = struct.unpack_from("<ii", data, 18)
        found = Declared(abs(height), abs(width))
    else:
        found = next(tiff_pages(data), None)
    if found is None or 0 in (found.height, found.width):
        raise _unreadable(kind)
    return found


def without_extras(png: bytes) -> bytes:
    """A PNG reduced to what its pixels need: texts, profiles and animation are left out.

    Compressed texts may inflate to any size, and decoders inflate them.

    Raises:
        CorruptFileError: the chunks are cut off.
    """
    return PNG_MAGIC + b"".join(chunk for kind, chunk in _chunks(png) if kind in _KEPT_CHUNKS)


def is_animated_png(data: bytes) -> bool:
    """Whether an animation is announced before the first pixels, as it must be."""
    if not data.startswith(PNG_MAGIC):
        return False
    head = data[: data.find(b"IDAT")] if b"IDAT" in data else data
    return b"acTL" in head[:65536]


def tiff_pages(data: bytes) -> Iterator[Declared]:
    """Size of each page of a TIFF.

    Raises:
        CorruptFileError: the directories are cut off or lead back to themselves.
    """
    order = "<" if data[:2] == b"II" else ">"
    seen: set[int] = set()
    try:
        (at,) = struct.unpack_from(f"{order}I", data, 4)
        while at:
            if at in seen or len(seen) >= MAX_PAGES:
                raise _unreadable("tiff")
            seen.add(at)
            (count,) = struct.unpack_from(f"{order}H", data, at)
            yield _tiff_page(data, at + 2, count, order)
            (at,) = struct.unpack_from(f"{order}I", data, at + 2 + 12 * count)
    except struct.error as error:
        raise _unreadable("tiff") from error


def _tiff_page(data: bytes, at: int, count: int, order: str) -> Declared:
    values = {_TIFF_WIDTH: 0, _TIFF_HEIGHT: 0}
    for entry in range(at, at + 12 * count, 12):
        tag, kind, _ = struct.unpack_from(f"{order}HHI", data, entry)
        if tag in values and kind in _TIFF_SIZES:
            form = {1: "B", 2: "H", 4: "I"}[_TIFF_SIZES[kind]]
            (values[tag],) = struct.unpack_from(f"{order}{form}", data, entry + 8)
    return Declared(values[_TIFF_HEIGHT], values[_TIFF_WIDTH])


def _png(data: bytes) -> Declared | None:
    if len(data) < 33 or data[8:16] != b"\x00\x00\x00\x0dIHDR":
        return None
    width, height = struct.unpack_from(">II", data, 16)
    return Declared(height, width)


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Kind of each chunk, and the whole of it."""
    at = len(PNG_MAGIC)
    while at + 12 <= len(data):
        end = at + 12 + int.from_bytes(data[at : at + 4], "big")
        kind = data[at + 4 : at + 8]
        if end > len(data):
            raise _unreadable("png")
        yield kind, data[at:end]
        if kind == b"IEND":
            return
        at = end
    raise _unreadable("png")


def _jpeg(data: bytes) -> Declared | None:
    # Within pixels a zero follows every byte 255, so this finds every scan (and a thumbnail's).
    scans = data.count(b"\xff\xda")
    if scans > MAX_SCANS:
        raise LimitExceededError(
            f"got a JPEG frame of {scans} scans, at most {MAX_SCANS} are read; save it anew, not "
            "progressive",
            limit="max_scans",
            allowed=MAX_SCANS,
        )
    at = 2
    while at + 9 <= len(data):
        if data[at] != 0xFF:
            return None
        marker = data[at + 1]
        if marker == 0xFF:  # fill byte
            at += 1
        elif 0xC0 <= marker <= 0xCF and marker not in _NOT_SOF:
            height, width = struct.unpack_from(">HH", data, at + 5)
            return Declared(height, width, max(1, -(-scans // USUAL_SCANS)))
        elif marker == 0x01 or 0xD0 <= marker <= 0xD7:  # markers without content
            at += 2
        else:
            at += 2 + max(2, int.from_bytes(data[at + 2 : at + 4], "big"))
    return None


def _unreadable(kind: str) -> CorruptFileError:
    return CorruptFileError(f"a {kind.upper()} frame is cut off or has no header; save it anew")
