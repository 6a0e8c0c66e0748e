"""`GET /v1/galleries/{g}/strangers`: how similar strangers come out of a search."""

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query

from gait.modality import Modality
from gallery.decision.decision import Policy, Strangers
from gallery.gallery import Gallery
from serve.access.scopes import Guarded, Scope, needs
from serve.routes.parameters import CurrentCall, GalleryPath, problems
from serve.schemas.strangers import CalibrationReport, StrangersReply, StrangersShare

router = APIRouter(prefix="/v1/galleries/{g}/strangers", tags=["galleries"], route_class=Guarded)


@router.get("", dependencies=[needs(Scope.IDENTIFY)], responses=problems(404))
async def strangers(
    call: CurrentCall,
    g: GalleryPath,
    probe: Annotated[Modality, Query(description="What the clips show.")],
    gallery_modality: Annotated[
        Modality | None, Query(description="Templates searched; both if left out.")
    ] = None,
) -> StrangersReply:
    """Shows which similarities strangers reach in a search now, by the calibration that decides."""
    task = partial(_known, probe, gallery_modality, call.service.settings.policy)
    found, revision = await call.service.on(g, task)
    return StrangersReply(
        request_id=call.request_id,
        gallery=g,
        gallery_revision=revision,
        probe=probe,
        gallery_modality=gallery_modality,
        thresholds=found.thresholds,
        undecided=found.undecided,
        shares=[
            StrangersShare(share=share, similarity=similarity)
            for share, similarity in zip(found.rates, found.similarities, strict=True)
        ],
        calibration=None if found.calibration is None else CalibrationReport.of(*found.calibration),
    )


def _known(
    probe: Modality, modality: Modality | None, policy: Policy, gallery: Gallery
) -> tuple[Strangers, int]:
    revision = gallery.revision
    return gallery.strangers(probe, policy, modality=modality), revision
