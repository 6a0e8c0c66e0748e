"""A record of random codes in memory, for tests of indexes."""

import threading
from collections.abc import Iterator

import numpy as np

from gait.modality import Modality
from gallery.index.interface import CodeMatrix, Codes, Ids
from gallery.template import Vector

CODE_BYTES = 64


def probe_of(code: CodeMatrix) -> Vector:
    """A probe whose code is the given one, all of whose numbers count alike."""
    return np.unpackbits(code).astype(np.float32) * 2 - 1


class MemorySource:
    """A `CodeSource`. `add` and `remove` are one change each."""

    def __init__(self, code_bytes: int = CODE_BYTES, page: int = 2000) -> None:
        """Starts without templates.

        Args:
            code_bytes: length of a code.
            page: templates that `codes` returns at a time.
        """
        self._length, self._page = code_bytes, page
        self._random = np.random.default_rng(0)
        self._lock = threading.Lock()
        self._revision = 0
        self.rows: dict[int, tuple[int, int, CodeMatrix]] = {}
        self._gone: dict[int, int] = {}
        self._given = 0
        self.notes: dict[str, int] = {}

    @property
    def code_bytes(self) -> int:
        return self._length

    def add(self, count: int) -> list[int]:
        """Adds random templates, alternating between the modalities, and returns their numbers."""
        codes = self._random.integers(0, 256, (count, self._length), dtype=np.uint8)
        with self._lock:
            self._revision += 1
            numbers = list(range(self._given + 1, self._given + count + 1))
            self._given += count
            for number, code in zip(numbers, codes, strict=True):
                self.rows[number] = (self._revision, number % 2, code)
        return numbers

    def remove(self, numbers: list[int]) -> None:
        """Removes templates."""
        with self._lock:
            self._revision += 1
            for number in numbers:
                del self.rows[number]
                self._gone[number] = self._revision

    def nearest(self, code: CodeMatrix, count: int, modality: Modality | None) -> list[int]:
        """What an exact index proposes, by a ranking of all."""
        wanted = {0, 1} if modality is None else {list(Modality).index(modality)}
        ranked = sorted(
            (int(np.unpackbits(code ^ row).sum()), number)
            for number, (_, place, row) in self.rows.items()
            if place in wanted
        )
        last = ranked[:count][-1][0] if ranked else 0
        return [number for distance, number in ranked if distance <= last]

    def revision(self) -> int:
        return self._revision

    def codes(self, after: int) -> Iterator[Codes]:
        with self._lock:
            found = sorted(n for n, (revision, _, _) in self.rows.items() if revision > after)
            rows = [self.rows[number] for number in found]
        for at in range(0, len(found), self._page):
            some = slice(at, at + self._page)
            yield Codes(
                np.array(found[some], dtype=np.int64),
                np.array([place for _, place, _ in rows[some]], dtype=np.uint8),
                np.stack([code for _, _, code in rows[some]]),
            )

    def removed(self, after: int) -> Ids:
        with self._lock:
            found = [number for number, revision in self._gone.items() if revision > after]
        return np.array(found, dtype=np.int64)

    def index_revision(self, name: str) -> int:
        return self.notes.get(name, 0)

    def set_index_revision(self, name: str, revision: int) -> None:
        with self._lock:
            self.notes[name] = max(revision, self.notes.get(name, 0))
