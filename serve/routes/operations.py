"""Routes for whoever runs the service: health, readiness, metrics, and the page for people."""

from http import HTTPStatus
from importlib.resources import files

from fastapi import APIRouter, Response
from fastapi.responses import HTMLResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.exceptions import HTTPException

from serve.access.scopes import Guarded, needs
from serve.routes.parameters import CurrentCall, problems
from serve.schemas.operations import GalleryReadiness, Health, Readiness
from serve.work.decoding import STUCK

_PAGE = files("serve").joinpath("page", "index.html").read_text(encoding="utf-8")
_PAGE_MAY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    "connect-src 'self'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'"
)

router = APIRouter(tags=["operations"], route_class=Guarded)


@router.get("/healthz")
async def healthz() -> Health:
    """The process answers."""
    return Health(status="ok")


@router.get("/readyz", responses={503: problems()[503]})
def readyz(call: CurrentCall) -> Readiness:
    """The model is warm, clips are being read and each gallery in use is searchable as stored."""
    if call.service.decoding.stuck:
        raise HTTPException(
            HTTPStatus.SERVICE_UNAVAILABLE,
            f"clips wait to be read, and none was begun for {STUCK:g} s; look at the log",
        )
    galleries = call.service.readiness()
    behind = [name for name, (ready, _) in galleries.items() if not ready]
    if behind:
        raise HTTPException(
            HTTPStatus.SERVICE_UNAVAILABLE,
            f"the index of {len(behind)} of {len(galleries)} galleries is behind; try again",
        )
    return Readiness(
        status="ready",
        contract=call.service.encoder.contract,
        provider=call.service.encoder.provider,
        galleries=[
            GalleryReadiness(gallery=name, gallery_revision=revision)
            for name, (_, revision) in galleries.items()
        ],
    )


@router.get("/metrics", dependencies=[needs()], response_class=Response)
def metrics(call: CurrentCall) -> Response:
    """Metrics in Prometheus' text format."""
    call.service.measure()
    text = generate_latest(call.service.metrics.registry)
    return Response(text, media_type=CONTENT_TYPE_LATEST)


@router.get("/", include_in_schema=False)
async def page() -> HTMLResponse:
    """A page to try a clip in a browser; it works offline."""
    return HTMLResponse(_PAGE, headers={"Content-Security-Policy": _PAGE_MAY})
