"""What a clip file holds, by its first bytes: frames of either modality, or point clouds."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gait.decode import archive, npy
from gait.decode.archive import Archive
from gait.decode.arrays import (
    Layout,
    check_size,
    cloud_of,
    layout,
    split_masks,
    to_masks,
    to_range_views,
)
from gait.decode.kind import advice, is_frame_name, video_container
from gait.decode.limits import Limits
from gait.decode.picture import (
    LOSSY_FLOOR,
    Picture,
    decode_picture,
    decode_tiff,
    grey_or_jet,
    lit_pixels,
)
from gait.decode.picture_header import still_kind, tiff_pages
from gait.decode.points.cloud import Cloud, decode_bins, split_padded
from gait.decode.points.las import MAGIC as LAS_MAGIC
from gait.decode.points.las import decode_las
from gait.decode.points.pcd import check_compressed, decode_pcd, is_pcd
from gait.decode.points.ply import decode_ply, is_ply
from gait.decode.video import LOSSLESS, decode_video, rhythm, trimmed
from gait.errors import (
    ClipEmptyError,
    ClipModalityError,
    ClipShapeError,
    CorruptFileError,
    UnsupportedFormatError,
)
from gait.modality import SIZE, Modality
from gait.sampling import evenly

READABLE = (
    ".npy or .npz arrays, a zip of PNG, JPEG, BMP or TIFF frames, an mp4, mov, mkv, webm, avi, "
    "gif, apng or multi-page tiff of silhouettes, or a zip of .pcd, .ply, .las, .bin or .npy "
    "point clouds"
)

_CLOUDS = {"pcd": decode_pcd, "ply": decode_ply, "las": decode_las}
_STILLS = ("png", "jpeg", "bmp", "tiff")
_NAMED = 20
"""So many files that are no frames are named; their number is said in any case."""

Assumed = dict[str, str | int | float]


@dataclass(frozen=True, eq=False)
class Content:
    """A clip file's content before representation: pictures or clouds, never both.

    Args:
        format: what the file was found to be, such as `zip/png`.
        frames: how many the file has.
        pictures: silhouettes `(h, w)` or RGB range views `(h, w, 3)`, uint8, each of its own size.
        clouds: per frame `(k, 3)` points.
        aligned: all pictures are 64×64 and kept as they are.
        dropped: reason → frames left out already.
        assumed: what was taken for granted or done, see `gait.decode.Decoded`.
        times: seconds of each picture since the first; None if the file does not say.
    """

    format: str
    frames: int
    pictures: Sequence[NDArray[np.uint8]] | None = None
    clouds: Sequence[Cloud] | None = None
    aligned: bool = False
    dropped: dict[str, int] = field(default_factory=dict)
    assumed: Assumed = field(default_factory=dict)
    times: tuple[float, ...] | None = None

    @property
    def modality(self) -> Modality:
        """What the content shows."""
        if self.pictures is not None and self.pictures[0].ndim == 2:
            return Modality.SILHOUETTE
        return Modality.RANGE_VIEW


def read_content(data: bytes, limits: Limits, columns: int | None = None) -> Content:
    """Reads a clip file of any format, found by its first bytes.

    Args:
        data: the whole file.
        limits: caps on every size.
        columns: numbers of each point of `.bin` frames, if known.

    Raises:
        DecodeError: unknown, corrupt, too large or forbidden.
        ClipError: what was read cannot be a clip.
    """
    if data.startswith(npy.MAGIC):
        return _arrays([("", data)], "npy", limits)
    if data.startswith((archive.MAGIC, archive.EMPTY_MAGIC)):
        return _archive(Archive(data, limits), limits, columns)
    if container := video_container(data):
        return _video(data, container, limits)
    if (kind := still_kind(data)) == "tiff" and len(list(tiff_pages(data))) > 1:
        return _pictures(decode_tiff(data, limits), "tiff", limits)
    if kind or is_pcd(data) or is_ply(data) or data.startswith(LAS_MAGIC):
        raise UnsupportedFormatError("got a single frame; put the frames of one walk into a zip")
    raise UnsupportedFormatError(
        advice(data) or f"the file is none of the formats read here: {READABLE}"
    )


def _video(data: bytes, container: str, limits: Limits) -> Content:
    video = decode_video(data, container, limits)
    dropped = {"damaged": video.damaged} if video.damaged else {}
    done: Assumed = {}
    if video.deinterlaced:
        done["deinterlaced"] = video.deinterlaced
    if video.rotated:
        done["rotated"] = video.rotated
    content = _meant(
        Content(container, video.read, video.frames, aligned=video.aligned, assumed=done),
        lossy=container not in LOSSLESS,
    )
    return _thinned(replace(content, dropped=dropped, times=rhythm(video.times)), limits)


def _archive(files: Archive, limits: Limits, columns: int | None) -> Content:
    """Every entry of one kind is a frame, what is none is passed over and named."""
    if not files.names:
        raise ClipEmptyError("got an archive without files, need at least one frame")
    kinds = [_kind(name, files.head(place)) for place, name in enumerate(files.names)]
    found = Counter(kind for kind in kinds if kind)
    if not found:
        hint = advice(files.head(0))
        raise UnsupportedFormatError(f"no entry of the archive is read here: {hint or READABLE}")
    if len(found) > 1:
        raise UnsupportedFormatError(
            f"got {' and '.join(sorted(found))} in one archive, need frames of one kind"
        )
    (kind,) = found
    places = [place for place, each in enumerate(kinds) if each]
    _require_one_folder([files.names[place] for place in places])
    others = [name for name, each in zip(files.names, kinds, strict=True) if not each]
    content = _entries(files, places, kind, limits, columns)
    return replace(content, assumed=content.assumed | _not_frames(others))


def _entries(
    files: Archive, places: list[int], kind: str, limits: Limits, columns: int | None
) -> Content:
    if kind == "video":
        if len(places) > 1:
            raise UnsupportedFormatError(
                f"got {len(places)} videos in one archive, a clip is one walk: send one of them"
            )
        data = files.read(places[0])
        content = _video(data, video_container(data) or "mp4", limits)
        return replace(content, format=f"zip/{content.format}")
    if kind == "npy":
        return _arrays([(files.names[place], files.read(place)) for place in places], "npz", limits)
    limits.check_frames(len(places))
    taken = [places[row] for row in evenly(len(places), limits.kept_frames)]
    thinned = {"thinned": len(places) - len(taken)} if len(taken) < len(places) else {}
    if kind in _STILLS:
        content = _still_entries(files, taken, kind, limits)
    else:
        content = _cloud_entries(files, taken, kind, limits, columns)
    return replace(content, frames=len(places), dropped=content.dropped | thinned)


def _still_entries(files: Archive, taken: list[int], kind: str, limits: Limits) -> Content:
    pictures: list[Picture] = []
    aligned, held, decoded = True, 0, 0
    for place in taken:
        picture, cost = decode_picture(files.read(place), kind, limits)
        aligned &= picture.shape[:2] == (SIZE, SIZE)
        pictures.append(trimmed(picture))
        held, decoded = held + pictures[-1].nbytes, decoded + cost
        limits.check_inflated(held)
        limits.check_decoded(decoded)
    content = Content(f"zip/{kind}", len(pictures), pictures, aligned=aligned)
    return _meant(content, lossy=kind == "jpeg")


def _cloud_entries(
    files: Archive, taken: list[int], kind: str, limits: Limits, columns: int | None
) -> Content:
    if kind == "bin":
        clouds, found = decode_bins([files.read(place) for place in taken], limits, columns)
        return Content("zip/bin", len(clouds), clouds=clouds, assumed={"bin_columns": str(found)})
    if kind == "pcd":
        check_compressed(files.read(place) for place in taken)
    clouds, held = [], 0
    for place in taken:
        clouds.append(_CLOUDS[kind](files.read(place), limits))
        held += clouds[-1].nbytes
        limits.check_inflated(held)
    return Content(f"zip/{kind}", len(clouds), clouds=clouds)


def _kind(name: str, head: bytes) -> str | None:
    """By the first bytes; only `.bin` has none of its own. None for what is no frame."""
    if head.startswith(npy.MAGIC):
        return "npy"
    if kind := still_kind(head):
        return kind
    if is_pcd(head):
        return "pcd"
    if is_ply(head):
        return "ply"
    if head.startswith(LAS_MAGIC):
        return "las"
    if name.lower().endswith(".bin"):
        return "bin"
    if video_container(head):
        return "video"
    if not is_frame_name(name):
        return None
    if known := advice(head):
        raise UnsupportedFormatError(f"in the archive: {known}")
    raise CorruptFileError(
        f"an archive entry that is named {PurePosixPath(name).suffix[:6]} is not one; pack it anew"
    )


def _require_one_folder(names: list[str]) -> None:
    folders = {str(PurePosixPath(name).parent) for name in names}
    if len(folders) > 1:
        raise ClipShapeError(
            f"got frames in {len(folders)} folders of one archive, a clip is one walk: pack the "
            "frames of one folder"
        )


def _not_frames(names: list[str]) -> Assumed:
    """What was passed over, by its own names; only what can be shown anywhere."""
    if not names:
        return {}
    shown = [name for name in (PurePosixPath(n).name[:60] for n in names) if name.isprintable()]
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return {"not_frames": ", ".join(shown[:_NAMED]) + more}


def _arrays(files: list[tuple[str, bytes]], form: str, limits: Limits) -> Content:
    """The one array with all frames, or one array a frame; others, such as labels, are named."""
    headers = [(name, data, npy.read_header(data)) for name, data in files]
    kinds = {name: found for name, _, header in headers if (found := _layout(header))}
    stacks = [name for name, kind in kinds.items() if kind in _STACKS]
    single = {*kinds.values()} - {*_STACKS}
    if len(stacks) > 1 or (not stacks and len(single) > 1):
        shapes = ", ".join(str(header.shape) for _, _, header in headers[:5])
        raise ClipShapeError(
            f"got {len(files)} arrays in one file, of shapes {shapes}; need one array with all "
            "frames, or one (points, 3) or (height, width) array for each frame"
        )
    if not stacks and not single:
        layout(headers[0][2])  # says what is wrong with it
        raise ClipShapeError("got an array that holds no frames")
    chosen = [each for each in headers if kinds.get(each[0]) in (_STACKS if stacks else single)]
    others = [
        name.removesuffix(".npy") for name, *_ in headers if name not in {n for n, *_ in chosen}
    ]
    kind = kinds[chosen[0][0]]
    for _, _, header in chosen:
        check_size(header, kind, limits)
    limits.check_frames(len(chosen))
    arrays = [npy.read_array(data, header) for _, data, header in chosen]
    limits.check_inflated(sum(array.nbytes for array in arrays))
    content = _of_layout(arrays, kind, form)
    content = replace(content, assumed=content.assumed | _not_frames(others))
    return _thinned(content, limits)


_STACKS = (Layout.MASKS, Layout.RANGE_VIEWS, Layout.CLOUDS)


def _layout(header: npy.Header) -> Layout | None:
    """None for what is beside the frames: labels, boxes, time stamps."""
    try:
        return layout(header)
    except ClipShapeError:
        return None


def _of_layout(arrays: list[NDArray[Any]], kind: Layout, form: str) -> Content:
    if kind is Layout.CLOUD:
        return Content(form, len(arrays), clouds=[cloud_of(array) for array in arrays])
    if kind is Layout.CLOUDS:
        return Content(form, len(arrays[0]), clouds=split_padded(arrays[0]))
    if kind is Layout.RANGE_VIEWS:
        views = to_range_views(arrays[0])
        return Content(form, len(views), list(views), aligned=views.shape[1:3] == (SIZE, SIZE))
    masks = split_masks(arrays[0]) if kind is Layout.MASKS else arrays
    aligned = all(mask.shape == (SIZE, SIZE) for mask in masks)
    return Content(form, len(masks), to_masks(masks), aligned=aligned)


def _pictures(pages: list[Picture], form: str, limits: Limits) -> Content:
    aligned = all(page.shape[:2] == (SIZE, SIZE) for page in pages)
    return _thinned(_meant(Content(form, len(pages), pages, aligned=aligned), lossy=False), limits)


def _thinned(content: Content, limits: Limits) -> Content:
    """At most `kept_frames` of the frames, spread evenly."""
    frames = content.pictures if content.clouds is None else content.clouds
    rows = evenly(len(frames or ()), limits.kept_frames)
    if frames is None or len(rows) == len(frames):
        return content
    dropped = content.dropped | {"thinned": len(frames) - len(rows)}
    if content.clouds is None:
        assert content.pictures is not None
        times = content.times and tuple(content.times[row] for row in rows)
        pictures = [content.pictures[row] for row in rows]
        return replace(content, pictures=pictures, dropped=dropped, times=times)
    return replace(content, clouds=[content.clouds[row] for row in rows], dropped=dropped)


def _meant(content: Content, *, lossy: bool) -> Content:
    """Pictures as uint8 silhouettes or range views: all frames of a clip mean the same."""
    pictures = [_flat(picture) for picture in content.pictures or ()]
    if _one_colour(pictures):
        pictures = [lit_pixels(picture) for picture in pictures]
    shown = [grey_or_jet(p, lossy=lossy) if p.ndim == 3 else p for p in pictures]
    coloured = [picture.ndim == 3 for picture in shown]
    if not any(coloured):
        masks = [_without_noise(mask) for mask in shown] if lossy else to_masks(shown)
        return replace(content, pictures=masks)
    return replace(content, pictures=[_as_rgb(picture) for picture in shown])


def _flat(picture: Picture) -> Picture:
    """A picture whose three channels are equal as one of them."""
    if picture.ndim == 2:
        return picture
    grey = picture[..., 0]
    same = (grey == picture[..., 1]).all() and (grey == picture[..., 2]).all()
    return np.ascontiguousarray(grey) if same else picture


def _one_colour(pictures: list[Picture]) -> bool:
    """Whether the clip is black and one colour: a mask painted with the colour of its class.

    A range view has as many colours as distances.
    """
    colours: set[bytes] = set()
    for picture in pictures:
        if picture.ndim == 2:
            if picture.any():
                return False
            continue
        shown = picture.any(axis=2)
        lit = picture[shown]
        colours.add(lit[0].tobytes())
        if shown.all() or len(colours) > 1 or not (lit == lit[0]).all():
            return False
    return bool(colours)


def _without_noise(mask: Picture) -> NDArray[np.uint8]:
    return np.where(mask < LOSSY_FLOOR, 0, mask).astype(np.uint8)


def _as_rgb(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A blank frame fits among range views; a silhouette does not."""
    if picture.ndim == 3:
        return picture
    if picture.any():
        raise ClipModalityError("got silhouettes and range views in one clip; send one modality")
    return np.zeros((*picture.shape, 3), np.uint8)
