"""An index in a Milvus server that several processes share.

Milvus holds a row for each template: number, modality and code, in one collection for a gallery.
Rows never change, so that several replicas may write the same ones. What Milvus does not show yet
is held in memory, the *tail*, and searched there; a thread writes it to Milvus behind. The record
remembers up to which revision the collection is complete.

A collection that was lost or emptied is never filled again under its name: another replica might
still take it for complete. It gets a successor, whose number is remembered in the record.
"""

import logging
import random
import re
import threading
from contextlib import suppress
from typing import Final

import numpy as np

from gait.errors import ConfigError, GaitError, StorageError, StorageUnavailableError
from gait.modality import Modality
from gallery.index.interface import Codes, CodeSource, Ids, IndexHealth
from gallery.index.milvus_address import MilvusAddress
from gallery.index.milvus_known import Known, Piece, tail_near, together
from gallery.index.milvus_server import LARGEST_ANSWER, MilvusServer, is_unusable
from gallery.index.ranking import Near, Probe
from gallery.template import Vector

LOGGER = logging.getLogger(__name__)

TAIL_ROWS: Final = 32_768
"""More than this in memory is written before more is read, as when a collection is made anew."""
REMOVED_ROWS: Final = 4_096
TIES: Final = 16
"""More than is wanted is asked for, to see whether others are as near as the last."""
PATIENCE: Final = 30.0
"""Seconds a search waits for a collection that is being made anew."""


class MilvusIndex:
    """Proposes from a collection in Milvus and from what is not there yet (see `Index`)."""

    def __init__(self, source: CodeSource, address: str, gallery_id: str) -> None:
        """Does not connect yet.

        Args:
            source: the record.
            address: URL of the server (`gallery.index.milvus_address`).
            gallery_id: of this gallery alone; letters, digits and `-`.

        Raises:
            ConfigError: the URL or the id is not one, pymilvus is not installed, or the
                credentials are half given.
        """
        if not re.fullmatch(r"[A-Za-z0-9-]{1,64}", gallery_id):
            raise ConfigError(f"got the gallery id {gallery_id!r}, need letters, digits and '-'")
        self._source = source
        self._server = MilvusServer(MilvusAddress.parse(address))
        self._base = "gait_" + gallery_id.replace("-", "_")
        self._known = Known()
        self._changing = threading.Condition()
        self._following, self._writing = threading.Lock(), threading.Lock()
        self._wake, self._closing = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._work, name="milvus index", daemon=True)
        self._thread.start()

    @property
    def revision(self) -> int:
        """Of the record, that the next proposals will know; negative if they know nothing yet."""
        return self._known.revision

    def health(self) -> IndexHealth:
        """How it is; the templates as Milvus counted them last, with the tail."""
        known = self._known
        return IndexHealth("milvus", known.revision, known.rows + known.tail_rows())

    def follow(self) -> int:
        """Brings the proposals to the record's revision; which it is.

        Takes long only when the collection is made anew.

        Raises:
            StorageError: the record cannot be reached, or Milvus cannot while it is needed: when
                a collection is opened, or when more has come than may wait in memory.
        """
        with self._following:
            while (revision := self._advance(self._known.name or self._open())) is None:
                pass
        self._wake.set()
        return revision

    def propose(self, probe: Vector, count: int, modality: Modality | None) -> Ids:
        """The templates whose codes differ least from a probe's. See `Index.propose`.

        Raises:
            StorageError: Milvus cannot be reached, or the collection is being made anew.
        """
        sought = Probe.of(probe)
        while True:
            known = self._ready()
            try:
                found = self._nearest(known, sought, count + len(known.removed), modality)
            except StorageError as error:
                if not is_unusable(error):
                    raise
                self._lose(known.name)
            else:
                parts = [found, *tail_near(known, sought, modality)]
                return together(sought, parts, known).proposed(sought, count)

    def _nearest(self, known: Known, probe: Probe, count: int, modality: Modality | None) -> Near:
        """The nearest in Milvus, and those as near as the last."""
        wanted = count + TIES
        while True:
            wanted = min(wanted, LARGEST_ANSWER)
            found = self._server.search(known.name, probe, wanted, modality, known.time)
            if len(found.distances) < wanted or wanted == LARGEST_ANSWER:
                return found
            if found.distances[count - 1] < found.distances[-1]:
                return found
            wanted *= 2

    def drop(self) -> None:
        """Deletes the gallery from Milvus. Afterwards there is only `close` to be called.

        The record goes first: from one that is there, another replica makes the collection anew.

        Raises:
            StorageError: Milvus cannot be reached; nothing or only a part was deleted.
        """
        self._closing.set()
        with self._following, self._writing:
            for name in self._collections().values():
                self._server.drop(name)

    def close(self) -> None:
        """Disconnects. What was not written to Milvus yet is read from the record next time."""
        self._closing.set()
        self._wake.set()
        self._thread.join()
        self._server.close()

    def _ready(self) -> Known:
        """What is known, once it is the whole record."""
        with self._changing:
            if self._known.revision < 0:
                self._wake.set()
                self._changing.wait_for(lambda: self._known.revision >= 0, PATIENCE)
            if self._known.revision < 0:
                raise StorageUnavailableError(
                    "the index in Milvus is being made anew: try again later"
                )
            return self._known

    def _lose(self, name: str) -> None:
        """Forgets a collection that cannot be used; the thread sees to it."""
        with self._changing:
            if self._known.name == name:
                LOGGER.warning("the collection %s cannot be searched: opening it again", name)
                self._known = Known()
        self._wake.set()

    def _change(self, name: str, known: Known) -> None:
        """Sets what is known, unless the collection has been lost meanwhile."""
        if self._known.name == name:
            self._known = known
            self._changing.notify_all()

    def _open(self) -> str:
        """Finds or makes the collection and forgets all that was known."""
        name = self._find()
        after = self._source.index_revision(name)
        time, rows = self._server.settle(name)
        if after and not rows and any(len(some.templates) for some in self._source.codes(0)):
            LOGGER.warning("the collection %s was emptied: making another", name)
            name, after = self._find(lost=name), 0
            time, rows = self._server.settle(name)
        removed = self._source.removed(0).tolist() if rows else []
        slices = (removed[at : at + REMOVED_ROWS] for at in range(0, len(removed), REMOVED_ROWS))
        # A replica that was killed may have written a template after another had removed it.
        stale = [number for some in slices for number in self._server.held(name, some)]
        with self._changing:
            self._known = Known(name, -1, after, time, rows, removed=frozenset(stale))
        return name

    def _find(self, lost: str = "") -> str:
        """Name of the collection with the remembered number, which is there afterwards."""
        counter, length = f"{self._base} number", self._source.code_bytes
        there = self._collections()
        while True:
            number = max(1, self._source.index_revision(counter))
            name = f"{self._base}_{number}"
            made = self._source.index_revision(f"{name} made")
            if name != lost and (self._server.fits(name, length) if number in there else not made):
                break
            self._source.set_index_revision(counter, number + 1)
        self._server.make(name, length)
        if not made:  # a record that is open for reading only takes no notes
            self._source.set_index_revision(f"{name} made", 1)
        with suppress(StorageError):
            for old in there:
                if old < number:
                    self._server.drop(there[old])
        return name

    def _collections(self) -> dict[int, str]:
        """The collections of this gallery by number."""
        pattern = re.compile(re.escape(self._base) + r"_(\d+)")
        found = (pattern.fullmatch(name) for name in self._server.collections())
        return {int(match[1]): match[0] for match in found if match}

    def _advance(self, name: str) -> int | None:
        """Reads what is new in the record, to which revision; None if the collection was lost
        meanwhile."""
        known = self._known
        target = self._source.revision()
        if known.name != name or target == known.revision:
            return target if known.name == name else None
        after, anew = known.after, known.revision < 0 and not (known.rows or known.tail)
        for templates in self._source.codes(after):
            self._add(name, Piece(templates, target))
        removed = [] if anew else self._source.removed(after).tolist()
        for at in range(0, len(removed), REMOVED_ROWS):
            self._hide(name, removed[at : at + REMOVED_ROWS])
        with self._changing:
            self._change(name, self._known._replace(revision=target, after=target))
            return target if self._known.name == name else None

    def _add(self, name: str, piece: Piece) -> None:
        if self._closing.is_set():
            raise StorageError("the index in Milvus is being closed")
        with self._changing:
            self._change(name, self._known._replace(tail=(*self._known.tail, piece)))
        if self._known.tail_rows() > TAIL_ROWS:
            self._write()

    def _hide(self, name: str, removed: list[int]) -> None:
        with self._changing:
            self._change(name, self._known._replace(removed=self._known.removed.union(removed)))
        if len(self._known.removed) > REMOVED_ROWS:
            self._write()

    def _write(self) -> None:
        """Writes the tail to Milvus, deletes what was removed, and notes how far it is complete."""
        with self._writing:
            known = self._known
            noted = self._source.index_revision(known.name) if known.name else known.revision
            if not (known.tail or known.removed or known.revision > noted):
                return
            try:
                time, rows = self._write_rows(known, noted)
            except StorageError as error:
                if is_unusable(error):
                    self._lose(known.name)
                raise
            if known.revision > noted:
                self._source.set_index_revision(known.name, known.revision)
            written = {id(piece) for piece in known.tail}
            with self._changing:
                now = self._known
                tail = tuple(piece for piece in now.tail if id(piece) not in written)
                removed = now.removed - known.removed
                self._change(
                    known.name, now._replace(time=time, rows=rows, tail=tail, removed=removed)
                )

    def _write_rows(self, known: Known, noted: int) -> tuple[int, int]:
        removed = sorted(known.removed)
        for piece in known.tail:
            if piece.revision > noted:  # else another replica has written it
                kept = ~np.isin(piece.templates.templates, removed)
                numbers, modalities, codes = piece.templates
                rows = Codes(numbers[kept], modalities[kept], codes[kept])
                self._server.write(known.name, rows)
        if removed:
            self._server.delete(known.name, removed)
        return self._server.settle(known.name)

    def _work(self) -> None:
        """What the thread does: follows where nothing is known, and writes."""
        failing = False
        while True:
            self._wake.wait()
            self._wake.clear()
            # Changes come together; of several replicas often one alone writes.
            if self._closing.wait(random.uniform(0.1, 0.5)):
                return
            try:
                if self._known.revision < 0:
                    self.follow()
                self._write()
                failing = False
            except GaitError as error:
                if not failing:
                    LOGGER.warning("the index in Milvus is behind, trying again: %s", error)
                failing = True
                self._closing.wait(1.0)
                self._wake.set()
