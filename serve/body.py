"""Request bodies: counted while they arrive, so that no header needs to be believed."""

from http import HTTPStatus

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serve.problems import problem


class BodyLimit:
    """ASGI middleware that answers 413 to a body of more than `limit` bytes.

    With a `Content-Length` above it nothing is read; without one the bytes are counted and the app
    sees the client leave as soon as there are too many.
    """

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self.app, self.limit = app, limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if _declared(scope) > self.limit:
            await self._refuse(scope, receive, send)
            return
        got, started = 0, False

        async def counted() -> Message:
            nonlocal got
            if got > self.limit:
                return {"type": "http.disconnect"}
            message = await receive()
            got += len(message.get("body", b""))
            return {"type": "http.disconnect"} if got > self.limit else message

        async def unless_too_large(message: Message) -> None:
            nonlocal started
            if got > self.limit and not started:
                return  # the app's complaint about the missing rest of the body
            started = True
            await send(message)

        await self.app(scope, counted, unless_too_large)
        if got > self.limit and not started:
            await self._refuse(scope, receive, send)

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = problem(
            scope["state"]["request_id"],
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            "request.too_large",
            f"the request body is larger than the {self.limit} bytes read here; "
            "send shorter clips, or fewer of them",
            {"Connection": "close"},
            {"allowed": self.limit},
        )
        await response(scope, receive, send)


def _declared(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value[:20])  # longer is no number of bytes; the count decides anyway
    return 0
