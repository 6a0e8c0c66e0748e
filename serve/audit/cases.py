"""Matches that people judge: what they have said of each, and whether that settles it."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from gallery.decision.decision import Finding
from serve.audit.log import AuditLog
from serve.audit.record import Action, AuditEntry, Outcome
from serve.audit.search import Filter

FOUND = (str(Finding.MATCH), str(Finding.POSSIBLE))
"""Decisions that a person has to look at."""


class Verdict(StrEnum):
    """What a human says of a match."""

    CONFIRMED = "confirmed"
    REJECTED = "rejected"
    UNSURE = "unsure"


class CaseState(StrEnum):
    """What is settled: the person is the candidate, or is not, or nobody knows yet."""

    OPEN = "open"
    CONFIRMED = "confirmed"
    REJECTED = "rejected"


@dataclass(frozen=True)
class Case:
    """A search that found somebody, with the reviews of it, the oldest first."""

    record: AuditEntry
    reviews: tuple[AuditEntry, ...]
    state: CaseState


def cases(log: AuditLog, wanted: Filter, limit: int = -1, *, two_reviewers: bool) -> list[Case]:
    """Cases among the records that a filter lets through, the oldest first.

    Args:
        log: of all records.
        wanted: which searches; what they did and found is chosen here.
        limit: cases at most; -1 for all.
        two_reviewers: a case is settled only by two of them who agree.
    """
    found = log.select(*wanted.searches(FOUND).sql(), limit)
    return [
        Case(record, about, state_of(record, about, two_reviewers=two_reviewers))
        for record, about in with_reviews(log, found)
    ]


def with_reviews(
    log: AuditLog, records: Sequence[AuditEntry]
) -> list[tuple[AuditEntry, tuple[AuditEntry, ...]]]:
    """Records, each with the reviews of it."""
    said = defaultdict[int | None, list[AuditEntry]](list)
    numbers = tuple(record.sequence for record in records)
    wanted = Filter(action=Action.REVIEW, outcome=Outcome.DONE, about=numbers)
    for review in log.select(*wanted.sql()):
        said[review.about].append(review)
    return [(record, tuple(said[record.sequence])) for record in records]


def state_of(
    record: AuditEntry, reviews: Sequence[AuditEntry], *, two_reviewers: bool
) -> CaseState:
    """What reviews settle.

    The last verdict of each reviewer counts; one reviewer is one name with one key. A candidate is
    settled when all who were sure say the same. If two reviewers are needed, two of them must have
    other names and other keys. A case is confirmed with one candidate, of whom nobody says
    otherwise and beside whom nobody confirms another; it is rejected with its first candidate, the
    one whom the decision is about. All others stay open, until somebody changes their verdict.
    """
    last = defaultdict[str, dict[tuple[str, str], str]](dict)
    for each in reviews:
        judge = (each.caller, str(each.reviewer).casefold())
        last[str(each.subject)][judge] = str(each.decision)
    confirmed = [name for name, said in last.items() if Verdict.CONFIRMED in said.values()]
    subject = confirmed[0] if confirmed else record.candidates[0].subject
    if len(confirmed) > 1:
        return CaseState.OPEN
    return _settled(last[subject], two_reviewers)


def _settled(said: dict[tuple[str, str], str], two_reviewers: bool) -> CaseState:
    sure = {judge: word for judge, word in said.items() if word != Verdict.UNSURE}
    words = set(sure.values())
    people = min(len({key for key, _ in sure}), len({name for _, name in sure}))
    if len(words) != 1 or (two_reviewers and people < 2):
        return CaseState.OPEN
    return CaseState(words.pop())
