"""What several replies have in common."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from gait.decode import Decoded
from gait.modality import Modality
from gait.quality.quality import Reason
from gait.sampling import passed_over
from gallery.enrolment.expiry_date import EXPIRY_MEANING
from gallery.network.encoder import Encoder
from gallery.template import NAME_LIMIT, REFERENCE_LIMIT
from serve.text import ONE_LINE

REQUEST_ID = "5f2b8c0e6a1d4c59a7e3b1f4d2c6a980"
CONTRACT = "3f6c1a0be4d27795a8c0e1b2d3f4a596"

RequestId = Annotated[str, Field(description="Also in the header `X-Request-ID` and in the log.")]
AuditId = Annotated[
    str | None, Field(description="The audit record of this request; null where none is kept.")
]
SubjectName = Annotated[str, Field(max_length=NAME_LIMIT), ONE_LINE]
"""A person's name in a request, which may be nobody's."""
GalleryGiven = Annotated[str, Field(max_length=64), ONE_LINE]
"""A gallery's name in a request, which may be none's."""
ReferenceGiven = Annotated[
    str,
    Field(
        min_length=1,
        max_length=REFERENCE_LIMIT,
        description="Reference of the person's consent, or of another authorisation.",
        examples=["consent form 17"],
    ),
    ONE_LINE,
]
ExpiryGiven = Annotated[
    str,
    Field(
        max_length=40,
        description=f"Until when it holds: {EXPIRY_MEANING}. From then on no search finds the "
        "template, and it is erased.",
        examples=["2027-01-31", "2027-01-31T12:00:00Z"],
    ),
    ONE_LINE,
]
AuditIdGiven = Annotated[str, Field(max_length=64, examples=["42-9f86d081884c7d65"]), ONE_LINE]
GalleryName = Annotated[str, Field(description="Name of the gallery.", examples=["default"])]
Revision = Annotated[int, Field(description="Changes of the gallery so far.")]
NextCursor = Annotated[
    str | None, Field(description="Give it as `cursor` for the next page; null on the last.")
]
Similarity = Annotated[
    float,
    Field(
        description="Mean over parts of the cosine, less what a cohort has of it where the model's "
        "bundle has one; larger is closer."
    ),
]
Undecided = Annotated[
    str | None, Field(description="Why `decision` is null; null where there is a decision.")
]


class Reply(BaseModel):
    """Base of all replies."""

    model_config = ConfigDict(frozen=True)


class JsonBody(BaseModel):
    """Base of JSON bodies: a field that is not known is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ClipReport(Reply):
    """How a clip file was understood."""

    modality: Modality
    inferred: bool = Field(description="The modality was found in the content, not given.")
    format: str = Field(examples=["npy", "npz", "zip/png", "zip/pcd", "mp4"])
    frames_in: int = Field(description="Frames in the file.")
    frames_used: int
    frames_dropped: dict[str, int] = Field(description="Reason → frames left out for it.")
    points_ignored: int = Field(description="LiDAR points with NaN or infinite coordinates.")
    assumed: dict[str, str | int | float] = Field(
        description="What was taken for granted or done: the sensor's forward axis and raster, the "
        "columns of .bin frames, floor and specks left out, fields of an interlaced video, files "
        "passed over. Only what applies."
    )
    quality: float = Field(description="0..1; 1 if nothing is wrong with the clip.")
    quality_reasons: list[Reason] = Field(description="What is wrong with it, the worst first.")

    @classmethod
    def of(cls, decoded: Decoded, encoder: Encoder) -> "ClipReport":
        """The report of a decoded clip that an encoder embeds."""
        left = passed_over(decoded.clip, encoder.frames)
        return cls(
            modality=decoded.clip.modality,
            inferred=decoded.inferred,
            format=decoded.format,
            frames_in=decoded.frames_in,
            frames_used=decoded.frames_used - sum(left.values()),
            frames_dropped=decoded.dropped | left,
            points_ignored=decoded.points_ignored,
            assumed=decoded.assumed,
            quality=round(decoded.quality.score, 3),
            quality_reasons=list(decoded.quality.reasons),
        )


class ClipRejected(Reply):
    """A clip that could not be used, and why."""

    position: int = Field(description="Of the clip in the request, from 0.")
    code: str = Field(examples=["decode.format", "clip.empty"])
    detail: str


class Model(Reply):
    """The model that embedded the clip."""

    contract: str = Field(description="Fingerprint of the embedding space.")
    simulated: bool = Field(description="Trained on simulated people.")

    @classmethod
    def of(cls, encoder: Encoder) -> "Model":
        """The model of an encoder."""
        return cls(contract=encoder.contract, simulated=encoder.manifest.simulated)
