"""The reply about strangers: how similar they come out of a search."""

from pydantic import Field

from gait.modality import Modality
from gallery.decision.calibration import Calibration
from gallery.decision.decision import Thresholds, Whose
from serve.schemas.fields import GalleryName, Reply, RequestId, Revision, Similarity, Undecided


class StrangersShare(Reply):
    """So many strangers are at least so similar to the enrolled person they resemble most."""

    share: float = Field(description="0..1.")
    similarity: Similarity


class CalibrationReport(Reply):
    """What says what similarities mean."""

    whose: Whose = Field(description="The gallery's own, or the one of the model's bundle.")
    people: int
    simulated: bool
    data: str = Field(description="Where these people come from.")
    sha256: str

    @classmethod
    def of(cls, calibration: Calibration, whose: Whose) -> "CalibrationReport":
        """The report of a calibration."""
        return cls(
            whose=whose,
            people=calibration.people,
            simulated=calibration.simulated,
            data=calibration.data,
            sha256=calibration.sha256,
        )


class StrangersReply(Reply):
    """How similar strangers come out of a search of a gallery as it is now."""

    request_id: RequestId
    gallery: GalleryName
    gallery_revision: Revision
    probe: Modality
    gallery_modality: Modality | None
    thresholds: Thresholds | None
    undecided: Undecided
    shares: list[StrangersShare] = Field(
        description="By falling share, as far as the calibration carries; empty without one."
    )
    calibration: CalibrationReport | None
