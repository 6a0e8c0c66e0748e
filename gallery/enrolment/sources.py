"""Where clips to enrol come from: a SUSTech1K-layout tree, a folder of clip files, or a CSV."""

import csv
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path

from gait.clip import Clip
from gait.decode import Decoded, Limits, decode_clip
from gait.errors import LayoutError
from gait.modality import Modality
from gait.range_view import Forward
from gait.sustech1k import Sequence, find_sequences, load_clip


@dataclass(frozen=True)
class Source:
    """One clip that may be enrolled. `read` raises a `GaitError` if it cannot be."""

    subject: str
    name: str
    read: Callable[[], Clip]


@dataclass(frozen=True)
class Selection:
    """Which clips to take; names may be shell patterns such as `*-nm`, and none means all.

    Args:
        subjects: of any layout.
        types, views: of a SUSTech1K-layout tree.
        modality: None takes both.
        forward: sensor axis that points at the walker, for files of point clouds.
    """

    subjects: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    views: tuple[str, ...] = ()
    modality: Modality | None = None
    forward: Forward = Forward.PLUS_X

    def shown(self) -> str:
        """What was chosen, in words that follow what it was chosen from."""
        chosen = {name: vars(self)[name] for name in ("subjects", "types", "views")}
        words = [f"{name} {' '.join(patterns)}" for name, patterns in chosen.items() if patterns]
        return " of the selection: " * bool(words) + ", ".join(words)


def find_sources(root: Path, selection: Selection) -> list[Source]:
    """Clips to enrol, in a fixed order. The layout is found by looking.

    - `root` is a CSV file: columns `path` (relative to the CSV), `subject` and, if wanted,
      `modality`.
    - `root/<subject>/<type>/<view>/*.pkl`: SUSTech1K's layout.
    - `root/<subject>/<clip file>`: any format of `gait.decode`.

    Raises:
        LayoutError: it is missing or none of these, a CSV row is wrong, or nothing matches the
            selection.
    """
    if not root.exists():
        raise LayoutError(f"there is no file or folder {root}")
    if root.is_file():
        _refuse_walk_filters(root, selection)
        found = _from_csv(root, selection)
    elif next(root.glob("*/*/*/*.pkl"), None) is not None:
        found = _from_sequences(find_sequences(root), selection)
    elif next((f for f in root.glob("*/*") if f.is_file()), None) is not None:
        _refuse_walk_filters(root, selection)
        found = _from_folder(root, selection)
    else:
        raise LayoutError(
            f"{root} is neither a CSV file, nor a tree <subject>/<type>/<view>/*.pkl, "
            "nor a folder <subject>/<clip file>"
        )
    if not found:
        raise LayoutError(f"there is no clip in {root}{selection.shown()}")
    return found


def decode_file(path: Path, modality: Modality | None, forward: Forward) -> Decoded:
    """The clip in a file, and how it came out of it.

    Raises:
        LayoutError: there is no such file.
        DecodeError, ClipError: see `gait.decode.decode_clip`.
    """
    return decode_clip(read_file(path), modality=modality, forward=forward, limits=Limits())


def read_file(path: Path) -> bytes:
    """The bytes of a clip file; how many is looked at before they are read.

    Raises:
        LayoutError: there is no such file.
        LimitExceededError: no clip is that large.
    """
    if not path.is_file():
        raise LayoutError(f"there is no file {path}", file=str(path))
    Limits().check_bytes(path.stat().st_size)
    return path.read_bytes()


def _from_sequences(sequences: Iterable[Sequence], selection: Selection) -> list[Source]:
    return [
        Source(
            sequence.subject,
            f"{sequence.name}/{modality}",
            partial(load_clip, sequence, modality),
        )
        for sequence in sequences
        if _matches(sequence.subject, selection.subjects)
        and _matches(sequence.type, selection.types)
        and _matches(sequence.view, selection.views)
        for modality in Modality
        if selection.modality in (None, modality)
    ]


def _from_folder(root: Path, selection: Selection) -> list[Source]:
    return [
        _file(path.parent.name, str(path.relative_to(root)), path, selection.modality, selection)
        for path in sorted(root.glob("*/*"))
        if path.is_file()
        and not path.name.startswith(".")
        and _matches(path.parent.name, selection.subjects)
    ]


def _from_csv(path: Path, selection: Selection) -> list[Source]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        try:
            rows = list(csv.DictReader(file, strict=True))
        except (csv.Error, UnicodeDecodeError) as error:
            raise LayoutError(f"{path} is not a CSV file: {error}") from error
    sources = [_row(path, number, row, selection) for number, row in enumerate(rows, start=2)]
    return [source for source in sources if _matches(source.subject, selection.subjects)]


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
    return _file(row["subject"], row["path"], path.parent / row["path"], shows, selection)


def _file(
    subject: str, name: str, path: Path, modality: Modality | None, selection: Selection
) -> Source:
    return Source(subject, name, lambda: decode_file(path, modality, selection.forward).clip)


def _matches(name: str, patterns: tuple[str, ...]) -> bool:
    return not patterns or any(fnmatchcase(name, pattern) for pattern in patterns)


def _refuse_walk_filters(root: Path, selection: Selection) -> None:
    if selection.types or selection.views:
        raise LayoutError(f"{root} has no types and views to choose from: leave them out")
