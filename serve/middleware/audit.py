"""The one place that every reply passes: it leaves once its record is on the disk."""

import asyncio
import json
from contextlib import suppress

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gait.errors import (
    AuditUnavailableError,
    ClosingError,
    DeadlineError,
    DecoderLostError,
)
from serve.audit.record import Outcome
from serve.audit.use import Use
from serve.audit.writer import Writer
from serve.middleware.problems import gait_problem

AUDIT_ID = "X-Audit-ID"
_BEFORE = {DeadlineError.code, DecoderLostError.code}
"""Codes of failures that come before anything is changed."""


class Recorded:
    """ASGI middleware that holds each reply back until its use is recorded.

    Routes that put the audit id into their reply have recorded it themselves; refusals, failures
    and all other uses are recorded here. A use that cannot be recorded is answered with
    `audit.unavailable` instead of its reply. It comes after `Access`, which names the caller:
    strangers leave no records, or they could fill the disk with them.
    """

    def __init__(self, app: ASGIApp, writer: Writer) -> None:
        self.app, self.writer = app, writer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        use = scope["state"]["use"] = Use(self.writer, scope)
        held: Message | None = None
        replaced = False

        async def recorded(message: Message) -> None:
            nonlocal held, replaced
            if message["type"] == "http.response.start":
                held = message  # the body says why it was refused
            elif held is not None and not replaced:
                try:
                    if use.is_due(held["status"]):
                        await use.end(*_ending(held["status"], message, use))
                except AuditUnavailableError as error:
                    replaced = True
                    await gait_problem(scope["state"]["request_id"], error)(scope, receive, send)
                    return
                if use.entry is not None:
                    MutableHeaders(scope=held)[AUDIT_ID] = use.entry.audit_id
                start, held = held, None
                await send(start)
                await send(message)
            elif not replaced:
                await send(message)

        try:
            await self.app(scope, receive, recorded)
        except asyncio.CancelledError:  # the service stops and waits no longer
            with suppress(AuditUnavailableError):
                use.cut_off(ClosingError.code)
            raise
        finally:
            if use.is_due(500):  # no reply was made
                with suppress(AuditUnavailableError):  # logged by `AuditLog`
                    await use.end(use.failure, "internal")
            use.leave()


def _ending(status: int, body: Message, use: Use) -> tuple[Outcome, str | None]:
    if status < 400:
        return Outcome.DONE, None
    try:
        code = str(json.loads(body.get("body", b""))["code"])
    except (ValueError, KeyError, TypeError):
        code = f"status {status}"
    if status < 500:
        return Outcome.REFUSED, code
    return (Outcome.FAILED if code in _BEFORE else use.failure), code
