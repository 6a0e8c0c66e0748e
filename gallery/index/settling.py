"""What to do next so that the segments of an index are held as they should be.

One step replaces a few segments by one that holds the same templates; it takes a while, and is
done beside searches and writes.
"""

import itertools
from collections.abc import Sequence

from gallery.index.index import FRESH, Index
from gallery.index.rung import RungName
from gallery.index.segment import Exactly, Segment

LARGEST = 65_536
"""Rows of a segment that others are joined to at most. Segments are searched side by side."""


def next_old(index: Index, target: RungName) -> list[Segment]:
    """Segments to be replaced by one that is held in the way `target`; none if all is well.

    Few and new templates stay exact whatever the target is.
    """
    for segment in index.segments:
        if segment.name is not target and not _fresh(segment):
            return [segment]
        if 2 * int(segment.rows.alive.sum()) < len(segment):
            return [segment]
    if target is RungName.EXACT:
        return []
    compact = sorted((s for s in index.segments if s.name is target), key=len, reverse=True)
    for one, after in itertools.pairwise(compact):
        if len(one) + len(after) <= LARGEST and len(one) < 2 * len(after):
            return [one, after]
    return []


def replacement(old: Sequence[Segment], target: RungName, exactly: Exactly) -> Segment | None:
    """What replaces the old segments; None if nothing in them is alive."""
    if len(old) > 1:
        return Segment.joined(old)
    (segment,) = old
    name = segment.name if _fresh(segment) else target
    return segment.living() if segment.name is name else segment.as_rung(name, exactly)


def _fresh(segment: Segment) -> bool:
    return segment.name is RungName.EXACT and len(segment) <= FRESH // 2
