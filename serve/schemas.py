"""Replies of the service, with examples for OpenAPI."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from gait.decode import Decoded
from gait.modality import Modality

_REQUEST_ID = "5f2b8c0e6a1d4c59a7e3b1f4d2c6a980"
_CONTRACT = "3f6c1a0be4d27795a8c0e1b2d3f4a596"

RequestId = Annotated[str, Field(description="Also in the header `X-Request-ID` and in the log.")]
Revision = Annotated[int, Field(description="Changes of the gallery so far.")]
Similarity = Annotated[
    float, Field(description="Mean over parts of the cosine, −1..1; larger is closer.")
]


class _Reply(BaseModel):
    model_config = ConfigDict(frozen=True)


class ClipReport(_Reply):
    """How a clip file was understood."""

    modality: Modality
    inferred: bool = Field(description="The modality was found in the content, not given.")
    format: str = Field(examples=["npy", "npz", "zip/png", "zip/pcd", "mp4"])
    frames_in: int = Field(description="Frames in the file.")
    frames_used: int
    frames_dropped: dict[str, int] = Field(description="Reason → frames left out for it.")
    points_ignored: int = Field(description="LiDAR points with NaN or infinite coordinates.")

    @classmethod
    def of(cls, decoded: Decoded) -> "ClipReport":
        """The report of a decoded clip."""
        return cls(
            modality=decoded.clip.modality,
            inferred=decoded.inferred,
            format=decoded.format,
            frames_in=decoded.frames_in,
            frames_used=decoded.frames_used,
            frames_dropped=decoded.dropped,
            points_ignored=decoded.points_ignored,
        )


class Model(_Reply):
    """The model that embedded the clip."""

    contract: str = Field(description="Identity of the embedding space.")
    simulated: bool = Field(description="Trained on simulated people.")


class CandidateReport(_Reply):
    """An enrolled person, with the template most like the probe."""

    subject: str
    similarity: Similarity
    template: int
    modality: Modality = Field(description="Of that template.")


class IdentifyReply(_Reply):
    """The enrolled people most like the one in the clip, the most similar first.

    `decision` and `thresholds` are null: they need a calibration of the model on people it has
    never seen, which this version does not have. Until then a similarity only ranks: the first
    candidate of a person who is not enrolled looks like any other.
    """

    model_config = ConfigDict(
        frozen=True,
        json_schema_extra={
            "examples": [
                {
                    "request_id": _REQUEST_ID,
                    "decision": None,
                    "thresholds": None,
                    "candidates": [
                        {
                            "subject": "0042",
                            "similarity": 0.8713,
                            "template": 17,
                            "modality": "range_view",
                        },
                        {
                            "subject": "0007",
                            "similarity": 0.6120,
                            "template": 3,
                            "modality": "range_view",
                        },
                    ],
                    "probe": {
                        "modality": "silhouette",
                        "inferred": True,
                        "format": "zip/png",
                        "frames_in": 30,
                        "frames_used": 28,
                        "frames_dropped": {"empty": 2},
                        "points_ignored": 0,
                    },
                    "gallery_modality": None,
                    "gallery_revision": 61,
                    "model": {"contract": _CONTRACT, "simulated": True},
                    "timings_ms": {"decode": 6.1, "embed": 21.4, "search": 0.9},
                }
            ]
        },
    )

    request_id: RequestId
    decision: None = Field(description="Reserved; null until models are calibrated.")
    thresholds: None = Field(description="Reserved; null until models are calibrated.")
    candidates: list[CandidateReport]
    probe: ClipReport
    gallery_modality: Modality | None = Field(description="Templates searched; null for both.")
    gallery_revision: Revision
    model: Model
    timings_ms: dict[str, float] = Field(description="Stage → milliseconds.")


class TemplateAdded(_Reply):
    """A clip that became a template."""

    position: int = Field(description="Of the clip in the request, from 0.")
    template: int
    clip: ClipReport


class ClipRejected(_Reply):
    """A clip that could not be used, and why."""

    position: int = Field(description="Of the clip in the request, from 0.")
    code: str = Field(examples=["decode.format", "clip.empty"])
    detail: str


class EnrolReply(_Reply):
    """What became of each clip. What is listed under `templates` is stored and searchable."""

    model_config = ConfigDict(
        frozen=True,
        json_schema_extra={
            "examples": [
                {
                    "request_id": _REQUEST_ID,
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
                    "gallery_revision": 61,
                }
            ]
        },
    )

    request_id: RequestId
    subject: str
    templates: list[TemplateAdded]
    rejected: list[ClipRejected]
    gallery_revision: Revision


class SubjectReport(_Reply):
    """An enrolled person."""

    subject: str = Field(examples=["0042"])
    created: str = Field(examples=["2026-11-22T09:30:00+00:00"])
    templates: dict[Modality, int] = Field(examples=[{"silhouette": 1, "range_view": 2}])


class SubjectPage(_Reply):
    """Some of the enrolled people, in order of name."""

    request_id: RequestId
    subjects: list[SubjectReport]
    next_cursor: str | None = Field(
        description="Give it as `cursor` for the next page; null on the last."
    )
    gallery_revision: Revision


class TemplateReport(_Reply):
    """One enrolled template, without its embedding."""

    template: int
    modality: Modality
    frames: int
    source: str
    created: str


class SubjectReply(_Reply):
    """An enrolled person with all templates."""

    request_id: RequestId
    subject: str
    templates: list[TemplateReport]
    gallery_revision: Revision


class RemoveReply(_Reply):
    """A person who is no longer enrolled; no search finds the templates any more."""

    request_id: RequestId
    subject: str
    templates_removed: int
    gallery_revision: Revision


class Health(_Reply):
    """The process answers."""

    status: str = Field(examples=["ok"])


class Readiness(_Reply):
    """The model is warm and the index is at the gallery's revision."""

    status: str = Field(examples=["ready"])
    contract: str = Field(examples=[_CONTRACT])
    provider: str = Field(examples=["CPUExecutionProvider"])
    gallery_revision: Revision


class Problem(_Reply):
    """What went wrong (RFC 9457). `code` is stable; further members depend on it."""

    type: str = Field(examples=["about:blank"])
    title: str = Field(examples=["Unprocessable Entity"])
    status: int = Field(examples=[422])
    code: str = Field(examples=["clip.empty"])
    detail: str = Field(examples=["got no usable frame (12 empty), need at least 1"])
    request_id: RequestId
