"""One audit record, and the canonical text of it that is authenticated."""

import json
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, FiniteFloat, computed_field

from serve.audit.key import AuditKey

GENESIS = "0" * 64
"""What the first record of all names as the hash before it."""


class Action(StrEnum):
    """What was done, or tried."""

    IDENTIFY = "identify"
    VERIFY = "verify"
    EMBED = "embed"
    SHOW_FRAMES = "frames"
    TELL = "live.tell"
    WATCH = "live.read"
    SHOW_PICTURE = "picture"
    ENROL = "enrol"
    REMOVE = "remove"
    MERGE = "merge"
    EXTEND = "extend"
    CHECK_ENROLMENT = "enrol.check"
    REMOVE_PICTURE = "picture.remove"
    EXPIRE = "expire"
    EXPORT = "export"
    IMPORT = "import"
    REVIEW = "review"
    READ_REVIEWS = "review.read"
    READ_AUDIT = "audit.read"
    VERIFY_AUDIT = "audit.verify"
    CREATE_KEY = "key.create"
    ROTATE_KEY = "key.rotate"
    REVOKE_KEY = "key.revoke"
    CREATE_GALLERY = "gallery.create"
    DELETE_GALLERY = "gallery.delete"
    BEGIN_LOG = "log.begin"
    RETIRE = "log.retire"


CHANGES = frozenset(
    {
        *(Action.ENROL, Action.REMOVE, Action.MERGE, Action.EXTEND, Action.IMPORT),
        Action.REMOVE_PICTURE,
        *(Action.CREATE_GALLERY, Action.DELETE_GALLERY),
        *(Action.CREATE_KEY, Action.ROTATE_KEY, Action.REVOKE_KEY),
    }
)
"""Actions that change something: recorded before they begin, and again when they have ended."""


class Outcome(StrEnum):
    """How it ended. `intended` comes before a change, and a record of the outcome after it."""

    INTENDED = "intended"
    DONE = "done"
    REFUSED = "refused"
    FAILED = "failed"
    UNKNOWN = "unknown"


def _encodable(text: object) -> object:
    """Text without halves of surrogate pairs, which no reply can hold; they are spelled out."""
    return text.encode("utf-8", "backslashreplace").decode() if isinstance(text, str) else text


Text = Annotated[str, BeforeValidator(_encodable)]


class ShownCandidate(BaseModel):
    """A candidate that was shown, with the template most like the probe."""

    model_config = ConfigDict(frozen=True)

    subject: Text
    similarity: FiniteFloat
    template: int
    modality: Text | None = Field(default=None, description="Of that template.")


class Record(BaseModel):
    """What is known about one use of the service. What does not apply is null or empty."""

    model_config = ConfigDict(frozen=True)

    # Records of another version may name others, and are read all the same.
    action: Action | Text = Field(union_mode="left_to_right")
    outcome: Outcome | Text = Field(union_mode="left_to_right")
    request: str = Field(description="Id of the request, or name of the command.")
    caller: Text = Field(description="Id of the key; `local` without keys.")
    purpose: Text | None = None
    gallery: Text | None = None
    revision: int | None = Field(
        default=None, description="Of the gallery searched, or after the change."
    )
    probes: tuple[str, ...] = Field(default=(), description="Keyed hashes of the clip files.")
    modality: Text | None = Field(default=None, description="Of the clip that was searched for.")
    subject: Text | None = Field(default=None, description="Enrolled, removed, verified or merged.")
    candidates: tuple[ShownCandidate, ...] = ()
    templates: tuple[int, ...] = Field(default=(), description="Added or removed.")
    decision: Text | None = Field(
        default=None, description="Of the service, or a reviewer's verdict."
    )
    reviewer: Text | None = None
    about: int | None = Field(
        default=None, description="Sequence of the record judged, or last retired."
    )
    intent: int | None = Field(
        default=None, description="Sequence of the intent this is the outcome of."
    )
    detail: Text | None = Field(
        default=None, description="Error code, note or filter; nothing biometric."
    )


class AuditEntry(Record):
    """An audit record in its place."""

    sequence: int = Field(description="1, 2, 3, …: the order, whatever the clock says.")
    time: str = Field(description="ISO 8601 in UTC, as the clock said.")
    previous: str = Field(description="Hash of the record before.")
    hash: str = Field(description="HMAC-SHA256 of the record's canonical text.")

    @computed_field(description="Sequence and start of the hash.")  # type: ignore[prop-decorator]
    @property
    def audit_id(self) -> str:
        """Whoever keeps it can prove that this record was written."""
        return f"{self.sequence}-{self.hash[:16]}"

    @classmethod
    def parse(cls, text: str, hashed: str) -> "AuditEntry":
        """The entry of an authentic text."""
        return cls(**json.loads(text), hash=hashed)


def seal(record: Record, sequence: int, previous: str, key: AuditKey) -> tuple[str, AuditEntry]:
    """The canonical text of a record in its place after the hash `previous`, and the entry.

    The text is JSON with sorted keys, without spaces and defaults, in ASCII: one for one record.
    """
    time = datetime.now(UTC).isoformat(timespec="microseconds")
    place: dict[str, Any] = {"sequence": sequence, "time": time, "previous": previous}
    values = record.model_dump(mode="json", exclude_defaults=True) | place
    text = json.dumps(values, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return text, AuditEntry(**dict(record), **place, hash=key.hash(text))
