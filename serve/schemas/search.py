"""Replies that compare: identification, verification, embeddings."""

from pydantic import ConfigDict, Field
from pydantic.config import JsonDict

from gait.modality import Modality
from gallery.decision.decision import Finding, Thresholds
from serve.schemas.fields import (
    CONTRACT,
    REQUEST_ID,
    AuditId,
    ClipRejected,
    ClipReport,
    GalleryName,
    Model,
    Reply,
    RequestId,
    Revision,
    Similarity,
    Undecided,
)

_MODEL: JsonDict = {"contract": CONTRACT, "simulated": True}
_PROBE: JsonDict = {
    "modality": "silhouette",
    "inferred": True,
    "format": "zip/png",
    "frames_in": 30,
    "frames_used": 28,
    "frames_dropped": {"empty": 2},
    "points_ignored": 0,
    "assumed": {},
    "quality": 0.97,
    "quality_reasons": [],
}

THRESHOLDS: JsonDict = {
    "match": {"similarity": 0.81, "rate": 0.01, "low": 0.79, "high": 0.83, "source": "data"},
    "possible": {"similarity": 0.73, "rate": 0.1, "low": 0.72, "high": 0.74, "source": "data"},
    "gallery_size": 160,
    "basis": {
        "whose": "bundle",
        "people": 400,
        "simulated": True,
        "templates": 4,
        "sha256": CONTRACT + CONTRACT,
    },
    "meaning": "of 1,000 strangers about 10 would be called somebody, and about 100 that or "
    "possibly somebody, in a gallery of 160; the model's calibration on 400 simulated people",
}


def _example(fields: JsonDict) -> ConfigDict:
    return ConfigDict(frozen=True, json_schema_extra={"examples": [fields]})


class CandidateReport(Reply):
    """An enrolled person, with the template most like the probe."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    subject: str
    similarity: Similarity
    template: int
    modality: Modality = Field(description="Of that template.")


class IdentifyReply(Reply):
    """Whether somebody enrolled walks in the clip: `match`, `possible` (a person has to look) or
    `no_match`, and who.

    The decision is about the first candidate. Candidates below the threshold of a possible match
    are left out unless they were asked for. Where nothing could be decided, `decision` is null,
    `undecided` says why, and the candidates are only ranked: the first candidate of a person who is
    not enrolled looks like any other.
    """

    model_config = _example(
        {
            "request_id": REQUEST_ID,
            "audit_id": None,
            "decision": "match",
            "thresholds": THRESHOLDS,
            "undecided": None,
            "candidates": [
                {
                    "subject": "0042",
                    "similarity": 0.8713,
                    "template": 17,
                    "modality": "range_view",
                },
                {"subject": "0007", "similarity": 0.6120, "template": 3, "modality": "range_view"},
            ],
            "probe": _PROBE,
            "gallery": "default",
            "gallery_modality": None,
            "gallery_revision": 61,
            "model": _MODEL,
            "timings_ms": {"decode": 6.1, "embed": 21.4, "search": 0.9},
        }
    )

    request_id: RequestId
    audit_id: AuditId
    decision: Finding | None
    thresholds: Thresholds | None = Field(
        description="What the decision stands on; null where nothing was decided or compared."
    )
    undecided: Undecided
    candidates: list[CandidateReport]
    probe: ClipReport
    gallery: GalleryName
    gallery_modality: Modality | None = Field(description="Templates searched; null for both.")
    gallery_revision: Revision
    model: Model
    timings_ms: dict[str, float] = Field(description="Stage → milliseconds.")


class Enrolled(Reply):
    """The enrolled person a clip was compared with."""

    gallery: GalleryName
    subject: str
    template: int = Field(description="The template most like the clip.")
    modality: Modality = Field(description="Of that template.")
    gallery_revision: Revision


class VerifyReply(Reply):
    """Whether two walks are one person's: `match` or `no_match`; null if not decided."""

    model_config = _example(
        {
            "request_id": REQUEST_ID,
            "audit_id": None,
            "decision": None,
            "thresholds": None,
            "undecided": "there is no calibration of this model: similarities only rank people",
            "similarity": 0.8713,
            "probe": _PROBE,
            "other": None,
            "enrolled": {
                "gallery": "default",
                "subject": "0042",
                "template": 17,
                "modality": "range_view",
                "gallery_revision": 61,
            },
            "model": _MODEL,
            "timings_ms": {"decode": 6.1, "embed": 21.4, "search": 0.9},
        }
    )

    request_id: RequestId
    audit_id: AuditId
    decision: Finding | None
    thresholds: Thresholds | None = Field(
        description="What the decision stands on; its rate is the FMR, and `possible` is null."
    )
    undecided: Undecided
    similarity: Similarity
    probe: ClipReport
    other: ClipReport | None = Field(description="The other clip; null for an enrolled person.")
    enrolled: Enrolled | None = Field(description="The enrolled person; null for another clip.")
    model: Model
    timings_ms: dict[str, float] = Field(description="Stage → milliseconds.")


class Embedding(Reply):
    """A clip's embedding."""

    position: int = Field(description="Of the clip in the request, from 0.")
    clip: ClipReport
    embedding: list[float] = Field(
        description="`dimension` numbers of norm 1; inner products are similarities."
    )


class EmbedReply(Reply):
    """Embeddings of the clips that can be used. They are biometric data: treat them as such."""

    request_id: RequestId
    audit_id: AuditId
    embeddings: list[Embedding]
    rejected: list[ClipRejected]
    dimension: int
    model: Model
    timings_ms: dict[str, float] = Field(description="Stage → milliseconds.")
