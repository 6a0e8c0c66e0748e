"""What has to be written so that enrolments count."""

from collections.abc import Sequence
from dataclasses import dataclass

from gallery.milvus.ledger import Ledger, Name, State
from gallery.milvus.server import Row
from gallery.milvus.templates import Templates, new_row
from gallery.record import clock
from gallery.template import Enrolment, iso_time


@dataclass(frozen=True)
class Plan:
    """The rows of one change.

    Attributes:
        rows: new templates.
        names: new subjects.
        renewed: templates that were there, under their new authorisation.
        ids: of the templates, in the order of the enrolments.
        after: the state once it is committed.
    """

    rows: list[Row]
    names: list[Name]
    renewed: list[Row]
    ids: list[int]
    after: State

    @classmethod
    def make(
        cls,
        enrolments: Sequence[Enrolment],
        state: State,
        ledger: Ledger,
        templates: Templates,
    ) -> "Plan":
        """Plans enrolments: a clip its subject has already is written once.

        Raises:
            GalleryError: a source is too long for Milvus.
        """
        created, revision = iso_time(clock.now()), state.revision + 1
        known = ledger.named({e.subject for e in enrolments}, state.revision)
        present = _present(known, state, templates)
        rows, names = dict[tuple[int, str], Row](), dict[str, Name]()
        renewed, ids = dict[int, Enrolment](), list[int]()
        for e in enrolments:
            name = known.get(e.subject) or names.setdefault(
                e.subject, Name(e.subject, state.next_subject + len(names), created)
            )
            place = (name.id, e.digest)
            if place in present:
                ids.append(present[place])
                renewed[ids[-1]] = e
                continue
            ids.append(rows[place]["id"] if place in rows else state.next_template + len(rows))
            row = new_row(ids[-1], name.id, e, created, revision)
            rows[place] = rows.get(place, row) | _authorised(e)
        after = State(revision, state.next_template + len(rows), state.next_subject + len(names))
        changed = _renewed(renewed, templates)
        return cls(list(rows.values()), list(names.values()), changed, ids, after)


def _present(
    known: dict[str, Name], state: State, templates: Templates
) -> dict[tuple[int, str], int]:
    if not known:
        return {}
    sids = [name.id for name in known.values()]
    owners = templates.owners(f"sid in {sids} and revision <= {state.revision}")
    return {(owner.sid, owner.digest): owner.id for owner in owners}


def _authorised(enrolment: Enrolment) -> Row:
    authorisation = enrolment.authorisation
    return {"authorisation": authorisation.reference, "expires": authorisation.seconds}


def _renewed(renewed: dict[int, Enrolment], templates: Templates) -> list[Row]:
    return [
        row | _authorised(renewed[row["id"]])
        for rows in templates.whole(list(renewed))
        for row in rows
        if _authorised(renewed[row["id"]]) != {k: row[k] for k in ("authorisation", "expires")}
    ]
