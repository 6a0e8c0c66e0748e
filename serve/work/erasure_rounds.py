"""Erases what is no longer authorised, once an hour.

The galleries themselves refuse to believe a clock that is far ahead (`Record.erase_expired`): it
hides people until it is set right, and destroys nobody. Here that is reported.
"""

import logging
import threading
from collections.abc import Iterable

from gait.errors import GaitError
from gallery.gallery import Gallery
from serve.audit.record import Action, Outcome, Record
from serve.work.service import Service

log = logging.getLogger("serve")
EVERY = 3600.0
"""Seconds between two rounds."""


class ErasureRounds:
    """The background task. `start` begins it, `close` ends it.

    Args:
        service: whose galleries are gone through, those included that nobody has used.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
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
        """Erases what has expired in every gallery, whatever its model; returns how many templates
        that were."""
        try:
            self._service.look_around()
            names = self._service.galleries.names()
        except GaitError as error:
            log.error("what has expired is not erased before the next round: %s", error)
            return 0
        return sum(self._erase(name) for name in names)

    def _run(self) -> None:
        while not self._ended.wait(EVERY):
            self.round()

    def _erase(self, name: str) -> int:
        try:
            with self._service.galleries.use_to_erase(name) as gallery:
                erased = self._erase_in(name, gallery)
                self._look_at_clock(name, gallery)
                return erased
        except GaitError as error:
            log.error("what has expired in the gallery %s is not erased: %s", name, error)
            return 0

    def _erase_in(self, name: str, gallery: Gallery) -> int:
        intent = self._service.audit.write(_record(name, Outcome.INTENDED)).sequence
        erased = list[int]()
        try:
            gallery.erase_expired(told=lambda receipt: erased.extend(receipt.templates))
        except GaitError:  # some may be erased already
            self._service.audit.write(_record(name, Outcome.UNKNOWN, erased, None, intent))
            raise
        self._service.audit.write(_record(name, Outcome.DONE, erased, gallery.revision, intent))
        return len(erased)

    def _look_at_clock(self, name: str, gallery: Gallery) -> None:
        ahead = gallery.clock_ahead()
        self._service.metrics.clock_ahead.labels(name).set(ahead)
        if ahead:
            log.error(
                "the clock is %.1f days ahead of the gallery %s, so what expired meanwhile is not "
                "erased: set the clock right, or, if it is right, run `python -m gallery.expire "
                "--trust-clock --gallery %s`",
                *(ahead / 86400, name, gallery.location),
            )


def _record(
    name: str,
    outcome: Outcome,
    templates: Iterable[int] = (),
    revision: int | None = None,
    intent: int | None = None,
) -> Record:
    return Record(
        action=Action.EXPIRE,
        outcome=outcome,
        request="expiry",
        caller="service",
        gallery=name,
        templates=tuple(templates),
        revision=revision,
        intent=intent,
    )
