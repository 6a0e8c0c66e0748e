"""What a clip file holds, by its first bytes: frames of either modality, or point clouds."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gait.decode import archive, npy
from gait.decode.archive import Archive
from gait.decode.cloud import Cloud, decode_bin, split_padded
from gait.decode.container import video_format
from gait.decode.frames import Layout, check_size, layout, to_masks, to_range_views
from gait.decode.limits import Limits
from gait.decode.pcd import decode_pcd, is_pcd
from gait.decode.picture import JPEG_MAGIC, decode_picture, is_picture, stack_pictures
from gait.decode.video import decode_video
from gait.errors import ClipEmptyError, ClipShapeError, UnsupportedFormatError
from gait.modality import Modality

READABLE = (
    ".npy or .npz arrays, a zip of PNG or JPEG frames, an mp4, avi or gif video, "
    "or a zip of .pcd, .bin or .npy point clouds"
)


_CLOUDS: dict[str, Callable[[bytes, Limits], Cloud]] = {"pcd": decode_pcd, "bin": decode_bin}


@dataclass(frozen=True, eq=False)
class Content:
    """A clip file's content before representation: pictures or clouds, never both.

    Args:
        format: what the file was found to be, such as `zip/png`.
        pictures: `(s, h, w)` silhouettes or `(s, h, w, 3)` RGB range views, uint8.
        clouds: per frame `(k, 3)` points.
    """

    format: str
    pictures: NDArray[np.uint8] | None = None
    clouds: list[Cloud] | None = None

    @property
    def modality(self) -> Modality:
        """What the content shows."""
        if self.pictures is not None and self.pictures.ndim == 3:
            return Modality.SILHOUETTE
        return Modality.RANGE_VIEW

    def __len__(self) -> int:
        return len(self.clouds or []) if self.pictures is None else len(self.pictures)


def read_content(data: bytes, limits: Limits) -> Content:
    """Reads a clip file of any format, found by its first bytes.

    Raises:
        DecodeError: unknown, corrupt, too large or forbidden.
        ClipError: what was read cannot be a clip.
    """
    if data.startswith(npy.MAGIC):
        return _arrays([data], "npy", limits)
    if data.startswith((archive.MAGIC, archive.EMPTY_MAGIC)):
        return _archive(Archive(data, limits), limits)
    if container := video_format(data):
        return Content(container, pictures=decode_video(data, container, limits))
    if is_picture(data) or is_pcd(data):
        raise UnsupportedFormatError("got a single frame; put the frames of one walk into a zip")
    raise UnsupportedFormatError(f"the file is none of the formats read here: {READABLE}")


def _archive(files: Archive, limits: Limits) -> Content:
    """Every entry is one frame of the same kind; a single `.npy` may also be a whole clip."""
    if not len(files):
        raise ClipEmptyError("got an archive without files, need at least one frame")
    limits.check_frames(len(files))
    kinds: set[str] = set()
    arrays: list[bytes] = []
    pictures: list[NDArray[np.uint8]] = []
    clouds: list[Cloud] = []
    held = 0
    for name, data in files:
        kinds.add(kind := _kind(name, data))
        if len(kinds) > 1:
            raise UnsupportedFormatError(
                f"got {' and '.join(sorted(kinds))} in one archive, need frames of one kind"
            )
        if kind == "npy":
            arrays.append(data)
        elif kind in _CLOUDS:
            clouds.append(_CLOUDS[kind](data, limits))
            held += clouds[-1].nbytes
        else:
            pictures.append(decode_picture(data, limits))
            held += pictures[-1].nbytes
        limits.check_inflated(held)
    if arrays:
        return _arrays(arrays, "npz", limits)
    if clouds:
        return Content(f"zip/{kind}", clouds=clouds)
    return Content(f"zip/{kind}", pictures=stack_pictures(pictures))


def _kind(name: str, data: bytes) -> str:
    """By the first bytes; only `.bin` has none of its own, so there the name decides."""
    if data.startswith(npy.MAGIC):
        return "npy"
    if is_picture(data):
        return "jpeg" if data.startswith(JPEG_MAGIC) else "png"
    if is_pcd(data):
        return "pcd"
    if name.lower().endswith(".bin"):
        return "bin"
    raise UnsupportedFormatError(
        "an archive entry is none of PNG, JPEG, .npy, .pcd and .bin; pack the frames only"
    )


def _arrays(files: list[bytes], form: str, limits: Limits) -> Content:
    headers = [npy.read_header(data) for data in files]
    kinds = {layout(header) for header in headers}
    kind = kinds.pop()
    if kinds or (len(files) > 1 and kind not in (Layout.CLOUD, Layout.MASK)):
        raise ClipShapeError(
            f"got {len(files)} arrays in one file, need one array with all frames, "
            "or one (points, 3) or (height, width) array for each frame"
        )
    for header in headers:
        check_size(header, kind, limits)
    arrays = [npy.read_array(*each) for each in zip(files, headers, strict=True)]
    if kind is Layout.CLOUD:
        return Content(form, clouds=[array[:, :3] for array in arrays])
    if kind is Layout.CLOUDS:
        return Content(form, clouds=split_padded(arrays[0]))
    if kind is Layout.RANGE_VIEWS:
        return Content(form, pictures=to_range_views(arrays[0]))
    if len({array.shape for array in arrays}) > 1:
        raise ClipShapeError("got frames of different sizes in one clip, need all of one size")
    masks = arrays[0] if kind is Layout.MASKS else np.stack(arrays)
    return Content(form, pictures=to_masks(masks))
