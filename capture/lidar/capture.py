"""A LiDAR's recording into clips of the people in it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Annotated

import numpy as np
from annotated_types import Ge, Gt

from capture.lidar.background import Background, learn
from capture.lidar.ground import Ground, find_ground
from capture.lidar.people import find_figures
from capture.lidar.tracker import LidarTracks
from capture.output.sink import Sink
from capture.source.scan import USUAL_RATE, Scan, ScanSource
from capture.track.pieces import LONGEST
from capture.track.sighting import Sighting
from capture.track.state import from_text, to_text
from capture.track.table import PAUSE
from gait.errors import CorruptFileError
from gait.frozen import Frozen
from gait.sampling import evenly

_LEARNT_FROM = 50
_GROUND_FROM = 5
_SAVE_EVERY = 100
_PATIENCE = 1.0


class LidarSettings(Frozen):
    """What to look for in clouds.

    Args:
        keep: scans that a clip must have.
        reach: metres; who is further away is left out.
        walked: metres that somebody must get ahead within a clip: posts and bushes do not.
        fixed: the sensor stands; None finds out.
        longest: scans of a clip; somebody who stays longer has several.
        learn: scans, from the recording's beginning, that the background is learnt from.
    """

    keep: Annotated[int, Ge(2)] = 20
    reach: Annotated[float, Gt(2)] = 30.0
    walked: Annotated[float, Ge(0)] = 1.0
    fixed: bool | None = None
    learn: Annotated[int, Ge(4)] = 600
    longest: Annotated[int, Ge(2)] = LONGEST


@dataclass
class _State:
    """All that a capture knows between two scans."""

    tracks: LidarTracks
    step: int = -1
    seconds: float = 0.0


@dataclass
class LidarCapture:
    """Finds people in the scans of one recording, one after the other.

    Args:
        source: what is captured.
        settings: see there.
        recorder: takes what is found.
    """

    source: ScanSource
    settings: LidarSettings
    recorder: Sink
    _state: _State = field(init=False)
    _ground: Ground | None = field(init=False, default=None)
    _background: Background | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self._state = _State(LidarTracks(int(_PATIENCE * USUAL_RATE)))
        if self.recorder.state is not None:
            self._state = from_text(_State, self.recorder.state)

    def run(self, advance: Callable[[int], None] = lambda _: None) -> None:
        """Goes through the recording, from where an interrupted capture was.

        Args:
            advance: called with the scans that are done.

        Raises:
            CaptureError, DecodeError, DataError: see `capture.source`.
            CorruptFileError: there is no point in any scan.
        """
        if self.settings.fixed is not False:
            self._learn()
        begun, points = self._state.step + 1, 0
        for scan in self.source.scans():
            points += len(scan.points)
            if scan.index >= begun:
                self._step(scan)
                if scan.index % _SAVE_EVERY == _SAVE_EVERY - 1:
                    self.save()
            advance(1)
        if not points:
            raise CorruptFileError(
                f"{self.source.name} holds clouds, but no point that was measured; look at whether "
                "the sensor was running, and whether it is the right topic"
            )
        self._end()

    def _end(self) -> None:
        """Everybody has gone."""
        self._settle(self._state.step + 1 + self._state.tracks.patience, final=True)

    @property
    def is_fixed(self) -> bool:
        """Whether the sensor was found not to move."""
        return self._background is not None

    def save(self) -> None:
        """Writes down where to go on."""
        self.recorder.save(to_text(_State, self._state))

    def _learn(self) -> None:
        """The background and the ground, from scans spread over the first ones."""
        count = min(self.source.count or self.settings.learn, self.settings.learn)
        wanted = set(evenly(count, _LEARNT_FROM).tolist())
        scans = list[Scan]()
        for scan in self.source.scans():
            if scan.index in wanted:
                scans.append(scan)
            if scan.index >= count:
                break
        self._background = learn([scan.points for scan in scans])
        if self._background is not None or self.settings.fixed:
            some = [scans[row].points for row in evenly(len(scans), _GROUND_FROM)]
            self._ground = find_ground(np.concatenate(some))

    def _step(self, scan: Scan) -> None:
        if scan.seconds - self._state.seconds > PAUSE:
            self._end()
        ground = self._ground or find_ground(scan.points)
        figures = find_figures(scan.points, ground, self._background, self.settings.reach)
        self._state.step, self._state.seconds = scan.index, scan.seconds
        self._state.tracks.step(scan.index, scan.seconds, figures)
        self._settle(scan.index)

    def _settle(self, step: int, *, final: bool = False) -> None:
        tracks, longest = self._state.tracks, self.settings.longest
        tracks.settle(step, self.recorder, self._write, longest, final=final)

    def _write(self, track: int, piece: Sequence[Sighting]) -> None:
        if len(piece) > 1 and _way(piece) >= self.settings.walked:
            self.recorder.piece(track, piece)


def _way(piece: Sequence[Sighting]) -> float:
    """Metres between the two places of a piece that lie furthest apart along each axis."""
    boxes = np.array([each.box for each in piece])
    middles = (boxes[:, :2] + boxes[:, 2:]) / 2
    return float(np.hypot(*np.ptp(middles, axis=0)))
