"""Replies with a clip's frames as one picture."""

import base64
from typing import Any

from pydantic import Field

from gait.modality import SIZE, Modality
from gait.moving_picture import COLUMNS, MovingPicture
from serve.schemas.fields import AuditId, ClipReport, GalleryName, Reply, RequestId


class PictureReport(Reply):
    """A moving picture of a person, as silhouettes or range views."""

    picture: str = Field(description="PNG in base64: the frames row by row, grey or RGB.")
    size: int = Field(description="Pixels of a frame's side.")
    columns: int = Field(description="Frames in a row of the picture.")
    frames: int
    seconds: list[float] | None = Field(
        description="When each frame was taken; null if the file does not say."
    )


class FramesReply(PictureReport):
    """What the service sees of a clip: its frames, aligned, as they are compared."""

    request_id: RequestId
    audit_id: AuditId
    clip: ClipReport
    used: list[int] = Field(description="Frames that are compared; the others are passed over.")


class PictureReply(PictureReport):
    """What is kept of an enrolled clip to look at: some of its frames, from the middle."""

    request_id: RequestId
    audit_id: AuditId
    gallery: GalleryName
    subject: str
    template: int
    modality: Modality


def shown(picture: MovingPicture) -> dict[str, Any]:
    """The fields of a `PictureReport`."""
    return {
        "picture": base64.b64encode(picture.png).decode(),
        "size": SIZE,
        "columns": COLUMNS,
        "frames": picture.frames,
        "seconds": None if picture.seconds is None else list(picture.seconds),
    }
