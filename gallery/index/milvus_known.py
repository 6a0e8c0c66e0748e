"""What searches in Milvus use: a collection, as of a time, and what is not there yet."""

from typing import NamedTuple

import numpy as np

from gait.modality import Modality
from gallery.index.interface import Codes
from gallery.index.ranking import Near, Probe


class Piece:
    """Templates that came with one change of the record, or were found at the same time."""

    def __init__(self, templates: Codes, revision: int) -> None:
        self.templates = templates
        self.revision = revision


class Known(NamedTuple):
    """What searches use. Replaced as a whole, never changed.

    Attributes:
        name: of the collection; empty if there is none now.
        revision: of the record that is known; negative until all of it has been read.
        after: of the record, up to which collection and tail are complete; read on from here.
        time: of Milvus; what is not in the tail was to be searched there by then.
        rows: in Milvus by then.
        tail: what may not be in Milvus.
        removed: templates that may still be in Milvus and must not be proposed.
    """

    name: str = ""
    revision: int = -1
    after: int = 0
    time: int = 0
    rows: int = 0
    tail: tuple[Piece, ...] = ()
    removed: frozenset[int] = frozenset()

    def tail_rows(self) -> int:
        """Rows of the tail; some of them may be in Milvus, too."""
        return sum(len(piece.templates.templates) for piece in self.tail)


def tail_near(known: Known, probe: Probe, modality: Modality | None) -> list[Near]:
    """The templates in the tail."""
    found = []
    for piece in known.tail:
        some = piece.templates
        if modality is not None:
            some = some.of(list(Modality).index(modality))
        found.append(Near.of(probe, some.templates, some.codes))
    return found


def together(probe: Probe, found: list[Near], known: Known) -> Near:
    """What Milvus and the tail found, each once, without what was removed."""
    every = Near.together(probe, found)
    once = np.zeros(len(every.templates), np.bool_)
    once[np.unique(every.templates, return_index=True)[1]] = True
    if known.removed:
        once &= ~np.isin(every.templates, list(known.removed))
    return every.only(once)
