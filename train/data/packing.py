"""Making a pack: every sequence read once, its frames appended, the rest reported.

A pack appears under its name only when it is whole. Until then it is a hidden `.NAME.partial`
folder beside it, which the next run to the same place clears away.
"""

import json
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from collections.abc import Sequence as Items
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Any

from gait.clip import Frames
from gait.dataset import dataset_style, simulation_of
from gait.errors import (
    ClipError,
    CorruptDataError,
    ForbiddenPickleError,
    LayoutError,
    PackError,
)
from gait.modality import Modality
from gait.progress import progress
from gait.range_style import RangeStyle
from gait.sustech1k import Sequence, find_sequences
from train.data.pack import INDEX, Index, Record
from train.data.partition import Partition, load_partition
from train.data.staging import staged_folder
from train.data.store_writer import StoreWriter
from train.dataset_layouts import layout_named

SKIPPED = "skipped.json"

Reader = Callable[[Sequence, Modality], Frames]
"""Reads a sequence's frames in one modality, uint8 `(s, c, 64, 64)`."""


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


def reader(layout: str, files: Mapping[Modality, str] = MappingProxyType({})) -> Reader:
    """The reader of a layout; `files` names other files than the layout's own.

    Raises:
        ConfigError: there is no such layout.
    """
    found = layout_named(layout)
    names = {**found.files, **files}
    return lambda sequence, modality: found.read(sequence, modality, names[modality])


def pack_dataset(
    root: Path,
    partition: Path,
    out: Path,
    *,
    layout: str,
    read: Reader | None = None,
    modalities: Items[Modality] = tuple(Modality),
    range_style: RangeStyle | None = None,
) -> Report:
    """Packs a dataset folder into `out`; what cannot be packed is skipped and reported.

    Args:
        root: the dataset: `<subject>/<type>/<view>` folders.
        partition: JSON lists of the splits.
        out: the pack to be made; must not exist.
        layout: goes into the index; decides the protocol later.
        read: reads one sequence; None: as the layout does.
        modalities: which to pack; of one alone, sequences need not have the other.
        range_style: how the range views were drawn; None: as `dataset_style` finds.

    Raises:
        LayoutError: `root` is no dataset folder.
        PartitionError: as `load_partition`.
        PackError: `out` exists, another process is packing to it, or nothing could be packed.
        StorageError: the disk is full or the folder cannot be written; nothing is left behind.
    """
    read = read or reader(layout)
    people = load_partition(partition)
    sequences = find_sequences(root)
    with staged_folder(out) as folder, ExitStack() as files:
        report = Report()
        stores = {m: files.enter_context(StoreWriter(folder, m)) for m in modalities}
        for sequence, frames in _read_all(sequences, people, read, modalities, report):
            for modality, store in stores.items():
                store.append(frames[modality])
            report.records.append(_record(sequence, people, report.frames, frames))
        _note_missing(report, people)
        if not report.records:
            reasons = ", ".join(f"{count} {reason}" for reason, count in report.counts().items())
            raise PackError(f"none of {root}'s {len(sequences)} sequences can be packed: {reasons}")
        simulation = simulation_of(root)
        index = Index(
            layout=layout,
            simulated=simulation is not None,
            simulator=_simulator_version(simulation),
            range_style=range_style or dataset_style(root),
            partition_sha256=people.sha256,
            stores={modality: store.finish() for modality, store in stores.items()},
            records=tuple(report.records),
        )
        _write(folder / SKIPPED, _skipped_json(report))
        _write(folder / INDEX, index.model_dump_json(indent=1))
    return report


def _simulator_version(simulation: dict[str, Any] | None) -> int | None:
    match simulation:
        case {"version": int(version)} if type(version) is int:
            return version
    return None


def _read_all(
    sequences: list[Sequence],
    people: Partition,
    read: Reader,
    modalities: Items[Modality],
    report: Report,
) -> Iterator[tuple[Sequence, dict[Modality, Frames]]]:
    """The sequences that can be packed, with their frames; the others go into the report."""
    with progress() as bar:
        task = bar.add_task("pack", total=len(sequences), note="")
        for sequence in sequences:
            frames = _read(sequence, people, read, modalities)
            if isinstance(frames, Skip):
                report.skipped.append(frames)
            else:
                yield sequence, frames
            bar.update(
                task, advance=1, note=f"{report.frames} frames, {len(report.skipped)} skipped"
            )


def _read(
    sequence: Sequence, people: Partition, read: Reader, modalities: Items[Modality]
) -> dict[Modality, Frames] | Skip:
    if people.split(sequence.subject) is None:
        return Skip(sequence.name, Reason.SPLIT, f"the partition lacks {sequence.subject}")
    try:
        frames = {modality: read(sequence, modality) for modality in modalities}
    except (*_REASONS,) as error:
        reason = next(reason for kind, reason in _REASONS.items() if isinstance(error, kind))
        return Skip(sequence.name, reason, str(error))
    lengths = {modality: len(own) for modality, own in frames.items()}
    if len(set(lengths.values())) > 1:
        detail = ", ".join(f"{length} {modality} frames" for modality, length in lengths.items())
        return Skip(sequence.name, Reason.LENGTHS, detail)
    if not any(lengths.values()):
        return Skip(sequence.name, Reason.EMPTY, "0 frames")
    return frames


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
        length=len(next(iter(frames.values()))),
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
