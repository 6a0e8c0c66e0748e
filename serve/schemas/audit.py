"""Audit records and reviews: requests and replies."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from serve.audit.record import AuditEntry
from serve.schemas.fields import (
    AuditIdGiven,
    JsonBody,
    NextCursor,
    Reply,
    RequestId,
    SubjectName,
)
from serve.text import ONE_LINE


class AuditPage(Reply):
    """Some audit records, the oldest first. Keep `head` elsewhere: it proves what was recorded."""

    request_id: RequestId
    records: list[AuditEntry]
    next_cursor: NextCursor
    head: str = Field(description="Hash of the newest record when the page was read.")


HeadGiven = Annotated[str, Field(min_length=1, max_length=96), ONE_LINE]


class AuditFinding(Reply):
    """What is wrong with the records."""

    record: int = Field(description="Number of the record.")
    problem: str


class AuditVerification(Reply):
    """Whether the records are as they were written."""

    request_id: RequestId
    intact: bool
    records: int = Field(description="That are authentic and in their place.")
    findings: list[AuditFinding]
    more_findings: int = Field(description="Findings beyond those listed.")
    notices: list[str] = Field(description="What is right but worth knowing.")
    head: str | None = Field(description="Hash of the newest record: keep it elsewhere.")
    time: str | None = Field(description="Of the newest record.")


class Verdict(StrEnum):
    """What a human says of a match."""

    CONFIRMED = "confirmed"
    REJECTED = "rejected"
    UNSURE = "unsure"


class NewReview(JsonBody):
    """A human verdict on a match."""

    audit_id: AuditIdGiven
    verdict: Verdict
    reviewer: Annotated[str, Field(min_length=1, max_length=200, examples=["badge 311"]), ONE_LINE]
    subject: SubjectName | None = Field(
        None, description="The candidate judged; the first if left out."
    )
    note: Annotated[str, Field(max_length=1000), ONE_LINE] | None = None


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

    @classmethod
    def of(cls, entry: AuditEntry) -> "Review":
        """The review in an audit record."""
        assert entry.about is not None
        assert entry.reviewer is not None
        return cls(
            audit_id=entry.audit_id,
            time=entry.time,
            about=entry.about,
            caller=entry.caller,
            gallery=entry.gallery,
            subject=entry.subject,
            verdict=Verdict(str(entry.decision)),
            reviewer=entry.reviewer,
            note=entry.detail,
        )


class ReviewReply(Reply):
    """The verdict is recorded, and can be followed by others, never changed."""

    request_id: RequestId
    review: Review


class ReviewPage(Reply):
    """Some reviews, the oldest first."""

    request_id: RequestId
    reviews: list[Review]
    next_cursor: NextCursor
