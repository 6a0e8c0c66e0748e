"""PNG, JPEG, BMP and TIFF frames: limits from their headers, pixels by OpenCV."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from gait.decode.kind import OF_A_SCENE
from gait.decode.limits import Limits
from gait.decode.picture_header import declared, tiff_pages, without_extras
from gait.errors import ClipModalityError, CorruptFileError, LimitExceededError

LOSSY_FLOOR = 32
"""Grey values below this are compression noise around a silhouette, and become 0."""

_GREY, _COLOURED = 0.1, 0.48
_CHANNELS_OF_BGRA = 4

# Damaged pictures would fill the log.
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)

Picture = NDArray[Any]
"""`(h, w)` grey, of the type it was stored in, or `(h, w, 3)` uint8 RGB."""


def decode_picture(data: bytes, kind: str, limits: Limits) -> tuple[Picture, int]:
    """One still picture, and how many pixels it cost to decode.

    A transparent picture is laid on black; where the transparency alone shows something, that is
    the picture.

    Raises:
        LimitExceededError: more pixels or passes than allowed, found in the header.
        CorruptFileError: the picture cannot be decoded.
    """
    header = declared(data, kind)
    limits.check_pixels(header.height, header.width)
    if kind == "tiff":
        (page,) = decode_tiff(data, limits, most=1)
        return page, page.shape[0] * page.shape[1]
    flags = cv2.IMREAD_COLOR if kind == "jpeg" else cv2.IMREAD_UNCHANGED
    pixels = without_extras(data) if kind == "png" else data
    try:
        picture = cv2.imdecode(np.frombuffer(pixels, np.uint8), flags)
    except cv2.error as error:
        raise _undecodable(kind) from error
    if picture is None or picture.size == 0:
        raise _undecodable(kind)
    limits.check_pixels(*picture.shape[:2])
    return _opaque(picture), header.height * header.width * header.passes


def decode_tiff(data: bytes, limits: Limits, most: int | None = None) -> list[Picture]:
    """The pages of a TIFF.

    Args:
        data: the file.
        limits: caps on the number of pages, and on the pixels of each and of all.
        most: pages allowed here, if fewer.

    Raises:
        LimitExceededError, CorruptFileError: as `decode_picture`.
    """
    pages, total = 0, 0
    for page in tiff_pages(data):
        pages, total = pages + 1, total + page.height * page.width
        limits.check_frames(pages)
        limits.check_pixels(page.height, page.width)
        limits.check_decoded(total)
    if most is not None and pages > most:
        raise LimitExceededError(
            f"got a TIFF of {pages} pages among the frames; send it alone, or one page a file",
            limit="max_frames",
            allowed=most,
        )
    limits.check_inflated(total)
    try:
        done, pictures = cv2.imdecodemulti(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error as error:
        raise _undecodable("tiff") from error
    if not done or len(pictures) != pages:
        raise _undecodable("tiff")
    return [_opaque(picture) for picture in pictures]


def grey_or_jet(picture: NDArray[np.uint8], *, lossy: bool) -> NDArray[np.uint8]:
    """Tells a silhouette from a range view by its saturation, Σ(max − min) / Σ max over pixels.

    Grey pictures have saturation 0 (a little more after JPEG or video); the JET colour map has
    at least 1/2 at every lit pixel. Most photographs lie between and are refused.

    Args:
        picture: `(h, w, 3)` uint8, RGB.
        lossy: from JPEG or video; grey values below `LOSSY_FLOOR` are then set to 0.

    Returns:
        `(h, w)` uint8 for a grey picture, the picture itself for a coloured one.

    Raises:
        ClipModalityError: the saturation lies between the two.
    """
    red, green, blue = cv2.split(picture)
    total = cv2.sumElems(cv2.max(cv2.max(blue, green), red))[0]
    lowest = cv2.sumElems(cv2.min(cv2.min(blue, green), red))[0]
    saturation = (total - lowest) / total if total else 0.0
    if saturation <= _GREY:
        floor = LOSSY_FLOOR - 1 if lossy else 0
        return cv2.threshold(green, floor, 255, cv2.THRESH_TOZERO)[1].astype(np.uint8, copy=False)
    if saturation >= _COLOURED:
        return picture
    raise ClipModalityError(
        "got a colour photograph, need silhouettes (a white person on black) or range views "
        f"(JET colours on black); segment the person first; {OF_A_SCENE}"
    )


def trim(picture: Picture) -> Picture:
    """Without the blank margin, but for a pixel: what is aligned needs no more of it.

    A picture whose person touches a border keeps that border.
    """
    lit = lit_pixels(picture)
    rows, columns = np.flatnonzero(lit.any(axis=1)), np.flatnonzero(lit.any(axis=0))
    if not len(rows):
        return picture[:1, :1].copy()
    top, left = max(rows[0] - 1, 0), max(columns[0] - 1, 0)
    return picture[top : rows[-1] + 2, left : columns[-1] + 2].copy()


def lit_pixels(picture: Picture) -> NDArray[np.bool_]:
    """Which pixels of a grey or coloured picture are not black."""
    lit = picture != 0
    return np.asarray(lit.any(axis=2) if picture.ndim == 3 else lit)


def _opaque(picture: Picture) -> Picture:
    """OpenCV's `(h, w)`, `(h, w, 3)` BGR or `(h, w, 4)` BGRA without alpha, and as RGB."""
    if picture.dtype == np.uint16 and picture.ndim == 3:
        picture = (picture >> 8 if picture.max() > 255 else picture).astype(np.uint8)
    if picture.ndim == 2:
        return picture
    if picture.dtype != np.uint8:
        raise CorruptFileError(f"got a coloured picture of {picture.dtype}; save it with 8 bits")
    if picture.shape[2] == _CHANNELS_OF_BGRA:
        return _on_black(picture)
    return np.ascontiguousarray(picture[..., ::-1])


def _on_black(picture: NDArray[np.uint8]) -> Picture:
    colours, alpha = np.ascontiguousarray(picture[..., 2::-1]), picture[..., 3]
    if alpha.min() == alpha.max():
        return colours
    if (colours == colours[0, 0]).all():
        return np.ascontiguousarray(alpha)
    laid = colours.astype(np.uint16) * alpha[..., None] // 255
    return laid.astype(np.uint8)


def _undecodable(kind: str) -> CorruptFileError:
    return CorruptFileError(f"a {kind.upper()} frame cannot be decoded; save it anew")
