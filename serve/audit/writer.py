"""Records of requests, written by one thread: those that arrive meanwhile are written together."""

import asyncio
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from threading import Thread

from gait.errors import AuditUnavailableError
from serve.audit.log import AuditLog
from serve.audit.record import AuditEntry, Record
from serve.work.threads import tell

_Due = tuple[Callable[[], Record], "asyncio.Future[AuditEntry]"]
_Made = tuple[Record, "asyncio.Future[AuditEntry]"]


class Writer:
    """Lets requests wait for their records without a thread each.

    Records that arrive while others are being written are written together, so that many requests
    share the disk's time for one.

    Args:
        audit: that the records are written to; the caller closes it after this.
    """

    def __init__(self, audit: AuditLog) -> None:
        self.audit = audit
        self._arrived = SimpleQueue[_Due | None]()
        self._thread = Thread(target=self._work, name="audit", daemon=True)
        self._thread.start()

    async def write(self, make: Callable[[], Record]) -> AuditEntry:
        """Records a use. It is on the disk when this returns, and is written also if nobody waits
        for it any more.

        Args:
            make: gives the record; called in the thread, since it takes a while to hash a clip.

        Raises:
            AuditUnavailableError: see `AuditLog.write`.
        """
        written: asyncio.Future[AuditEntry] = asyncio.get_running_loop().create_future()
        self._arrived.put((make, written))
        return await written

    def close(self) -> None:
        """Writes what has arrived, and ends the thread."""
        self._arrived.put(None)
        self._thread.join()

    def _work(self) -> None:
        last = False
        while not last:
            arrived = [self._arrived.get()]
            while not self._arrived.empty():
                arrived.append(self._arrived.get())
            last = None in arrived
            if due := [each for each in arrived if each is not None]:
                self._write(due)

    def _write(self, due: Sequence[_Due]) -> None:
        made = list[_Made]()
        for make, written in due:
            try:
                made.append((make(), written))
            except BaseException as error:  # noqa: BLE001 - of this one alone, who waits for it
                tell(written, written.set_exception, error)
        self._write_made(made)

    def _write_made(self, made: Sequence[_Made]) -> None:
        try:
            entries = self.audit.write_together([record for record, _ in made])
        except BaseException as error:  # noqa: BLE001 - those who wait must not wait for ever
            if len(made) > 1 and not isinstance(error, AuditUnavailableError):
                for each in made:  # a defect is of one of them alone
                    self._write_made([each])
                return
            for _, written in made:
                tell(written, written.set_exception, error)
        else:
            for (_, written), entry in zip(made, entries, strict=True):
                tell(written, written.set_result, entry)
