"""Who passes a camera that `capture.watch` follows: what a watcher tells, and what is shown."""

from typing import Annotated

from pydantic import Field

from gallery.decision.decision import Finding
from serve.schemas.fields import AuditIdGiven, JsonBody, Reply, RequestId
from serve.text import ONE_LINE

Picture = Annotated[
    str,
    Field(
        max_length=43692,
        pattern="^/9j/[A-Za-z0-9+/]+={0,2}$",
        description="A JPEG of 32 KiB at most, in base64.",
    ),
    ONE_LINE,
]


class NewPassing(JsonBody):
    """A track that was decided. Who it is stands in the audit record of the search."""

    audit_id: AuditIdGiven = Field(description="Record of the search that the decision stands on.")
    source: Annotated[str, Field(min_length=1, max_length=128, examples=["entrance 3"]), ONE_LINE]
    track: int = Field(ge=0, le=2**53, description="Number of the track at its source.")
    decision: Finding | None = Field(
        description="Not more than the search found; a match that another one contradicts is only "
        "possible. Null where nothing can be decided."
    )
    quality: float = Field(ge=0, le=1)
    windows: int = Field(ge=1, le=1000, description="Searches that were made of the track.")
    seen_seconds: float = Field(ge=0, le=86400)
    picture: Picture | None = Field(
        None, description="Of a person who was found; refused of anybody else."
    )


class Passing(Reply):
    """Somebody who passed. Of strangers no name, no similarity and no picture is known."""

    number: int = Field(description="Rises from one to the next.")
    time: str = Field(description="Of the search, ISO 8601 in UTC.")
    source: str
    track: int
    decision: Finding | None
    subject: str | None
    similarity: float | None
    quality: float
    windows: int
    seen_seconds: float
    gallery: str
    purpose: str | None
    audit_id: str
    picture: str | None


class PassingReply(Reply):
    """It is shown from now on."""

    request_id: RequestId
    number: int


class LiveReply(Reply):
    """Who passed, the oldest first."""

    request_id: RequestId
    people: list[Passing]
    newest: int = Field(description="Give it as `after` to be told of later ones only.")
