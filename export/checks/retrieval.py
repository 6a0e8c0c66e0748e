"""The probes and galleries on which an exported model must rank as the trained one does."""

from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np

from gait.clip import Frames
from gait.errors import ExportError
from gait.modality import SIZE, Modality
from train.data.pack import Pack, Record

SUBJECTS = 16
FRAMES = 10
"""How many people and how many frames of a walk are used at most: enough to see a difference."""


@dataclass(frozen=True, eq=False)
class RetrievalSet:
    """Two walks of each of some people in both modalities: the first to probe, the other enrolled.

    Args:
        data: where they come from, in words.
        simulated: whether the people are not real.
        clips: for each modality `(probe, enrolled)` pairs of frames `(s, c, 64, 64)`.
    """

    data: str
    simulated: bool
    clips: dict[Modality, list[tuple[Frames, Frames]]]


def from_pack(path: Path) -> RetrievalSet:
    """Walks of a packed dataset's test subjects.

    Raises:
        PackError: it is not a whole pack.
        ExportError: fewer than two test subjects have two walks.
    """
    pack = Pack.open(path)
    test = [pack.records[row] for row in pack.of_split("test")]
    walks = [list(own) for _, own in groupby(test, key=lambda record: record.subject)]
    pairs = [(own[-1], own[0]) for own in walks if len(own) > 1][:SUBJECTS]
    if len(pairs) < 2:
        raise ExportError(f"{path} has {len(pairs)} test subjects with two walks, need 2 or more")

    def frames(record: Record, modality: Modality) -> Frames:
        return pack.frames(record, modality)[:FRAMES]

    clips = {m: [(frames(probe, m), frames(own, m)) for probe, own in pairs] for m in Modality}
    return RetrievalSet(str(path), pack.simulated, clips)


def drawn() -> RetrievalSet:
    """Stick people that swing their legs, for a checkpoint exported without a dataset at hand."""
    clips: dict[Modality, list[tuple[Frames, Frames]]] = {m: [] for m in Modality}
    for person in range(SUBJECTS):
        walks = [_walker(person, phase) for phase in (0.0, 0.9)]
        for modality in Modality:
            probe, enrolled = (_seen(walk, modality) for walk in walks)
            clips[modality].append((probe, enrolled))
    return RetrievalSet("drawn figures (no pack was given)", True, clips)


def _walker(person: int, phase: float) -> Frames:
    """Masks `(s, 64, 64)` of 0 and 255: a trunk and two legs whose widths and stride vary."""
    rows, columns = np.mgrid[:SIZE, :SIZE].astype(np.float64)
    time = np.arange(FRAMES)[:, np.newaxis, np.newaxis] * 0.6 + phase
    girth, stride = 5 + person % 5, 4 + person // 5
    trunk = np.abs(columns - 32) < girth * (1 - ((rows - 18) / 22) ** 2)
    reach = np.clip(rows - 34, 0, None) / 30 * stride * np.sin(time)
    legs = (np.abs(np.abs(columns - 32) - np.abs(reach)) < 2 + girth / 4) & (rows >= 34)
    masks: Frames = ((trunk | legs) * 255).astype(np.uint8)
    return masks


def _seen(masks: Frames, modality: Modality) -> Frames:
    if modality == Modality.SILHOUETTE:
        return masks[:, np.newaxis]
    shade = np.linspace(64, 255, SIZE)[np.newaxis, :, np.newaxis]
    depth = (masks * (shade / 255)).astype(np.uint8)
    return np.stack([depth, masks - depth, masks // 3], axis=1)
