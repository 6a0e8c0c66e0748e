"""A folder of frames as the clip file it would be if it were zipped."""

import io
import zipfile
from pathlib import Path

from gait.decode.archive import natural_key
from gait.decode.limits import Limits

FRAMES = (
    ".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".pcd", ".bin", ".ply", ".las", ".laz"
)  # fmt: skip
"""Endings of files that hold one frame. `.npy` is not among them: it is mostly a whole clip."""

CLIPS = (
    ".npy", ".npz", ".zip", ".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".gif", ".apng"
)  # fmt: skip
"""Endings of files that hold a whole clip."""


def is_clip_name(name: str) -> bool:
    """Whether a file is a whole clip by its ending."""
    return name.lower().endswith(CLIPS)


def frames_in(folder: Path) -> list[Path]:
    """Files of a folder, not of those in it, that are frames by their endings, in natural order."""
    found = [
        path
        for path in folder.iterdir()
        if path.suffix.lower() in FRAMES and not path.name.startswith(".") and path.is_file()
    ]
    return sorted(found, key=lambda path: natural_key(path.name))


def zip_frames(frames: list[Path], limits: Limits) -> bytes:
    """A zip of these files.

    Raises:
        LimitExceededError: more files or bytes than a clip may have, found before any is read.
    """
    limits.check_entries(len(frames))
    limits.check_bytes(sum(path.stat().st_size for path in frames))
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
        for path in frames:
            archive.writestr(zipfile.ZipInfo(path.name), path.read_bytes())
    return packed.getvalue()
