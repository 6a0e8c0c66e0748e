"""One request as its record will tell it: routes fill in what they know."""

from typing import Any

from starlette.types import Scope

from gait.modality import Modality
from gallery.decision.decision import Decision
from gallery.template import Candidate, Receipt
from serve.audit.record import CHANGES, Action, AuditEntry, Outcome, Record, ShownCandidate
from serve.audit.writer import Writer
from serve.text import kept


class Use:
    """A request that is on its way. The gallery and the person in its path are known already.

    Attributes:
        action: what its route does; None for one that is not recorded, or before it is known.
        entry: the record of how it ended, once it is written.
        clips: files that were compared or enrolled; only keyed hashes of them are kept.
        known: fields of the record; candidates are told only if it was done.
    """

    def __init__(self, writer: Writer, scope: Scope) -> None:
        self._writer, self._scope = writer, scope
        self._intent: int | None = None
        self._ended = False
        self.action: Action | None = None
        self.entry: AuditEntry | None = None
        self.clips: list[bytes] = []
        self.known: dict[str, Any] = {}

    def note(self, **known: Any) -> None:
        """Takes fields of the record, see `Record`; None leaves one as it is."""
        self.known |= {name: value for name, value in known.items() if value is not None}

    def saw(self, candidates: list[Candidate], revision: int | None) -> None:
        """Notes who was found, and in which state of the gallery."""
        shown = tuple(
            ShownCandidate(
                subject=c.subject,
                similarity=c.similarity,
                template=c.template,
                modality=c.modality,
            )
            for c in candidates
        )
        self.note(candidates=shown, revision=revision)

    def decided(self, decision: Decision, probe: Modality) -> None:
        """Notes what was decided of a clip, and by which thresholds and calibration."""
        self.note(decision=decision.verdict or "undecided", modality=probe)
        if decision.thresholds is not None:
            self.note(detail=decision.thresholds.short)

    async def erased(self, receipt: Receipt) -> str:
        """Records an erasure, and returns the audit id for the reply."""
        templates = receipt.templates + receipt.pictures
        self.note(subject=receipt.subject, templates=templates, revision=receipt.revision)
        self.note(detail=f"key {receipt.key} destroyed")
        return await self.done()

    async def intend(self) -> None:
        """Records what is about to happen, if it changes anything.

        Raises:
            AuditUnavailableError: it could not be written; nothing must happen.
        """
        if self.action in CHANGES:
            self._intent = (await self._write(Outcome.INTENDED)).sequence

    async def done(self) -> str:
        """Records that it was done, and returns the audit id for the reply.

        Raises:
            AuditUnavailableError: it could not be written; no result may leave.
        """
        return (await self.end(Outcome.DONE)).audit_id

    async def end(self, outcome: Outcome, code: str | None = None) -> AuditEntry:
        """Records how it ended; `code` says why it was refused or failed.

        Raises:
            AuditUnavailableError: it could not be written; no result may leave.
        """
        self._ended = True
        self.entry = entry = await self._write(outcome, code)
        return entry

    def cut_off(self, code: str) -> None:
        """Records that it was not waited for: a change that had begun may yet have been made.

        It writes here and now: the event loop ends, and a thread may not be waited for any more.

        Raises:
            AuditUnavailableError: it could not be written; what was intended is settled at the
                next start.
        """
        if self.is_due(503):
            self._ended = True
            self._writer.audit.write(self._record(self.failure, code, self.clips))

    @property
    def failure(self) -> Outcome:
        """How it ended where it failed: a change that had begun may yet have been made."""
        return Outcome.FAILED if self._intent is None else Outcome.UNKNOWN

    def is_due(self, status: int) -> bool:
        """Whether a reply of this status needs a record that is not there yet.

        Requests that had to wait for others (429) have neither seen nor changed anything: they
        are counted by the metrics only, so that a crowd cannot fill the disk with records.
        """
        if self._ended or self.action is None:
            return False
        return status != 429 or self._intent is not None

    def leave(self) -> None:
        """Lets go of the clips: the request is over, but what is in its scope is a cycle, which
        the collector finds long afterwards (`serve.run.collect_garbage_less`)."""
        self.clips = []

    async def _write(self, outcome: Outcome, code: str | None = None) -> AuditEntry:
        clips = self.clips  # the record is made in another thread, perhaps after `leave`
        return await self._writer.write(lambda: self._record(outcome, code, clips))

    def _record(self, outcome: Outcome, code: str | None, clips: list[bytes]) -> Record:
        assert self.action is not None
        state = self._scope["state"]
        # What is in a path may have been refused, and is recorded all the same.
        path = {name: kept(str(value)) for name, value in self._scope["path_params"].items()}
        template = path.get("template", "")
        known: dict[str, Any] = {
            "gallery": path.get("g"),
            "subject": path.get("subject"),
            "templates": (int(template),) if template.isascii() and template.isdigit() else (),
            "probes": tuple(map(self._writer.audit.key.probe, clips)),
        }
        known |= self.known
        key = f"key {path['key']}" if "key" in path else None
        known["detail"] = "; ".join(filter(None, (code, known.get("detail"), key))) or None
        if outcome is not Outcome.DONE:
            known["candidates"] = ()
        return Record(
            action=self.action,
            outcome=outcome,
            request=state["request_id"],
            caller=state["caller"].key_id,
            intent=self._intent,
            **known,
        )
