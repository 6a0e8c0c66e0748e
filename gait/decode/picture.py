"""PNG and JPEG frames: size from the header, pixels by OpenCV."""

import cv2
import numpy as np
from numpy.typing import NDArray

from gait.decode.limits import Limits
from gait.errors import ClipModalityError, ClipShapeError, CorruptFileError

PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
JPEG_MAGIC = b"\xff\xd8\xff"
LOSSY_FLOOR = 32
"""Grey values below this are compression noise around a silhouette, and become 0."""

_NOT_SOF = (0xC4, 0xC8, 0xCC)
_GREY, _COLOURED = 0.1, 0.48

Picture = NDArray[np.uint8]


def picture_size(data: bytes) -> tuple[int, int]:
    """Height and width in pixels of a PNG (IHDR) or JPEG (SOF), without decoding it.

    Raises:
        CorruptFileError: the header is cut off or declares no pixels.
    """
    size = _png_size(data) if data.startswith(PNG_MAGIC) else _jpeg_size(data)
    if size is None or 0 in size:
        raise CorruptFileError("a PNG or JPEG frame has no readable header; save it anew")
    return size


def decode_picture(data: bytes, limits: Limits) -> Picture:
    """One frame: `(h, w)` if it is grey, `(h, w, 3)` RGB if it is coloured (see `grey_or_jet`).

    Raises:
        LimitExceededError: more pixels than allowed, found in the header.
        CorruptFileError: the picture cannot be decoded.
        ClipModalityError: neither grey nor coloured like a range view.
    """
    size = picture_size(data)
    limits.check_pixels(*size)
    try:
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error as error:
        raise CorruptFileError("a PNG or JPEG frame cannot be decoded; save it anew") from error
    if picture is None or picture.size == 0:
        raise CorruptFileError("a PNG or JPEG frame cannot be decoded; save it anew")
    limits.check_pixels(*picture.shape[:2])
    return grey_or_jet(picture.astype(np.uint8, copy=False), lossy=data.startswith(JPEG_MAGIC))


def grey_or_jet(picture: Picture, *, lossy: bool) -> Picture:
    """Tells a silhouette from a range view by its saturation, Σ(max − min) / Σ max over pixels.

    Grey pictures have saturation 0 (a little more after JPEG or video); the JET colour map has
    at least 1/2 at every lit pixel. Most photographs lie between and are refused.

    Args:
        picture: `(h, w, 3)` uint8, BGR.
        lossy: from JPEG or video; grey values below `LOSSY_FLOOR` are then set to 0.

    Returns:
        `(h, w)` uint8 for a grey picture, `(h, w, 3)` uint8 RGB for a coloured one.

    Raises:
        ClipModalityError: the saturation lies between the two.
    """
    blue, green, red = cv2.split(picture)
    total = cv2.sumElems(cv2.max(cv2.max(blue, green), red))[0]
    lowest = cv2.sumElems(cv2.min(cv2.min(blue, green), red))[0]
    saturation = (total - lowest) / total if total else 0.0
    if saturation <= _GREY:
        floor = LOSSY_FLOOR - 1 if lossy else 0
        return cv2.threshold(green, floor, 255, cv2.THRESH_TOZERO)[1].astype(np.uint8, copy=False)
    if saturation >= _COLOURED:
        return np.ascontiguousarray(picture[..., ::-1])
    raise ClipModalityError(
        "got a colour photograph, need silhouettes (a white person on black) or range views "
        "(JET colours on black); segment the person first"
    )


def is_picture(data: bytes) -> bool:
    """Whether the bytes begin like a PNG or a JPEG."""
    return data.startswith((PNG_MAGIC, JPEG_MAGIC))


def stack_pictures(pictures: list[Picture]) -> Picture:
    """Frames of one clip as `(s, h, w)` or `(s, h, w, 3)`. A blank frame fits both.

    Raises:
        ClipShapeError: frames of different sizes.
        ClipModalityError: silhouettes and range views mixed.
    """
    sizes = {picture.shape[:2] for picture in pictures}
    if len(sizes) > 1:
        raise ClipShapeError(
            f"got frames of {len(sizes)} different sizes in one clip, need all of one size"
        )
    if len({picture.ndim for picture in pictures}) > 1:
        return np.stack([_as_rgb(picture) for picture in pictures])
    return np.stack(pictures)


def _as_rgb(picture: Picture) -> Picture:
    if picture.ndim == 3:
        return picture
    if picture.any():
        raise ClipModalityError("got silhouettes and range views in one clip; send one modality")
    return np.zeros((*picture.shape, 3), np.uint8)


def _png_size(data: bytes) -> tuple[int, int] | None:
    if len(data) < 33 or data[8:16] != b"\x00\x00\x00\x0dIHDR":
        return None
    return int.from_bytes(data[20:24], "big"), int.from_bytes(data[16:20], "big")


def _jpeg_size(data: bytes) -> tuple[int, int] | None:
    at = 2
    while at + 9 <= len(data):
        if data[at] != 0xFF:
            return None
        marker = data[at + 1]
        if marker == 0xFF:  # fill byte
            at += 1
        elif 0xC0 <= marker <= 0xCF and marker not in _NOT_SOF:
            sof = data[at + 5 : at + 9]
            return int.from_bytes(sof[:2], "big"), int.from_bytes(sof[2:], "big")
        elif marker == 0x01 or 0xD0 <= marker <= 0xD7:  # markers without content
            at += 2
        else:
            at += 2 + max(2, int.from_bytes(data[at + 2 : at + 4], "big"))
    return None
