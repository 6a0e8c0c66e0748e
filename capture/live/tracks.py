"""Tracks as they are seen: windows go to a service, decisions come out."""

import base64
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np

from capture.output.clip_file import pack
from capture.track.sighting import Sighting
from gait.errors import GaitError
from gait.modality import Modality
from gait.verdict import Window, decided

Ask = Callable[[bytes], Window]
"""Asks a service about a clip."""

_WAITING = 32
"""Windows that may wait for the service; more are left out."""


@dataclass
class _Track:
    windows: list[Window] = field(default_factory=list)
    asked: int = 0
    pending: int = 0
    ended: bool = False
    done: bool = False
    first: float = 0.0
    last: float = 0.0
    photo: bytes = b""


class LiveTracks:
    """A sink that asks about every window of a track and says once who it is.

    Of somebody who is not found nothing is kept: neither clip nor embedding nor picture; the event
    says that somebody passed.

    Args:
        name: of the source, in events.
        modality: of the clips.
        ask: a service.
        say: told of each decision.
        complain: told of what went wrong.
        windows: of a track before it is decided; fewer when it ends.
        keep: frames that a window must have.
        cooldown: seconds for which the same person is not told of again.
        pictures: events of people who are found hold a small JPEG of them, in base64.
        clock: seconds.
    """

    state: str | None = None

    def __init__(
        self,
        name: str,
        modality: Modality,
        ask: Ask,
        say: Callable[[dict[str, Any]], None],
        complain: Callable[[str], None],
        *,
        windows: int = 3,
        keep: int = 20,
        cooldown: float = 60.0,
        pictures: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name, self._modality, self._ask = name, modality, ask
        self._say, self._complain, self._clock = say, complain, clock
        self._windows, self._keep, self._cooldown = windows, keep, cooldown
        self._pictures = pictures
        self._told = dict[str, float]()
        self._tracks = dict[int, _Track]()
        self._before = self._numbers = 0
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="asking")
        self._waiting = 0

    def boxes(self, settled: list[tuple[int, Sighting]]) -> None:
        """Boxes are not kept."""

    def save(self, state: str) -> None:
        """A live source cannot go on where it was."""

    def piece(self, track: int, sightings: Sequence[Sighting], least_size: float = 0.0) -> None:
        """Asks about a window, if it shows enough of the person."""
        track += self._before
        whole = [each for each in sightings if each.whole]
        tall = np.median([each.box[3] - each.box[1] for each in whole]) if whole else 0.0
        with self._lock:
            self._numbers = max(self._numbers, track + 1)
            known = self._tracks.setdefault(track, _Track(first=sightings[0].seconds))
            known.last = sightings[-1].seconds
            if self._pictures:
                known.photo = next((each.photo for each in whole if each.photo), known.photo)
            enough = len(whole) >= self._keep and tall >= least_size
            if known.done or known.asked >= self._windows or not enough:
                return
            if self._waiting >= _WAITING:
                self._complain("the service does not keep up; a window was left out")
                return
            known.asked += 1
            known.pending += 1
            self._waiting += 1
        self._pool.submit(self._look_up, track, whole)

    def ended(self, track: int) -> None:
        """Decides by what is there once nothing of the track is under way."""
        with self._lock:
            known = self._tracks.get(self._before + track)
            if known is not None:
                known.ended = True
                self._decide(self._before + track, known)

    def begin_anew(self) -> None:
        """The source was lost and its tracks have ended; the next ones get new numbers."""
        self._before = self._numbers

    def close(self) -> None:
        """Waits for what is under way, and decides the rest."""
        self._pool.shutdown(wait=True)
        with self._lock:
            for track, known in list(self._tracks.items()):
                known.ended = True
                self._decide(track, known)

    def _look_up(self, track: int, sightings: Sequence[Sighting]) -> None:
        window = None
        try:
            window = self._ask(pack(sightings, self._modality))
        except GaitError as error:
            self._complain(f"track {track}: {error}")
        with self._lock:
            self._waiting -= 1
            known = self._tracks[track]
            known.pending -= 1
            if window is not None:
                known.windows.append(window)
            self._decide(track, known)

    def _decide(self, track: int, known: _Track) -> None:
        """Says who it is if all is known; with the lock held."""
        complete = len(known.windows) >= self._windows or (known.ended and not known.pending)
        if complete and not known.done:
            known.done = True
            if known.windows:
                self._tell(track, known)
        if known.ended and not known.pending:
            self._tracks.pop(track, None)

    def _tell(self, track: int, known: _Track) -> None:
        best, now = decided(known.windows), self._clock()
        if best.decision in ("match", "possible") and best.subject is not None:
            if now - self._told.get(best.subject, -np.inf) < self._cooldown:
                return
            self._told = {
                who: at for who, at in self._told.items() if now - at < self._cooldown
            } | {best.subject: now}
        found = best.decision in ("match", "possible")
        event = {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "source": self._name,
            "track": track,
            "decision": best.decision,
            "subject": best.subject if found else None,
            "similarity": round(best.similarity, 4) if found else None,
            "quality": round(best.quality, 3),
            "windows": len(known.windows),
            "seen_seconds": round(known.last - known.first, 2),
            "audit_id": best.audit_id,
        }
        if found and known.photo:
            event["picture"] = base64.b64encode(known.photo).decode()
        self._say(event)
