"""Clips of many requests, embedded together.

An idle encoder is given a clip at once, so a lone client waits for nobody. While it runs, clips
collect, and the next run takes the oldest of them with others of its modality.
"""

import asyncio
import math
import time
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from threading import Condition, Thread
from typing import Protocol

import numpy as np

from gait.clip import Clip
from gait.errors import BusyError, ClientLeftError, ClosingError, DeadlineError, ServiceError
from gallery.network.encoder import fits
from gallery.template import Matrix, Vector
from serve.work.metrics import Metrics

_LONGEST_RETRY = 60
"""Most seconds that a refused client is told to stay away."""
_MEMORY = 0.8
"""Weight of the past in the running mean of what a clip costs."""


class Embedder(Protocol):
    """What a batcher needs of an encoder."""

    batch_frames: int

    def embed(self, clips: Sequence[Clip]) -> Matrix:
        """Embeddings `(n, d)`; called from several threads."""


@dataclass(eq=False)
class _Entry:
    clip: Clip
    deadline: float
    arrived: float
    result: "Future[Vector]" = field(default_factory=Future)


class Batcher:
    """Groups clips into runs of the encoder. `embed` is called from any event loop.

    - A full queue refuses (`BusyError`), with the time it will need for what it holds.
    - An entry that was cancelled, or whose deadline passed, is dropped before it is embedded.
    - If a run fails each of its clips is run alone, so that only the guilty one fails.

    Args:
        encoder: used from `runs` threads.
        metrics: told of queue, runs and refusals.
        max_batch: clips of one run; its frames are bounded by the encoder's `batch_frames`.
        max_queue: clips that may wait. More of one request are taken by an empty queue.
        max_wait: seconds that an idle thread lets a batch collect while another thread runs.
        runs: runs at the same time.
    """

    def __init__(
        self,
        encoder: Embedder,
        metrics: Metrics,
        *,
        max_batch: int = 16,
        max_queue: int = 256,
        max_wait: float = 0.005,
        runs: int = 1,
    ) -> None:
        self._encoder, self._metrics = encoder, metrics
        self._max_batch, self._max_queue, self._max_wait = max_batch, max_queue, max_wait
        self._queue: list[_Entry] = []  # oldest first
        self._changed = Condition()
        self._running, self._closing = 0, False
        self._seconds_per_clip = 0.0
        self._threads = [Thread(target=self._work, name="embed", daemon=True) for _ in range(runs)]
        for thread in self._threads:
            thread.start()

    async def embed(self, clip: Clip, deadline: float) -> Vector:
        """Embedding `(d,)` float32 of a clip; see `embed_all`."""
        (row,) = await self.embed_all([clip], deadline)
        result: Vector = row
        return result

    async def embed_all(self, clips: Sequence[Clip], deadline: float) -> Matrix:
        """Embeddings `(n, d)` float32 of the clips of one request. Cancelling drops them.

        Args:
            clips: of any lengths and both modalities, at least one.
            deadline: on the clock of `time.monotonic`.

        Raises:
            BusyError: the queue is full, or so long that they would be too late; none of the clips
                was taken.
            ClosingError: the service is stopping.
            DeadlineError: it was not done in time.
            EncoderError: a clip could not be embedded.
        """
        try:
            return await self._embedded(self._put(clips, deadline), deadline)
        except ServiceError as error:
            self._metrics.rejected.labels(error.code).inc()
            raise
        except asyncio.CancelledError:
            self._metrics.rejected.labels(ClientLeftError.code).inc()
            raise

    @property
    def waiting(self) -> int:
        """Clips that wait, those included that nobody wants any more."""
        return len(self._queue)

    def close(self) -> None:
        """Refuses new clips, embeds those that wait, and ends the threads."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    async def _embedded(self, entries: Sequence[_Entry], deadline: float) -> Matrix:
        try:
            async with asyncio.timeout(max(0.0, deadline - time.monotonic())):
                rows = [await asyncio.wrap_future(each.result) for each in entries]
                return np.stack(rows)
        except TimeoutError as error:
            raise _too_late() from error
        finally:
            for each in entries:  # what a failure or a departure left behind
                each.result.cancel()

    def _put(self, clips: Sequence[Clip], deadline: float) -> list[_Entry]:
        now = time.monotonic()
        entries = [_Entry(clip, deadline, now) for clip in clips]
        with self._changed:
            if self._closing:
                raise ClosingError("the service is stopping; try again")
            self._queue = [each for each in self._queue if not each.result.cancelled()]
            waiting = len(self._queue) + len(entries)
            too_late = now + self._seconds_for(waiting) > deadline
            if self._queue and (waiting > self._max_queue or too_late):
                raise self._busy()
            self._queue.extend(entries)
            self._metrics.queued.set(len(self._queue))
            self._changed.notify()
        return entries

    def _seconds_for(self, clips: int) -> float:
        """How long so many clips will take, by how long the last ones took."""
        return clips * self._seconds_per_clip / len(self._threads)

    def _busy(self) -> BusyError:
        after = min(max(1, math.ceil(self._seconds_for(len(self._queue)))), _LONGEST_RETRY)
        return BusyError(
            f"{len(self._queue)} clips are waiting already; try again in {after} s",
            retry_after=after,
        )

    def _work(self) -> None:
        while batch := self._take():
            began = time.monotonic()
            try:
                self._run(batch)
            finally:
                self._done(len(batch), time.monotonic() - began)

    def _take(self) -> list[_Entry]:
        """The next batch, waited for; empty when there is nothing left to do."""
        with self._changed:
            while True:
                self._drop_unwanted()
                batch = self._oldest_group()
                if not batch and self._closing:
                    return []
                patience = self._patience(batch)
                if batch and patience <= 0:
                    break
                self._changed.wait(patience if batch else None)
            taken = {id(each) for each in batch}
            self._queue = [each for each in self._queue if id(each) not in taken]
            self._metrics.queued.set(len(self._queue))
            self._running += 1
            if self._queue:  # another thread may have been woken for nothing else
                self._changed.notify()
        return batch

    def _patience(self, batch: Sequence[_Entry]) -> float:
        """Seconds that a batch may go on collecting; none if nothing runs or it is full."""
        if not batch or not self._running or self._closing or len(batch) < len(self._queue):
            return 0.0  # what is left in the queue did not fit: this batch will not grow
        if len(batch) >= self._max_batch:
            return 0.0
        return batch[0].arrived + self._max_wait - time.monotonic()

    def _drop_unwanted(self) -> None:
        now, kept = time.monotonic(), []
        for each in self._queue:
            if each.deadline > now and not each.result.cancelled():
                kept.append(each)
            elif each.result.set_running_or_notify_cancel():
                each.result.set_exception(_too_late())
        self._queue = kept

    def _oldest_group(self) -> list[_Entry]:
        """The oldest entry and, in order of arrival, those that fit into a run with it."""
        if not self._queue:
            return []
        group, modality = self._queue[:1], self._queue[0].clip.modality
        lengths = [len(group[0].clip)]
        for each in self._queue[1:]:
            together = fits([*lengths, len(each.clip)], self._encoder.batch_frames)
            if len(group) < self._max_batch and each.clip.modality is modality and together:
                group.append(each)
                lengths.append(len(each.clip))
        return group

    def _run(self, batch: Sequence[_Entry]) -> None:
        now = time.monotonic()
        batch = [each for each in batch if each.result.set_running_or_notify_cancel()]
        if not batch:
            return
        for each in batch:
            self._metrics.queue_seconds.observe(now - each.arrived)
        try:
            self._embed(batch)
        except Exception as error:  # noqa: BLE001 - the border of the thread: it must not end
            if len(batch) == 1:
                _fail(batch[0], error)
                return
            for each in batch:
                self._alone(each)

    def _alone(self, entry: _Entry) -> None:
        try:
            self._embed([entry])
        except Exception as error:  # noqa: BLE001 - as above
            _fail(entry, error)

    def _embed(self, batch: Sequence[_Entry]) -> None:
        modality = batch[0].clip.modality
        self._metrics.batch_clips.labels(modality).observe(len(batch))
        with self._metrics.inference_seconds.labels(modality).time():
            embeddings = self._encoder.embed([each.clip for each in batch])
        for each, embedding in zip(batch, embeddings, strict=True):
            each.result.set_result(embedding)

    def _done(self, clips: int, seconds: float) -> None:
        with self._changed:
            self._running -= 1
            now, past = seconds / clips, self._seconds_per_clip
            self._seconds_per_clip = _MEMORY * past + (1 - _MEMORY) * now if past else now
            if self._queue:  # a batch that collects while others run need wait no longer
                self._changed.notify_all()


def _fail(entry: _Entry, error: Exception) -> None:
    if not entry.result.done():
        entry.result.set_exception(error)


def _too_late() -> DeadlineError:
    return DeadlineError("the service was too busy to answer in time; try again later")
