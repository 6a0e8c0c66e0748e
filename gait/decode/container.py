"""What a video container declares about size and length, before a decoder sees it."""

from dataclasses import dataclass

from gait.errors import CorruptFileError

_MAX_BOXES = 10_000
_CONTAINERS = (b"moov", b"trak", b"mdia", b"minf", b"stbl")
_STSD_SIZE_AT = 16 + 8 + 24
"""Offset of width in a `stsd` box's content: its own fields, entry header, visual sample entry."""


@dataclass(frozen=True)
class Declared:
    """Height and width in pixels and number of frames; `None` where the header does not say."""

    height: int | None = None
    width: int | None = None
    frames: int | None = None


def video_format(data: bytes) -> str | None:
    """`mp4`, `avi` or `gif` by the first bytes, else `None`."""
    if data[4:8] == b"ftyp":
        return "mp4"
    if data[:4] == b"RIFF" and data[8:12] == b"AVI ":
        return "avi"
    return "gif" if data[:6] in (b"GIF87a", b"GIF89a") else None


def declared(data: bytes, container: str) -> Declared:
    """Reads what the container's own header says, without any decoder.

    Raises:
        CorruptFileError: the header is cut off or nests without end.
    """
    if container == "gif":
        return Declared(_little(data, 8, 2), _little(data, 6, 2))
    if container == "avi":
        if data[24:28] != b"avih":
            raise CorruptFileError("the avi file has no header; save it anew")
        return Declared(_little(data, 68, 4), _little(data, 64, 4), _little(data, 48, 4))
    return _mp4(data)


def _mp4(data: bytes) -> Declared:
    """The largest picture and the longest sample table of any track."""
    heights, widths, frames = [0], [0], [0]
    spans, seen = [(0, len(data))], 0
    while spans:
        start, stop = spans.pop()
        while start + 8 <= stop:
            seen += 1
            kind, begin, end = _box(data, start, stop)
            if seen > _MAX_BOXES:
                raise CorruptFileError("the mp4 file has too many boxes; save it anew")
            if kind in _CONTAINERS:
                spans.append((begin, end))
            elif kind == b"stsd" and end - begin >= _STSD_SIZE_AT + 4:
                widths.append(int.from_bytes(data[begin + 40 : begin + 42], "big"))
                heights.append(int.from_bytes(data[begin + 42 : begin + 44], "big"))
            elif kind == b"stsz" and end - begin >= 12:
                frames.append(int.from_bytes(data[begin + 8 : begin + 12], "big"))
            start = end
    return Declared(max(heights) or None, max(widths) or None, max(frames) or None)


def _box(data: bytes, start: int, stop: int) -> tuple[bytes, int, int]:
    """Kind of a box, and where its content begins and ends."""
    size, kind, begin = (
        int.from_bytes(data[start : start + 4], "big"),
        data[start + 4 : start + 8],
        8,
    )
    if size == 1:
        size, begin = int.from_bytes(data[start + 8 : start + 16], "big"), 16
    end = stop if size == 0 else start + size
    if end < start + begin or end > stop:
        raise CorruptFileError("the mp4 file is cut off or its boxes overlap; save it anew")
    return kind, start + begin, end


def _little(data: bytes, at: int, width: int) -> int:
    if len(data) < at + width:
        raise CorruptFileError("the video file is cut off; save it anew")
    return int.from_bytes(data[at : at + width], "little")
