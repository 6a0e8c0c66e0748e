"""Which records one wants to see."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from gait.errors import AuditBrokenError, AuditError
from serve.audit.chain import FILE
from serve.audit.record import Entry, Keys
from serve.audit.verify import archives, rows


@dataclass(frozen=True)
class Filter:
    """Conditions that all hold.

    Args:
        since: recorded at this ISO 8601 time or later; UTC if it does not say.
        subject: this person was enrolled, removed, verified or a candidate.
        key: the caller's.
        action: what was done.
        about: sequence of the record that is judged.
        galleries: only records of these galleries; None for all records.
        after: sequence of the record before the first wanted.

    Raises:
        AuditError: `since` is no time.
    """

    since: str | None = None
    subject: str | None = None
    key: str | None = None
    action: str | None = None
    about: int | None = None
    galleries: frozenset[str] | None = None
    after: int = 0

    def __post_init__(self) -> None:
        if self.since is not None:
            moment(self.since)

    def admits(self, entry: Entry) -> bool:
        """Whether the record is wanted."""
        record = entry.record
        people = {record.subject, *(each.subject for each in record.candidates)}
        return (
            entry.sequence > self.after
            and (self.since is None or datetime.fromisoformat(entry.time) >= moment(self.since))
            and (self.subject is None or self.subject in people)
            and (self.key is None or self.key == record.caller)
            and (self.action is None or self.action == record.action)
            and (self.about is None or self.about == record.about)
            and (self.galleries is None or record.gallery in self.galleries)
        )

    def sql(self) -> tuple[str, tuple[str | int, ...]]:
        """The same as an SQL condition on `sequence` and `body`, with its values."""
        conditions: list[tuple[str, tuple[str | int, ...]]] = [("sequence > ?", (self.after,))]
        if self.since is not None:
            time = moment(self.since).astimezone(UTC).isoformat(timespec="microseconds")
            conditions.append(("body ->> '$.time' >= ?", (time,)))
        if self.subject is not None:
            conditions.append((_SUBJECT, (self.subject, self.subject)))
        if self.key is not None:
            conditions.append(("body ->> '$.caller' = ?", (self.key,)))
        if self.action is not None:
            conditions.append(("body ->> '$.action' = ?", (self.action,)))
        if self.about is not None:
            conditions.append(("body ->> '$.about' = ?", (self.about,)))
        if self.galleries is not None:
            places = ", ".join("?" * len(self.galleries))
            conditions.append((f"body ->> '$.gallery' IN ({places})", tuple(self.galleries)))
        values = tuple(value for _, given in conditions for value in given)
        return " AND ".join(condition for condition, _ in conditions), values


_SUBJECT = """(body ->> '$.subject' = ? OR EXISTS (
    SELECT 1 FROM json_each(body, '$.candidates') WHERE value ->> '$.subject' = ?))"""


def moment(text: str) -> datetime:
    """An ISO 8601 time; UTC if it does not say.

    Raises:
        AuditError: it is none.
    """
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError as error:
        raise AuditError(f"got the time {text[:40]!r}, need ISO 8601, as 2026-11-24") from error
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def search(folder: Path, keys: Keys, wanted: Filter) -> Iterator[Entry]:
    """The wanted records of a data folder, those of its archives first.

    Raises:
        AuditBrokenError: a record is not authentic.
        AuditError: a file cannot be read, or there is none.
    """
    files = [(path, True) for path in archives(folder)]
    files += [(folder / FILE, False)] if (folder / FILE).is_file() else []
    if not files:
        raise AuditError(f"there are no audit records in {folder}")
    last = 0
    for path, closed in files:
        for _, body, hashed in rows(path, closed=closed):
            if not keys.authentic(body, hashed):
                raise AuditBrokenError(f"{path.name} holds an altered record: run `verify`")
            entry = Entry.parse(body, hashed)
            if entry.sequence > last and wanted.admits(entry):
                yield entry
            last = max(last, entry.sequence)
