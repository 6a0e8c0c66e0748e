"""Changing a gallery in Milvus: enrolling, erasing, merging, one change at a time."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace

from gait.errors import GalleryError, StorageError
from gallery.admission import check_enrolment
from gallery.milvus.address import Address
from gallery.milvus.enrolling import Plan
from gallery.milvus.lease import SETTLE, Lease
from gallery.milvus.ledger import Facts, Ledger, Name, State
from gallery.milvus.templates import Templates
from gallery.record import clock
from gallery.template import Enrolment, Receipt, iso_time


class Changes:
    """The right to change a gallery, and the ways to.

    Args:
        address: of the gallery.
        facts: what it is.
        ledger: its state.
        templates: its rows.
        readonly: refuse every change.
    """

    def __init__(
        self, address: Address, facts: Facts, ledger: Ledger, templates: Templates, readonly: bool
    ) -> None:
        self._location, self._identity = address.location, facts.gallery
        self._ledger, self._templates = ledger, templates
        settle = 0.0 if address.lite else SETTLE
        self._lease = None if readonly else Lease(ledger, settle)
        self._changing = threading.Lock()
        self._clean, self._owed, self._floor = True, False, 1

    def close(self) -> None:
        """Lets the next writer in."""
        with suppress(StorageError):  # the lease runs out by itself
            self._purge()
            if self._lease is not None:
                self._lease.release()

    def enrol(self, enrolments: Sequence[Enrolment]) -> list[int]:
        """Enrols embeddings, all or none; subjects are made as needed.

        A clip its subject has already is not enrolled again, but gets the new authorisation, which
        may count although the call failed afterwards.

        Raises:
            GalleryError: an embedding is not one of this gallery's model, an authorisation has
                expired, or opened read-only.
            GalleryLockedError: another process writes.
            StorageError: Milvus failed. Nothing was enrolled, unless it failed while answering the
                very last request.
        """
        for enrolment in enrolments:
            check_enrolment(enrolment, self._templates.dimension)
        with self._change() as state:
            state = replace(state, next_template=max(state.next_template, self._floor))
            plan = Plan.make(enrolments, state, self._ledger, self._templates)
            self._floor = plan.after.next_template
            self._templates.add(plan.rows)
            written = self._templates.count(f"revision > {state.revision}")
            if written != len(plan.rows):
                raise StorageError(
                    f"Milvus shows {written} of {len(plan.rows)} new templates: none was enrolled"
                )
            self._ledger.add(plan.names, plan.after.revision)
            self._templates.replace(plan.renewed)
            self._commit(plan.after)
        return plan.ids

    def remove_subject(self, subject: str) -> Receipt:
        """Erases a subject with all templates from every search.

        Raises:
            SubjectNotFoundError: no such subject.
            GalleryError: opened read-only.
            GalleryLockedError: another process writes.
            StorageError: Milvus failed; some templates may be gone. Remove the subject again.
        """
        with self._change() as state:
            name = self._ledger.one(subject, state.revision)
            owners = self._templates.owners(f"sid == {name.id}")
            return self._erase(name, [owner.id for owner in owners], state)

    def remove_template(self, template: int) -> Receipt:
        """Erases one template, and its subject if it was the last.

        Raises:
            TemplateNotFoundError: no such template.
        """
        with self._change() as state:
            subject = self._templates.one(template, state.revision).subject
            return self._erase(self._ledger.one(subject, state.revision), [template], state)

    def erase_expired(self) -> list[Receipt]:
        """Erases every template whose authorisation has expired by now, one receipt a subject."""
        receipts = []
        with self._change() as state:
            expired: dict[str, list[int]] = {}
            condition = f"expires <= {clock.now()} and revision <= {state.revision}"
            for template in self._templates.described(condition):
                expired.setdefault(template.subject, []).append(template.id)
            names = self._ledger.named(expired, state.revision)
            for subject in sorted(expired):
                receipts.append(self._erase(names[subject], expired[subject], state))
                state = self._ledger.state()
        with suppress(StorageError):  # Milvus limits how often it is asked; it merges by itself too
            self._purge()
        return receipts

    def merge(self, subject: str, into: str) -> int:
        """Makes two subjects one; returns how many templates were moved.

        A clip of both is kept once.

        Raises:
            SubjectNotFoundError: one of them is not there.
            GalleryError: they are the same.
            StorageError: Milvus failed; some templates may have moved. Merge again.
        """
        if subject == into:
            raise GalleryError("got the same subject twice: nothing to merge")
        with self._change() as state:
            gone, kept = (
                self._ledger.one(subject, state.revision),
                self._ledger.one(into, state.revision),
            )
            have = {owner.digest for owner in self._templates.owners(f"sid == {kept.id}")}
            owners = self._templates.owners(f"sid == {gone.id}")
            moved = [owner.id for owner in owners if owner.digest not in have]
            for rows in self._templates.whole(moved):
                self._templates.replace([row | {"sid": kept.id, "subject": into} for row in rows])
            self._erase(gone, [owner.id for owner in owners if owner.digest in have], state)
        return len(moved)

    @contextmanager
    def _change(self) -> Iterator[State]:
        """One change at a time: the state before it, cleared of what was never committed."""
        if self._lease is None:
            raise GalleryError(f"{self._location} was opened for reading only")
        with self._changing:
            if self._lease.take():
                self._clean = False
            state = self._ledger.state()
            if not self._clean:
                self._templates.forget_after(state.revision)
                self._ledger.forget_after(state.revision)
            self._clean = False
            yield state
            self._clean = True

    def _commit(self, state: State) -> None:
        assert self._lease is not None
        self._lease.check()
        self._ledger.commit(state)

    def _erase(self, name: Name, ids: Sequence[int], state: State) -> Receipt:
        self._templates.delete(ids)
        if not self._templates.count(f"sid == {name.id}"):
            self._ledger.remove(name.name)
        state = replace(state, revision=state.revision + 1)
        self._commit(state)
        self._owed = True
        now = iso_time(clock.now())
        return Receipt(self._identity, name.name, tuple(ids), "", state.revision, now)

    def _purge(self) -> None:
        if self._owed:
            self._owed = False
            self._templates.purge()
