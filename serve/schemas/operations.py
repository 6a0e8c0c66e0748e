"""Health, models and problems."""

from pydantic import Field

from gait.modality import Modality
from gait.range_style import RangeStyle
from gait.variant import Variant
from serve.schemas.fields import CONTRACT, GalleryName, Reply, RequestId, Revision


class Health(Reply):
    """The process answers."""

    status: str = Field(examples=["ok"])


class GalleryReadiness(Reply):
    """A gallery in use."""

    gallery: GalleryName
    gallery_revision: Revision
    ready: bool = Field(description="Whether its index has been made; else a search makes it.")
    behind: int = Field(description="Changes that its index does not know; a search follows them.")
    damaged: int = Field(description="Templates that could not be read and are not searched.")


class UnservedGallery(Reply):
    """A gallery that is there and that this service cannot serve, as it was an hour ago at most."""

    gallery: str = Field(examples=["site-7"])
    code: str = Field(
        description="Of the error that its requests end in: `gallery.contract` of another model, "
        "`gallery.invalid` of a folder whose name cannot be a gallery's.",
        examples=["gallery.contract"],
    )


class Readiness(Reply):
    """The model is warm, the galleries can be reached, and the default one can be searched."""

    status: str = Field(examples=["ready"])
    contract: str = Field(examples=[CONTRACT])
    provider: str = Field(examples=["CPUExecutionProvider"])
    galleries: list[GalleryReadiness]
    unserved: int = Field(
        description="How many galleries are there that this service cannot serve; its log says why."
    )
    unserved_galleries: list[UnservedGallery]


class ModelReport(Reply):
    """A model that the service runs."""

    contract: str = Field(description="Fingerprint of the embedding space.", examples=[CONTRACT])
    simulated: bool = Field(description="Trained on simulated people.")
    dimension: int = Field(description="Numbers of an embedding.")
    modalities: list[Modality]
    provider: str = Field(examples=["CPUExecutionProvider"])
    variant: Variant = Field(description="Arithmetic of the network that runs.")
    variant_reason: str = Field(
        description="Why this one, after “because”.", examples=["this CPU has AVX-512 VNNI"]
    )
    variants: list[Variant] = Field(description="Those that the bundle holds.")
    frames: int = Field(description="Most frames of a clip that are looked at.")
    range_style: RangeStyle = Field(
        description="How point clouds are drawn, and so how pictures of range views should be."
    )
    calibrated: bool = Field(description="Whether it has thresholds for decisions.")


class ModelsReply(Reply):
    """The models that the service runs."""

    request_id: RequestId
    models: list[ModelReport]


class Problem(Reply):
    """What went wrong (RFC 9457). `code` is stable; further members depend on it."""

    type: str = Field(examples=["about:blank"])
    title: str = Field(examples=["Unprocessable Entity"])
    status: int = Field(examples=[422])
    code: str = Field(examples=["clip.empty"])
    detail: str = Field(examples=["got no usable frame (12 empty), need at least 1"])
    request_id: RequestId
