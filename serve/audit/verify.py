"""Are the audit records as they were written? What is not is named, with its place."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gait.errors import StorageError
from serve.audit.key import AuditKey
from serve.audit.log import FILE, Row, head_text, read_head, rows
from serve.audit.record import GENESIS, Action, AuditEntry, Outcome


@dataclass
class Report:
    """What was read, what is wrong, and what one should know.

    Args:
        records: that are authentic and in their place.
        head: the last of them; keep its hash elsewhere.
        findings: what is wrong, as the number of a record and words; empty if nothing is.
        notices: what is right but worth knowing.
    """

    records: int = 0
    head: AuditEntry | None = None
    findings: list[tuple[int, str]] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)

    @property
    def intact(self) -> bool:
        """Nothing is wrong."""
        return not self.findings

    def find(self, number: int, problem: str) -> None:
        """Adds a finding."""
        self.findings.append((number, problem))


def verify(folder: Path, key: AuditKey, known: Sequence[str] = ()) -> Report:
    """Checks every record of a data folder.

    Args:
        folder: with `audit.db`.
        key: of the records.
        known: hashes or audit ids that were kept elsewhere: their records must be here.
    """
    report, head = Report(), (None, None, None)
    walk = _Walk(key, report, set(known))
    try:
        head = read_head(folder / FILE)  # before the records: they may be added to meanwhile
        walk.read(rows(folder / FILE))
    except StorageError as error:
        report.find(walk.row + 1, str(error))
    walk.finish(*head)
    return report


class _Walk:
    """Goes over the rows in the order they lie in, and compares it with what their texts say."""

    def __init__(self, key: AuditKey, report: Report, known: set[str]) -> None:
        self.key, self.report, self.known = key, report, known
        self.row = 0
        self.first: AuditEntry | None = None
        self.retired: set[tuple[int | None, str | None]] = set()
        self.intents: set[int] = set()

    def read(self, found: Iterable[Row]) -> None:
        for row, text, hashed in found:
            if self.row and row > self.row + 1:
                self.report.find(self.row + 1, f"records {self.row + 1}–{row - 1} are missing")
            self.row = row
            if not self.key.authentic(text, hashed):
                self.report.find(row, "edited, or never written: text and hash do not agree")
                continue
            entry = AuditEntry.parse(text, hashed)
            if entry.sequence != row:
                self.report.find(row, f"moved, or copied: this is record {entry.sequence}")
            else:
                self._in_place(entry)

    def _in_place(self, entry: AuditEntry) -> None:
        last = self.report.head
        if last and last.sequence + 1 == entry.sequence and last.hash != entry.previous:
            self.report.find(entry.sequence, "it does not follow the record before it")
        if last and entry.time < last.time:
            self.report.notices.append(f"at record {entry.sequence} the clock had stepped back")
        if entry.action is Action.RETIRE:
            self.retired.add((entry.about, entry.detail))
        if entry.outcome is Outcome.INTENDED:
            self.intents.add(entry.sequence)
        self.intents.discard(entry.intent or 0)
        self.known -= {entry.hash, entry.audit_id}
        self.first, self.report.head = self.first or entry, entry
        self.report.records += 1

    def finish(self, sequence: Any, hashed: Any, mac: Any) -> None:
        """Looks at the beginning and the end; given the head."""
        find, last = self.report.find, self.report.head
        if not self.key.authentic(head_text(sequence, hashed), mac):
            find(self.row, "the head is gone or altered: whether records follow is unknown")
        elif sequence > self.row:
            find(self.row + 1, f"records {self.row + 1}–{sequence} were cut off")
        elif last and last.sequence == sequence and last.hash != hashed:
            find(self.row, "the head names another record here")
        if self.first and self.first.previous != GENESIS:
            self._beginning(self.first.sequence - 1, self.first.previous)
        for name in sorted(self.known):
            find(self.row, f"{name}, kept elsewhere, is not here: older files were put back")
        if self.intents:
            self.report.notices.append(f"changes without an outcome: {sorted(self.intents)[:20]}")

    def _beginning(self, before: int, hashed: str) -> None:
        if (before, hashed) in self.retired:
            self.report.notices.append(f"records 1–{before} were retired")
            # A head that was kept may be the last of what was retired.
            self.known -= {hashed, f"{before}-{hashed[:16]}"}
        else:
            self.report.find(1, f"records 1–{before} are missing, and were not retired")
