"""What searches in Milvus use: a collection, as of a time, and what is not there yet."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gait.modality import Modality
from gallery.index.interface import Codes, Ids


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


def tail_distances(
    known: Known, code: NDArray[np.uint8], modality: Modality | None
) -> list[tuple[Ids, Ids]]:
    """Numbers and Hamming distances of the templates in the tail."""
    found = []
    width = np.uint64 if len(code) % 8 == 0 else np.uint8
    for piece in known.tail:
        templates, modalities, codes = piece.templates
        if modality is not None:
            chosen = modalities == list(Modality).index(modality)
            templates, codes = templates[chosen], codes[chosen]
        different = np.ascontiguousarray(codes).view(width) ^ np.ascontiguousarray(code).view(width)
        found.append((templates, np.bitwise_count(different).sum(axis=1, dtype=np.int64)))
    return found


def together(found: list[tuple[Ids, Ids]], known: Known) -> tuple[Ids, Ids]:
    """What Milvus and the tail found, each once, without what was removed."""
    templates, first = np.unique(np.concatenate([ids for ids, _ in found]), return_index=True)
    distances = np.concatenate([distance for _, distance in found])[first]
    if known.removed:
        kept = ~np.isin(templates, list(known.removed))
        templates, distances = templates[kept], distances[kept]
    return distances, templates
