"""The audit trail as the service sees it: nothing is answered that is not recorded."""

import re
import threading
from dataclasses import replace
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


class Audit:
    """An open audit trail. Methods may be called from several threads.

    An act (an enrolment, a removal) is recorded twice: `intended` before it and its outcome after
    it, see `begin`. An outcome that could not be written is kept and written before anything else;
    if the process ends first, `open` records that the outcome is unknown. So every intent gets an
    outcome, and nothing happens unrecorded.
    """

    def __init__(self, chain: Chain, keys: Keys) -> None:
        self.keys, self._chain = keys, chain
        self._owed: list[Record] = []
        self._writing = threading.Lock()

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
        with self._writing:
            try:
                *_, entry = self._chain.append(*self._owed, record)
            except GaitError as error:
                if record.intent is not None:
                    self._owed.append(record)
                raise AuditUnavailableError(f"the use cannot be recorded: {error}") from error
            self._owed.clear()
        return entry

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
