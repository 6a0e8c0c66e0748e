"""Enrolled people and their templates: requests and replies."""

from typing import Literal

from pydantic import ConfigDict, Field

from gait.modality import Modality
from gallery.template import Receipt, Template
from serve.schemas.fields import (
    REQUEST_ID,
    AuditId,
    ClipRejected,
    ClipReport,
    ExpiryGiven,
    GalleryName,
    JsonBody,
    NextCursor,
    ReferenceGiven,
    Reply,
    RequestId,
    Revision,
    Similarity,
    SubjectName,
)


class TemplateAdded(Reply):
    """A clip that became a template."""

    position: int = Field(description="Of the clip in the request, from 0.")
    template: int
    clip: ClipReport


class AlikeReport(Reply):
    """Another enrolled person whom a clip matches: perhaps the same one under another name."""

    position: int = Field(description="Of the clip in the request, from 0.")
    subject: str
    similarity: Similarity


class DuplicateClip(Reply):
    """A clip of the request that other people are enrolled by too."""

    position: int = Field(description="Of the clip in the request, from 0.")
    others: list[str] = Field(description="Names of these people; `:merge` makes two people one.")


class EnrolReply(Reply):
    """What became of each clip. What is listed under `templates` is stored and searchable."""

    model_config = ConfigDict(
        frozen=True,
        json_schema_extra={
            "examples": [
                {
                    "request_id": REQUEST_ID,
                    "audit_id": None,
                    "gallery": "default",
                    "subject": "0042",
                    "templates": [
                        {
                            "position": 0,
                            "template": 17,
                            "clip": {
                                "modality": "range_view",
                                "inferred": True,
                                "format": "zip/pcd",
                                "frames_in": 20,
                                "frames_used": 20,
                                "frames_dropped": {},
                                "points_ignored": 0,
                                "assumed": {},
                                "quality": 0.6,
                                "quality_reasons": ["under_one_cycle"],
                            },
                        }
                    ],
                    "rejected": [
                        {
                            "position": 1,
                            "code": "clip.empty",
                            "detail": "got no usable frame (12 empty), need at least 1",
                        }
                    ],
                    "alike": [{"position": 0, "subject": "0007", "similarity": 0.8713}],
                    "duplicates": [],
                    "erased": [],
                    "gallery_revision": 61,
                }
            ]
        },
    )

    request_id: RequestId
    audit_id: AuditId
    gallery: GalleryName
    subject: str
    templates: list[TemplateAdded]
    rejected: list[ClipRejected]
    alike: list[AlikeReport] = Field(
        description="Only for keys that may also identify; empty where nothing can be decided."
    )
    duplicates: list[DuplicateClip] = Field(
        description="Clips that other people are enrolled by too; in the mode `strict` they are "
        "rejected instead."
    )
    erased: list[int] = Field(
        description="Templates erased because the person had more of a modality than "
        "`max_templates`: those least like the others, which may be new ones."
    )
    gallery_revision: Revision


class SubjectReport(Reply):
    """An enrolled person."""

    subject: str = Field(examples=["0042"])
    created: str = Field(examples=["2026-11-22T09:30:00+00:00"])
    templates: dict[Modality, int] = Field(examples=[{"silhouette": 1, "range_view": 2}])


class SubjectPage(Reply):
    """Some of the enrolled people, in order of name."""

    request_id: RequestId
    gallery: GalleryName
    subjects: list[SubjectReport]
    next_cursor: NextCursor
    gallery_revision: Revision


class TemplateReport(Reply):
    """One enrolled template, without its embedding."""

    template: int
    modality: Modality
    frames: int
    source: str
    created: str
    authorisation: str = Field(description="Reference of the consent or authorisation.")
    expires: str = Field(description="After this time no search finds it, and it is erased.")
    picture: bool = Field(description="Whether a moving picture of the clip is kept.")

    @classmethod
    def of(cls, template: Template) -> "TemplateReport":
        """The report of a template."""
        return cls(
            template=template.id,
            modality=template.modality,
            frames=template.frames,
            source=template.source,
            created=template.created,
            authorisation=template.authorisation,
            expires=template.expires,
            picture=template.picture,
        )


class SubjectReply(Reply):
    """An enrolled person with all templates."""

    request_id: RequestId
    gallery: GalleryName
    subject: str
    templates: list[TemplateReport]
    gallery_revision: Revision


class TemplatePage(Reply):
    """Some templates of a person, the oldest first."""

    request_id: RequestId
    gallery: GalleryName
    subject: str
    templates: list[TemplateReport]
    next_cursor: NextCursor
    gallery_revision: Revision


class TemplateReply(Reply):
    """One template of a person."""

    request_id: RequestId
    gallery: GalleryName
    subject: str
    template: TemplateReport
    gallery_revision: Revision


class MergeInto(JsonBody):
    """Whom a person is the same as."""

    into: SubjectName = Field(description="The person who gets the templates.", examples=["0042"])


class MergeReply(Reply):
    """Two people who are now one."""

    request_id: RequestId
    audit_id: AuditId
    gallery: GalleryName
    subject: str = Field(description="The person who is left, with all templates.")
    templates_moved: int
    gallery_revision: Revision


class ExtendUntil(JsonBody):
    """Under which authorisation a person's templates are kept from now on."""

    authorisation: ReferenceGiven
    expires: ExpiryGiven


class ExtendReply(Reply):
    """A person with another authorisation."""

    request_id: RequestId
    audit_id: AuditId
    gallery: GalleryName
    subject: str
    templates: int = Field(description="That have the authorisation now: all of the person.")
    expires: str = Field(description="After this time no search finds them, and they are erased.")
    gallery_revision: Revision


class EnrolmentCheck(Reply):
    """What would become of clips. Nothing is stored."""

    request_id: RequestId
    audit_id: AuditId
    gallery: GalleryName
    subject: str
    known: int = Field(description="Templates that the person has; 0 for one who is not enrolled.")
    usable: list["ClipChecked"]
    rejected: list[ClipRejected]
    alike: list[AlikeReport] = Field(description="Only for keys that may also identify.")
    duplicates: list[DuplicateClip]


class ClipChecked(Reply):
    """A clip that would become a template."""

    position: int = Field(description="Of the clip in the request, from 0.")
    clip: ClipReport


class EndingReport(Reply):
    """A person whose authorisation ends."""

    subject: str
    expires: str = Field(description="When the first of the templates ends.")
    templates: int = Field(description="How many end before the time that was given.")


class EndingReply(Reply):
    """Whose authorisation ends before a time, the first first."""

    request_id: RequestId
    gallery: GalleryName
    before: str
    ending: list[EndingReport]
    templates: int = Field(description="Of everybody whose authorisation ends before that time.")


class ReceiptReport(Reply):
    """Proof of an erasure, without biometric data.

    What was erased was encrypted under a key of the subject's own; that key was destroyed, so no
    copy of it, in a backup or anywhere, can be read any more.
    """

    gallery: GalleryName
    gallery_id: str = Field(description="Of the gallery: given when it was made, never again.")
    subject: str
    templates: list[int] = Field(
        description="Ids of the templates erased; none if only a picture was."
    )
    pictures: list[int] = Field(
        description="Ids of templates that stay and whose kept moving picture was erased."
    )
    key: str = Field(description="Fingerprint of the key that was destroyed.")
    destruction: Literal["overwritten", "deleted"] = Field(
        description="`overwritten`: where the key lay, and the database's log was emptied. "
        "`deleted`: from a database whose own log may keep it, wrapped by the master key, until "
        "that log is recycled."
    )
    gallery_revision: Revision
    erased: str = Field(examples=["2026-11-22T09:30:00+00:00"])

    @classmethod
    def of(cls, gallery: str, receipt: Receipt) -> "ReceiptReport":
        """The report of a receipt, with the gallery's name beside its id."""
        return cls(
            gallery=gallery,
            gallery_id=receipt.gallery,
            subject=receipt.subject,
            templates=list(receipt.templates),
            pictures=list(receipt.pictures),
            key=receipt.key,
            destruction=receipt.destruction,
            gallery_revision=receipt.revision,
            erased=receipt.erased,
        )


class ErasureReply(Reply):
    """What was erased; no search finds it any more."""

    request_id: RequestId
    audit_id: AuditId
    receipt: ReceiptReport
