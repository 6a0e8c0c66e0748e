"""Erases what is no longer authorised, once an hour, and not while the clock cannot be believed.

A clock that jumps forward hides people until it is set right; it must not destroy them.
"""

import logging
import threading
import time

from gait.errors import GaitError
from gallery.gallery import Gallery
from serve.audit.record import Action, Outcome, Record
from serve.work.service import Service

log = logging.getLogger("serve")
EVERY = 3600.0
"""Seconds between two rounds."""
JUMP = 60.0
"""Seconds by which the wall clock may leave the monotonic one between two rounds."""


class ErasureRounds:
    """The background task. `start` begins it, `close` ends it.

    Args:
        service: whose galleries are gone through, those included that nobody has used.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._offset = time.time() - time.monotonic()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="expiry", daemon=True)

    def start(self) -> None:
        """Begins; the first round comes after `EVERY` seconds."""
        self._thread.start()

    def close(self) -> None:
        """Ends, once a round that has begun is over."""
        self._ended.set()
        self._thread.join()

    def round(self) -> int:
        """Erases what has expired in every gallery; returns how many templates that were."""
        jumped = time.time() - time.monotonic() - self._offset
        self._offset += jumped
        if abs(jumped) > JUMP:
            log.error("the clock jumped by %.0f s: nothing is erased before the next round", jumped)
            self._service.metrics.clock_jumps.inc()
            return 0
        return sum(self._erase(name) for name in self._service.galleries.names())

    def _run(self) -> None:
        while not self._ended.wait(EVERY):
            self.round()

    def _erase(self, name: str) -> int:
        try:
            with self._service.galleries.use(name) as gallery:
                return self._erase_in(name, gallery)
        except GaitError as error:
            log.error("what has expired in the gallery %s is not erased: %s", name, error)
            return 0

    def _erase_in(self, name: str, gallery: Gallery) -> int:
        intent = self._service.audit.write(_record(name, Outcome.INTENDED)).sequence
        if ahead := gallery.clock_ahead():
            log.error(
                "the clock is %d s ahead of what the gallery %s may believe: what expires in that "
                "time is hidden and not erased; if the clock is right, see `gallery.expire --help`",
                *(ahead, name),
            )
        erased = tuple(t for receipt in gallery.erase_expired() for t in receipt.templates)
        self._service.audit.write(_record(name, Outcome.DONE, erased, gallery.revision, intent))
        return len(erased)


def _record(
    name: str,
    outcome: Outcome,
    templates: tuple[int, ...] = (),
    revision: int | None = None,
    intent: int | None = None,
) -> Record:
    return Record(
        action=Action.EXPIRE,
        outcome=outcome,
        request="expiry",
        caller="service",
        gallery=name,
        templates=templates,
        revision=revision,
        intent=intent,
    )
