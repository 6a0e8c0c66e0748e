"""Tracks are cut into pieces wherever one person may have been taken for another.

Where people cross, a tracker may swap them. So a piece ends where somebody else covers a part of
the person, and where the person was not seen for a while. A gallery that is built from pieces has
one person under several names now and then; it does not have two people under one name.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from capture.track.sighting import Sighting

COVERED = 0.3
"""Part of a person covered by another one from which on who is who is not certain."""

MOST_MISSED = 3
"""A piece goes on over this many frames at most, counted from one sighting to the next."""

LONGEST = 600
"""Sightings of a piece; somebody who stays longer has several. Bounds the memory."""

ESTABLISHED = 8
"""Sightings that a track must have before it counts as somebody who covers others."""


@dataclass
class Pieces:
    """Sightings of one track: those that wait until all is known about them, and an open piece."""

    waiting: list[Sighting] = field(default_factory=list)
    open: list[Sighting] = field(default_factory=list)

    def add(self, sighting: Sighting) -> None:
        """Appends a sighting, newer than all before."""
        self.waiting.append(sighting)

    def settled(self, before: int) -> list[Sighting]:
        """Takes out the sightings of frames before this one, in order."""
        count = sum(each.frame < before for each in self.waiting)
        taken, self.waiting = self.waiting[:count], self.waiting[count:]
        return taken

    def cut(
        self, sightings: list[Sighting], counts: dict[int, int], longest: int = LONGEST
    ) -> Iterator[list[Sighting]]:
        """Appends settled sightings to the open piece; yields each piece that ends.

        Args:
            sightings: as `settled` gave them.
            counts: sightings of each track so far.
            longest: sightings of a piece.
        """
        for sighting in sightings:
            covered = covered_part(sighting, counts) >= COVERED
            if self.open and (covered or sighting.frame - self.open[-1].frame > MOST_MISSED):
                yield self.close()
            if not covered:
                self.open.append(sighting)
            if len(self.open) >= longest:
                yield self.close()

    def close(self) -> list[Sighting]:
        """Takes out the open piece; it is empty if nothing was seen since the last one ended."""
        piece, self.open = self.open, []
        return piece


def covered_part(sighting: Sighting, counts: dict[int, int]) -> float:
    """How much of a person the box of somebody else covers; brief tracks are nobody."""
    parts = [part for other, part in sighting.shared.items() if counts.get(other, 0) >= ESTABLISHED]
    return max(parts, default=0.0)
