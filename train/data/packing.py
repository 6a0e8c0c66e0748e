"""Making a pack: every sequence read once, its frames appended, the rest reported.

A pack appears under its name only when it is whole. Until then it is a hidden `.NAME.partial`
folder beside it, which the next run to the same place clears away.
"""

import json
import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path

from gait.clip import Frames
from gait.errors import (
    ClipError,
    CorruptDataError,
    ForbiddenPickleError,
    LayoutError,
    PackError,
)
from gait.modality import Modality
from gait.progress import progress
from gait.sustech1k import Sequence, find_sequences, load_range_views, load_silhouettes
from train.data.pack import INDEX, Index, LayoutName, Record
from train.data.partition import Partition, load_partition
from train.data.staging import staged_folder
from train.data.store_writer import StoreWriter

SKIPPED = "skipped.json"
SIMULATION = "simulation.json"
"""The simulator leaves this file in a dataset's root; its presence marks every number from it."""

Reader = Callable[[Sequence], tuple[Frames, Frames]]
"""Reads a sequence's silhouettes `(s, 1, 64, 64)` and range views `(s, 3, 64, 64)`, uint8."""


class Reason(StrEnum):
    """Why a sequence is not in the pack."""

    SPLIT = "subject in neither split"
    MISSING = "missing modality"
    EMPTY = "no frames"
    LENGTHS = "lengths differ"
    SHAPE = "wrong shape or type"
    CORRUPT = "truncated or corrupt"
    FORBIDDEN = "forbidden object"
    UNREADABLE = "unreadable file"


_REASONS: dict[type[Exception], Reason] = {
    LayoutError: Reason.MISSING,
    ClipError: Reason.SHAPE,
    CorruptDataError: Reason.CORRUPT,
    ForbiddenPickleError: Reason.FORBIDDEN,
    OSError: Reason.UNREADABLE,
}


@dataclass(frozen=True)
class Skip:
    """A sequence that was left out."""

    sequence: str
    reason: Reason
    detail: str


@dataclass
class Report:
    """What a packing did.

    Args:
        records: what was packed.
        skipped: the sequences left out, in order.
        missing_subjects: ids of the partition without any packed sequence, sorted.
        missing_roles: gallery and probe entries of the partition that were not packed, sorted.
    """

    records: list[Record] = field(default_factory=list)
    skipped: list[Skip] = field(default_factory=list)
    missing_subjects: list[str] = field(default_factory=list)
    missing_roles: list[str] = field(default_factory=list)

    @property
    def frames(self) -> int:
        """Frames packed, in each modality."""
        return self.records[-1].start + self.records[-1].length if self.records else 0

    def counts(self) -> dict[str, int]:
        """How many sequences were skipped, by reason, most first."""
        return dict(Counter(str(skip.reason) for skip in self.skipped).most_common())


def read_sustech1k(sequence: Sequence) -> tuple[Frames, Frames]:
    """The `Reader` of SUSTech1K's layout, which simulated walkers share."""
    return load_silhouettes(sequence), load_range_views(sequence)


def pack_dataset(
    root: Path, partition: Path, out: Path, *, layout: LayoutName, read: Reader
) -> Report:
    """Packs a dataset folder into `out`; what cannot be packed is skipped and reported.

    Args:
        root: the dataset: `<subject>/<type>/<view>` folders.
        partition: JSON lists of the splits.
        out: the pack to be made; must not exist.
        layout: goes into the index; decides the protocol later.
        read: reads one sequence.

    Raises:
        LayoutError: `root` is no dataset folder.
        PartitionError: as `load_partition`.
        PackError: `out` exists, another process is packing to it, or nothing could be packed.
        StorageError: the disk is full or the folder cannot be written; nothing is left behind.
    """
    people = load_partition(partition)
    sequences = find_sequences(root)
    with staged_folder(out) as folder, ExitStack() as files:
        report = Report()
        stores = {m: files.enter_context(StoreWriter(folder, m)) for m in Modality}
        for sequence, frames in _read_all(sequences, people, read, report):
            for modality, store in stores.items():
                store.append(frames[modality])
            report.records.append(_record(sequence, people, report.frames, frames))
        _note_missing(report, people)
        if not report.records:
            reasons = ", ".join(f"{count} {reason}" for reason, count in report.counts().items())
            raise PackError(f"none of {root}'s {len(sequences)} sequences can be packed: {reasons}")
        index = Index(
            layout=layout,
            simulated=(root / SIMULATION).is_file(),
            partition_sha256=people.sha256,
            stores={modality: store.finish() for modality, store in stores.items()},
            records=tuple(report.records),
        )
        _write(folder / SKIPPED, _skipped_json(report))
        _write(folder / INDEX, index.model_dump_json(indent=1))
    return report


def _read_all(
    sequences: list[Sequence], people: Partition, read: Reader, report: Report
) -> Iterator[tuple[Sequence, dict[Modality, Frames]]]:
    """The sequences that can be packed, with their frames; the others go into the report."""
    with progress() as bar:
        task = bar.add_task("pack", total=len(sequences), note="")
        for sequence in sequences:
            frames = _read(sequence, people, read)
            if isinstance(frames, Skip):
                report.skipped.append(frames)
            else:
                yield sequence, frames
            bar.update(
                task, advance=1, note=f"{report.frames} frames, {len(report.skipped)} skipped"
            )


def _read(sequence: Sequence, people: Partition, read: Reader) -> dict[Modality, Frames] | Skip:
    if people.split(sequence.subject) is None:
        return Skip(sequence.name, Reason.SPLIT, f"the partition lacks {sequence.subject}")
    try:
        silhouettes, range_views = read(sequence)
    except (*_REASONS,) as error:
        reason = next(reason for kind, reason in _REASONS.items() if isinstance(error, kind))
        return Skip(sequence.name, reason, str(error))
    if len(silhouettes) != len(range_views):
        detail = f"{len(silhouettes)} silhouettes, {len(range_views)} range views"
        return Skip(sequence.name, Reason.LENGTHS, detail)
    if not len(silhouettes):
        return Skip(sequence.name, Reason.EMPTY, "0 frames in both modalities")
    return {Modality.SILHOUETTE: silhouettes, Modality.RANGE_VIEW: range_views}


def _record(
    sequence: Sequence, people: Partition, start: int, frames: dict[Modality, Frames]
) -> Record:
    split = people.split(sequence.subject)
    assert split is not None
    return Record(
        subject=sequence.subject,
        type=sequence.type,
        view=sequence.view,
        split=split,
        start=start,
        length=len(frames[Modality.SILHOUETTE]),
        role=people.role(sequence.subject, sequence.type, sequence.view),
    )


def _note_missing(report: Report, people: Partition) -> None:
    subjects = {record.subject for record in report.records}
    named = {f"{r.subject}-{r.type}-{r.view}" for r in report.records if r.role}
    report.missing_subjects = sorted((people.train | people.test) - subjects)
    report.missing_roles = sorted((people.gallery | people.probe) - named)


def _skipped_json(report: Report) -> str:
    content = {
        "sequences": [asdict(skip) for skip in report.skipped],
        "missing_subjects": report.missing_subjects,
        "missing_roles": report.missing_roles,
    }
    return json.dumps(content, indent=1)


def _write(path: Path, text: str) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
