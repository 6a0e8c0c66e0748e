"""The batcher, around an encoder whose runs the test holds and lets go."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from threading import Event, Lock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gait.clip import Clip
from gait.errors import BusyError, ClosingError, DeadlineError, EncoderError
from gait.modality import Modality
from gallery.template import Matrix
from serve.work.batching import Batcher
from serve.work.metrics import Metrics

pytestmark = pytest.mark.serving

LONG = 60.0
POISON = 255


class SlowEncoder:
    """Embeds a clip as `(name, frames)`. Each run waits for `go`; `entered` says one has begun."""

    batch_frames = 100

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds
        self.batches: list[list[int]] = []
        self.at_once = self.most_at_once = 0
        self.go, self.entered, self._lock = Event(), Event(), Lock()
        self.go.set()

    def embed(self, clips: Sequence[Clip]) -> Matrix:
        with self._lock:
            self.batches.append([name(clip) for clip in clips])
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        self.entered.set()
        assert self.go.wait(20)
        time.sleep(self.seconds)
        with self._lock:
            self.at_once -= 1
        if POISON in self.batches[-1] and any(name(clip) == POISON for clip in clips):
            raise EncoderError("not finite")
        return np.array([[name(clip), len(clip)] for clip in clips], np.float32)


def clip(number: int, frames: int = 10, modality: Modality = Modality.SILHOUETTE) -> Clip:
    """A clip that knows its number."""
    return Clip(np.full((frames, modality.channels, 64, 64), number, np.uint8), modality)


def name(clip: Clip) -> int:
    return int(clip.frames[0, 0, 0, 0])


def soon(seconds: float = LONG) -> float:
    return time.monotonic() + seconds


@contextmanager
def batching(encoder: SlowEncoder, **options: float) -> Iterator[Batcher]:
    batcher = Batcher(encoder, Metrics(), **options)  # type: ignore[arg-type]
    try:
        yield batcher
    finally:
        encoder.go.set()
        batcher.close()


async def held(encoder: SlowEncoder, batcher: Batcher) -> "asyncio.Task[object]":
    """A clip in a run that goes on until `encoder.go` is set."""
    encoder.go.clear()
    encoder.entered.clear()
    task = asyncio.ensure_future(batcher.embed(clip(0), soon()))
    assert await asyncio.to_thread(encoder.entered.wait, 20)
    return task


async def queued(batcher: Batcher, *clips: Clip) -> "list[asyncio.Task[object]]":
    """Clips that wait in the queue, in this order, one request each."""
    tasks: list[asyncio.Task[object]] = []
    for each in clips:
        before = batcher.waiting
        tasks.append(asyncio.ensure_future(batcher.embed(each, soon())))
        await until(lambda before=before: batcher.waiting > before)  # type: ignore[misc]
    return tasks


async def until(true: Callable[[], bool]) -> None:
    deadline = soon(20)
    while not true():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.001)


def run(test: Awaitable[None]) -> None:
    async def bounded() -> None:
        await asyncio.wait_for(test, 30)

    asyncio.run(bounded())


def refused(batcher: Batcher, reason: str) -> float | None:
    labels = {"reason": reason}
    return batcher._metrics.registry.get_sample_value("gait_rejected_total", labels)


def test_an_idle_encoder_waits_for_nobody() -> None:
    encoder = SlowEncoder()

    async def lone() -> None:
        with batching(encoder, max_wait=30) as batcher:
            for number in range(3):
                embedding = await batcher.embed(clip(number), soon(5))
                assert embedding.tolist() == [number, 10]
        assert encoder.batches == [[0], [1], [2]]

    run(lone())


def test_what_arrives_during_a_run_is_grouped_by_modality() -> None:
    encoder = SlowEncoder()

    async def grouped() -> None:
        with batching(encoder) as batcher:
            first = await held(encoder, batcher)
            waiting = await queued(
                batcher, clip(1), clip(2, modality=Modality.RANGE_VIEW), clip(3, 12), clip(4, 30),
                clip(5, 11), clip(6, 11, Modality.RANGE_VIEW),
            )  # fmt: skip
            encoder.go.set()
            await asyncio.gather(first, *waiting)
        assert encoder.batches == [[0], [1, 3, 4, 5], [2, 6]]

    run(grouped())


def test_a_batch_is_bounded_in_clips_and_in_frames() -> None:
    encoder = SlowEncoder()

    async def bounded() -> None:
        with batching(encoder, max_batch=4) as batcher:
            first = await held(encoder, batcher)
            waiting = await queued(batcher, *(clip(n) for n in range(1, 7)))
            waiting += await queued(batcher, *(clip(n, 45) for n in range(7, 10)))
            waiting += await queued(batcher, clip(10, 300))
            encoder.go.set()
            await asyncio.gather(first, *waiting)
        assert encoder.batches == [[0], [1, 2, 3, 4], [5, 6], [7, 8], [9], [10]]

    run(bounded())


def test_a_rare_clip_is_not_passed_over_for_ever() -> None:
    """The oldest clip is in every next batch, however many of another kind keep coming."""
    encoder = SlowEncoder(seconds=0.002)

    async def fair() -> None:
        with batching(encoder, max_batch=2) as batcher:
            first = await held(encoder, batcher)
            common = await queued(batcher, *(clip(n) for n in range(1, 5)))
            (rare,) = await queued(batcher, clip(99, modality=Modality.RANGE_VIEW))
            common += await queued(batcher, *(clip(n) for n in range(5, 20)))
            encoder.go.set()
            await rare
            assert encoder.batches.index([99]) <= 4
            await asyncio.gather(first, *common)

    run(fair())


def test_who_would_be_too_late_is_told_at_once_when_to_come_back() -> None:
    encoder = SlowEncoder(seconds=0.5)

    async def late() -> None:
        with batching(encoder) as batcher:
            await batcher.embed(clip(1), soon())  # now it knows what a clip costs
            first = await held(encoder, batcher)
            waiting = await queued(batcher, clip(2), clip(3))
            with pytest.raises(BusyError) as refusal:
                await batcher.embed(clip(4), soon(1))  # the third of 0.5 s each
            assert refusal.value.fields["retry_after"] == 2  # 2 clips of a little over 0.5 s
            waiting += await queued(batcher, clip(5))  # with time enough
            encoder.go.set()
            await asyncio.gather(first, *waiting)

    run(late())


def test_a_full_queue_refuses_with_the_time_it_needs() -> None:
    encoder = SlowEncoder(seconds=0.5)

    async def overflow() -> None:
        with batching(encoder, max_queue=6) as batcher:
            await batcher.embed(clip(1), soon())  # now it knows what a clip costs
            first = await held(encoder, batcher)
            waiting = await queued(batcher, *(clip(n) for n in range(1, 6)))
            with pytest.raises(BusyError) as refusal:
                await batcher.embed_all([clip(7), clip(8)], soon())
            assert refusal.value.fields["retry_after"] == 3  # 5 clips of 0.5 s
            assert batcher.waiting == 5
            assert refused(batcher, "service.busy") == 1
            waiting += await queued(batcher, clip(6))  # one still fits
            encoder.go.set()
            await asyncio.gather(first, *waiting)

    run(overflow())


def test_a_request_larger_than_the_queue_is_taken_when_it_is_empty() -> None:
    async def large() -> None:
        with batching(SlowEncoder(), max_queue=2) as batcher:
            embeddings = await batcher.embed_all([clip(n) for n in range(5)], soon())
        assert embeddings[:, 0].tolist() == [0, 1, 2, 3, 4]

    run(large())


def test_what_is_too_late_is_never_embedded() -> None:
    encoder = SlowEncoder()

    async def late() -> None:
        with batching(encoder) as batcher:
            first = await held(encoder, batcher)
            began = time.monotonic()
            with pytest.raises(DeadlineError):
                await batcher.embed(clip(1), soon(0.05))
            assert time.monotonic() - began < 5, "it waited for the run"
            encoder.go.set()
            await first
            await batcher.embed(clip(2), soon())
            with pytest.raises(DeadlineError):
                await batcher.embed(clip(3), soon(-1))
            assert refused(batcher, "service.deadline") == 2
        assert encoder.batches == [[0], [2]]

    run(late())


def test_who_left_is_dropped_and_frees_the_place() -> None:
    encoder = SlowEncoder()

    async def leaving() -> None:
        with batching(encoder, max_queue=2) as batcher:
            first = await held(encoder, batcher)
            gone, stays = await queued(batcher, clip(1), clip(2))
            gone.cancel()
            with pytest.raises(asyncio.CancelledError):
                await gone
            third = asyncio.ensure_future(batcher.embed(clip(3), soon()))  # takes the place
            await asyncio.sleep(0)
            encoder.go.set()
            await asyncio.gather(first, stays, third)
            assert refused(batcher, "service.client_left") == 1
        assert encoder.batches == [[0], [2, 3]]

    run(leaving())


def test_leaving_during_the_run_harms_nobody() -> None:
    encoder = SlowEncoder()

    async def leaving() -> None:
        with batching(encoder) as batcher:
            first = await held(encoder, batcher)
            first.cancel()
            (other,) = await queued(batcher, clip(2))
            encoder.go.set()
            await other

    run(leaving())


def test_a_poisonous_clip_fails_alone() -> None:
    encoder = SlowEncoder()

    async def poisoned() -> None:
        with batching(encoder) as batcher:
            first = await held(encoder, batcher)
            good, bad, fine = await queued(batcher, clip(1), clip(POISON), clip(3))
            encoder.go.set()
            with pytest.raises(EncoderError):
                await bad
            embedding = await good
            assert np.array_equal(embedding, [1, 10])  # type: ignore[arg-type]
            await asyncio.gather(first, fine)
            with pytest.raises(EncoderError):  # alone from the start
                await batcher.embed(clip(POISON), soon())
        assert encoder.batches == [[0], [1, POISON, 3], [1], [POISON], [3], [POISON]]

    run(poisoned())


def test_closing_embeds_what_waits_and_refuses_what_comes() -> None:
    encoder = SlowEncoder()

    async def drained() -> None:
        batcher = Batcher(encoder, Metrics())
        first = await held(encoder, batcher)
        waiting = await queued(batcher, clip(1), clip(2, 95))
        closing = asyncio.ensure_future(asyncio.to_thread(batcher.close))
        await until(lambda: batcher._closing)
        with pytest.raises(ClosingError):
            await batcher.embed(clip(3), soon())
        encoder.go.set()
        await asyncio.gather(first, *waiting, closing)
        assert encoder.batches == [[0], [1], [2]]
        assert not any(thread.is_alive() for thread in batcher._threads)

    run(drained())


def test_a_second_thread_lets_a_batch_collect_no_longer_than_it_may() -> None:
    encoder = SlowEncoder()

    async def collecting() -> None:
        with batching(encoder, runs=2, max_wait=0.3) as batcher:
            first = await held(encoder, batcher)
            began = time.monotonic()
            waiting = await queued(batcher, clip(1), clip(2))
            await until(lambda: len(encoder.batches) == 2)
            assert 0.3 <= time.monotonic() - began < 5
            encoder.go.set()
            await asyncio.gather(first, *waiting)
        assert encoder.batches == [[0], [1, 2]]
        assert encoder.most_at_once == 2

    run(collecting())


Ask = tuple[int, int, bool, int, bool]
ASKS = st.lists(
    st.tuples(
        st.integers(1, 3), st.integers(1, 60), st.booleans(), st.integers(0, 4), st.booleans()
    ),
    min_size=1,
    max_size=25,
)  # fmt: skip
"""Clips, frames of the first, silhouettes or not, milliseconds before it, and whether it leaves."""


@settings(max_examples=60, deadline=None)
@given(ASKS, st.integers(1, 3), st.integers(1, 4), st.sampled_from([0.0, 0.001]))
def test_nobody_is_forgotten_and_nobody_gets_anothers_embedding(
    asks: list[Ask], runs: int, max_batch: int, seconds: float
) -> None:
    encoder = SlowEncoder(seconds)

    async def one(batcher: Batcher, number: int, ask: Ask) -> None:
        count, frames, silhouettes, pause, leaves = ask
        modality = Modality.SILHOUETTE if silhouettes else Modality.RANGE_VIEW
        await asyncio.sleep(pause / 1000)
        clips = [clip(number, frames + row, modality) for row in range(count)]
        asked = asyncio.ensure_future(batcher.embed_all(clips, soon()))
        if leaves:
            await asyncio.sleep(0.001)
            asked.cancel()
        try:
            embeddings = await asked
        except asyncio.CancelledError:
            assert leaves
            return
        assert embeddings.tolist() == [[number, frames + row] for row in range(count)]

    async def everybody() -> None:
        with batching(encoder, runs=runs, max_batch=max_batch, max_wait=0.001) as batcher:
            await asyncio.gather(*(one(batcher, n, ask) for n, ask in enumerate(asks)))
        assert batcher.waiting == 0
        assert max(map(len, encoder.batches), default=0) <= max_batch
        assert encoder.most_at_once <= runs

    run(everybody())
