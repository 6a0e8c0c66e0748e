"""One request as its record will tell it: routes fill in what they know."""

from http import HTTPStatus
from typing import Annotated

import anyio.to_thread
from fastapi import Depends, Request
from starlette.types import Scope

from gait.errors import ClosingError
from gallery.template import Candidate, Receipt
from serve.access.scopes import GALLERY
from serve.audit.actions import ACTS, action_of
from serve.audit.record import Entry, Outcome, Record, Seen
from serve.audit.trail import Audit


class Use:
    """A request that is on its way. The gallery and the person in its path are known already.

    Attributes:
        entry: the record of how it ended, once it is written.
        purpose: what the caller said it was for.
        gallery: its name.
        revision: of the gallery that was searched, or after the change.
        subject: the person enrolled, removed, verified or merged.
        clips: files that were compared or enrolled; only keyed hashes of them are kept.
        candidates: who will be shown.
        templates: ids of those added or removed.
        decision: or a reviewer's verdict.
        reviewer: who judged.
        about: sequence of the record that is judged.
        detail: what else an auditor should know; never biometric data.
    """

    def __init__(self, audit: Audit, scope: Scope) -> None:
        self._audit, self._scope = audit, scope
        self._intent: Entry | None = None
        self._ended = False
        self.entry: Entry | None = None
        self.purpose: str | None = None
        self.gallery: str | None = None
        self.revision: int | None = None
        self.subject: str | None = None
        self.clips: list[bytes] = []
        self.candidates: tuple[Seen, ...] = ()
        self.templates: tuple[int, ...] = ()
        self.decision: str | None = None
        self.reviewer: str | None = None
        self.about: int | None = None
        self.detail: str | None = None

    def saw(self, candidates: list[Candidate], revision: int | None) -> None:
        """Notes who was found, and in which state of the gallery."""
        self.candidates = tuple(Seen(c.subject, c.similarity, c.template) for c in candidates)
        self.revision = revision

    async def erased(self, receipt: Receipt) -> str:
        """Records an erasure, and returns the audit id for the reply."""
        self.subject, self.templates = receipt.subject, receipt.templates
        self.revision, self.detail = receipt.revision, f"key {receipt.key} destroyed"
        return await self.done()

    async def intend(self) -> None:
        """Records what is about to happen, if it changes anything.

        Raises:
            AuditUnavailableError: it could not be written; nothing must happen.
        """
        if action_of(self._scope) in ACTS:
            self._intent = await anyio.to_thread.run_sync(self._begin)

    async def done(self) -> str:
        """Records that it was done, and returns the audit id for the reply.

        Raises:
            AuditUnavailableError: it could not be written; no result may leave.
        """
        return (await self.end(Outcome.DONE)).audit_id

    async def end(self, outcome: Outcome, code: str | None = None) -> Entry:
        """Records how it ended; `code` says why it was refused or failed.

        Raises:
            AuditUnavailableError: it could not be written; no result may leave.
        """
        self._ended = True
        with anyio.CancelScope(shield=True):
            entry = await anyio.to_thread.run_sync(self._end, outcome, code)
        self.entry = entry
        return entry

    async def cut_off(self) -> None:
        """Records that it was not waited for: an act that had begun may yet have been done.

        Raises:
            AuditUnavailableError: it could not be written; what was intended is settled at the
                next start.
        """
        if self.is_due(HTTPStatus.SERVICE_UNAVAILABLE):
            outcome = Outcome.FAILED if self._intent is None else Outcome.UNKNOWN
            await self.end(outcome, ClosingError.code)

    def is_due(self, status: int) -> bool:
        """Whether a reply of this status needs a record that is not there yet.

        Requests that had to wait for others (429) have neither seen nor changed anything: they
        are counted by the metrics only, so that a crowd cannot fill the disk with records.
        """
        if self._ended or action_of(self._scope) is None:
            return False
        return status != 429 or self._intent is not None

    def _begin(self) -> Entry:
        return self._audit.begin(self._record(Outcome.INTENDED))

    def _end(self, outcome: Outcome, code: str | None) -> Entry:
        return self._audit.write(self._record(outcome, code))

    def _record(self, outcome: Outcome, code: str | None = None) -> Record:
        action, state = action_of(self._scope), self._scope["state"]
        assert action is not None
        path = self._scope.get("path_params", {})
        template = str(path.get("template", ""))
        given = (int(template),) if template.isdigit() else ()
        detail = [code, self.detail, f"key {path['key']}" if "key" in path else None]
        return Record(
            action,
            outcome,
            request=state["request_id"],
            caller=state["caller"].key_id,
            purpose=self.purpose,
            gallery=self.gallery or path.get(GALLERY),
            revision=self.revision,
            probes=tuple(self._audit.keys.probe(clip) for clip in self.clips),
            subject=self.subject or path.get("subject"),
            candidates=self.candidates if outcome is Outcome.DONE else (),
            templates=self.templates or given,
            decision=self.decision,
            reviewer=self.reviewer,
            about=self.about,
            intent=self._intent.sequence if self._intent else None,
            detail="; ".join(each for each in detail if each) or None,
        )


async def use_of(request: Request) -> Use:
    """The use that a request is recorded as."""
    use = request.state.use
    assert isinstance(use, Use)
    return use


async def intend(request: Request) -> None:
    """A dependency of every router: what changes anything is recorded before it begins."""
    await (await use_of(request)).intend()


Used = Annotated[Use, Depends(use_of)]
