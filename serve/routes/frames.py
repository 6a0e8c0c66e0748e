"""`POST /v1/frames`: what the service sees of a clip, for people to look at. Nobody is searched."""

import base64
from typing import Annotated

import cv2
import numpy as np
from fastapi import APIRouter, File, UploadFile

from gait.clip import Clip
from gait.decode import Decoded
from gait.modality import SIZE
from gait.quality.quality import Mode
from gait.sampling import evenly
from serve.access.scopes import Guarded, Scope, needs
from serve.audit.record import Action
from serve.routes.parameters import CLIP_FILE, CLIP_PROBLEMS, CurrentCall, HowToRead
from serve.schemas.fields import ClipReport
from serve.schemas.frames import FramesReply

router = APIRouter(tags=["identify"], route_class=Guarded)
COLUMNS = 20
"""Frames in a row of the picture."""


@router.post(
    "/v1/frames",
    dependencies=[needs(Scope.IDENTIFY, Action.SHOW_FRAMES)],
    responses=CLIP_PROBLEMS,
)
async def frames(
    call: CurrentCall,
    reading: HowToRead,
    clip: Annotated[UploadFile, File(description=CLIP_FILE)],
) -> FramesReply:
    """Shows the frames of a clip as they are compared, whatever its quality. They are not kept."""
    call.use.clips = [await clip.read()]
    decoded = await call.service.decode(call.use.clips[0], reading, call.stages, Mode.OFF)
    picture = await call.service.work(lambda: sheet(decoded.clip))
    audit_id = await call.use.done()
    return FramesReply(
        request_id=call.request_id,
        audit_id=audit_id,
        clip=ClipReport.of(decoded, call.service.encoder),
        picture=base64.b64encode(picture).decode(),
        size=SIZE,
        columns=COLUMNS,
        frames=len(decoded.clip),
        used=evenly(len(decoded.clip), call.service.encoder.frames).tolist(),
        seconds=_seconds(decoded),
    )


def sheet(clip: Clip) -> bytes:
    """The frames of a clip as one PNG, `COLUMNS` in a row."""
    frames = clip.frames.transpose(0, 2, 3, 1)
    rows = -(-len(frames) // COLUMNS)
    every = np.zeros((rows * COLUMNS, *frames.shape[1:]), np.uint8)
    every[: len(frames)] = frames
    grid = every.reshape(rows, COLUMNS, SIZE, SIZE, -1).transpose(0, 2, 1, 3, 4)
    picture = grid.reshape(rows * SIZE, COLUMNS * SIZE, -1)
    _, png = cv2.imencode(".png", picture[..., ::-1])  # RGB in the clip, BGR to OpenCV
    return png.tobytes()


def _seconds(decoded: Decoded) -> list[float] | None:
    return None if decoded.times is None else list(decoded.times)
