"""Are the audit records as they were written? Every difference is named."""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from urllib.parse import quote

from gait.errors import AuditError
from serve.audit.chain import FILE, HEAD, SCHEMA
from serve.audit.head import read_head
from serve.audit.record import BEGIN, Action, Entry, Keys, Mark, Outcome

ARCHIVE = "audit-archive"
"""Folder of closed files, beside `audit.db`."""


class Kind(StrEnum):
    """What is wrong."""

    EDITED = "edited"
    REMOVED = "removed"
    REORDERED = "reordered"
    INSERTED = "inserted"
    TRUNCATED = "truncated"
    ROLLED_BACK = "rolled back"
    HEAD = "head"
    DAMAGED = "damaged"


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, with the sequences of the first and last record concerned."""

    kind: Kind
    first: int
    last: int
    detail: str

    def __str__(self) -> str:
        where = f"{self.first}" if self.first == self.last else f"{self.first}–{self.last}"
        return f"{self.kind}: record {where}: {self.detail}"


@dataclass
class Report:
    """What was read, what is wrong, and what one should know.

    Args:
        records: authentic records, over all files.
        files: names of the files read, in order.
        head: the last authentic record; keep its hash elsewhere.
        findings: what is wrong; empty if nothing is.
        notices: what is right but worth knowing.
    """

    records: int = 0
    files: list[str] = field(default_factory=list)
    head: Mark | None = None
    findings: list[Finding] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)

    @property
    def intact(self) -> bool:
        """Nothing is wrong."""
        return not self.findings


def archives(folder: Path) -> list[Path]:
    """Closed files in the order of their records: `audit-FIRST-LAST.db`."""
    return sorted((folder / ARCHIVE).glob("audit-*-*.db"))


def first_of(archive: Path) -> int:
    """Sequence of the first record of an archive, by its name."""
    return int(archive.stem.split("-")[1])


def rows(path: Path, *, closed: bool) -> Iterator[tuple[int, str, str]]:
    """Sequence, body and hash of each record of a file at one moment, as they lie there.

    Args:
        path: the file.
        closed: nobody writes to it any more.

    Raises:
        AuditError: it cannot be read.
    """
    uri = f"file:{quote(str(path.resolve()))}?mode=ro" + ("&immutable=1" if closed else "")
    try:
        with closing(sqlite3.connect(uri, uri=True)) as reader:
            yield from reader.execute("SELECT sequence, body, hash FROM records ORDER BY sequence")
    except sqlite3.Error as error:
        raise AuditError(f"{path.name} cannot be read ({error})") from error


def lacks_rules(path: Path) -> bool:
    """Whether a file's own refusal of changes was taken away."""
    uri = f"file:{quote(str(path.resolve()))}?mode=ro"
    with closing(sqlite3.connect(uri, uri=True)) as reader:
        found = {sql for (sql,) in reader.execute("SELECT sql FROM sqlite_master")}
    return not set(SCHEMA.values()) <= found


def verify(folder: Path, keys: Keys, known: Sequence[str] = ()) -> Report:
    """Checks every record of a data folder, its archives included.

    Args:
        folder: with `audit.db`, `audit.head` and perhaps archives.
        keys: of the chain.
        known: hashes or audit ids that were kept elsewhere: their records must be here.

    Raises:
        AuditError: there is nothing to verify.
    """
    report, live = Report(), folder / FILE
    if not live.is_file() and not (folder / HEAD).is_file() and not archives(folder):
        raise AuditError(f"there are no audit records in {folder}")
    head = _head(folder / HEAD, keys, report)  # before the records: they may be added to meanwhile
    walk = _Walk(keys, report, head, known)
    for path, closed in _files(folder, report):
        report.files.append(path.name)
        at = walk.last.sequence + 1 if walk.last else 1
        try:
            walk.read(rows(path, closed=closed))
            if lacks_rules(path):
                detail = f"the rules of {path.name} that refuse changes were altered"
                report.findings.append(Finding(Kind.DAMAGED, at, at, detail))
        except AuditError as error:
            report.findings.append(Finding(Kind.DAMAGED, at, at, str(error)))
    walk.finish()
    return report


def _head(path: Path, keys: Keys, report: Report) -> Mark | None:
    try:
        head = read_head(path, keys)
    except AuditError as error:
        report.findings.append(Finding(Kind.HEAD, 0, 0, str(error)))
        return None
    if head is None:
        detail = f"{path.name} is missing or empty: records cut off the end would not be found"
        report.findings.append(Finding(Kind.HEAD, 0, 0, detail))
    return head


def _files(folder: Path, report: Report) -> list[tuple[Path, bool]]:
    live = folder / FILE
    closed = archives(folder)
    if not live.is_file():
        report.findings.append(Finding(Kind.DAMAGED, 0, 0, f"{FILE} is gone"))
        return [(path, True) for path in closed]
    try:
        starts = next(rows(live, closed=False), (0,))[0]
    except AuditError:
        starts = 0  # reported when it is read
    copies = [path for path in closed if starts and first_of(path) >= starts]
    for path in copies:
        report.notices.append(
            f"{path.name} is left over from a rotation that was cut short: {FILE} has its records"
        )
    return [(path, True) for path in closed if path not in copies] + [(live, False)]


class _Walk:
    """Goes over the rows in the order they lie in, and compares it with what their texts say."""

    def __init__(self, keys: Keys, report: Report, head: Mark | None, known: Sequence[str]) -> None:
        self.keys, self.report, self.head = keys, report, head
        self.last: Entry | None = None
        self._begin = BEGIN
        self._bad: list[int] = []  # rows since the last authentic record
        self._missing: set[int] = set()
        self._late: set[int] = set()
        self._retired: set[tuple[int | None, str | None]] = set()
        self._intents: set[int] = set()
        self._known = dict.fromkeys(known, False)

    def read(self, found: Iterable[tuple[int, str, str]]) -> None:
        for sequence, body, hashed in found:
            if not (isinstance(body, str) and self.keys.authentic(body, str(hashed))):
                self._bad.append(sequence)
                continue
            self._authentic(sequence, Entry.parse(body, hashed))

    def _authentic(self, row: int, entry: Entry) -> None:
        self._note(entry)
        expected = 1 if self.last is None else self.last.sequence + 1
        if self.last is None and entry.record.action is Action.OPEN_CHAIN:
            # Earlier files may have been retired; whether they were is known at the end.
            self._begin, expected = Mark(entry.sequence - 1, entry.previous), entry.sequence
        if entry.record.action is Action.ACCEPT_CHAIN and entry.record.about == entry.sequence - 1:
            expected = max(expected, entry.sequence)
        if entry.sequence < expected:
            self._late.add(entry.sequence)
            return
        self._account(expected, entry.sequence - 1, Kind.REMOVED, "missing")
        adjoins = self.last is not None and entry.sequence == self.last.sequence + 1
        if adjoins and self.last and entry.previous != self.last.hash:
            self._find(Kind.INSERTED, entry.sequence, "it does not follow the record before it")
        if row != entry.sequence:
            self._find(Kind.REORDERED, entry.sequence, f"it lies at place {row}")
        self.last = entry
        self.report.records += 1

    def _account(self, first: int, last: int, kind: Kind, detail: str) -> None:
        """Explains the sequences that have no authentic record, and the rows that are none."""
        absent = list(range(first, last + 1))
        for sequence in absent[: len(self._bad)]:
            self._find(Kind.EDITED, sequence, "its text and its hash do not agree")
        for row in self._bad[len(absent) :]:
            self._find(Kind.INSERTED, row, "no such record was ever written")
        rest = absent[len(self._bad) :]
        self._bad = []
        if kind is Kind.REMOVED:
            self._missing.update(rest)
        elif rest:
            self.report.findings.append(Finding(kind, rest[0], rest[-1], detail))

    def _note(self, entry: Entry) -> None:
        record = entry.record
        if record.action is Action.RETIRE_CHAIN:
            self._retired.add((record.about, record.detail))
        if record.action is Action.ACCEPT_CHAIN:
            self.report.notices.append(
                f"record {entry.sequence} accepts that records up to {record.about} are gone: "
                f"{record.detail}"
            )
        if record.outcome is Outcome.INTENDED:
            self._intents.add(entry.sequence)
        if record.intent is not None:
            self._intents.discard(record.intent)
        if entry.clock_back is not None:
            self.report.notices.append(
                f"at record {entry.sequence} the clock stepped back by {entry.clock_back:.3f} s"
            )
        for name in (entry.hash, entry.audit_id):
            if name in self._known:
                self._known[name] = True
        if self.head and entry.sequence == self.head.sequence and entry.hash != self.head.hash:
            self._find(Kind.HEAD, entry.sequence, f"{HEAD} names another record here")

    def finish(self) -> None:
        last = self.last.sequence if self.last else 0
        end = max(last, self.head.sequence if self.head else 0)
        self._account(last + 1, end, Kind.TRUNCATED, f"cut off the end; {HEAD} counts {end}")
        self._beginning()
        for sequence in sorted(self._late):
            moved = sequence in self._missing
            kind = Kind.REORDERED if moved else Kind.INSERTED
            self._find(kind, sequence, "it lies after a later one" if moved else "it is a copy")
        for sequence in self._missing - self._late:
            self._find(Kind.REMOVED, sequence, "it is missing")
        for name in (name for name, seen in self._known.items() if not seen):
            detail = f"{name}, kept elsewhere, is not here: records and head were put back"
            self._find(Kind.ROLLED_BACK, last, detail)
        if self._intents:
            self.report.notices.append(f"acts without an outcome: {sorted(self._intents)[:20]}")
        self.report.head = self.last.mark if self.last else None
        self.report.findings = _merged(self.report.findings)

    def _beginning(self) -> None:
        if self._begin.sequence == 0:
            return
        if (self._begin.sequence, self._begin.hash) in self._retired:
            self.report.notices.append(f"records 1–{self._begin.sequence} were retired")
            # A head that was kept may be the last of what was retired.
            for name in (self._begin.hash, f"{self._begin.sequence}-{self._begin.hash[:16]}"):
                self._known[name] = True
            return
        detail = f"the file with them is neither in {ARCHIVE} nor retired"
        self.report.findings.append(Finding(Kind.REMOVED, 1, self._begin.sequence, detail))

    def _find(self, kind: Kind, sequence: int, detail: str) -> None:
        self.report.findings.append(Finding(kind, sequence, sequence, detail))


def _merged(findings: list[Finding]) -> list[Finding]:
    """Neighbours of one kind as one finding, in order of sequence."""
    merged: list[Finding] = []
    for each in sorted(findings, key=lambda finding: (finding.kind, finding.first)):
        before = merged[-1] if merged else None
        if before and (before.kind, before.last + 1) == (each.kind, each.first):
            merged[-1] = Finding(each.kind, before.first, each.last, before.detail)
        else:
            merged.append(each)
    return sorted(merged, key=lambda finding: finding.first)
