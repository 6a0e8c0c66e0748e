"""The body limit, with and without a length that can be believed."""

import asyncio
from collections.abc import Iterable

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import Message, Receive, Scope, Send

from serve.middleware.body import OTHERS, RequestBody

pytestmark = pytest.mark.serving


FORM = b"Multipart/Form-Data; boundary=x"


def _send(
    chunks: Iterable[bytes], length: bytes | None, limit: int, kind: bytes = FORM
) -> tuple[int, int]:
    """Status of the reply, and how many chunks were read."""
    pending, replies, read = list(chunks), list[Message](), 0

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        body = await Request(scope, receive).body()
        await PlainTextResponse(str(len(body)))(scope, receive, send)

    async def careful(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await app(scope, receive, send)
        except Exception:  # noqa: BLE001 (what any framework does with an app's error)
            await PlainTextResponse("failed", 500)(scope, receive, send)

    async def receive() -> Message:
        nonlocal read
        read += 1
        body = pending.pop(0) if pending else b""
        return {"type": "http.request", "body": body, "more_body": bool(pending)}

    async def send(message: Message) -> None:
        replies.append(message)

    headers = [(b"content-type", kind)]
    headers += [] if length is None else [(b"content-length", length)]
    scope = {"type": "http", "method": "POST", "headers": headers, "state": {"request_id": "1"}}
    asyncio.run(RequestBody(careful, limit, seconds=60, room=1 << 20)(scope, receive, send))
    starts = [each for each in replies if each["type"] == "http.response.start"]
    assert len(starts) == 1
    return starts[0]["status"], read


def test_a_body_at_the_limit_passes() -> None:
    assert _send([b"x" * 6, b"x" * 4], b"10", limit=10) == (200, 2)
    assert _send([b"x" * 6, b"x" * 4], None, limit=10) == (200, 2)
    assert _send([], None, limit=10) == (200, 1)


def test_a_declared_length_above_the_limit_is_refused_unread() -> None:
    assert _send([b"x" * 11], b"11", limit=10) == (413, 0)
    assert _send([b"x" * 11], b"9" * 5000, limit=10) == (413, 0)


def test_a_body_without_length_is_refused_as_soon_as_it_is_too_long() -> None:
    assert _send([b"x" * 6] * 100, None, limit=10) == (413, 2)


def test_a_length_that_lies_does_not_help() -> None:
    assert _send([b"x" * 6] * 100, b"3", limit=10) == (413, 2)
    assert _send([b"x" * 6] * 100, b"many", limit=10) == (413, 2)


@pytest.mark.parametrize("kind", [b"application/json", b"application/x-www-form-urlencoded", b""])
def test_only_forms_with_files_may_be_large(kind: bytes) -> None:
    """Anything else is parsed at once, and nobody is served meanwhile."""
    large = [bytes(OTHERS), b"x"]
    assert _send(large, None, OTHERS * 2) == (200, 2)
    assert _send(large[:1], None, OTHERS * 2, kind) == (200, 1)
    assert _send(large, None, OTHERS * 2, kind) == (413, 2)
    assert _send(large, b"65537", OTHERS * 2, kind) == (413, 0)
    assert _send([b"x" * 11], None, 10, kind) == (413, 1)


@pytest.mark.parametrize(
    ("charset", "status"),
    [
        ("", 200),
        ("; charset=utf-8", 200),
        ('; Charset="UTF-8"', 200),
        ("; charset=utf8; x=y", 200),
        ("; charset=punycode", 400),
        ("; charset=utf-8; charset=punycode", 400),
        ("; charset=punycode; charset=utf-8", 400),
        ("; charset*=utf-8''punycode", 400),
        ("; charset = punycode", 400),
        ("; charset=utf-8x", 400),
    ],
)
def test_bodies_are_utf_8(charset: str, status: int) -> None:
    """One megabyte in punycode takes Python two minutes, in which nobody else is served."""
    assert _send([b"x"], None, 10, FORM + charset.encode()) == (status, status == 200)
