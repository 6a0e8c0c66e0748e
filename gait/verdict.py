"""One decision for a person, from what was decided of several clips of them."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Window:
    """What was decided of one clip, such as a part of a track.

    Args:
        decision: `match`, `possible`, `no_match`, or None if nothing can be decided.
        subject: who it may be; None of a stranger.
        similarity: −1..1.
        quality: 0..1 of the clip.
        audit_id: of the service's record.
    """

    decision: str | None
    subject: str | None
    similarity: float
    quality: float
    audit_id: str | None


def decided(windows: Sequence[Window]) -> Window:
    """The most confident window, if none contradicts it.

    A match counts if every window that matches names the same person; else it is only possible.
    Without a match the best possible one counts, then no match, then that nothing can be decided.

    Args:
        windows: one or more of the person.
    """
    for decision in ("match", "possible", "no_match", None):
        of_kind = [each for each in windows if each.decision == decision]
        if not of_kind:
            continue
        best = max(of_kind, key=lambda each: each.similarity)
        named = {each.subject for each in of_kind}
        if decision == "match" and len(named) > 1:
            return Window("possible", best.subject, best.similarity, best.quality, best.audit_id)
        return best
    raise ValueError("got no window, need one or more")
