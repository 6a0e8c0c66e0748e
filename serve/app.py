"""The ASGI application around a `Service`."""

from importlib.metadata import version
from typing import Any

from fastapi import FastAPI, Security
from fastapi.security import HTTPBearer

from serve.access.key_file import KeyFile
from serve.access.rates import Rates
from serve.middleware import problems
from serve.middleware.access import Access
from serve.middleware.audit import Recorded
from serve.middleware.body import RequestBody
from serve.middleware.draining import Draining
from serve.middleware.request_log import RequestLog
from serve.routes import access as access_routes
from serve.routes import (
    audit,
    embed,
    frames,
    galleries,
    identify,
    live,
    models,
    operations,
    page,
    reviews,
    strangers,
    subjects,
    templates,
    tracks,
    transfer,
    verify,
)
from serve.routes import keys as key_routes
from serve.schemas.operations import Problem
from serve.work.service import Service

_DESCRIPTION = """
Finds people by the way they walk, across camera silhouettes and LiDAR range views.

Every error is `application/problem+json` with a stable `code`. A decision stands on the
calibration that the reply names; without one, similarities only rank people, and a first place is
no proof of identity. Gait is biometric data: enrol and search only people who agreed or whom you
are authorised to process.
"""


ROUTERS = tuple(
    noun.router
    for noun in (
        *(identify, tracks, frames, verify, embed, galleries, strangers, transfer),
        *(subjects, templates, models, access_routes, key_routes, audit, reviews, live),
    )
)
"""Routes that need a key, where there are keys."""


class App(FastAPI):
    """A FastAPI application whose OpenAPI document knows the problem report."""

    def openapi(self) -> dict[str, Any]:
        """The document, made once."""
        if self.openapi_schema is None:
            schemas = super().openapi()["components"]["schemas"]
            schemas["Problem"] = Problem.model_json_schema()
        return super().openapi()


def create_app(service: Service, keys: KeyFile | None = None) -> FastAPI:
    """Builds the application.

    Args:
        service: what does the work; the caller closes it.
        keys: keys that open it, which may be needed later only; None for none, now or later.
            Without keys `Settings` allows loopback only.
    """
    app = App(
        title="DiffCrossGait",
        version=version("diffcrossgait"),
        description=_DESCRIPTION,
        docs_url=None,  # both pages load scripts from other sites
        redoc_url=None,
        redirect_slashes=False,  # a client that shortens a path must not be sent to another
    )
    app.state.service, app.state.keys = service, keys
    problems.install(app)
    key = HTTPBearer(auto_error=False, description="`id.secret`", scheme_name="key")
    documented = [] if keys is None or not keys.needed else [Security(key)]  # checked by `Access`
    for router in ROUTERS:
        app.include_router(router, dependencies=documented)
    app.include_router(operations.router)
    app.include_router(page.router)
    settings = service.settings
    rates = Rates(settings.rate_per_key, settings.rate_per_gallery, settings.rate_per_address)
    app.state.rates = rates
    limit, room = settings.max_body_mib << 20, settings.max_bodies_mib << 20
    app.add_middleware(RequestBody, limit=limit, seconds=settings.body_seconds, room=room)
    app.add_middleware(Recorded, writer=service.writer)
    app.add_middleware(Access, keys=keys, rates=rates, loopback=settings.on_loopback)
    app.add_middleware(Draining, drain=service.drain)
    app.add_middleware(RequestLog, metrics=service.metrics)
    return app
