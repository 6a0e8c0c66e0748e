"""Who is who in a LiDAR's clouds, from one scan to the next: by place and speed on the ground."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from capture.lidar.people import Figure
from capture.track.assignment import greedy
from capture.track.pieces import ESTABLISHED, Pieces
from capture.track.sighting import Numbers, Sighting
from capture.track.table import Tracks

_REACH, _GROWS = 0.5, 0.15
"""Metres that a person may be from where they are expected, and more for each scan missed."""

_FASTEST = 3.0
"""Metres a second that a new track may be away after a scan, and that any is expected to go on by:
scans that were written down at one moment would give any speed."""

_MARGIN = 0.15
"""Metres around two people within which their points may be mixed."""


@dataclass
class LidarTrack:
    """One thing of a person's size that moves, or may come to."""

    number: int
    at: Numbers
    last: int
    seconds: float
    count: int = 1
    speed: Numbers = field(default_factory=lambda: np.zeros(2))
    pieces: Pieces = field(default_factory=Pieces)

    def expected(self, seconds: float) -> NDArray[np.float64]:
        """`(2,)` metres, where it should be at a time."""
        return np.asarray(self.at + self.speed * min(seconds - self.seconds, 1.0))

    def see(self, frame: int, seconds: float, at: NDArray[np.float64]) -> None:
        """It was found in a scan."""
        speed = (at - self.at) / max(seconds - self.seconds, 1e-3)
        speed *= min(1.0, _FASTEST / max(float(np.hypot(*speed)), 1e-9))
        self.speed = speed if self.count == 1 else 0.6 * self.speed + 0.4 * speed
        self.at, self.last, self.seconds = at, frame, seconds
        self.count += 1


@dataclass
class LidarTracks(Tracks[LidarTrack]):
    """The people that a LiDAR sees."""

    live: list[LidarTrack] = field(default_factory=list)

    def step(self, frame: int, seconds: float, figures: list[Figure]) -> None:
        """Goes on to the next scan.

        Args:
            frame: its number, larger than the last one.
            seconds: its time.
            figures: what stands on the ground in it.
        """
        people = [each for each in figures if each.is_person]
        pairs = greedy(self._costs(frame, seconds, people))
        now = dict[int, Figure]()
        for row, column in pairs:
            self.live[row].see(frame, seconds, people[column].middle)
            now[self.live[row].number] = people[column]
        for column in {*range(len(people))} - {column for _, column in pairs}:
            track = LidarTrack(self.next_number, people[column].middle, frame, seconds)
            self.begin(track)
            now[track.number] = people[column]
        self._record(frame, seconds, now)

    def _costs(self, frame: int, seconds: float, people: list[Figure]) -> NDArray[np.float64]:
        expected = np.array([t.expected(seconds) for t in self.live]).reshape(-1, 1, 2)
        middles = np.array([each.middle for each in people]).reshape(1, -1, 2)
        away = np.hypot(*np.moveaxis(expected - middles, 2, 0))
        missed = np.array([frame - track.last - 1 for track in self.live])
        fresh = np.array([track.count < 3 for track in self.live])
        waited = np.array([seconds - track.seconds for track in self.live])
        reach = np.where(fresh, _FASTEST * waited, _REACH + _GROWS * missed)
        return np.where(away <= reach[:, None], away, np.inf)

    def _record(self, frame: int, seconds: float, now: dict[int, Figure]) -> None:
        missed = [
            (track.number, track.expected(seconds))
            for track in self.live
            if track.number not in now and track.count >= ESTABLISHED
        ]
        self.counts |= {track.number: track.count for track in self.live}
        for track in self.live:
            figure = now.get(track.number)
            if figure is None:
                continue
            shared = {
                number: part
                for number, other in now.items()
                if number != track.number and (part := _hidden(figure, other)) > 0
            }
            shared |= {number: 1.0 for number, at in missed if _lies_in(at, figure)}
            box = tuple(round(value, 3) for value in figure.box)
            points = figure.points.astype(np.float32).tobytes()
            sighting = Sighting(frame, seconds, box, points, 1.0, True, figure.whole, shared)
            track.pieces.add(sighting)


def _lies_in(at: NDArray[np.float64], figure: Figure) -> bool:
    """Whether somebody who is not seen is expected within what is seen of another one."""
    low, high = figure.low - 2 * _MARGIN, figure.high + 2 * _MARGIN
    return bool(((at >= low) & (at <= high)).all())


def _hidden(figure: Figure, other: Figure) -> float:
    """How much of a person another one hides from the sensor; all of it if they touch."""
    low, high = figure.low - _MARGIN, figure.high + _MARGIN
    if ((other.high >= low) & (other.low <= high)).all():
        return 1.0
    if np.hypot(*other.middle) > np.hypot(*figure.middle):
        return 0.0
    (begin, end), (first, last) = _azimuths(figure), _azimuths(other)
    turn = 2 * np.pi * np.rint((begin - first) / (2 * np.pi))
    shared = min(end, last + turn) - max(begin, first + turn)
    return max(0.0, float(shared / max(end - begin, 1e-6)))


def _azimuths(figure: Figure) -> tuple[float, float]:
    """Where a figure begins and ends as the sensor sees it, radians."""
    middle = float(np.arctan2(figure.middle[1], figure.middle[0]))
    off = np.arctan2(figure.points[:, 1], figure.points[:, 0]) - middle
    off = (off + np.pi) % (2 * np.pi) - np.pi
    return middle + float(off.min()), middle + float(off.max())
