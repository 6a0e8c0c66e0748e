"""Which records one wants to see, as an SQL condition."""

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Self

from gait.errors import AuditError
from serve.audit.record import Action, Outcome

_SUBJECT = """(text ->> '$.subject' = ? OR EXISTS (
    SELECT 1 FROM json_each(text, '$.candidates') WHERE value ->> '$.subject' = ?))"""
_AMONG = "IN (SELECT value FROM json_each(?))"


@dataclass(frozen=True)
class Filter:
    """Conditions that all hold.

    Args:
        since: recorded at this ISO 8601 time or later; UTC if it does not say.
        subject: this person was enrolled, removed, verified or a candidate.
        caller: id of the key.
        action: what was done.
        outcome: how it ended.
        decisions: one of these was decided; empty for whatever was.
        about: sequence of the record that is judged, or of several such records.
        galleries: only records of these galleries; None for all records.
        after: sequence of the record before the first wanted.
    """

    since: str | None = None
    subject: str | None = None
    caller: str | None = None
    action: str | None = None
    outcome: str | None = None
    decisions: tuple[str, ...] = ()
    about: int | tuple[int, ...] | None = None
    galleries: frozenset[str] | None = None
    after: int = 0

    def sql(self) -> tuple[str, tuple[str | int, ...]]:
        """A condition on `sequence` and `text`, and its values.

        Raises:
            AuditError: `since` is no time.
        """
        conditions: dict[str, tuple[str | int, ...]] = {"sequence > ?": (self.after,)}
        if self.since is not None:
            conditions["text ->> '$.time' >= ?"] = (_moment(self.since),)
        if self.subject is not None:
            conditions[_SUBJECT] = (self.subject, self.subject)
        for name in ("caller", "action", "outcome"):
            if (value := getattr(self, name)) is not None:
                conditions[f"text ->> '$.{name}' = ?"] = (value,)
        if self.decisions:
            conditions[f"text ->> '$.decision' {_AMONG}"] = (json.dumps(self.decisions),)
        if self.about is not None:
            about = self.about if isinstance(self.about, tuple) else (self.about,)
            conditions[f"text ->> '$.about' {_AMONG}"] = (json.dumps(about),)
        if self.galleries is not None:
            marks = ", ".join("?" * len(self.galleries))
            conditions[f"text ->> '$.gallery' IN ({marks})"] = tuple(self.galleries)
        return " AND ".join(conditions), sum(conditions.values(), ())

    def searches(self, decisions: tuple[str, ...]) -> Self:
        """The same conditions for searches that were done and decided so."""
        return replace(self, action=Action.IDENTIFY, outcome=Outcome.DONE, decisions=decisions)

    def later(self, after: int) -> Self:
        """The same conditions for records after this one."""
        return replace(self, after=after)


def moment(text: str) -> datetime:
    """An ISO 8601 time in UTC, which it is in if it does not say; a day is its beginning.

    Raises:
        AuditError: it is none, or beyond the years 1..9999.
    """
    try:
        parsed = datetime.fromisoformat(text)
        return parsed.replace(tzinfo=parsed.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise AuditError(f"got the time {text[:40]!a}, need ISO 8601, as 2026-11-24") from error


def _moment(text: str) -> str:
    return moment(text).isoformat(timespec="microseconds")
