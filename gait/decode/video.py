"""Videos of silhouettes: mp4, avi and gif, decoded by OpenCV's FFmpeg."""

import os
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
from numpy.typing import NDArray

from gait.decode.container import Declared, declared
from gait.decode.limits import Limits
from gait.decode.picture import grey_or_jet
from gait.errors import ClipModalityError, CorruptFileError

Picture = NDArray[np.uint8]

# Read by OpenCV when it opens its first video. Damaged files would fill the log, and what is no
# container we know must not reach FFmpeg's hundreds of other demuxers.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
os.environ.setdefault("OPENCV_FFMPEG_CAPTURE_OPTIONS", "format_whitelist;mov,avi,gif")
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


def decode_video(data: bytes, container: str, limits: Limits) -> NDArray[np.uint8]:
    """Frames `(s, h, w)` uint8 of a silhouette video.

    FFmpeg wants a file: a private temporary one, removed before this returns.

    The container's header is compared with the caps first, then what the decoder says, then each
    frame as it comes: none of them is trusted to tell the truth about the next.

    Raises:
        LimitExceededError: too many or too large frames.
        CorruptFileError: it cannot be decoded, or has no frames.
        ClipModalityError: the frames are coloured: range views do not survive video compression.
    """
    _check(declared(data, container), limits)
    with TemporaryDirectory(prefix="clip-") as folder:
        path = Path(folder, "clip")
        path.write_bytes(data)
        frames = _decode(path, lossy=container != "gif", limits=limits)
    if not frames:
        raise CorruptFileError(
            f"the {container} video has no frame that can be decoded; save it anew"
        )
    return np.stack(frames)


def _decode(path: Path, *, lossy: bool, limits: Limits) -> list[Picture]:
    # A file and not `VideoCapture(BytesIO)`: with that, OpenCV 5.0 crashes on corrupt files.
    try:
        capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
        try:
            return _frames(capture, lossy=lossy, limits=limits)
        finally:
            capture.release()
    except cv2.error as error:
        raise CorruptFileError("the video cannot be decoded; save it anew") from error


def _frames(capture: cv2.VideoCapture, *, lossy: bool, limits: Limits) -> list[Picture]:
    if not capture.isOpened():
        return []
    properties = (cv2.CAP_PROP_FRAME_HEIGHT, cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_COUNT)
    _check(Declared(*(int(capture.get(property_)) for property_ in properties)), limits)
    frames: list[Picture] = []
    held = 0
    while capture.grab():
        limits.check_frames(len(frames) + 1)
        done, picture = capture.retrieve()
        if not done:
            break
        limits.check_pixels(*picture.shape[:2])
        held += picture.shape[0] * picture.shape[1]
        limits.check_inflated(held)
        frames.append(_silhouette(picture.astype(np.uint8, copy=False), lossy=lossy))
        if frames[-1].shape != frames[0].shape:
            raise CorruptFileError("the video changes its frame size; save it anew")
    return frames


def _silhouette(picture: Picture, *, lossy: bool) -> Picture:
    grey = grey_or_jet(picture, lossy=lossy)
    if grey.ndim == 3:
        raise ClipModalityError(
            "got a coloured video, videos carry silhouettes only (a white person on black); "
            "send range views as .npz or PNG"
        )
    return grey


def _check(header: Declared, limits: Limits) -> None:
    limits.check_frames(header.frames or 0)
    limits.check_pixels(header.height or 0, header.width or 0)
    limits.check_inflated((header.frames or 0) * (header.height or 0) * (header.width or 0))
