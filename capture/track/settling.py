"""What no later frame changes any more leaves the memory: pieces, and tracks that ended."""

from collections.abc import Callable
from typing import Protocol, TypeVar

from capture.output.sink import Sink
from capture.track.pieces import ESTABLISHED, Pieces
from capture.track.sighting import Sighting

_REMEMBERED = 1000
"""Tracks whose number of sightings is remembered after they ended."""


class Track(Protocol):
    """What a track of either sensor has."""

    number: int
    last: int
    count: int
    pieces: Pieces


T = TypeVar("T", bound=Track)


class OpenTracks(Protocol[T]):
    """The tracks of a recording that have not ended.

    Attributes:
        patience: frames after which somebody who was not seen is gone.
        live: the tracks.
        counts: sightings of each track so far.
        next_number: of the next track.
    """

    patience: int
    live: list[T]
    counts: dict[int, int]
    next_number: int


def settle(
    tracks: OpenTracks[T],
    step: int,
    sink: Sink,
    write: Callable[[int, list[Sighting]], None],
    longest: int,
    *,
    final: bool = False,
) -> None:
    """Hands on what is settled at a frame.

    Args:
        tracks: of which it is taken.
        step: number of the frame.
        sink: told of boxes, and of tracks that ended.
        write: given each piece with its track.
        longest: sightings of a piece.
        final: no frame follows.
    """
    gone = _take_gone(tracks, step + 1 if final else step)
    done = []
    for track in [*gone, *tracks.live]:
        settled = track.pieces.settled(step - tracks.patience)
        if track.count >= ESTABLISHED:
            done += [(track.number, each) for each in settled]
        for piece in track.pieces.cut(settled, tracks.counts, longest):
            write(track.number, piece)
    sink.boxes(done)
    for track in gone:
        write(track.number, track.pieces.close())
        sink.ended(track.number)
    oldest = min((track.number for track in tracks.live), default=tracks.next_number)
    tracks.counts = {n: k for n, k in tracks.counts.items() if n > oldest - _REMEMBERED}


def _take_gone(tracks: OpenTracks[T], frame: int) -> list[T]:
    gone = [track for track in tracks.live if frame - track.last > tracks.patience]
    tracks.live = [track for track in tracks.live if frame - track.last <= tracks.patience]
    return gone
