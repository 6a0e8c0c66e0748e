"""Audit records and reviews: requests and replies."""

from typing import Annotated

from pydantic import ConfigDict, Field

from serve.audit.cases import CaseState, Verdict
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
    state: CaseState = Field(description="Of the record judged, after this verdict.")


class ReviewPage(Reply):
    """Some reviews, the oldest first."""

    request_id: RequestId
    reviews: list[Review]
    next_cursor: NextCursor


class CaseReport(Reply):
    """A search that found a match or a possible one."""

    record: AuditEntry
    reviews: list[Review] = Field(description="The oldest first.")
    state: CaseState = Field(
        description="`open` until those who were sure agree: one of them, or two with different "
        "names and keys if the service is set to want two."
    )


class CasePage(Reply):
    """Some cases, the oldest first."""

    request_id: RequestId
    cases: list[CaseReport]
    two_reviewers: bool = Field(description="Whether it takes two people to settle a case.")
    next_cursor: NextCursor


class AgreementReport(Reply):
    """What people said of the cases of one pair of sensors."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    probe: str = Field(description="Sensor of the clip.")
    enrolled_by: str = Field(description="Sensor of the first candidate's template.")
    decision: str = Field(description="Of the service: `match` or `possible`.")
    cases: int
    confirmed: int
    rejected: int
    open: int


class StrangersReport(Reply):
    """How many strangers were found, as people say, against what the calibration promises."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    probe: str = Field(description="Sensor of the clips.")
    decision: str = Field(description="`match`; or `possible`, which counts matches too.")
    searches: int = Field(description="Without those whose person was confirmed to be enrolled.")
    rejected: int
    rate: float = Field(
        description="Rejected of searches: at least so many. Cases that are open, and enrolled "
        "people who were missed, make it too low."
    )
    low: float = Field(description="Of the 95 % interval, as if all searches were independent.")
    high: float
    promised: float
    contradicted: bool = Field(description="More strangers are found than chance explains.")


class ReviewStatisticsReply(Reply):
    """How often people agreed with the service. Cases are no random sample of walks."""

    request_id: RequestId
    two_reviewers: bool
    pairs: list[AgreementReport]
    strangers: list[StrangersReport]
