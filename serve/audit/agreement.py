"""How often people agreed with the service, and whether that contradicts its calibration."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from gait.open_set import interval
from gallery.decision.decision import Finding, Policy
from serve.audit.cases import FOUND, CaseState, state_of, with_reviews
from serve.audit.log import AuditLog
from serve.audit.search import Filter

_TOGETHER = 5_000
"""Records that are read at a time."""
_DECIDED = (*FOUND, str(Finding.NO_MATCH))


@dataclass(frozen=True)
class Agreement:
    """What became of the cases of one pair of sensors and one decision.

    `probe` and `enrolled_by` are the sensors of the clip and of the first candidate's template;
    `decision` is the service's.
    """

    probe: str
    enrolled_by: str
    decision: str
    cases: int
    confirmed: int
    rejected: int
    open: int


@dataclass(frozen=True)
class StrangersFound:
    """Searches in which a stranger was found, as people say, against what was promised.

    Args:
        probe: sensor of the clips.
        decision: `match`; or `possible`, which counts matches too.
        searches: that decided, without those whose person was confirmed to be enrolled.
        rejected: of them, found somebody else.
        rate: rejected of searches, 0..1: at least so many strangers were found. It is too low by
            the cases that are open, and by searches for people who are enrolled and were missed.
        low, high: ends of its 95 % interval, as if all searches were of different people.
        promised: the share of strangers that the service's settings allow.
    """

    probe: str
    decision: str
    searches: int
    rejected: int
    rate: float
    low: float
    high: float
    promised: float

    @property
    def contradicted(self) -> bool:
        """Whether more strangers are found than chance explains."""
        return self.low > self.promised


@dataclass(frozen=True)
class ReviewStatistics:
    """What people said of searches. Cases are no random sample of walks, and no error rates."""

    pairs: list[Agreement]
    strangers: list[StrangersFound]


def statistics(
    log: AuditLog, wanted: Filter, policy: Policy, *, two_reviewers: bool
) -> ReviewStatistics:
    """What people said of the searches that a filter lets through.

    Args:
        log: of all records.
        wanted: which searches.
        policy: the shares of strangers that are allowed.
        two_reviewers: as in `cases`.
    """
    pairs, searches = Counter[tuple[str, str, str, CaseState]](), Counter[str]()
    for probe, enrolled_by, decision, state in _judged(log, wanted, two_reviewers):
        searches[probe] += 1
        if state is not None:
            pairs[probe, enrolled_by, decision, state] += 1
    kinds = sorted({pair[:3] for pair in pairs})
    return ReviewStatistics(
        [
            Agreement(*kind, sum(counts.values()), *(counts[state] for state in _SHOWN))
            for kind in kinds
            for counts in [{state: pairs[*kind, state] for state in CaseState}]
        ],
        [
            found
            for probe in sorted(searches)
            for found in _strangers(probe, searches[probe], pairs, policy)
        ],
    )


_SHOWN = (CaseState.CONFIRMED, CaseState.REJECTED, CaseState.OPEN)
_Judged = tuple[str, str, str, CaseState | None]


def _judged(log: AuditLog, wanted: Filter, two_reviewers: bool) -> Iterable[_Judged]:
    """Both sensors, the decision and the state of each search; no state if nobody was found."""
    wanted = wanted.searches(_DECIDED)
    while records := log.select(*wanted.sql(), _TOGETHER):
        for record, reviews in with_reviews(log, records):
            decision, probe = str(record.decision), str(record.modality)
            if decision in FOUND and record.candidates:
                state = state_of(record, reviews, two_reviewers=two_reviewers)
                yield probe, str(record.candidates[0].modality), decision, state
            else:
                yield probe, "", decision, None
        wanted = wanted.later(records[-1].sequence)


def _strangers(
    probe: str, searches: int, pairs: Counter[tuple[str, str, str, CaseState]], policy: Policy
) -> Iterable[StrangersFound]:
    def count(decisions: tuple[str, ...], state: CaseState) -> int:
        return sum(
            many
            for (of, _, decision, settled), many in pairs.items()
            if of == probe and decision in decisions and settled is state
        )

    others = searches - count(FOUND, CaseState.CONFIRMED)
    for decisions, allowed in ((FOUND[:1], policy.match_fpir), (FOUND, policy.possible_fpir)):
        rejected = count(decisions, CaseState.REJECTED)
        if others:
            rate = rejected / others
            ends = interval(rate, 0, others)
            yield StrangersFound(probe, decisions[-1], others, rejected, rate, *ends, allowed)
