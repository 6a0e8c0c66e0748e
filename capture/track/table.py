"""The tracks of a recording that have not ended; what no later frame changes leaves the memory."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from capture.output.sink import Sink
from capture.track.pieces import ESTABLISHED, Pieces
from capture.track.sighting import Sighting

_REMEMBERED = 1000
"""Tracks whose number of sightings is remembered after they ended."""

PAUSE = 1.5
"""Seconds from one frame to the next after which everybody has gone: a camera that records only
while something moves shows somebody else then, perhaps in the same place."""


class Track(Protocol):
    """What a track of either sensor has."""

    number: int
    last: int
    count: int
    pieces: Pieces


T = TypeVar("T", bound=Track)


@dataclass
class Tracks(Generic[T]):
    """All tracks that have not ended. Can be written to a file and read again.

    A sensor's class says anew of what type `live` is, so that it is read as that.

    Args:
        patience: frames after which somebody who was not seen is gone.
        live: the tracks.
        counts: sightings of each track so far.
        next_number: of the next track.
    """

    patience: int
    live: list[T] = field(default_factory=list)
    counts: dict[int, int] = field(default_factory=dict)
    next_number: int = 0

    def begin(self, track: T) -> None:
        """Somebody new, whose number is `next_number`."""
        self.live.append(track)
        self.next_number += 1

    def settle(
        self,
        step: int,
        sink: Sink,
        write: Callable[[int, list[Sighting]], None],
        longest: int,
        *,
        final: bool = False,
    ) -> None:
        """Hands on what is settled at a frame.

        Args:
            step: number of the frame.
            sink: told of boxes, and of tracks that ended.
            write: given each piece with its track; never an empty one.
            longest: sightings of a piece.
            final: no frame follows.
        """
        gone = self._take_gone(step + 1 if final else step)
        done = []
        for track in [*gone, *self.live]:
            settled = track.pieces.settled(step - self.patience)
            if track.count >= ESTABLISHED:
                done += [(track.number, each) for each in settled]
            for piece in track.pieces.cut(settled, self.counts, longest):
                write(track.number, piece)
        sink.boxes(done)
        for track in gone:
            if last := track.pieces.close():
                write(track.number, last)
            sink.ended(track.number)
        oldest = min((track.number for track in self.live), default=self.next_number)
        self.counts = {n: k for n, k in self.counts.items() if n > oldest - _REMEMBERED}

    def _take_gone(self, frame: int) -> list[T]:
        gone = [track for track in self.live if frame - track.last > self.patience]
        self.live = [track for track in self.live if frame - track.last <= self.patience]
        return gone
