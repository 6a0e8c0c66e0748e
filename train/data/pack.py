"""A packed dataset: all frames in two memory-mapped files, and an index of the sequences.

```
PACK/silhouettes.npy   uint8 (F, 1, 64, 64)
PACK/range_views.npy   uint8 (F, 3, 64, 64)
PACK/index.json        layout, partition hash, sizes and sha256 of the stores, one record a sequence
PACK/skipped.json      what was left out, and why
```

Only sequences seen by both sensors with the same number of frames are packed, so that one start
and length addresses both stores. A pack of one sensor alone lacks the other's store.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gait.clip import Frames
from gait.dataset import drawn_as
from gait.errors import PackError
from gait.modality import SIZE, Modality
from gait.progress import progress
from gait.range_style import RangeStyle
from train.data.partition import Role, Split

INDEX = "index.json"
STORES = {Modality.SILHOUETTE: "silhouettes.npy", Modality.RANGE_VIEW: "range_views.npy"}

_HASHED_FRAMES = 4096


@dataclass(frozen=True)
class Record:
    """One sequence of a pack.

    Args:
        subject, type, view: as in the dataset's folders (`device` and `sequence` for FreeGait).
        split: of the subject.
        start, length: where its frames lie in both stores; `length` is at least 1.
        role: in the FreeGait protocol; None in SUSTech1K's, which goes by type.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", strict=True)

    subject: str
    type: str
    view: str
    split: Split
    start: Annotated[int, Field(ge=0)]
    length: Annotated[int, Field(ge=1)]
    role: Role | None = None


class Store(BaseModel, frozen=True, extra="forbid"):
    """What a store must be: its shape, size in bytes, and the sha256 of its frames."""

    shape: tuple[int, int, int, int]
    bytes: int
    sha256: str


class Index(BaseModel, frozen=True, extra="forbid"):
    """`index.json`."""

    version: Literal[1] = 1
    layout: str
    simulated: bool
    simulator: int | None = None  # version of the simulator, if it was one that says so
    range_style: RangeStyle | None = None  # None in packs of before there were two
    partition_sha256: str
    stores: Annotated[dict[Modality, Store], Field(min_length=1)]
    records: tuple[Record, ...]


@dataclass(frozen=True, eq=False)
class Pack:
    """An opened pack; frames are read from disk when they are used.

    Args:
        path: its folder.
        index: what `index.json` says.
        stores: uint8 `(F, c, 64, 64)` of each modality, memory-mapped, read-only.
    """

    path: Path
    index: Index
    stores: Mapping[Modality, Frames]

    @classmethod
    def open(cls, path: Path) -> "Pack":
        """Opens a pack after the cheap checks: index, sizes, shapes, records.

        Raises:
            PackError: it is not a pack, or not a whole one; the message says what is wrong.
        """
        index = _read_index(path)
        stores = {modality: _open_store(path, index, modality) for modality in index.stores}
        _check_records(path, index)
        return cls(path, index, stores)

    @property
    def modalities(self) -> tuple[Modality, ...]:
        """What the pack holds: both modalities, or one."""
        return tuple(modality for modality in Modality if modality in self.stores)

    @property
    def frame_count(self) -> int:
        """Frames of all sequences together, in each modality."""
        return sum(record.length for record in self.records)

    @property
    def records(self) -> tuple[Record, ...]:
        """One record a sequence, sorted by subject, type and view."""
        return self.index.records

    @property
    def layout(self) -> str:
        """The dataset's layout by its name in `train.dataset_layouts`; it decides the protocol."""
        return self.index.layout

    @property
    def simulated(self) -> bool:
        """Whether the people are simulated; every number from them must say so."""
        return self.index.simulated

    @property
    def range_style(self) -> RangeStyle:
        """How the range views were drawn, and so how a network trained on them wants clouds."""
        return self.index.range_style or drawn_as(self.simulated)

    def store(self, modality: Modality) -> Frames:
        """All frames of one modality.

        Raises:
            PackError: the pack lacks it.
        """
        if modality not in self.stores:
            raise PackError(
                f"{self.path} has no {modality} frames, only {', '.join(self.stores)}: "
                "pack the dataset with both, or train and evaluate one modality"
            )
        return self.stores[modality]

    def frames(self, record: Record, modality: Modality) -> Frames:
        """The frames of one sequence: uint8 `(s, c, 64, 64)`, a view into the store."""
        return self.store(modality)[record.start : record.start + record.length]

    def of_split(self, split: Split) -> NDArray[np.intp]:
        """Indices of the records of one split, ascending."""
        return np.flatnonzero([record.split == split for record in self.records])

    def verify(self) -> None:
        """Reads everything once and compares it with the index, with a progress bar.

        Raises:
            PackError: a store's content is not what was packed.
        """
        for modality in self.modalities:
            if frames_sha256(self.store(modality), note=modality) != self._sha256(modality):
                raise PackError(
                    f"{self.path / STORES[modality]} does not have the sha256 in {INDEX}: it was "
                    "damaged or changed after packing; pack the dataset again",
                    file=STORES[modality],
                )

    def _sha256(self, modality: Modality) -> str:
        return self.index.stores[modality].sha256


def frames_sha256(frames: Frames, note: str = "") -> str:
    """The sha256 of a store's frames in order, without the file's header."""
    digest = hashlib.sha256()
    with progress() as bar:
        task = bar.add_task("verify", total=len(frames), note=note)
        for start in range(0, len(frames), _HASHED_FRAMES):
            block = frames[start : start + _HASHED_FRAMES]
            digest.update(np.ascontiguousarray(block).data)
            bar.advance(task, len(block))
    return digest.hexdigest()


def _read_index(path: Path) -> Index:
    file = path / INDEX
    if not file.is_file():
        raise PackError(
            f"{path} is not a pack (no {INDEX}); make one with "
            "`python -m train.pack ROOT --partition P.json --out PACK`"
        )
    try:
        return Index.model_validate_json(file.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "content"
        raise PackError(
            f"{file} is damaged or of another version ({where}: {first['msg']}); "
            "pack the dataset again",
            file=INDEX,
        ) from error


def _open_store(path: Path, index: Index, modality: Modality) -> Frames:
    file = path / STORES[modality]
    store = index.stores[modality]
    if not file.is_file():
        raise PackError(f"{file} is missing, pack the dataset again", file=file.name)
    if file.stat().st_size != store.bytes:
        raise PackError(
            f"{file} has {file.stat().st_size} bytes, its index says {store.bytes}: it was cut or "
            "changed; pack the dataset again",
            file=file.name,
        )
    try:
        frames: Frames = np.load(file, mmap_mode="r", allow_pickle=False)
    except ValueError as error:
        raise PackError(f"{file} is not a frame store: {error}", file=file.name) from error
    want = (sum(r.length for r in index.records), modality.channels, SIZE, SIZE)
    if frames.dtype != np.uint8 or not frames.shape == store.shape == want:
        raise PackError(
            f"{file} is {frames.dtype} {frames.shape}, the records need uint8 {want}",
            file=file.name,
        )
    return frames


def _check_records(path: Path, index: Index) -> None:
    """Records must be unique, and lie one after the other without gaps."""
    end = 0
    names = set()
    for record in index.records:
        name = (record.subject, record.type, record.view)
        if record.start != end or name in names:
            raise PackError(
                f"{path / INDEX}: the record {'/'.join(name)} starts at frame {record.start} "
                f"(expected {end}) or comes twice; pack the dataset again",
                file=INDEX,
            )
        names.add(name)
        end += record.length
