"""The two ways a walk is seen."""

from enum import StrEnum

SIZE = 64
"""Height and width in pixels of every frame, both modalities (paper A.2)."""


class Modality(StrEnum):
    """What a frame shows: a camera's silhouette or a LiDAR's range view."""

    SILHOUETTE = "silhouette"
    RANGE_VIEW = "range_view"

    @property
    def channels(self) -> int:
        """Channels of a frame: 1 for a silhouette, 3 for a JET-coloured range view."""
        return 1 if self is Modality.SILHOUETTE else 3

    @property
    def counterpart(self) -> "Modality":
        """The other modality."""
        return Modality.RANGE_VIEW if self is Modality.SILHOUETTE else Modality.SILHOUETTE
