"""What a capture tells of the people it finds, whoever listens."""

from collections.abc import Sequence
from typing import Protocol

from capture.track.sighting import Sighting


class Sink(Protocol):
    """Takes what a capture finds.

    Attributes:
        state: from which an interrupted capture goes on; None to begin.
    """

    state: str | None

    def boxes(self, settled: list[tuple[int, Sighting]]) -> None:
        """People whose frames are done: track and sighting."""

    def piece(self, track: int, sightings: Sequence[Sighting], least_size: float = 0.0) -> None:
        """A piece of a track in which it is one person: one sighting at least, in order."""

    def ended(self, track: int) -> None:
        """No piece of this track follows."""

    def save(self, state: str) -> None:
        """From here on an interrupted capture may go on."""
