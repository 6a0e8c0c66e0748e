"""What an index is: it proposes templates that may be like a probe, and decides nothing.

An index knows templates by number and by *code*: the signs of the embedding after a random
rotation (`gallery.index.codes`). It may be late, wrong or gone without harm: whatever it proposes
is read from the record, decrypted and compared exactly, and what the record does not hold is not
found. It is made from the record at any time.
"""

from collections.abc import Iterator
from typing import NamedTuple, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from gait.modality import Modality
from gallery.template import Vector

Ids = NDArray[np.int64]
CodeMatrix = NDArray[np.uint8]
"""Codes `(n, bytes)`, eight bits a byte."""


class Codes(NamedTuple):
    """Some templates as an index sees them, in arrays of equal length `n`. None of it changes.

    Attributes:
        templates: their numbers, `(n,)` int64, increasing; never given twice.
        modalities: places in `list(Modality)`, `(n,)` uint8.
        codes: `(n, bytes)` uint8.
    """

    templates: Ids
    modalities: NDArray[np.uint8]
    codes: CodeMatrix

    def of(self, modality: int) -> Self:
        """Those of one modality."""
        own = self.modalities == modality
        return type(self)(*(array[own] for array in self))


class CodeSource(Protocol):
    """What an index is made from and follows: the record."""

    @property
    def code_bytes(self) -> int:
        """Length of a code."""
        ...

    def revision(self) -> int:
        """How many changes there have been."""
        ...

    def codes(self, after: int) -> Iterator[Codes]:
        """Templates that were added or changed after a revision and still are there, by number.

        Some thousands at a time. What is written meanwhile may be among them.
        """
        ...

    def removed(self, after: int) -> Ids:
        """Numbers of the templates that were removed after a revision."""
        ...

    def index_revision(self, name: str) -> int:
        """Up to which revision an index outside this process is complete; 0 if nobody said."""
        ...

    def set_index_revision(self, name: str, revision: int) -> None:
        """Notes up to which revision an index is complete; a smaller number than is noted already
        changes nothing."""
        ...


class IndexHealth(NamedTuple):
    """What an index says of itself.

    Attributes:
        engine: `memory` or `milvus`.
        revision: of the record, that its proposals know.
        templates: how many it holds.
    """

    engine: str
    revision: int
    templates: int


class Index(Protocol):
    """Proposes templates. Methods may be called from several threads.

    Searches never wait for a write.
    """

    @property
    def revision(self) -> int:
        """Of the record, that the next proposals will know; negative before the first `follow`."""
        ...

    def follow(self) -> int:
        """Brings the proposals to the record's revision; which it is.

        Raises:
            StorageError: the record cannot be reached.
        """
        ...

    def propose(self, probe: Vector, count: int, modality: Modality | None) -> Ids:
        """The `count` templates whose codes differ least from a probe's, the likely nearest first.

        All that differ as little as the last of them are proposed too, so that what is proposed
        does not depend on the order in which an index holds its templates; the order is that of
        `gallery.index.ranking`. Expired templates are among them: when a template expires is the
        record's affair.

        Args:
            probe: `(bits,)` numbers, whose signs are the probe's code.
            count: templates wanted, at least 1; fewer are returned if there are fewer.
            modality: of the templates; None for both.

        Raises:
            StorageError: the index cannot be reached.
        """
        ...

    def health(self) -> IndexHealth:
        """How it is, without a search."""
        ...

    def drop(self) -> None:
        """Removes what lies outside this process, once the record is gone."""
        ...

    def close(self) -> None:
        """Lets go of what is held. No method may be called afterwards."""
        ...
