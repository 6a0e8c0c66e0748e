"""Galleries: requests and replies."""

from pydantic import Field

from gait.modality import Modality
from serve.schemas.fields import (
    AuditId,
    GalleryGiven,
    GalleryName,
    JsonBody,
    NextCursor,
    Reply,
    RequestId,
    Revision,
)
from serve.schemas.subjects import ReceiptReport


class NewGallery(JsonBody):
    """A gallery to be made."""

    gallery: GalleryGiven = Field(
        description="1..58 of a-z, 0-9, `-` and `_`, the first a letter or digit.",
        examples=["site-7"],
    )


class GalleryReply(Reply):
    """A gallery."""

    request_id: RequestId
    gallery: GalleryName
    contract: str = Field(description="Fingerprint of the model its embeddings are of.")
    subjects: int
    templates: dict[Modality, int] = Field(examples=[{"silhouette": 1, "range_view": 2}])
    ready: bool = Field(description="The search index is at the gallery's revision.")
    gallery_revision: Revision


class GalleryPage(Reply):
    """Some of the galleries, in order of name."""

    request_id: RequestId
    galleries: list[str] = Field(examples=[["default", "site-7"]])
    next_cursor: NextCursor


class GalleryDeleted(Reply):
    """A gallery that is no more, and everyone who was enrolled in it."""

    request_id: RequestId
    audit_id: AuditId
    gallery: GalleryName
    subjects_removed: int
    templates_removed: int
    receipts: list[ReceiptReport] = Field(description="One for each subject.")


class ImportReply(Reply):
    """What became of the templates of an export."""

    request_id: RequestId
    audit_id: AuditId
    gallery: GalleryName
    templates_enrolled: int
    templates_present: int = Field(description="The gallery had them already.")
    templates_expired: int = Field(description="Left out.")
    gallery_revision: Revision
