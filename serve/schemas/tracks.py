"""The reply of a search for everybody in a recording."""

from pydantic import Field

from gallery.decision.decision import Finding, Thresholds
from serve.schemas.fields import (
    AuditId,
    ClipReport,
    GalleryName,
    Model,
    Reply,
    RequestId,
    Revision,
    Undecided,
)
from serve.schemas.frames import PictureReport
from serve.schemas.search import CandidateReport


class TrackReport(Reply):
    """A person in a recording: when, how well they were seen, and whether they are enrolled."""

    track: int = Field(description="People of two tracks may be the same one.")
    begins: float = Field(description="Seconds since the recording began.")
    ends: float
    frames: int = Field(description="In which all of the person is seen.")
    clip: ClipReport | None = Field(description="Null if the frames cannot be a clip.")
    rejected: str | None = Field(description="Code of why nothing was searched; null if it was.")
    detail: str | None = Field(description="The same in words.")
    decision: Finding | None
    thresholds: Thresholds | None
    undecided: Undecided
    candidates: list[CandidateReport]
    picture: PictureReport | None = Field(description="Only if `pictures` were wanted.")


class TracksReply(Reply):
    """Who is in a recording, in the order they left it."""

    request_id: RequestId
    audit_id: AuditId
    people: list[TrackReport]
    left_out: int = Field(description="People beyond the clips that one request may have.")
    gallery: GalleryName
    gallery_revision: Revision
    model: Model
    timings_ms: dict[str, float]
