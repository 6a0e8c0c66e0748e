"""How runs of the network share the cores: all of them for a lone run, a share each for several."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import Lock

from gait.clip import Clip
from gallery.network.encoder import Encoder
from gallery.network.session import CPU
from gallery.template import Matrix
from serve.settings import Settings
from serve.work.batching import Embedder

MOST_RUNS = 4
"""Runs at the same time on a CPU, unless told otherwise: each holds its own working memory."""
GPU_BATCH = 16
"""Clips of one run on a GPU, unless told otherwise. On a CPU a batch takes as long as its clips."""


class Shared:
    """Two encoders of the same network. `embed` may be called from several threads.

    One run on all cores is the fastest for a lone clip; several runs on a share of the cores each
    get more clips done, since threads of one run wait for each other at every layer.

    Args:
        lone: used by a run that begins while no other goes on; takes every core.
        beside: used by all others; takes a share.
    """

    def __init__(self, lone: Embedder, beside: Embedder) -> None:
        self.batch_frames = lone.batch_frames
        self._lone, self._beside = lone, beside
        self._running, self._lock = 0, Lock()

    def embed(self, clips: Sequence[Clip]) -> Matrix:
        """Embeddings `(n, d)`.

        Raises:
            EncoderError: the run failed.
        """
        with self._one_more() as others:
            return (self._beside if others else self._lone).embed(clips)

    @contextmanager
    def _one_more(self) -> Iterator[int]:
        """Counts a run; gives the number of those that go on already."""
        with self._lock:
            others, self._running = self._running, self._running + 1
        try:
            yield others
        finally:
            with self._lock:
                self._running -= 1


def runs_of(settings: Settings, encoder: Encoder) -> int:
    """Runs at the same time: as set, else one on a GPU and up to `MOST_RUNS` on a CPU."""
    if settings.runs is not None:
        return settings.runs
    if encoder.provider != CPU:
        return 1
    return encoder.threads // math.ceil(encoder.threads / MOST_RUNS)  # so that few cores idle


def batch_of(settings: Settings, encoder: Encoder) -> int:
    """Clips of one run: as set, else `GPU_BATCH` on a GPU and one on a CPU."""
    if settings.max_batch is not None:
        return settings.max_batch
    return 1 if encoder.provider == CPU else GPU_BATCH
