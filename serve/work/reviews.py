"""Human verdicts on matches: audit records of their own, about an earlier one."""

from gait.errors import AuditError, AuditNotFoundError
from serve.access.scopes import Caller
from serve.audit.record import Action, Entry, Outcome
from serve.audit.trail import Audit
from serve.schemas.audit import Review, Verdict


def judged(audit: Audit, audit_id: str, subject: str | None, caller: Caller) -> tuple[Entry, str]:
    """The match that is judged, and the candidate of it.

    Raises:
        AuditNotFoundError: no such record that this caller may know of.
        AuditError: it showed nobody, or not this person.
    """
    entry = audit.find(audit_id)
    record = entry.record
    if record.gallery is not None and not caller.reaches(record.gallery):
        raise AuditNotFoundError("there is no such audit record of a gallery this key is for")
    if record.action not in (Action.IDENTIFY, Action.VERIFY) or record.outcome is not Outcome.DONE:
        raise AuditError("only an identification or a verification that was done can be judged")
    people = [each.subject for each in record.candidates]
    if not people or (subject is not None and subject not in people):
        raise AuditError("that record shows no such candidate")
    return entry, subject or people[0]


def review_of(entry: Entry) -> Review:
    """The review in an audit record."""
    record = entry.record
    assert record.about is not None
    assert record.reviewer is not None
    return Review(
        audit_id=entry.audit_id,
        time=entry.time,
        about=record.about,
        caller=record.caller,
        gallery=record.gallery,
        subject=record.subject,
        verdict=Verdict(str(record.decision)),
        reviewer=record.reviewer,
        note=record.detail,
    )
