"""Frames from the pack to the device: resident on the GPU, prefetched, or read where they lie."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Literal, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gait.modality import SIZE, Modality
from train.data.pack import Pack, Record
from train.data.sampler import PKSampler
from train.machine.distributed import Ranks

Rows = NDArray[np.intp]

AHEAD = 4
"""Batches gathered before they are asked for, where the frames are not on the device."""

BYTES_PER_FRAME = (1 + 3) * 64 * 64
"""Both modalities of one frame, uint8."""

RESIDENT_SHARE = 0.5
"""The share of free GPU memory that frames may take; activations need the rest."""


class TrainBatch(NamedTuple):
    """One rank's part of a batch, on the device.

    Args:
        silhouettes: `(n, s, 1, 64, 64)` uint8; no clip where the pack has none.
        range_views: `(n, s, 3, 64, 64)` uint8, the same frames of the same walks; likewise.
        labels: `(n,)` int64, columns of the classifier.
    """

    silhouettes: Tensor
    range_views: Tensor
    labels: Tensor


class Frames(Protocol):
    """Where the frames of some sequences are."""

    def fetch(self, sequences: Rows, offsets: Rows) -> tuple[Tensor, Tensor]:
        """Silhouettes `(n, s, 1, 64, 64)` and range views `(n, s, 3, 64, 64)`, uint8.

        Of a modality that the pack lacks there is no clip: the first axis is 0.

        Args:
            sequences: `(n,)` positions among the sequences.
            offsets: `(n, s)` frames within each sequence.
        """
        ...


class MappedFrames:
    """Frames read from the pack's memory map when they are asked for."""

    def __init__(self, pack: Pack, records: Sequence[Record]) -> None:
        self._pack = pack
        self._starts = np.array([r.start for r in records], dtype=np.intp)

    def fetch(self, sequences: Rows, offsets: Rows) -> tuple[Tensor, Tensor]:
        rows = self._starts[sequences][:, None] + offsets
        found = (
            self._pack.store(modality)[rows] if modality in self._pack.modalities else None
            for modality in Modality
        )
        return pair(None if frames is None else torch.from_numpy(frames) for frames in found)


class ResidentFrames:
    """Frames held on the device as uint8: nothing but row numbers travels in a step."""

    def __init__(self, pack: Pack, records: Sequence[Record], device: torch.device) -> None:
        ends = np.cumsum([r.length for r in records], dtype=np.intp)
        self._starts = ends - [r.length for r in records]
        self._device = device
        self._held = {
            modality: self._upload(pack.store(modality), records, int(ends[-1]))
            for modality in pack.modalities
        }

    def _upload(self, frames: NDArray[np.uint8], records: Sequence[Record], count: int) -> Tensor:
        held = torch.empty((count, *frames.shape[1:]), dtype=torch.uint8, device=self._device)
        for record, start in zip(records, self._starts, strict=True):
            part = np.array(frames[record.start : record.start + record.length])
            held[start : start + record.length] = torch.from_numpy(part)
        return held

    def fetch(self, sequences: Rows, offsets: Rows) -> tuple[Tensor, Tensor]:
        rows = to_device(torch.from_numpy(self._starts[sequences][:, None] + offsets), self._device)
        found = (self._held.get(modality) for modality in Modality)
        return pair(None if frames is None else frames[rows] for frames in found)


def pair(found: Iterable[Tensor | None]) -> tuple[Tensor, Tensor]:
    """Frames of both modalities; of one that the pack lacks, clips of no frame."""
    silhouettes, range_views = (
        torch.empty((0, 0, modality.channels, SIZE, SIZE), dtype=torch.uint8) if x is None else x
        for x, modality in zip(found, Modality, strict=True)
    )
    return silhouettes, range_views


def place_frames(
    pack: Pack,
    records: Sequence[Record],
    where: Literal["auto", "device", "host"],
    device: torch.device,
) -> Frames:
    """The frames of some sequences, on the device or in host memory.

    Args:
        pack: where they are on the disk.
        records: of the sequences.
        where: as `RunConfig.frames`.
        device: what computes.
    """
    resident = where == "auto" and device.type == "cuda" and fits(records, device)
    if where == "device" or resident:
        return ResidentFrames(pack, records, device)
    return MappedFrames(pack, records)


def fits(records: Sequence[Record], device: torch.device) -> bool:
    """Whether the sequences' frames fit on a CUDA device beside what training needs."""
    free, _ = torch.cuda.mem_get_info(device)
    return sum(r.length for r in records) * BYTES_PER_FRAME <= RESIDENT_SHARE * free


def to_device(values: Tensor, device: torch.device) -> Tensor:
    """The values on the device; onto CUDA through pinned memory, without waiting for the copy."""
    if device.type != "cuda" or values.is_cuda:
        return values.to(device)
    return values.pin_memory().to(device, non_blocking=True)


def batches(
    frames: Frames, sampler: PKSampler, ranks: Ranks, device: torch.device, first: int, last: int
) -> Iterator[TrainBatch]:
    """This rank's batches of iterations `first..last` (1 is the first of a run), in order.

    Frames in host memory are gathered and pinned ahead by a thread while a GPU computes. On the
    CPU that would only take a core from the computation, so each batch is gathered when needed.
    """

    def gathered(iteration: int) -> TrainBatch:
        batch = sampler.batch(iteration - 1, ranks.rank, ranks.world)
        silhouettes, range_views = frames.fetch(batch.sequences, batch.frames)
        labels = torch.from_numpy(batch.labels)
        if device.type != "cuda":
            return TrainBatch(silhouettes, range_views, labels)
        return TrainBatch(*(_pinned(t) for t in (silhouettes, range_views, labels)))

    ahead = device.type == "cuda" and isinstance(frames, MappedFrames)
    source = prefetched(gathered, first, last) if ahead else map(gathered, range(first, last + 1))
    for batch in source:
        yield TrainBatch(*(t.to(device, non_blocking=True) for t in batch))


def _pinned(values: Tensor) -> Tensor:
    return values if values.is_cuda else values.pin_memory()


def prefetched(gather: Callable[[int], TrainBatch], first: int, last: int) -> Iterator[TrainBatch]:
    """`gather(first)` to `gather(last)`, computed up to `AHEAD` steps early by one thread."""
    with ThreadPoolExecutor(1, thread_name_prefix="batches") as pool:
        waiting: deque[Future[TrainBatch]] = deque()
        try:
            for iteration in range(first, last + 1):
                waiting.append(pool.submit(gather, iteration))
                if len(waiting) > AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
