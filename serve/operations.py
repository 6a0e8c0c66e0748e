"""Routes for whoever runs the service: health, readiness, metrics, and the page for people."""

from http import HTTPStatus
from importlib.resources import files

from fastapi import APIRouter, Response
from fastapi.responses import HTMLResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.exceptions import HTTPException

from serve.routes import Serving
from serve.schemas import Health, Readiness

_PAGE = files("serve").joinpath("page", "index.html").read_text(encoding="utf-8")
_PAGE_MAY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    "connect-src 'self'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'"
)

operations_router = APIRouter(tags=["operations"])


@operations_router.get("/healthz")
async def healthz() -> Health:
    """The process answers."""
    return Health(status="ok")


@operations_router.get("/readyz", responses={503: {"description": "Not ready."}})
def readyz(service: Serving) -> Readiness:
    """The model is warm and the index is at the gallery's revision."""
    if not service.gallery.ready:
        raise HTTPException(
            HTTPStatus.SERVICE_UNAVAILABLE, "the index is behind the gallery; try again shortly"
        )
    return Readiness(
        status="ready",
        contract=service.encoder.contract,
        provider=service.encoder.provider,
        gallery_revision=service.gallery.revision,
    )


@operations_router.get("/metrics", response_class=Response)
def metrics(service: Serving) -> Response:
    """Metrics in Prometheus' text format."""
    service.metrics.show(service.gallery.counts())
    text = generate_latest(service.metrics.registry)
    return Response(text, media_type=CONTENT_TYPE_LATEST)


@operations_router.get("/", include_in_schema=False)
async def page() -> HTMLResponse:
    """A page to try a clip in a browser; it works offline."""
    return HTMLResponse(_PAGE, headers={"Content-Security-Policy": _PAGE_MAY})
