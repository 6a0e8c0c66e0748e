"""Audit records and reviews: requests and replies."""

from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field

from serve.audit.record import Action, Entry, Outcome
from serve.schemas.fields import Asked, NextCursor, Reply, RequestId

AuditIdGiven = Annotated[str, Field(max_length=64, examples=["42-9f86d081884c7d65"])]


class AuditCandidate(Reply):
    """A candidate that was shown."""

    subject: str
    similarity: float
    template: int


class AuditEntry(Reply):
    """One audit record. What does not apply is null or empty."""

    audit_id: str = Field(description="Sequence and start of the hash.")
    time: str
    action: Action
    outcome: Outcome
    request: str = Field(description="Id of the request.")
    caller: str = Field(description="Id of the key.")
    purpose: str | None = None
    gallery: str | None = None
    revision: int | None = None
    probes: list[str] = Field([], description="Keyed hashes of the clip files.")
    subject: str | None = None
    candidates: tuple[AuditCandidate, ...] = ()
    templates: tuple[int, ...] = ()
    decision: str | None = None
    reviewer: str | None = None
    about: int | None = Field(None, description="Sequence of the record that is judged.")
    intent: int | None = Field(None, description="Sequence of the intent this is the outcome of.")
    detail: str | None = None
    clock_back: float | None = Field(None, description="Seconds the clock stepped back.")
    previous: str = Field(description="Hash of the record before.")
    hash: str

    @classmethod
    def of(cls, entry: Entry) -> "AuditEntry":
        """The report of a record."""
        values: dict[str, Any] = entry.as_json()
        return cls.model_validate({k: v for k, v in values.items() if k != "sequence"})


class AuditPage(Reply):
    """Some audit records, the oldest first. Keep `head` elsewhere: it proves what was recorded."""

    request_id: RequestId
    records: list[AuditEntry]
    next_cursor: NextCursor
    head: str = Field(description="Hash of the newest record when the page was read.")


class Verdict(StrEnum):
    """What a human says of a match."""

    CONFIRMED = "confirmed"
    REJECTED = "rejected"
    UNSURE = "unsure"


class NewReview(Asked):
    """A human verdict on a match."""

    audit_id: AuditIdGiven
    verdict: Verdict
    reviewer: str = Field(min_length=1, max_length=200, examples=["badge 311"])
    subject: str | None = Field(
        None, max_length=256, description="The candidate judged; the first if left out."
    )
    note: str | None = Field(None, max_length=1000)


class Review(Reply):
    """A verdict as it was recorded."""

    audit_id: str = Field(description="Of the review's own record.")
    time: str
    about: int = Field(description="Sequence of the record judged.")
    caller: str
    gallery: str | None
    subject: str | None
    verdict: Verdict
    reviewer: str
    note: str | None


class ReviewReply(Reply):
    """The verdict is recorded, and can be followed by others, never changed."""

    request_id: RequestId
    review: Review


class ReviewPage(Reply):
    """Some reviews, the oldest first."""

    request_id: RequestId
    reviews: list[Review]
    next_cursor: NextCursor
