"""The console: a page at `/` and the files it is made of. It does what its key may, over the API.

Nothing but these files runs or is shown: no inline script or style, nothing from other sites, and
no text that becomes markup.
"""

from collections.abc import Awaitable, Callable

from fastapi import APIRouter, Response

from serve.access.scopes import Guarded
from serve.page import PAGE

_MAY = "; ".join(
    (
        *("default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self'"),
        *("connect-src 'self'", "form-action 'none'", "frame-ancestors 'none'", "base-uri 'none'"),
        *("require-trusted-types-for 'script'", "trusted-types 'none'"),
    )
)
_HEADERS = {
    "Content-Security-Policy": _MAY,
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}

router = APIRouter(route_class=Guarded)


def _file(content: bytes, kind: str) -> Callable[[], Awaitable[Response]]:
    async def page_file() -> Response:
        return Response(content, media_type=kind, headers=_HEADERS)

    return page_file


for path, (content, kind) in PAGE.items():
    router.add_api_route(path, _file(content, kind), include_in_schema=False)
