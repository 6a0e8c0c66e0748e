"""One audit record, and the canonical text of it that is authenticated."""

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

GENESIS = "0" * 64
"""What the first record of all names as the hash before it."""


@dataclass(frozen=True)
class Mark:
    """A place in the chain: the sequence of a record and its hash."""

    sequence: int
    hash: str


BEGIN = Mark(0, GENESIS)
"""Before the first record."""


class Action(StrEnum):
    """What was done, or tried."""

    IDENTIFY = "identify"
    VERIFY = "verify"
    EMBED = "embed"
    ENROL = "enrol"
    REMOVE = "remove"
    MERGE = "merge"
    EXPIRE = "expire"
    EXPORT = "export"
    IMPORT = "import"
    CALIBRATE = "calibrate"
    REVIEW = "review"
    READ_REVIEWS = "review.read"
    READ_AUDIT = "audit.read"
    CREATE_KEY = "key.create"
    ROTATE_KEY = "key.rotate"
    REVOKE_KEY = "key.revoke"
    CREATE_GALLERY = "gallery.create"
    DELETE_GALLERY = "gallery.delete"
    OPEN_CHAIN = "chain.open"
    CLOSE_CHAIN = "chain.close"
    RETIRE_CHAIN = "chain.retire"
    ACCEPT_CHAIN = "chain.accept"


class Outcome(StrEnum):
    """How it ended. `intended` comes before an act, and a record of the outcome after it."""

    INTENDED = "intended"
    DONE = "done"
    REFUSED = "refused"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Seen:
    """A candidate that was shown: the person, how similar, and by which template."""

    subject: str
    similarity: float
    template: int


@dataclass(frozen=True)
class Record:
    """What is known about one use of the service. What does not apply is left out.

    Args:
        action: what was done or tried.
        outcome: how it ended.
        request: id of the request, or the name of the command.
        caller: id of the key, `local` without keys.
        purpose: what the caller said it was for.
        gallery: its name.
        revision: of the gallery that was searched, or after the change.
        probes: keyed hashes of the clip files, see `Keys.probe`.
        subject: the person enrolled, removed, verified or merged.
        candidates: who was shown, in the order shown; after an enrolment or removal, none.
        templates: ids of the templates added or removed.
        decision: of an identification or verification, or a reviewer's verdict.
        reviewer: who judged.
        about: sequence of the record that a review judges, or the last one of what was retired.
        intent: sequence of the `intended` record whose outcome this is.
        detail: a stable error code, a reviewer's note, a filter; never biometric data.
    """

    action: Action
    outcome: Outcome
    request: str
    caller: str
    purpose: str | None = None
    gallery: str | None = None
    revision: int | None = None
    probes: tuple[str, ...] = ()
    subject: str | None = None
    candidates: tuple[Seen, ...] = ()
    templates: tuple[int, ...] = ()
    decision: str | None = None
    reviewer: str | None = None
    about: int | None = None
    intent: int | None = None
    detail: str | None = None


@dataclass(frozen=True)
class Entry:
    """A record in its place in the chain.

    Args:
        sequence: 1, 2, 3, …: the order, whatever the clock says.
        time: ISO 8601 in UTC, as the clock said.
        previous: hash of the record before.
        hash: of this one.
        clock_back: seconds by which the clock is behind the record before; None if it is not.
        record: what was recorded.
    """

    sequence: int
    time: str
    previous: str
    hash: str
    clock_back: float | None
    record: Record

    @property
    def audit_id(self) -> str:
        """The sequence and the start of the hash: whoever keeps it can prove this record was."""
        return f"{self.sequence}-{self.hash[:16]}"

    @property
    def mark(self) -> Mark:
        """Where this record is."""
        return Mark(self.sequence, self.hash)

    @classmethod
    def parse(cls, body: str, hashed: str) -> "Entry":
        """The entry of an authentic body."""
        values = json.loads(body)
        place = {name: values.pop(name) for name in ("sequence", "time", "previous")}
        back = values.pop("clock_back", None)
        return cls(**place, hash=hashed, clock_back=back, record=_record(values))

    def as_json(self) -> dict[str, Any]:
        """Plain values, flat, without what does not apply."""
        return {"audit_id": self.audit_id, **_body(self), "hash": self.hash}


class Secret(Protocol):
    """What the master key gives: one key for each purpose."""

    def derive(self, purpose: str) -> bytes:
        """A key of its own for the purpose."""
        ...


class Keys:
    """The keys of the chain, all from the master key."""

    def __init__(self, secret: Secret) -> None:
        self._chain = secret.derive("audit")
        self._head, self._probe = secret.derive("audit.head"), secret.derive("audit.probe")

    def hash(self, body: str) -> str:
        """HMAC-SHA256 of a record's canonical text, in hex."""
        return _hmac(self._chain, body.encode())

    def authentic(self, body: str, hashed: str) -> bool:
        """Whether the hash is the one of the text."""
        return hmac.compare_digest(self.hash(body).encode(), hashed.encode())

    def head(self, text: str) -> str:
        """HMAC-SHA256 of the text of a head."""
        return _hmac(self._head, text.encode())

    def probe(self, clip: bytes) -> str:
        """HMAC-SHA256 of a clip file's SHA-256: equal for equal files, and no one without the
        master key can look up whether a file that they have was a probe."""
        return _hmac(self._probe, hashlib.sha256(clip).digest())


def seal(
    record: Record, keys: Keys, after: Mark, now: datetime, clock_back: float = 0.0
) -> tuple[str, str]:
    """The canonical text of the record that follows `after`, and its hash.

    JSON with sorted keys, without spaces, in ASCII: one text for one record.
    """
    entry = Entry(
        sequence=after.sequence + 1,
        time=now.isoformat(timespec="microseconds"),
        previous=after.hash,
        hash="",
        clock_back=clock_back if clock_back > 0 else None,
        record=record,
    )
    body = json.dumps(
        _body(entry), sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False
    )
    return body, keys.hash(body)


def _body(entry: Entry) -> dict[str, Any]:
    place = {"sequence": entry.sequence, "time": entry.time, "previous": entry.previous}
    values = {**place, "clock_back": entry.clock_back, **asdict(entry.record)}
    return {name: value for name, value in values.items() if value not in (None, (), [])}


def _record(values: Mapping[str, Any]) -> Record:
    given = {field.name: values[field.name] for field in fields(Record) if field.name in values}
    given["action"], given["outcome"] = Action(given["action"]), Outcome(given["outcome"])
    given["candidates"] = tuple(Seen(**each) for each in given.get("candidates", ()))
    for name in ("probes", "templates"):
        given[name] = tuple(given.get(name, ()))
    return Record(**given)


def _hmac(key: bytes, data: bytes) -> str:
    return hmac.new(key, data, hashlib.sha256).hexdigest()
