"""Replies that compare: identification, verification, embeddings."""

from pydantic import ConfigDict, Field
from pydantic.config import JsonDict

from gait.modality import Modality
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
    Reserved,
    Revision,
    Similarity,
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
    """The enrolled people most like the one in the clip, the most similar first.

    `decision` and `thresholds` are null: they need a calibration of the model on people it has
    never seen, which this version does not have. Until then a similarity only ranks: the first
    candidate of a person who is not enrolled looks like any other.
    """

    model_config = _example(
        {
            "request_id": REQUEST_ID,
            "audit_id": None,
            "decision": None,
            "thresholds": None,
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
    decision: Reserved
    thresholds: Reserved
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
    """How alike two walks are. `decision` and `threshold` are null until models are calibrated."""

    model_config = _example(
        {
            "request_id": REQUEST_ID,
            "audit_id": None,
            "decision": None,
            "threshold": None,
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
    decision: Reserved
    threshold: Reserved
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
