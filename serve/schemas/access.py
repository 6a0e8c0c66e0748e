"""What a key may do: the reply about it."""

from pydantic import Field

from gait.quality.quality import Mode
from serve.access.scopes import Scope
from serve.schemas.fields import GalleryName, Reply, RequestId
from serve.settings import Settings


class LimitsReport(Reply):
    """What the service takes, see the settings of the same names."""

    max_clip_mib: int
    max_body_mib: int
    max_clips: int
    max_frames: int
    max_templates: int | None
    quality_search: Mode
    quality_enrol: Mode
    match_fpir: float
    possible_fpir: float
    match_fmr: float
    own_calibration: bool
    two_reviewers: bool
    rate_per_key: str
    rate_per_gallery: str

    @classmethod
    def of(cls, settings: Settings) -> "LimitsReport":
        """The limits in a service's settings."""
        return cls(**{name: getattr(settings, name) for name in cls.model_fields})


class AccessReply(Reply):
    """The caller's key and what it may do."""

    request_id: RequestId
    key: str = Field(
        description="Id of the key; `local` where the service has none.", examples=["129e6d84"]
    )
    scopes: list[Scope]
    galleries: list[str] | None = Field(description="It is for these only; null for every gallery.")
    gallery: GalleryName
    purposes: list[str] = Field(description="That a search may have; empty for any.")
    version: str = Field(description="Of the service.")
    limits: LimitsReport
