"""The audit trail as the service sees it: nothing is answered that is not recorded."""

import re
import threading
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from gait.errors import AuditNotFoundError, AuditUnavailableError, GaitError
from serve.audit.chain import Chain
from serve.audit.record import Entry, Keys, Outcome, Record

_OPEN_INTENTS = """
json_extract(body, '$.outcome') = 'intended' AND sequence NOT IN (
    SELECT json_extract(body, '$.intent') FROM records
    WHERE json_extract(body, '$.intent') IS NOT NULL
)
"""
_MOST_INTENTS = 100_000
_AUDIT_ID = re.compile(r"([1-9][0-9]{0,17})-([0-9a-f]{16})")


@dataclass(eq=False)
class _Waiting:
    """A record on its way to the disk, and what became of it."""

    record: Record
    entry: Entry | None = None
    problem: GaitError | None = None


class Audit:
    """An open audit trail. Methods may be called from several threads.

    Records that arrive while others are being written are written together, so that many requests
    share the disk's time for one.

    An act (an enrolment, a removal) is recorded twice: `intended` before it and its outcome after
    it, see `begin`. An outcome that could not be written is kept and written before anything else;
    if the process ends first, `open` records that the outcome is unknown. So every intent gets an
    outcome, and nothing happens unrecorded.
    """

    def __init__(self, chain: Chain, keys: Keys) -> None:
        self.keys, self._chain = keys, chain
        self._owed: list[Record] = []
        self._waiting: list[_Waiting] = []
        self._arriving, self._writing = threading.Lock(), threading.Lock()

    @classmethod
    def open(cls, folder: Path, keys: Keys) -> Self:
        """Opens the trail of a service, or begins one, and settles what a crash left open.

        One service at a time: the caller has the lock of the data folder. Commands may write to
        the chain meanwhile.

        Raises:
            AuditBrokenError: the end of the chain is not where the head says.
            StorageError: the folder cannot be written.
        """
        audit = cls(Chain(folder, keys), keys)
        try:
            audit.settle()
        except GaitError:
            audit.close()
            raise
        return audit

    def close(self) -> None:
        """Closes the files. No method may be called afterwards."""
        self._chain.close()

    def write(self, record: Record) -> Entry:
        """Records a use. It is on the disk when this returns.

        Raises:
            AuditUnavailableError: it could not be written; no result of the use may leave.
        """
        mine = _Waiting(record)
        with self._arriving:
            self._waiting.append(mine)
        with self._writing:
            if mine in self._waiting:  # else whoever wrote before wrote it along
                self._write_waiting()
        if mine.entry is None:
            raise AuditUnavailableError(
                f"the use cannot be recorded: {mine.problem or 'see the log'}"
            ) from mine.problem
        return mine.entry

    def begin(self, record: Record) -> Entry:
        """Records that an act is about to happen; its outcome names this record's sequence.

        Raises:
            AuditUnavailableError: it could not be written; the act must not happen.
        """
        return self.write(replace(record, outcome=Outcome.INTENDED))

    def head(self) -> Entry:
        """The newest record: keep its hash elsewhere."""
        return self._chain.last()

    def find(self, audit_id: str) -> Entry:
        """The record with an audit id.

        Raises:
            AuditNotFoundError: there is none with this id in the open file.
        """
        matched = _AUDIT_ID.fullmatch(audit_id)
        entry = self._chain.find(int(matched[1])) if matched else None
        if entry is None or entry.audit_id != audit_id:
            raise AuditNotFoundError(
                "there is no audit record with this id; ids are in the replies and in "
                "`GET /v1/audit`, and archived records are no longer here"
            )
        return entry

    def select(self, where: str, values: tuple[str | int, ...], limit: int) -> list[Entry]:
        """Records that fulfil an SQL condition on `sequence` and `body`, in their order."""
        return self._chain.select(where, values, limit)

    def settle(self) -> int:
        """Records an unknown outcome for every act whose outcome was never recorded."""
        opened = self._chain.select(_OPEN_INTENTS, (), _MOST_INTENTS)
        unknown = [
            replace(each.record, outcome=Outcome.UNKNOWN, intent=each.sequence) for each in opened
        ]
        if unknown:
            self._chain.append(*unknown)
        return len(unknown)

    def _write_waiting(self) -> None:
        """Writes what is owed and all that waits, all or none; the caller holds `_writing`."""
        with self._arriving:
            group, self._waiting = self._waiting, []
        records = [each.record for each in group]
        try:
            entries = self._chain.append(*self._owed, *records)
        except GaitError as error:
            self._owed += [record for record in records if record.intent is not None]
            for each in group:
                each.problem = error
            return
        for each, entry in zip(group, entries[len(self._owed) :], strict=True):
            each.entry = entry
        self._owed.clear()
