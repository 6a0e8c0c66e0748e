"""The index in this process's memory: codes in segments, of which FAISS scans the beginnings.

What is new makes a small segment, and segments are joined as they grow, so that a search goes on
undisturbed on those that it started with, and a code is copied O(log n) times.
"""

import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain

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
)
from gallery.index.ranking import Near, Probe
from gallery.index.scan import Scan
from gallery.template import Vector

LEAST = 512
"""Templates of a segment, at least, that are compared in all bits."""
SHARE = 0.006
"""Of a segment's templates, how many are compared in all bits; and at least `SPARE` times as many
as are wanted."""
SPARE = 2
LARGEST = 262_144
"""Templates of a segment at most; segments are searched side by side."""
TOGETHER = 8
"""Probes at most that one scan serves: what it reads from memory then stays near the processor."""
_ALONE = 262_144
"""Templates up to which one thread searches: others would be woken too late to help."""


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

    def follow(self) -> int:
        """Brings the proposals to the record's revision; which it is."""
        revision = self._source.revision()
        if self._revision == revision:
            return revision
        with self._following:
            revision, before = self._source.revision(), self._revision
            if revision == before:
                return revision
            for place, codes in _gathered(self._source.codes(before)):
                self._take(place, codes)
            if before >= 0:
                self._erase(self._source.removed(before))
            self._revision = revision
            return revision

    def propose(self, probe: Vector, count: int, modality: Modality | None) -> Ids:
        """The templates whose codes differ least from a probe's. See `Index.propose`."""
        place = None if modality is None else list(Modality).index(modality)
        return self._proposed(_Question(Probe.of(probe), count, place))

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

    def _propose(self, questions: Sequence["_Question"]) -> list[Ids]:
        """For each of some probes what `propose` says."""
        segments = self._segments

        def near(segment: "_Segment") -> list[Near]:
            return segment.near(questions)

        mapped = self._pool.map if self._pool and sum(map(len, segments)) > _ALONE else map
        found = list(zip(*mapped(near, segments), strict=True)) or [()] * len(questions)
        return [
            Near.together(each.probe, some).proposed(each.probe, each.count)
            for some, each in zip(found, questions, strict=True)
        ]

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
class _Question:
    """What one search wants: the `count` templates nearest to a probe, of a modality or of both."""

    probe: Probe
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
        self.modality, self.templates, self.codes = modality, templates, codes
        self.alive = np.ones(len(templates), np.bool_)
        self._scan = Scan(codes)

    def __len__(self) -> int:
        return len(self.templates)

    def near(self, questions: Sequence[_Question]) -> list[Near]:
        """For each probe the likely nearest templates; none for a probe of the other modality."""
        mine = [place for place, each in enumerate(questions) if each.seeks(self.modality)]
        found = [Near.together(each.probe, []) for each in questions]
        if mine:
            wanted = max(questions[place].count for place in mine)
            looked = min(len(self), max(LEAST, SPARE * wanted, int(SHARE * len(self))))
            numbers = np.array([questions[place].probe.numbers for place in mine])
            for place, rows in zip(mine, self._scan.nearest(numbers, looked), strict=True):
                probe, count = questions[place].probe, questions[place].count
                near = Near.of(probe, self.templates[rows], self.codes.take(rows, axis=0))
                found[place] = near.only(self.alive[rows]).nearest(count)
        return found

    def holds(self, templates: Ids) -> NDArray[np.bool_]:
        """Which of the templates `(n,)` are here."""
        return self._rows(templates)[1]

    def erase(self, templates: Ids) -> None:
        """Takes templates out of every search, and overwrites their codes."""
        rows, here = self._rows(templates)
        rows = rows[here]
        self.alive[rows] = False  # first, so that no search returns what zeros look like
        self.codes[rows] = 0
        self._scan.overwrite(rows)

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


def _gathered(portions: Iterable[Codes]) -> Iterator[tuple[int, Codes]]:
    """Each modality's templates by themselves, as many together as a segment takes.

    A search is the faster the fewer segments there are, above all one beside others: each segment
    is a call into FAISS, after which Python's lock has to be waited for.
    """
    waiting = [_Waiting() for _ in Modality]
    for codes in portions:
        for place in range(len(waiting)):
            some = codes.of(place)
            if waiting[place].count and waiting[place].count + len(some.templates) > LARGEST:
                yield place, waiting[place].together(place)
                waiting[place] = _Waiting()
            waiting[place].add(some)
    for place, own in enumerate(waiting):
        if own.count:
            yield place, own.together(place)


class _Waiting:
    """Templates of one modality that wait for more of it.

    Their codes are copied at once to where a whole segment has room. Kept as they come, and joined
    at last, they would leave the process with holes in its memory, half as large as all codes.
    """

    def __init__(self) -> None:
        self.count = 0
        self._templates: list[Ids] = []
        self._codes: CodeMatrix = np.empty((0, 0), np.uint8)

    def add(self, some: Codes) -> None:
        """Takes more, for which there must be room."""
        if not self.count:
            room = max(LARGEST, len(some.templates))
            self._codes = np.empty((room, some.codes.shape[1]), np.uint8)
        self._codes[self.count :][: len(some.templates)] = some.codes
        self._templates.append(some.templates)
        self.count += len(some.templates)

    def together(self, modality: int) -> Codes:
        """All of them."""
        templates, codes = np.concatenate(self._templates), self._codes[: self.count]
        modalities = np.full(len(templates), modality, np.uint8)
        return Codes(templates, modalities, codes if len(codes) == LARGEST else codes.copy())


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
