"""`POST /v1/frames`: what the service sees of a clip, for people to look at. Nobody is searched."""

from typing import Annotated

from fastapi import APIRouter, File, UploadFile

from gait.moving_picture import MovingPicture
from gait.quality.quality import Mode
from gait.sampling import evenly
from serve.access.scopes import Guarded, Scope, needs
from serve.audit.record import Action
from serve.routes.parameters import CLIP_FILE, CLIP_PROBLEMS, CurrentCall, HowToRead
from serve.schemas.fields import ClipReport
from serve.schemas.frames import FramesReply, shown

router = APIRouter(tags=["identify"], route_class=Guarded)


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
    picture = await call.service.work(lambda: MovingPicture.of(decoded.clip, decoded.times))
    audit_id = await call.use.done()
    return FramesReply(
        request_id=call.request_id,
        audit_id=audit_id,
        clip=ClipReport.of(decoded, call.service.encoder),
        used=evenly(len(decoded.clip), call.service.encoder.frames).tolist(),
        **shown(picture),
    )
