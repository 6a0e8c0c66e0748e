"""The reply with a clip's frames as one picture."""

from pydantic import Field

from serve.schemas.fields import AuditId, ClipReport, Reply, RequestId


class FramesReply(Reply):
    """What the service sees of a clip: its frames, aligned, as they are compared."""

    request_id: RequestId
    audit_id: AuditId
    clip: ClipReport
    picture: str = Field(description="PNG in base64: the frames row by row, grey or RGB.")
    size: int = Field(description="Pixels of a frame's side.")
    columns: int = Field(description="Frames in a row of the picture.")
    frames: int
    used: list[int] = Field(description="Frames that are compared; the others are passed over.")
    seconds: list[float] | None = Field(
        description="When each frame was taken; null if the file does not say."
    )
