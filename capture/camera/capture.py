"""A camera's recording into clips of the people in it."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Annotated

import numpy as np
from annotated_types import Ge

from capture.camera.people import (
    Detector,
    Masker,
    Seen,
    distinct,
    look_closely,
    tall_enough,
)
from capture.camera.ssdlite import Found, Picture
from capture.camera.tracker import CameraTracks
from capture.output.page import photo_of
from capture.output.sink import Sink
from capture.source.live import newest
from capture.source.video import Frame, Recording, frames
from capture.track.boxes import Box, iou
from capture.track.pieces import LONGEST
from capture.track.state import from_text, to_text
from capture.track.table import PAUSE
from gait.errors import SourceLostError
from gait.frozen import Frozen

_PHOTO_EVERY = 5
_SAVE_EVERY = 200
_REFUSED_FOR = 10
"""Frames for which a place where a detector was wrong is not looked at again."""

_SAME_PLACE, _EXPECTED = 0.7, 0.3
_LEAST_OF_TALL = 0.7
"""A detection may be this much lower than a person has to be."""

_PATIENCE = 1.5
_LEAST_PATIENCE = 8
_ENOUGH_RATE = 12.5


class CameraSettings(Frozen):
    """What to look for in pictures.

    Args:
        tall: pixels; lower people are left out, median of their clip.
        keep: frames that a clip must have.
        every: frames of the recording for one that is looked at; None finds some 12 to 25 a second.
        detect: of the frames that are looked at, one in which people are detected; in the others
            they are looked for where they are expected.
        longest: frames of a clip; somebody who stays longer has several.
        threads: that find and mask people; None takes those of the machine, at most four.
    """

    tall: Annotated[int, Ge(16)] = 60
    keep: Annotated[int, Ge(2)] = 20
    every: Annotated[int, Ge(1)] | None = None
    detect: Annotated[int, Ge(1)] = 2
    longest: Annotated[int, Ge(2)] = LONGEST
    threads: Annotated[int, Ge(1)] | None = None

    def stride(self, rate: float) -> int:
        """Frames of a recording of this rate for one that is looked at."""
        return self.every or max(1, int(rate / _ENOUGH_RATE))


@dataclass
class _State:
    """All that a capture knows between two frames."""

    tracks: CameraTracks
    refused: list[tuple[int, tuple[float, ...]]] = field(default_factory=list)
    step: int = -1
    seconds: float = 0.0


@dataclass
class CameraCapture:
    """Finds people in the frames of one recording, one after the other.

    Args:
        recording: what is captured.
        settings: see there.
        detector, masker: networks.
        recorder: takes what is found.
    """

    recording: Recording
    settings: CameraSettings
    detector: Detector
    masker: Masker
    recorder: Sink
    _state: _State = field(init=False)

    def __post_init__(self) -> None:
        self.every = 1 if self.recording.live else self.settings.stride(self.recording.rate)
        patience = max(int(_PATIENCE * self.recording.rate / self.every), _LEAST_PATIENCE)
        self._state = _State(CameraTracks(patience))
        if self.recorder.state is not None:
            self._state = from_text(_State, self.recorder.state)

    def run(self, advance: Callable[[int], None] = lambda _: None) -> None:
        """Goes through the recording, from where an interrupted capture was.

        Args:
            advance: called with the frames of the recording that are done.

        Raises:
            CaptureError, DecodeError, DataError: see `capture.source.video.frames`.
        """
        threads = self.settings.threads or min(os.cpu_count() or 1, 4)
        begun = self._state.step + 1
        advance(begun * self.every)
        try:
            with ThreadPoolExecutor(threads) as pool:
                for frame, found in self._detected(pool, begun):
                    self._step(frame, found, pool)
                    advance(self.every)
                    if self._state.step % _SAVE_EVERY == _SAVE_EVERY - 1:
                        self.save()
        except SourceLostError:
            self._end()
            raise
        self._end()

    def _end(self) -> None:
        """Everybody has gone."""
        self._settle(self._state.step + 1 + self._state.tracks.patience, final=True)

    def save(self) -> None:
        """Writes down where to go on."""
        self.recorder.save(to_text(_State, self._state))

    def _detected(
        self, pool: ThreadPoolExecutor, begin: int
    ) -> Iterator[tuple[Frame, Found | None]]:
        """Frames with their detections, of which the next one is always under way."""
        ahead: tuple[Frame, Future[Found] | None] | None = None
        after = Frame(begin * self.every - 1, 0.0, np.zeros((1, 1, 3), np.uint8))
        read = frames(self.recording.source, after if begin else None)
        for frame in newest(read, _ENOUGH_RATE) if self.recording.live else read:
            if frame.index % self.every:
                continue
            detected = frame.index // self.every % self.settings.detect == 0
            job = pool.submit(self.detector.find, frame.picture) if detected else None
            if ahead is not None:
                yield ahead[0], _result(ahead[1])
            ahead = frame, job
        if ahead is not None:
            yield ahead[0], _result(ahead[1])

    def _step(self, frame: Frame, found: Found | None, pool: ThreadPoolExecutor) -> None:
        state, picture, step = self._state, frame.picture, frame.index // self.every
        if frame.seconds - state.seconds > PAUSE:
            self._end()
        if found is None:
            boxes = state.tracks.expected(step)
            scores = [0.0] * len(boxes)
        else:
            boxes, scores = self._worth_looking(step, found)

        def look(boxes: list[Box], scores: list[float] | None = None) -> list[Seen | None]:
            each = [0.0] * len(boxes) if scores is None else scores
            return list(
                pool.map(
                    lambda box, score: look_closely(self.masker, picture, box, score), boxes, each
                )
            )

        looked = look(boxes, scores)
        if found is not None:
            nobody = [tuple(b) for b, each in zip(boxes, looked, strict=True) if each is None]
            state.refused += [(step, box) for box in nobody]
        seen = distinct([each for each in looked if each is not None])
        state.step, state.seconds = step, frame.seconds
        height, width = picture.shape[:2]
        state.tracks.step(
            step, frame.seconds, seen, look, (height, width), detected=found is not None
        )
        self._take_photos(picture)
        self._settle(state.step)

    def _worth_looking(self, step: int, found: Found) -> tuple[list[Box], list[float]]:
        """Without those that are too small, and without places where nobody was just before."""
        boxes, scores = tall_enough(found, _LEAST_OF_TALL * self.settings.tall)
        state = self._state
        state.refused = [each for each in state.refused if step - each[0] <= _REFUSED_FOR]
        nobody = np.array([box for _, box in state.refused]).reshape(-1, 4)
        expected = np.array(state.tracks.expected(step)).reshape(-1, 4)
        new = np.ones(len(boxes), bool)
        if len(nobody) and len(boxes):
            new = iou(boxes, nobody).max(axis=1) < _SAME_PLACE
        if len(expected) and len(boxes):
            new |= iou(boxes, expected).max(axis=1) > _EXPECTED
        return list(boxes[new]), scores[new].tolist()

    def _take_photos(self, picture: Picture) -> None:
        for track in self._state.tracks.live:
            last = track.pieces.waiting[-1] if track.pieces.waiting else None
            if last and last.frame == self._state.step and track.count % _PHOTO_EVERY == 0:
                last.photo = photo_of(picture, last.box)

    def _settle(self, step: int, *, final: bool = False) -> None:
        self._state.tracks.settle(
            step,
            self.recorder,
            lambda track, piece: self.recorder.piece(track, piece, self.settings.tall),
            self.settings.longest,
            final=final,
        )


def _result(job: Future[Found] | None) -> Found | None:
    return None if job is None else job.result()
