"""Frames on their way to the device: the same ones wherever they lie."""

import threading
from collections.abc import Iterator

import numpy as np
import pytest
import torch

from gait.modality import Modality
from tests.packs import write_pack
from train.data.batches import (
    AHEAD,
    MappedFrames,
    ResidentFrames,
    TrainBatch,
    batches,
    prefetched,
)
from train.data.pack import Pack
from train.data.sampler import PKSampler
from train.machine.distributed import Ranks

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Pack:
    return Pack.open(write_pack(tmp_path_factory.mktemp("packs") / "pack"))


def sampler_of(pack: Pack) -> PKSampler:
    records = pack.records
    return PKSampler([r.subject for r in records], [r.length for r in records], 4, 2, 3, seed=1)


def test_frames_are_those_of_the_sequences(pack: Pack) -> None:
    records = pack.records[5:20]
    sequences, offsets = np.array([3, 0]), np.array([[2, 0], [1, 1]])
    silhouettes, range_views = MappedFrames(pack, records).fetch(sequences, offsets)
    for clip, (sequence, rows) in enumerate(zip(sequences, offsets, strict=True)):
        for frame, offset in enumerate(rows):
            row = records[sequence].start + offset
            assert np.array_equal(silhouettes[clip, frame], pack.store(Modality.SILHOUETTE)[row])
            assert np.array_equal(range_views[clip, frame], pack.store(Modality.RANGE_VIEW)[row])


def test_resident_frames_are_the_mapped_ones(pack: Pack) -> None:
    records = [*pack.records[7:12], *pack.records[30:40]]
    mapped, resident = MappedFrames(pack, records), ResidentFrames(pack, records, CPU)
    rng = np.random.default_rng(0)
    sequences = rng.integers(0, len(records), 9)
    offsets = rng.integers(0, min(r.length for r in records), (9, 4))
    for one, two in zip(
        mapped.fetch(sequences, offsets), resident.fetch(sequences, offsets), strict=True
    ):
        assert two.dtype == torch.uint8
        assert torch.equal(one, two)


def test_ranks_share_the_global_batch(pack: Pack) -> None:
    frames, sampler = MappedFrames(pack, pack.records), sampler_of(pack)
    whole = list(batches(frames, sampler, Ranks(), CPU, 3, 4))
    halves = [list(batches(frames, sampler, Ranks(r, 2), CPU, 3, 4)) for r in range(2)]
    for step, batch in enumerate(whole):
        for index, values in enumerate(batch):
            assert torch.equal(values, torch.cat([half[step][index] for half in halves]))


def test_the_first_iteration_is_one(pack: Pack) -> None:
    frames, sampler = MappedFrames(pack, pack.records), sampler_of(pack)
    batch = next(batches(frames, sampler, Ranks(), CPU, 1, 1))
    assert np.array_equal(batch.labels, sampler.batch(0).labels)


def empty_batch(iteration: int) -> TrainBatch:
    nothing = torch.empty(0)
    return TrainBatch(nothing, nothing, torch.tensor(iteration))


def test_prefetching_keeps_the_order() -> None:
    got = [int(batch.labels) for batch in prefetched(empty_batch, 3, 40)]
    assert got == list(range(3, 41))


def test_prefetching_stays_a_few_batches_ahead() -> None:
    asked: list[int] = []

    def gather(iteration: int) -> TrainBatch:
        asked.append(iteration)
        return empty_batch(iteration)

    stream: Iterator[TrainBatch] = prefetched(gather, 1, 1000)
    for taken in range(1, 6):
        next(stream)
        assert max(asked) <= taken + AHEAD
    stream.close()  # type: ignore[attr-defined]
    assert len(asked) <= 5 + AHEAD
    assert not [t for t in threading.enumerate() if t.name.startswith("batches")]


def test_an_error_in_the_thread_reaches_the_loop() -> None:
    def gather(iteration: int) -> TrainBatch:
        if iteration == 3:
            raise OSError("disk gone")
        return empty_batch(iteration)

    stream = prefetched(gather, 1, 10)
    assert [int(next(stream).labels) for _ in range(2)] == [1, 2]
    with pytest.raises(OSError, match="disk gone"):
        next(stream)
