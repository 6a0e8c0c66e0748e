"""Where clips to enrol come from: trees of pickles, folders of clips or of frames, or a CSV."""

import csv
import io
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path

import numpy as np

from gait.clip import Clip
from gait.dataset import RANGE_VIEWS, dataset_style
from gait.decode import Decoded, Limits, decode_clip
from gait.decode.folder import frames_in, is_clip_name, zip_frames
from gait.decode.points.axes import UNKNOWN, CloudSource
from gait.errors import LayoutError
from gait.modality import Modality
from gait.pickles import load_arrays
from gait.quality.judge import judge_clip
from gait.quality.quality import Mode, require_quality
from gait.range_style import RangeStyle
from gait.sustech1k import Sequence, find_sequences, load_clip

TRACKS = "tracks.json"
"""In a folder of capture.run: who walked past, and which clips are theirs."""
_SUSTECH1K = "*/*/*/[0-9][0-9]-*-*.pkl"
"""Its files are numbered; OpenGait's are named 000.pkl or as the view."""


@dataclass(frozen=True)
class Source:
    """One clip that may be enrolled.

    Args:
        subject: whose.
        name: of the clip.
        walk: that it was taken on: clips of one person's walk are alike.
        read: the clip, point clouds drawn in a style: the network's. Raises a `GaitError` if there
            is none.
        drawn: style of a range view that is drawn already; None where reading draws, or of a
            silhouette.
        file: of the clip, or folder of its frames; None in a tree of pickles.
    """

    subject: str
    name: str
    walk: str
    read: Callable[[RangeStyle], Clip]
    drawn: RangeStyle | None = None
    file: Path | None = None


@dataclass(frozen=True)
class Selection:
    """Which clips to take; names may be shell patterns such as `*-nm`, and none means all.

    Args:
        subjects: of any layout.
        types, views: of a SUSTech1K-layout tree.
        modality: None takes both.
        source: which sensor recorded files of point clouds, and how their axes lie.
        quality: what reading refuses.
    """

    subjects: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    views: tuple[str, ...] = ()
    modality: Modality | None = None
    source: CloudSource = UNKNOWN
    quality: Mode = Mode.OFF

    def shown(self) -> str:
        """What was chosen, in words that follow what it was chosen from."""
        chosen = {name: vars(self)[name] for name in ("subjects", "types", "views")}
        words = [f"{name} {' '.join(patterns)}" for name, patterns in chosen.items() if patterns]
        return " of the selection: " * bool(words) + ", ".join(words)


def find_sources(root: Path, selection: Selection) -> list[Source]:
    """Clips to enrol, in a fixed order. The layout is found by looking.

    A walk is what stands directly in a person's folder, be it a folder or a file.

    - `root` is a CSV file: columns `path` (relative to the CSV), `subject` and, if wanted,
      `modality` and `walk`; without the last, each path is a walk.
    - `root/<subject>/<type>/<view>/*.pkl`: SUSTech1K's layout, or OpenGait's, where each pickle is
      one clip: an array of frames, or a list of them.
    - `root/<subject>/<clip file>` or deeper, such as `root/<subject>/0001/walk.npz`: any format of
      `gait.decode`; deeper, by its ending.
    - `root/<subject>/<frames>` or deeper, such as `root/<subject>/<type>/<view>/<frames>`: a folder
      of pictures or point clouds is one clip.

    Raises:
        LayoutError: it is missing, none of these or two at once, a CSV row is wrong, or nothing
            matches the selection.
    """
    if not root.exists():
        raise LayoutError(f"there is no file or folder {root}")
    if root.is_file():
        _refuse_walk_filters(root, selection)
        found = _from_csv(root, selection)
    elif next(root.glob(_SUSTECH1K), None) is not None:
        _refuse_clips_in_tree(root)
        found = _from_sequences(find_sequences(root), selection, dataset_style(root))
    elif next(root.glob("*/*/*/*.pkl"), None) is not None:
        _refuse_clips_in_tree(root)
        found = _from_opengait(find_sequences(root), selection)
    else:
        found = _from_folder(root, selection)
    if not found:
        raise LayoutError(f"there is no clip in {root}{selection.shown()}")
    return found


def other_style(sources: Iterable[Source], style: RangeStyle) -> str | None:
    """What to say of range views that are drawn already, and not as the network wants them."""
    count = sum(source.drawn not in (None, style) for source in sources)
    if not count:
        return None
    return (
        f"{count} clips are range views drawn otherwise than in the style {style} that the model "
        "was trained on, which costs points: give files of point clouds, or a model for these; "
        f'or, if that is wrong, write {{"range_style": "{style}"}} into {RANGE_VIEWS} in the root'
    )


def require_style(sources: Iterable[Source], style: RangeStyle) -> None:
    """Refuses to fit decisions to what no service will draw.

    Raises:
        LayoutError: a range view is drawn already, in another style.
    """
    if said := other_style(sources, style):
        raise LayoutError(said)


def decode_file(
    path: Path, modality: Modality | None, source: CloudSource, style: RangeStyle
) -> Decoded:
    """The clip in a file, and how it came out of it.

    Raises:
        LayoutError: there is no such file.
        DecodeError, ClipError: see `gait.decode.decode_clip`.
    """
    data = read_file(path)
    return decode_clip(data, modality=modality, source=source, limits=Limits(), style=style)


def read_file(path: Path) -> bytes:
    """The bytes of a clip file; how many is looked at before they are read.

    A folder of frames is read as a zip of them.

    Raises:
        LayoutError: there is no such file, or it is a folder of something else.
        LimitExceededError: no clip is that large.
    """
    if path.is_dir():
        return _read_folder(path)
    if not path.is_file():
        raise LayoutError(f"there is no file {path}", file=str(path))
    Limits().check_bytes(path.stat().st_size)
    return path.read_bytes()


def _read_folder(path: Path) -> bytes:
    if frames := frames_in(path):
        return zip_frames(frames, Limits())
    inside = [each for each in sorted(path.iterdir()) if not each.name.startswith(".")]
    if not inside:
        raise LayoutError(f"{path} is an empty folder, need a clip file or a folder of frames")
    raise LayoutError(
        f"{path} is a folder of {len(inside)} files or folders, need one clip: give one of them, "
        f"such as {inside[0]}, or a folder of pictures or point clouds"
    )


def _from_opengait(sequences: Iterable[Sequence], selection: Selection) -> list[Source]:
    return [
        Source(
            sequence.subject,
            f"{sequence.name}/{path.name}",
            sequence.type,
            partial(_decode_pickle, path, selection),
        )
        for sequence in sequences
        if _chosen(selection, sequence.subject, sequence.type, sequence.view)
        for path in sorted(sequence.folder.glob("*.pkl"))
    ]


def _decode_pickle(path: Path, selection: Selection, style: RangeStyle) -> Clip:
    """The clip in a pickle of an array of frames, or of a list of arrays, one a frame."""
    held = load_arrays(path, limit=Limits().max_inflated_bytes)
    packed = io.BytesIO()
    if isinstance(held, np.ndarray) and held.dtype != object:
        np.save(packed, held, allow_pickle=False)
    elif isinstance(held, list | tuple | np.ndarray) and all(
        isinstance(frame, np.ndarray) and frame.dtype != object for frame in held
    ):
        np.savez(packed, **{f"{place}": frame for place, frame in enumerate(held)})
    else:
        raise LayoutError(
            f"{path} holds a {type(held).__name__}, need an array (frames, height, width) "
            "or a list of arrays, one a frame"
        )
    limits = replace(Limits(), max_bytes=Limits().max_inflated_bytes)
    return _good(
        decode_clip(
            packed.getvalue(),
            modality=selection.modality,
            source=selection.source,
            limits=limits,
            style=style,
        ),
        selection.quality,
    )


def _good(decoded: Decoded, mode: Mode) -> Clip:
    require_quality(decoded.quality, mode)
    return decoded.clip


def _load_good(sequence: Sequence, modality: Modality, mode: Mode, _: RangeStyle) -> Clip:
    """The pictures of a sequence, which are drawn already."""
    clip = load_clip(sequence, modality)
    require_quality(judge_clip(clip), mode)
    return clip


def _from_sequences(
    sequences: Iterable[Sequence], selection: Selection, style: RangeStyle
) -> list[Source]:
    return [
        Source(
            sequence.subject,
            f"{sequence.name}/{modality}",
            sequence.type,
            partial(_load_good, sequence, modality, selection.quality),
            style if modality is Modality.RANGE_VIEW else None,
        )
        for sequence in sequences
        if _chosen(selection, sequence.subject, sequence.type, sequence.view)
        for modality in Modality
        if selection.modality in (None, modality)
    ]


def _from_folder(root: Path, selection: Selection) -> list[Source]:
    if frames_in(root):
        raise LayoutError(
            f"{root} holds frames and not people: move each walk into a folder of its person, "
            f"{root}/<subject>/<walk>/<frames>"
        )
    clips = list(_clips_below(root))
    if not clips:
        raise LayoutError(
            f"{root} is neither a CSV file, nor a tree <subject>/<type>/<view>/*.pkl, "
            "nor a folder <subject>/<clip file>, nor one of frames <subject>/<walk>/<frames>"
        )
    if any(len(path.relative_to(root).parts) != _TREE for path in clips):
        _refuse_walk_filters(root, selection)
        names = replace(selection, types=(), views=())
    else:
        names = selection
    return [
        _file(parts[0], "/".join(parts), _walk(parts), path, selection.modality, selection)
        for path in clips
        if _chosen(names, *((parts := path.relative_to(root).parts) + ("", ""))[:3])
    ]


_TREE = 3
"""Depth of `<subject>/<type>/<view>`, whose names a selection may choose from."""


def _walk(parts: tuple[str, ...]) -> str:
    """What stands directly in the person's folder; the folder itself, if that holds the frames."""
    if len(parts) == 1:
        return parts[0]
    return Path(parts[1]).stem if len(parts) == 2 else parts[1]


def _clips_below(root: Path) -> Iterator[Path]:
    """Folders of frames and clip files anywhere below a person.

    Directly in a person's folder every file is taken, so that reading it says what is wrong.
    """
    for person in _visible_folders(root):
        for folder in _folders_of(person):
            _refuse_recording(folder)
            if frames := frames_in(folder):
                yield folder
            files = [each for each in sorted(folder.iterdir()) if each.is_file()]
            shown = [each for each in files if not each.name.startswith(".")]
            every = folder == person and not frames
            yield from (each for each in shown if every or is_clip_name(each.name))


def _refuse_recording(folder: Path) -> None:
    if (folder / TRACKS).is_file():
        raise LayoutError(
            f"{folder} is a recording, of all who walked past, and stands where one person's clips "
            "should: move its clips into folders of their people, or give it by itself; if all "
            f"are of one person, delete its {TRACKS}"
        )


def _refuse_clips_in_tree(root: Path) -> None:
    """Of two layouts in one folder only one is read: nothing is to be lost without a word."""
    for path in sorted(root.glob("*/*")):
        hidden = any(part.startswith(".") for part in path.parts[-2:])
        if is_clip_name(path.name) and path.is_file() and not hidden:
            raise LayoutError(
                f"{root} is a tree <subject>/<type>/<view>/*.pkl, and {path} is a clip file in it: "
                "keep clip files in a folder <subject>/<clip file> of their own"
            )


def _folders_of(person: Path) -> Iterator[Path]:
    """A person's folder and all below it; each once, since links may lead round."""
    seen, left = set[Path](), [person]
    while left:
        folder = left.pop()
        if folder.resolve() not in seen:
            seen.add(folder.resolve())
            yield folder
            left += reversed(_visible_folders(folder))


def _visible_folders(parent: Path) -> list[Path]:
    found = [path for path in parent.iterdir() if path.is_dir()]
    return sorted(path for path in found if not path.name.startswith("."))


def _from_csv(path: Path, selection: Selection) -> list[Source]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        try:
            rows = list(csv.DictReader(file, strict=True))
        except (csv.Error, UnicodeDecodeError) as error:
            raise LayoutError(f"{path} is not a CSV file: {error}") from error
    sources = [_row(path, number, row, selection) for number, row in enumerate(rows, start=2)]
    _refuse_two_people(path, sources)
    return [source for source in sources if _matches(source.subject, selection.subjects)]


def _refuse_two_people(path: Path, sources: Iterable[Source]) -> None:
    """One clip is of one walk of one person: two would be more people than there are."""
    said = dict[Path, tuple[str, str]]()
    for source in sources:
        assert source.file is not None
        whose = (source.subject, source.walk)
        if (other := said.setdefault(source.file.resolve(), whose)) != whose:
            raise LayoutError(
                f"{path}: got {source.name} as {other[0]}, walk {other[1]}, and as {whose[0]}, "
                f"walk {whose[1]}, need one person and one walk of a clip"
            )


def _row(path: Path, number: int, row: dict[str, str], selection: Selection) -> Source:
    where = f"{path}, line {number}"
    if not row.get("path") or not row.get("subject"):
        raise LayoutError(f"{where}: got {row}, need a `path` and a `subject`")
    modality = row.get("modality") or selection.modality
    if modality not in (None, *Modality):
        raise LayoutError(
            f"{where}: got modality {modality!r}, need one of {[*map(str, Modality)]}"
        )
    shows = None if modality is None else Modality(modality)
    walk = row.get("walk") or row["path"]
    return _file(row["subject"], row["path"], walk, path.parent / row["path"], shows, selection)


def _file(
    subject: str, name: str, walk: str, path: Path, modality: Modality | None, selection: Selection
) -> Source:
    return Source(
        subject,
        name,
        walk,
        lambda style: _good(
            decode_file(path, modality, selection.source, style), selection.quality
        ),
        file=path,
    )


def _chosen(selection: Selection, subject: str, kind: str, view: str) -> bool:
    return (
        _matches(subject, selection.subjects)
        and _matches(kind, selection.types)
        and _matches(view, selection.views)
    )


def _matches(name: str, patterns: tuple[str, ...]) -> bool:
    return not patterns or any(fnmatchcase(name, pattern) for pattern in patterns)


def _refuse_walk_filters(root: Path, selection: Selection) -> None:
    if selection.types or selection.views:
        raise LayoutError(f"{root} has no types and views to choose from: leave them out")
