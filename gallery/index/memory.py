"""The index in this process's memory: codes in segments, searched with FAISS.

What is new makes a small segment, and segments are joined as they grow, so that a search goes on
undisturbed on those that it started with, and a code is copied O(log n) times.
"""

import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain

import faiss
import numpy as np
from numpy.typing import NDArray

from gait.modality import Modality
from gallery.index.batching import Batching
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
LARGEST = 262_144
"""Templates of a segment at most; segments are searched side by side."""
TOGETHER = 8
"""Probes at most that one scan serves: what it reads from memory then stays near the processor."""
_ALONE = 262_144
"""Templates up to which one thread searches: others would be woken too late to help."""

faiss.cvar.hamming_batch_size = 8_192  # type: ignore[attr-defined]
"""Codes that are compared with all probes of a scan before the next ones are read: half a MiB,
which stays near the processor."""

Distances = NDArray[np.int32]
_NONE: tuple[Distances, Ids] = np.empty(0, np.int32), np.empty(0, np.int64)


class MemoryIndex:
    """Follows a record. See `gallery.index.interface.Index`.

    Args:
        source: the record.
        threads: that search; None for one a core.
    """

    def __init__(self, source: CodeSource, threads: int | None = None) -> None:
        self._source = source
        self._segments: tuple[_Segment, ...] = ()
        self._revision = -1
        self._following = threading.Lock()
        count = threads or len(os.sched_getaffinity(0))
        self._pool = ThreadPoolExecutor(count, "search") if count > 1 else None
        self._proposed = Batching(self._propose, TOGETHER)

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
            for place, codes in _gathered(self._source.codes(before)):
                self._take(place, codes)
            if before >= 0:
                self._erase(self._source.removed(before))
            self._revision = revision

    def propose(self, code: NDArray[np.uint8], count: int, modality: Modality | None) -> Ids:
        """The templates whose codes differ least from a probe's. See `Index.propose`."""
        place = None if modality is None else list(Modality).index(modality)
        return self._proposed(_Probe(code, count, place))

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

    def _propose(self, probes: Sequence["_Probe"]) -> list[Ids]:
        """For each of some probes what `propose` says."""
        segments = self._segments

        def near(segment: "_Segment") -> list[tuple[Distances, Ids]]:
            return segment.near(probes)

        mapped = self._pool.map if self._pool and sum(map(len, segments)) > _ALONE else map
        found = list(zip(*mapped(near, segments), strict=True)) or [()] * len(probes)
        return [_nearest(some, probe.count) for some, probe in zip(found, probes, strict=True)]

    def _take(self, place: int, codes: Codes) -> None:
        """Adds what is new of one modality."""
        known = np.zeros(len(codes.templates), np.bool_)
        for segment in self._segments:
            known |= segment.holds(codes.templates)
        if known.all():
            return
        new = _Segment(place, codes.templates[~known], codes.codes[~known])
        mine = [s for s in self._segments if s.modality == place]
        others = (s for s in self._segments if s.modality != place)
        self._segments = (*others, *_joined([*mine, new]))

    def _erase(self, templates: Ids) -> None:
        if not len(templates):
            return
        for segment in self._segments:
            segment.erase(templates)
        self._segments = tuple(chain.from_iterable(segment.living() for segment in self._segments))


@dataclass(frozen=True, eq=False)
class _Probe:
    """What one search wants: the `count` templates nearest to a code, of a modality or of both."""

    code: NDArray[np.uint8]
    count: int
    modality: int | None

    def seeks(self, modality: int) -> bool:
        """Whether templates of the modality are wanted."""
        return self.modality in (None, modality)


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
        self._binary.use_heap = False  # type: ignore[attr-defined]  # counting is faster
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

    def near(self, probes: Sequence[_Probe]) -> list[tuple[Distances, Ids]]:
        """For each probe the bits in which the likely nearest templates differ, and their numbers;
        none for a probe of the other modality."""
        mine = [place for place, probe in enumerate(probes) if probe.seeks(self.modality)]
        found: list[tuple[Distances, Ids]] = [_NONE] * len(probes)
        if mine:
            wanted = max(probes[place].count for place in mine)
            looked = min(len(self), max(LEAST, SPARE * wanted, int(SHARE * len(self))))
            firsts = np.array([probes[place].code[: self._first.shape[1]] for place in mine])
            faiss.omp_set_num_threads(1)  # of this thread: a team costs more than it does
            for place, distances, rows in zip(
                mine, *self._binary.search(firsts, looked), strict=True
            ):
                found[place] = self._whole(probes[place].code, distances, rows)
        return found

    def _whole(
        self, code: NDArray[np.uint8], distances: Distances, rows: Ids
    ) -> tuple[Distances, Ids]:
        """From the first bytes of some codes to all of them."""
        if self._rest.shape[1]:
            rest = code[self._first.shape[1] :].view(np.uint64)
            differ = self._rest.take(rows, axis=0).view(np.uint64) ^ rest  # faster than [rows]
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


def _nearest(found: Sequence[tuple[Distances, Ids]], count: int) -> Ids:
    """Of what the segments found, the nearest."""
    distances, templates = zip(_NONE, *found, strict=True)
    return nearest(np.concatenate(distances), np.concatenate(templates), count)


def _gathered(portions: Iterable[Codes]) -> Iterator[tuple[int, Codes]]:
    """Each modality's templates by themselves, as many together as a segment takes.

    A search is the faster the fewer segments there are, above all one beside others: each segment
    is a call into FAISS, after which Python's lock has to be waited for.
    """
    waiting: list[list[Codes]] = [[] for _ in Modality]
    for codes in portions:
        for place, own in enumerate(waiting):
            own.append(codes.of(place))
            if sum(len(some.templates) for some in own) >= LARGEST:
                yield place, Codes.together(own)
                own.clear()
    for place, own in enumerate(waiting):
        if own:
            yield place, Codes.together(own)


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
