"""Routes for whoever runs the service: health, readiness and metrics."""

from http import HTTPStatus

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.exceptions import HTTPException

from serve.access.scopes import Guarded, needs
from serve.routes.parameters import CurrentCall, problems
from serve.schemas.operations import GalleryReadiness, Health, Readiness, UnservedGallery
from serve.work.decoding import STUCK
from serve.work.metrics import Told

router = APIRouter(tags=["operations"], route_class=Guarded)


@router.get("/healthz", responses={422: problems()[422]})
async def healthz() -> Health:
    """The process answers."""
    return Health(status="ok")


@router.get("/readyz", responses={status: problems()[status] for status in (422, 503)})
def readyz(call: CurrentCall) -> Readiness:
    """The model is warm, clips are being read, and the default gallery can be searched.

    An index that has yet to be made does not count against the service, but for the default
    gallery: the first search makes it. Nor do damaged templates: everybody else is found.
    """
    call.service.audit.check()
    if call.service.decoding.stuck:
        raise HTTPException(
            HTTPStatus.SERVICE_UNAVAILABLE,
            f"clips wait to be read, and none was begun for {STUCK:g} s; look at the log",
        )
    galleries = call.service.readiness()
    usual = galleries.get(call.service.settings.gallery)
    if usual is not None and not usual.ready:
        raise HTTPException(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "the index of the default gallery is being made; try again",
        )
    return Readiness(
        status="ready",
        contract=call.service.encoder.contract,
        provider=call.service.encoder.provider,
        galleries=[
            GalleryReadiness(
                gallery=name,
                gallery_revision=state.revision,
                ready=state.ready,
                behind=state.behind,
                damaged=state.damaged,
            )
            for name, state in galleries.items()
            if call.caller.reaches(name)
        ],
        unserved=len(call.service.unserved),
        unserved_galleries=[
            UnservedGallery(gallery=name, code=why.code)
            for name, why in call.service.unserved.items()
            if call.caller.reaches(name)
        ],
    )


@router.get("/metrics", dependencies=[needs()], response_class=Response, responses=problems())
def metrics(call: CurrentCall) -> Response:
    """Metrics in Prometheus' text format; of the galleries that the caller's key is for."""
    call.service.measure()
    text = generate_latest(Told(call.service.metrics.registry, call.caller.reaches))
    return Response(text, media_type=CONTENT_TYPE_LATEST)
