"""A client that leaves is noticed, and one that stays is never disturbed."""

import asyncio

import pytest
from starlette.types import Message, Receive, Scope, Send

from gait.errors import ClientLeftError
from serve.middleware.body import RequestBody, while_present

pytestmark = pytest.mark.serving

SCOPE: Scope = {"type": "http", "headers": [], "state": {"request_id": "1"}}
BODY: list[Message] = [
    {"type": "http.request", "body": b"a", "more_body": True},
    {"type": "http.request", "body": b"b", "more_body": False},
]


async def served(app_work: float, leaves_after: float | None) -> list[str]:
    """What happened to a request whose work takes `app_work` seconds."""
    seen: list[str] = []
    pending = list(BODY)

    async def work() -> str:
        try:
            await asyncio.sleep(app_work)
        except asyncio.CancelledError:
            seen.append("dropped")
            raise
        return "worked"

    async def receive() -> Message:
        if pending:
            return pending.pop(0)
        await asyncio.sleep(3600 if leaves_after is None else leaves_after)
        return {"type": "http.disconnect"}

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        more = True
        while more:
            message = await receive()
            seen.append(message["body"].decode())
            more = message["more_body"]
        try:
            seen.append(await while_present(work()))
        except ClientLeftError:
            seen.append("left")
            seen.append((await receive())["type"])
        await send({"type": "http.response.start"})

    async def send(message: Message) -> None:
        seen.append("answered")

    async with asyncio.timeout(10):
        await RequestBody(app, 10, 60, 100)(SCOPE, receive, send)
    assert len(asyncio.all_tasks()) == 1, "a watcher is left behind"
    return seen


@pytest.mark.parametrize("leaves_after", [None, 0.2])
def test_who_stays_long_enough_is_answered(leaves_after: float | None) -> None:
    seen = asyncio.run(served(0.01, leaves_after))
    assert seen == ["a", "b", "worked", "answered"]


def test_who_leaves_is_worked_for_no_longer() -> None:
    seen = asyncio.run(served(3600, leaves_after=0.02))
    assert seen == ["a", "b", "dropped", "left", "http.disconnect", "answered"]


def test_outside_of_a_request_nobody_leaves() -> None:
    async def work() -> int:
        return 7

    assert asyncio.run(while_present(work())) == 7


def test_an_error_of_the_work_is_the_requests() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async def work() -> None:
            raise ValueError("no clip")

        await receive()
        with pytest.raises(ValueError, match="no clip"):
            await while_present(work())

    pending: list[Message] = [{"type": "http.request", "body": b""}]

    async def receive() -> Message:
        if not pending:
            await asyncio.sleep(3600)
        return pending.pop()

    async def send(message: Message) -> None: ...

    asyncio.run(RequestBody(app, 10, 60, 100)(SCOPE, receive, send))
