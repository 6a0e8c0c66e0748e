"""The index of an open gallery: follows the store, and takes the rung that its size asks for."""

import logging
import os
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol

from gallery.health import IndexHealth
from gallery.index.check import LEAST_SELF_HIT, Recall, Witness, self_hit
from gallery.index.choice import chosen, lower
from gallery.index.index import FRESH, Index
from gallery.index.rows import Change, Filter, Ids
from gallery.index.rung import RungName
from gallery.index.search import Hit
from gallery.index.segment import Segment
from gallery.index.settling import LARGEST, next_old, replacement
from gallery.template import Batch, Matrix

log = logging.getLogger("gallery")

_NONE = -1
"""Revision of an index that must be built before it is used."""


class Source(Protocol):
    """What an index is made from."""

    @property
    def dimension(self) -> int:
        """Numbers of an embedding."""
        ...

    def revision(self) -> int:
        """How many writes there have been."""
        ...

    def size(self) -> int:
        """How many templates there are."""
        ...

    def batches(self, size: int) -> Iterator[Batch]:
        """All templates at one moment, by id, at most `size` at a time."""
        ...

    def present(self, templates: Ids) -> Matrix:
        """Embeddings `(n, dimension)`; NaN for templates that are not there."""
        ...


class LiveIndex:
    """An index that changes. Methods may be called from several threads.

    Searches never wait for a write or for the work behind. Whoever writes to the store says so here
    afterwards, one at a time; if it does not, `refresh` builds the index again.

    Args:
        source: the store.
        wanted: the rung to use at any size; None leaves it to the size.
        threads: that one search may use; None for one a core.
    """

    def __init__(
        self, source: Source, wanted: RungName | None = None, threads: int | None = None
    ) -> None:
        self._source, self._wanted = source, wanted
        self._changing, self._building = threading.Lock(), threading.Lock()
        self._index, self._refused = Index(_NONE), set[RungName]()
        self._witness, self._recall = Witness(), Recall(1.0, 1.0)
        count = threads or len(os.sched_getaffinity(0))
        self._pool = ThreadPoolExecutor(count, "search") if count > 1 else None
        self._behind = ThreadPoolExecutor(1, "settle")
        self._settling: Future[None] | None = None
        self._closed = False

    def close(self) -> None:
        """Waits for the work behind to stop. Nothing may be called afterwards."""
        self._closed = True
        self._behind.shutdown()
        if self._pool is not None:
            self._pool.shutdown()

    @property
    def revision(self) -> int:
        """Of the store, that searches see; negative before the first build."""
        return self._index.revision

    @property
    def rung(self) -> RungName:
        """The smallest way in which some template is held."""
        return self._index.rung

    def __len__(self) -> int:
        return len(self._index)

    @property
    def index(self) -> Index:
        """As it is now."""
        return self._index

    def search(
        self,
        queries: Matrix,
        top_k: int,
        wanted: Filter,
        now: float,
        *,
        further: int = 0,
        index: Index | None = None,
    ) -> list[list[Hit]]:
        """The `top_k` subjects most like each query, and `further` ones; see `Index.search`.

        `index` is the one to search, None for the one there is now.
        """
        return (index or self._index).search(
            *(queries, top_k, self._source.present),
            further=further,
            wanted=wanted,
            now=now,
            pool=self._pool,
        )

    def refresh(self) -> None:
        """Builds the index if it is not at the store's revision."""
        with self._building:
            if self._index.revision != self._source.revision():
                self._build()

    def follow(
        self,
        before: int,
        after: int,
        *,
        added: Batch | None = None,
        gone: Sequence[int] = (),
        changes: Sequence[Change] = (),
    ) -> None:
        """Takes note of what was written between two revisions of the store.

        Args:
            before, after: the revisions.
            added: new templates.
            gone: removed ones; what is held of them is overwritten.
            changes: of subjects and expiries.
        """
        with self._changing:
            index = self._index
            if gone:  # whatever the revision is
                index = index.without(index.revision, gone)
            if index.revision != before:  # something was missed
                self._index = Index(_NONE, index.segments)
                return
            index = index.changed(after, changes)
            self._index = index if added is None else index.plus(after, added)
        self._settle()

    def forget(self) -> None:
        """Drops everything; the next `refresh` builds it again."""
        with self._changing:
            self._index = Index(_NONE)

    def health(self) -> IndexHealth:
        """Checks on a sample: self-hit now, recall when the index was built."""
        index = self._index
        hit = self_hit(index, self._source.present, self._pool)
        return IndexHealth(hit, self._recall.first, len(index), index.rung)

    def settled(self) -> None:
        """Waits until no work is left behind."""
        if (work := self._settling) is not None:
            work.result()

    def _build(self) -> None:
        revision, dimension = self._source.revision(), self._source.dimension
        target = self._target(self._source.size(), dimension)
        while True:
            index, witness = _built(self._source, revision, target)
            hit = self_hit(index, self._source.present, self._pool)
            if hit >= LEAST_SELF_HIT or target is RungName.EXACT:
                break
            self._refuse(target, hit)
            target = lower(target)
        self._witness = witness
        self._recall = witness.recall(index, self._source.present, self._pool)
        log.info(
            "index: %d templates, %s, recall@1 %.3f, recall@10 %.3f",
            *(len(index), index.rung, self._recall.first, self._recall.ten),
        )
        with self._changing:
            self._index = index
        self._settle()

    def _target(self, templates: int, dimension: int) -> RungName:
        target = chosen(self._wanted, templates, dimension)
        while target in self._refused:
            target = lower(target)
        return target

    def _refuse(self, name: RungName, hit: float) -> None:
        log.warning(
            "the %s index finds only %.0f %% of its own templates: using the %s one",
            *(name, 100 * hit, lower(name)),
        )
        self._refused.add(name)

    def _settle(self) -> None:
        idle = self._settling is None or self._settling.done()
        if idle and not self._closed and self._work():
            self._settling = self._behind.submit(self._settle_all)

    def _work(self) -> tuple[list[Segment], RungName] | None:
        index = self._index
        target = self._target(sum(map(len, index.segments)), self._source.dimension)
        old = next_old(index, target)
        return (old, target) if old else None

    def _settle_all(self) -> None:
        before = self._index.rung
        while not self._closed and (work := self._work()):
            old, target = work
            new = replacement(old, target, self._source.present)
            with self._changing:
                after = self._index.replaced(old, new)
                if after is not None:  # else a write has joined one of them: look again
                    self._index = after
        if self._index.rung is not before and not self._closed:
            self._check()

    def _check(self) -> None:
        index = self._index
        hit = self_hit(index, self._source.present, self._pool)
        if hit < LEAST_SELF_HIT and index.rung is not RungName.EXACT:
            self._refuse(index.rung, hit)
            self._settle_all()
            return
        self._recall = self._witness.recall(index, self._source.present, self._pool)


def _built(source: Source, revision: int, target: RungName) -> tuple[Index, Witness]:
    witness, segments, parts = Witness(), list[Segment](), list[Segment]()
    for batch in source.batches(FRESH):
        witness.see(batch)
        parts.append(Segment.of(batch, target))
        if target is RungName.EXACT or sum(map(len, parts)) >= LARGEST:
            segments, parts = [*segments, *_one(parts)], []
    return Index(revision, (*segments, *_one(parts))), witness


def _one(parts: Sequence[Segment]) -> list[Segment]:
    joined = Segment.joined(parts)
    return [] if joined is None else [joined]
