"""The one place that every reply passes: it leaves once its record is on the disk."""

import asyncio
import json
import logging
from contextlib import suppress
from http import HTTPStatus

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gait.errors import AuditUnavailableError
from serve.audit.record import Entry, Outcome
from serve.audit.trail import Audit
from serve.audit.use import Use
from serve.middleware.problems import gait_problem

log = logging.getLogger("serve")
AUDIT_ID = "X-Audit-ID"


class Recording:
    """ASGI middleware that holds each reply back until its use is recorded.

    Routes that put the audit id into their reply have recorded it themselves; refusals, failures
    and all other uses are recorded here. A use that cannot be recorded is answered with
    `audit.unavailable` instead of its reply. It comes after `Access`, which names the caller:
    strangers leave no records, or they could fill the disk with them.
    """

    def __init__(self, app: ASGIApp, audit: Audit) -> None:
        self.app, self.audit = app, audit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        use = Use(self.audit, scope)
        scope["state"]["use"] = use
        reply = _Reply(use, scope, receive, send)
        try:
            await self.app(scope, receive, reply.send)
        except asyncio.CancelledError:  # the service stops and waits no longer
            with suppress(AuditUnavailableError):
                await use.cut_off()
            raise
        finally:
            if use.is_due(HTTPStatus.INTERNAL_SERVER_ERROR):  # no reply was made
                with suppress(AuditUnavailableError):  # logged by `Audit`
                    await use.end(Outcome.FAILED, "internal")


class _Reply:
    """Passes a reply on, or another in its place."""

    def __init__(self, use: Use, scope: Scope, receive: Receive, send: Send) -> None:
        self.use, self.scope, self.receive, self._send = use, scope, receive, send
        self._start: Message | None = None
        self._replaced = False

    async def send(self, message: Message) -> None:
        if self._replaced:
            return
        if message["type"] == "http.response.start" and self.use.is_due(message["status"]):
            self._start = message  # the body says why it was refused
            return
        start, self._start = self._start, None
        if start is not None:
            try:
                entry = await self.use.end(*_ending(start["status"], message))
            except AuditUnavailableError as error:
                self._replaced = True
                refusal = gait_problem(self.scope["state"]["request_id"], error)
                await refusal(self.scope, self.receive, self._send)
                return
            await self._send(_named(start, entry))
        elif message["type"] == "http.response.start" and self.use.entry is not None:
            message = _named(message, self.use.entry)
        await self._send(message)


def _ending(status: int, body: Message) -> tuple[Outcome, str | None]:
    if status < HTTPStatus.BAD_REQUEST:
        return Outcome.DONE, None
    refused = status < HTTPStatus.INTERNAL_SERVER_ERROR
    outcome = Outcome.REFUSED if refused else Outcome.FAILED
    try:
        return outcome, str(json.loads(body.get("body", b""))["code"])
    except (ValueError, KeyError, TypeError):
        return outcome, f"status {status}"


def _named(start: Message, entry: Entry) -> Message:
    MutableHeaders(scope=start)[AUDIT_ID] = entry.audit_id
    return start
