"""The clips that fix the ranges of the int8 variant: walks of a pack, or files in a folder."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gait.clip import Frames
from gait.dataset import dataset_style
from gait.decode import Limits, decode_clip
from gait.errors import ExportError, GaitError
from gait.modality import Modality
from gait.range_style import RangeStyle
from gait.sampling import evenly
from gait.sustech1k import find_sequences, load_clip
from train.data.pack import INDEX, Pack

FEWEST, MOST = 200, 256
"""Clips of each modality."""

FRAMES = 8
"""Frames of a clip, spread over it."""


@dataclass(frozen=True, eq=False)
class CalibrationSet:
    """Clips of both modalities.

    Args:
        data: where they come from, in words.
        clips: `FEWEST` to `MOST` of `(s, c, 64, 64)` for each modality.
    """

    data: str
    clips: dict[Modality, list[Frames]]

    @property
    def frames(self) -> int:
        """Frames of the modality that has more of them."""
        return max(sum(map(len, clips)) for clips in self.clips.values())

    @property
    def count(self) -> int:
        """Clips of the modality that has fewer of them."""
        return min(map(len, self.clips.values()))

    @property
    def sha256(self) -> str:
        """Of the frames of all clips in order."""
        digest = hashlib.sha256()
        for modality in Modality:
            for clip in self.clips[modality]:
                digest.update(np.ascontiguousarray(clip).data)
        return digest.hexdigest()


def find_calibration(path: Path, style: RangeStyle) -> CalibrationSet:
    """Clips of a pack's training people, of a tree in SUSTech1K's layout, or of clip files.

    Files of a folder that are no clips are passed over; point clouds are drawn in the style.

    Raises:
        PackError: it is not a whole pack.
        ExportError: there is no such folder, it has fewer than `FEWEST` clips of a modality, or its
            range views are drawn in another style.
    """
    if not path.is_dir():
        raise ExportError(f"there is no pack or folder of clips {path} to calibrate with")
    if (path / INDEX).is_file():
        require_drawn(path, Pack.open(path).range_style, style)
        return _checked(f"training people of {path.name}", _of_pack(path), "")
    sequences = find_sequences(path) if next(path.glob("*/*/*/*.pkl"), None) else []
    if sequences:
        require_drawn(path, dataset_style(path), style)
        rows = evenly(len(sequences), MOST)
        clips = {m: [load_clip(sequences[row], m).frames for row in rows] for m in Modality}
        return _checked(path.name, clips, "")
    clips, unread = _of_files(sorted(p for p in path.rglob("*") if p.is_file()), style)
    return _checked(path.name, clips, f"; {unread} files are no clips" if unread else "")


def require_drawn(path: Path, style: RangeStyle, wanted: RangeStyle) -> None:
    """Refuses to measure or calibrate on range views that are drawn as no service will draw them.

    Raises:
        ExportError: they are.
    """
    if style is not wanted:
        raise ExportError(
            f"got {path} with range views of style {style}, need {wanted}, as the network was "
            "trained on: take people drawn so (train.simulate, train.pack --range-style)"
        )


def _of_pack(path: Path) -> dict[Modality, list[Frames]]:
    pack = Pack.open(path)
    training = pack.of_split("train")
    records = [pack.records[row] for row in training[evenly(len(training), MOST)]]
    return {m: [pack.frames(record, m) for record in records] for m in Modality}


def _of_files(paths: Iterable[Path], style: RangeStyle) -> tuple[dict[Modality, list[Frames]], int]:
    clips: dict[Modality, list[Frames]] = {modality: [] for modality in Modality}
    unread, limits = 0, Limits()
    for path in paths:
        try:
            limits.check_bytes(path.stat().st_size)
            clip = decode_clip(path.read_bytes(), limits=limits, style=style).clip
        except GaitError:
            unread += 1
            continue
        if len(clips[clip.modality]) < MOST:
            clips[clip.modality].append(clip.frames)
    return clips, unread


def _checked(data: str, clips: dict[Modality, list[Frames]], also: str) -> CalibrationSet:
    for modality, own in clips.items():
        if len(own) < FEWEST:
            raise ExportError(
                f"{data}: got {len(own)} {modality} clips to calibrate int8 with, "
                f"need at least {FEWEST} of each modality{also}"
            )
    return CalibrationSet(
        data, {m: [c[evenly(len(c), FRAMES)] for c in own] for m, own in clips.items()}
    )
