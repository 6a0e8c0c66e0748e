"""Who may write to a gallery in Milvus, which has no locks.

A row of the ledger names the writer and until when. It is taken by writing it, waiting until
everybody else who saw it free must have written too, and reading it again: whoever is named then
has it (Fischer's algorithm). That is right as long as a write takes less than `SETTLE` and the
clocks of the machines differ by less than `MARGIN`; a gallery that is written to by one process
needs neither.
"""

import threading
import time
import uuid

from gait.errors import GalleryLockedError, StorageError
from gallery.milvus.ledger import Ledger

LASTS = 60.0
"""Seconds a lease holds after it was last renewed."""
SETTLE = 2.0
MARGIN = 10.0

_taking = threading.Lock()


class Lease:
    """The right to write, taken at the first change and given back on `release`."""

    def __init__(self, ledger: Ledger, settle: float = SETTLE) -> None:
        self._ledger, self._settle = ledger, settle
        self._owner, self._until = uuid.uuid4().hex, 0.0

    def take(self) -> bool:
        """Takes or renews the lease; true if it was not held just before.

        Raises:
            GalleryLockedError: another process has it.
        """
        now = time.time()
        if now < self._until - LASTS / 2:
            return False
        with _taking:
            held = self._ledger.get("lease") or {"owner": "", "until": 0.0}
            mine = held["owner"] == self._owner
            if not mine and now < held["until"] + MARGIN:
                raise GalleryLockedError(
                    "another process writes to this gallery: use its API, or try again "
                    f"{LASTS + MARGIN:.0f} seconds after its last change"
                )
            self._write(now + LASTS)
            if not mine:
                self._settled()
        self._until = now + LASTS
        return not mine

    def check(self) -> None:
        """Makes sure the lease still holds, before what was written is committed.

        Raises:
            StorageError: the change took longer than the lease holds.
        """
        if time.time() > self._until:
            raise StorageError(f"Milvus took more than {LASTS / 2:.0f} s for a change: try again")

    def release(self) -> None:
        """Lets the next writer in at once."""
        if time.time() < self._until:
            self._ledger.put("lease", {"owner": "", "until": 0.0})
        self._until = 0.0

    def _write(self, until: float) -> None:
        self._ledger.put("lease", {"owner": self._owner, "until": until})

    def _settled(self) -> None:
        time.sleep(self._settle)
        held = self._ledger.get("lease")
        if held is None or held["owner"] != self._owner:
            raise GalleryLockedError("another process began to write at the same moment: try again")
