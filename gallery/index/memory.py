"""The index in this process's memory: codes in segments, searched with FAISS.

What is new makes a small segment, and segments are joined as they grow, so that a search goes on
undisturbed on those that it started with, and a code is copied O(log n) times.
"""

import os
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain

import faiss
import numpy as np
from numpy.typing import NDArray

from gait.modality import Modality
from gallery.index.interface import (
    CodeMatrix,
    Codes,
    CodeSource,
    Ids,
    IndexHealth,
    nearest,
)

FIRST_BYTES = 64
"""Bytes of a code that are compared for all templates; the others for those that look best."""
LEAST = 512
"""Templates of a segment, at least, that are compared in all bits."""
SHARE = 0.004
"""Of a segment's templates, how many are compared in all bits; and at least `SPARE` times as many
as are wanted."""
SPARE = 2
LARGEST = 131_072
"""Templates of a segment at most; segments are searched side by side."""
_ALONE = 262_144
"""Templates up to which one thread searches: others would be woken too late to help."""

Distances = NDArray[np.int32]


class MemoryIndex:
    """Follows a record. See `gallery.index.interface.Index`.

    Args:
        source: the record.
        threads: that one search may use while no other runs; None for one a core.
    """

    def __init__(self, source: CodeSource, threads: int | None = None) -> None:
        self._source = source
        self._segments: tuple[_Segment, ...] = ()
        self._revision = -1
        self._following = threading.Lock()
        count = threads or len(os.sched_getaffinity(0))
        self._pool = ThreadPoolExecutor(count, "search") if count > 1 else None
        self._searching = 0

    @property
    def revision(self) -> int:
        """Of the record, that the next proposals will know; negative before the first `follow`."""
        return self._revision

    def follow(self) -> None:
        """Brings the proposals to the record's revision."""
        if self._revision == self._source.revision():
            return
        with self._following:
            revision, before = self._source.revision(), self._revision
            if revision == before:
                return
            for codes in self._source.codes(before):
                self._take(codes)
            if before >= 0:
                self._erase(self._source.removed(before))
            self._revision = revision

    def propose(self, code: NDArray[np.uint8], count: int, modality: Modality | None) -> Ids:
        """The templates whose codes differ least from a probe's. See `Index.propose`."""
        wanted = None if modality is None else list(Modality).index(modality)
        segments = [s for s in self._segments if wanted in (None, s.modality)]
        if not segments:
            return np.empty(0, np.int64)
        found = self._near(segments, code, count)
        return nearest(
            np.concatenate([distances for distances, _ in found]),
            np.concatenate([templates for _, templates in found]),
            count,
        )

    def health(self) -> IndexHealth:
        """How it is, without a search."""
        held = sum(int(segment.alive.sum()) for segment in self._segments)
        return IndexHealth("memory", self._revision, held)

    def drop(self) -> None:
        """Nothing lies outside this process."""

    def close(self) -> None:
        """Ends the threads. No method may be called afterwards."""
        if self._pool is not None:
            self._pool.shutdown()

    def _near(
        self, segments: Sequence["_Segment"], code: NDArray[np.uint8], count: int
    ) -> list[tuple[Distances, Ids]]:
        def near(segment: "_Segment") -> tuple[Distances, Ids]:
            return segment.near(code, count)

        self._searching += 1  # not exact under threads, and need not be
        try:
            alone = self._searching <= 1 and sum(map(len, segments)) > _ALONE
            return list((self._pool.map if self._pool and alone else map)(near, segments))
        finally:
            self._searching -= 1

    def _take(self, codes: Codes) -> None:
        """Adds what is new."""
        known = np.zeros(len(codes.templates), np.bool_)
        for segment in self._segments:
            known |= segment.holds(codes.templates)
        for place in range(len(Modality)):
            rows = np.flatnonzero(~known & (codes.modalities == place))
            if len(rows):
                new = _Segment(place, codes.templates[rows], codes.codes[rows])
                mine = [s for s in self._segments if s.modality == place]
                others = (s for s in self._segments if s.modality != place)
                self._segments = (*others, *_joined([*mine, new]))

    def _erase(self, templates: Ids) -> None:
        if not len(templates):
            return
        for segment in self._segments:
            segment.erase(templates)
        self._segments = tuple(chain.from_iterable(segment.living() for segment in self._segments))


class _Segment:
    """Templates of one modality in order of number.

    The arrays never change, but for `alive` and the codes of what was erased: a search that runs
    meanwhile finds it or not.
    """

    def __init__(self, modality: int, templates: Ids, codes: CodeMatrix) -> None:
        self.modality, self.templates = modality, templates
        self.alive = np.ones(len(templates), np.bool_)
        first = min(FIRST_BYTES, codes.shape[1])
        self._binary = faiss.IndexBinaryFlat(8 * first)
        self._binary.add(np.ascontiguousarray(codes[:, :first]))
        memory = faiss.rev_swig_ptr(self._binary.xb.data(), len(templates) * first)  # type: ignore[attr-defined]
        self._first: CodeMatrix = memory.reshape(-1, first)
        self._rest = np.ascontiguousarray(codes[:, first:])

    def __len__(self) -> int:
        return len(self.templates)

    @property
    def codes(self) -> CodeMatrix:
        """All codes, whole."""
        return np.concatenate([self._first, self._rest], axis=1)

    def near(self, code: NDArray[np.uint8], count: int) -> tuple[Distances, Ids]:
        """Bits in which the likely nearest templates differ from a code, and their numbers."""
        first = self._first.shape[1]
        looked = min(len(self), max(LEAST, SPARE * count, int(SHARE * len(self))))
        faiss.omp_set_num_threads(1)  # of this thread: a team for one query costs more than it does
        distances, rows = self._binary.search(code[np.newaxis, :first], looked)
        distances, rows = distances[0], rows[0]
        if self._rest.shape[1]:
            differ = self._rest[rows].view(np.uint64) ^ code[first:].view(np.uint64)
            distances = distances + np.bitwise_count(differ).sum(1, dtype=np.int32)
        alive = self.alive[rows]
        return distances[alive], self.templates[rows[alive]]

    def holds(self, templates: Ids) -> NDArray[np.bool_]:
        """Which of the templates `(n,)` are here."""
        return self._rows(templates)[1]

    def erase(self, templates: Ids) -> None:
        """Takes templates out of every search, and overwrites their codes."""
        rows, here = self._rows(templates)
        rows = rows[here]
        self.alive[rows] = False  # first, so that no search returns what zeros look like
        self._first[rows] = 0
        self._rest[rows] = 0

    def living(self) -> Sequence["_Segment"]:
        """The segment, or a smaller copy if more than half of it is erased, or none."""
        alive = int(self.alive.sum())
        if 2 * alive >= len(self):
            return [self]
        return [self._of(self.alive)] if alive else []

    def joined_with(self, other: "_Segment") -> "_Segment":
        """Both in one, without what was erased."""
        parts = [part._of(part.alive) for part in (self, other)]
        templates = np.concatenate([part.templates for part in parts])
        codes = np.concatenate([part.codes for part in parts])
        order = np.argsort(templates)
        return _Segment(self.modality, templates[order], codes[order])

    def _of(self, rows: NDArray[np.bool_]) -> "_Segment":
        return _Segment(self.modality, self.templates[rows], self.codes[rows])

    def _rows(self, templates: Ids) -> tuple[Ids, NDArray[np.bool_]]:
        """Rows of templates, and which of them are held and alive."""
        rows = np.minimum(np.searchsorted(self.templates, templates), len(self) - 1)
        here: NDArray[np.bool_] = (self.templates[rows] == templates) & self.alive[rows]
        return rows, here


def _joined(segments: list[_Segment]) -> list[_Segment]:
    """Segments whose sizes at least halve from one to the next, but for full ones."""
    segments.sort(key=len, reverse=True)
    while len(segments) > 1:
        before, last = segments[-2:]
        if len(before) + len(last) > LARGEST or len(before) >= 2 * len(last):
            break
        segments[-2:] = [before.joined_with(last)]
        segments.sort(key=len, reverse=True)
    return segments
