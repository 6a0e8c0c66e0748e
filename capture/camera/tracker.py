"""Who is who in a camera's pictures, from one to the next.

People are expected where their speed takes them. Pairs of expected and seen people are taken in the
order of a cost of place and colours. Who is not detected is looked for where they are expected.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from capture.camera.people import SURE, Seen
from capture.track.assignment import greedy
from capture.track.boxes import Box, areas, common_areas, iou
from capture.track.pieces import Pieces
from capture.track.sighting import Numbers, Sighting
from capture.track.table import Tracks

Look = Callable[[list[Box]], list[Seen | None]]
"""Looks for people in boxes of the picture at hand."""

_STEADY = 10
"""Frames over which a speed is believed."""

_TALLER = 1.4
_COLOURS, _COLOURS_LATER = 0.6, 0.45
"""Largest distance of colours within two frames, and after more."""

_LOOKED_FOR = 5
"""Frames in a row in which somebody is only looked for, not detected."""

_HIDDEN = 5
"""Frames for which somebody who is not seen any more is taken to be behind who is seen there."""

_ALONE = 0.15
_BRIEF = 3
"""Tracks with fewer sightings count for nobody when colours are learnt."""


@dataclass
class CameraTrack:
    """One person, as far as the tracker can tell."""

    number: int
    box: Numbers
    colours: Numbers
    last: int
    count: int = 1
    speed: Numbers = field(default_factory=lambda: np.zeros(4))
    looked_for: int = 0
    pieces: Pieces = field(default_factory=Pieces)

    def expected(self, frame: int) -> Box:
        """Where the person should be; the size is kept."""
        move = self.speed * min(frame - self.last, _STEADY)
        both = (move[:2] + move[2:]) / 2
        return np.asarray(self.box + np.concatenate([both, both]))

    def see(self, frame: int, seen: Seen) -> None:
        """The person was found in a frame."""
        speed = (seen.box - self.box) / (frame - self.last)
        smooth = 0.35 * self.expected(frame) + 0.65 * seen.box
        self.speed = speed if self.count == 1 else 0.7 * self.speed + 0.3 * speed
        self.box = smooth if self.count > 2 else seen.box
        self.last = frame
        self.count += 1


@dataclass
class CameraTracks(Tracks[CameraTrack]):
    """The people that a camera sees."""

    live: list[CameraTrack] = field(default_factory=list)

    def step(
        self,
        frame: int,
        seconds: float,
        seen: list[Seen],
        look: Look,
        size: tuple[int, int],
        *,
        detected: bool = True,
    ) -> None:
        """Goes on to the next frame.

        Args:
            frame: its number, larger than the last one.
            seconds: its time.
            seen: people in it.
            detected: they come from a detector, not only from where people were expected.
            look: for those who were not.
            size: height and width of the picture.
        """
        now = dict[int, Seen]()
        taken = set[int]()
        for row, column in self._pairs(frame, seen):
            track = self.live[row]
            track.see(frame, seen[column])
            if seen[column].score:
                track.looked_for = 0
            now[track.number] = seen[column]
            taken.add(column)
        if detected:
            self._look_for_missed(frame, look, size, now)
        self._begin(frame, [each for at, each in enumerate(seen) if at not in taken], now)
        self._record(frame, seconds, now)

    def expected(self, frame: int) -> list[Box]:
        """Where those should be who were seen in one of the two frames before."""
        return [track.expected(frame) for track in self.live if frame - track.last <= 2]

    def _pairs(self, frame: int, seen: list[Seen]) -> list[tuple[int, int]]:
        if not self.live or not seen:
            return []
        return greedy(self._costs(frame, seen))

    def _costs(self, frame: int, seen: list[Seen]) -> NDArray[np.float64]:
        expected = np.array([track.expected(frame) for track in self.live])
        boxes = np.array([each.box for each in seen])
        own = np.array([track.colours for track in self.live])
        colours = distance(own, np.array([each.body.colours for each in seen]))
        height = (expected[:, 3] - expected[:, 1])[:, None]
        away = (_feet(expected)[:, None] - _feet(boxes)[None]) / height[..., None]
        apart = np.hypot(away[..., 0], away[..., 1])
        taller = height / (boxes[:, 3] - boxes[:, 1])
        gap = np.array([frame - track.last for track in self.live])[:, None]
        costs = (1 - iou(expected, boxes)) + 1.2 * colours + 0.5 * apart
        costs[apart > 0.35 + 0.05 * np.minimum(gap, _STEADY)] = np.inf
        costs[(taller > _TALLER) | (taller < 1 / _TALLER)] = np.inf
        costs[colours > np.where(gap > 2, _COLOURS_LATER, _COLOURS)] = np.inf
        return np.asarray(costs)

    def _look_for_missed(
        self, frame: int, look: Look, size: tuple[int, int], now: dict[int, Seen]
    ) -> None:
        others = np.array([t.box for t in self.live if t.number in now]).reshape(-1, 4)
        missed = [
            track
            for track in self.live
            if track.number not in now and self._may_be_looked_for(track, frame, size, others)
        ]
        found = look([track.expected(frame) for track in missed])
        for track, each in zip(missed, found, strict=True):
            if each is None or not _is_same(track, each, frame):
                continue
            track.see(frame, each)
            track.looked_for += 1
            now[track.number] = each

    def _may_be_looked_for(
        self, track: CameraTrack, frame: int, size: tuple[int, int], others: Box
    ) -> bool:
        if track.count < 4 or track.looked_for >= _LOOKED_FOR or frame - track.last > 1:
            return False
        box = track.expected(frame)
        if box[0] < 0 or box[1] < 0 or box[2] > size[1] or box[3] > size[0]:
            return False
        return not len(others) or float(iou(box[None], others).max()) <= 0.3

    def _begin(self, frame: int, left: list[Seen], now: dict[int, Seen]) -> None:
        known = np.array([t.box for t in self.live if t.number in now]).reshape(-1, 4)
        for each in left:
            if each.score < SURE or (len(known) and iou(each.box[None], known).max() > 0.4):
                continue
            track = CameraTrack(self.next_number, each.box, each.body.colours, frame)
            self.begin(track)
            now[track.number] = each

    def _record(self, frame: int, seconds: float, now: dict[int, Seen]) -> None:
        seen = [(track, now[track.number]) for track in self.live if track.number in now]
        hidden = [
            track
            for track in self.live
            if track.number not in now and frame - track.last <= _HIDDEN and track.count >= _BRIEF
        ]
        boxes = [each.tight for _, each in seen] + [track.expected(frame) for track in hidden]
        numbers = [track.number for track, _ in seen] + [track.number for track in hidden]
        shared = covers(np.array(boxes).reshape(-1, 4))
        self.counts |= {track.number: track.count for track, _ in seen}
        for row, (track, each) in enumerate(seen):
            sighting = each.sighting(frame, seconds)
            sighting.shared = {
                number: round(float(part), 3)
                for number, part in zip(numbers, shared[row], strict=True)
                if part > 0
            }
            track.pieces.add(sighting)
            if _is_alone(sighting, self.counts):
                track.colours = 0.9 * track.colours + 0.1 * each.body.colours


def _is_alone(sighting: Sighting, counts: dict[int, int]) -> bool:
    return all(part < _ALONE for other, part in sighting.shared.items() if counts[other] >= _BRIEF)


def _is_same(track: CameraTrack, seen: Seen, frame: int) -> bool:
    """Whether who was found where a person is expected is that person."""
    near = iou(seen.tight[None], track.expected(frame)[None])[0, 0] > 0.5
    alike = distance(track.colours[None], seen.body.colours[None])[0, 0] < 0.35
    return bool(seen.body.presence > 0.8 and near and alike)


def covers(boxes: Box) -> NDArray[np.float64]:
    """`(n, n)` part of each box that each other one covers; 0 of itself."""
    parts = common_areas(boxes, boxes) / np.maximum(areas(boxes), 1e-9)[:, None]
    np.fill_diagonal(parts, 0.0)
    return np.asarray(parts)


def distance(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    """`(n, m)` Hellinger distances of colours `(n, k)` and `(m, k)`."""
    return np.asarray(np.sqrt(np.clip(1 - first @ second.T, 0, 1)))


def _feet(boxes: Box) -> NDArray[np.float64]:
    """`(n, 2)` where people stand."""
    return np.stack([(boxes[:, 0] + boxes[:, 2]) / 2, boxes[:, 3]], axis=1)
