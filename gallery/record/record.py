"""A gallery's record: the only truth about who is enrolled.

Templates lie in it encrypted under their subject's key, the keys wrapped by the master key. Every
change is one transaction that raises the revision by one, so whoever reads sees all of a change or
nothing. Transactions follow one another by the database's own means: SQLite's write lock, or in
PostgreSQL the lock on the one row that holds the revision, which every change takes first.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from sqlalchemy import select, update
from sqlalchemy.dialects import postgresql, sqlite

from gait.errors import GalleryError, StorageError
from gallery.record import clock
from gallery.record.change import Change, SharesOf, lost_key
from gallery.record.checks import check_authorisation, check_enrolment, no_picture, no_template
from gallery.record.engine import finish_erasure, transaction
from gallery.record.location import Folder, Location
from gallery.record.master_key import MasterKey
from gallery.record.queries import PICTURE
from gallery.record.reading import RecordReader
from gallery.record.schema import (
    INDEXES,
    META,
    SUBJECT_KEYS,
    SUBJECTS,
    TEMPLATES,
)
from gallery.record.sealing import Sealer
from gallery.template import Authorisation, Enrolment, Receipt, Told, untold

STEP = 26 * 3600
"""Seconds by which the time that erasures believe in may go on at once."""
_TOGETHER = 200
"""Subjects whose expired templates are erased in one transaction."""


class Record(RecordReader):
    """An open record that may be changed. See `RecordReader` for how it is opened and read."""

    def __init__(self, location: Location, master: MasterKey, *, readonly: bool = False) -> None:
        super().__init__(location, master, readonly=readonly)
        self._erased_at = time.monotonic()
        self._step = float(STEP)
        if isinstance(location, Folder) and not readonly:
            with suppress(StorageError):  # somebody reads: the next erasure empties the log
                finish_erasure(self.engine)

    def enrol(self, enrolments: Sequence[Enrolment], shares: SharesOf | None = None) -> list[int]:
        """Stores templates, all or none, and returns their numbers in the given order.

        A clip that the subject has already (same digest) is not stored again: its template gets
        the new authorisation, and its picture if there is one.

        Args:
            enrolments: to store.
            shares: by which cohort shares are computed; None for none.

        Raises:
            GalleryError: not an embedding of this gallery's, or an authorisation has expired.
            StorageError: it cannot be stored. Nothing was.
        """
        for enrolment in enrolments:
            check_enrolment(enrolment, self.facts.dimension)
        if not enrolments:
            return []
        with self._change() as change:
            people = change.people(list(dict.fromkeys(e.subject for e in enrolments)))
            places = [(people[each.subject].id, each.digest) for each in enrolments]
            there = change.same_clips(places)
            new, again = dict[tuple[int, str], Enrolment](), dict[int, Enrolment]()
            for place, enrolment in zip(places, enrolments, strict=True):
                if place in there:
                    again[there[place]] = enrolment
                else:
                    new[place] = enrolment
            numbers = there | {place: change.new_template() for place in new}
            change.add({numbers[place]: e for place, e in new.items()}, people, shares)
            change.authorise({n: each.authorisation for n, each in again.items()})
            every = zip(places, enrolments, strict=True)
            change.keep_pictures({numbers[place]: each for place, each in every}, people)
            return [numbers[place] for place in places]

    def authorise(self, name: str, authorisation: Authorisation) -> int:
        """Gives all templates of a subject another authorisation; returns how many there are.

        Raises:
            SubjectNotFoundError: no such subject.
            GalleryError: the authorisation has expired.
            GalleryCorruptError: one of the templates is damaged. Nothing was changed.
            StorageError: it cannot be written. Nothing was.
        """
        check_authorisation(authorisation)
        with self._change() as change:
            numbers = change.numbers(change.person(name))
            change.authorise(dict.fromkeys(numbers, authorisation))
            return len(numbers)

    def remove_subject(self, name: str, told: Told = untold) -> Receipt:
        """Erases a subject with all templates: the key that reads them is destroyed.

        Raises:
            SubjectNotFoundError: no such subject.
            StorageError: it cannot be erased, or the database's log not emptied; if `told` was
                called, it is erased all the same.
        """
        with self._change() as change:
            person = change.person(name)
            receipt = change.erase(person, change.numbers(person))
        told(receipt)
        finish_erasure(self.engine)
        return receipt

    def remove_template(self, template: int, told: Told = untold) -> Receipt:
        """Erases one template, and its subject if it was the last.

        Raises:
            TemplateNotFoundError: no such template.
            GalleryCorruptError: another template of the subject is damaged; remove that first.
            StorageError: it cannot be erased, or the database's log not emptied; if `told` was
                called, it is erased all the same.
        """
        with self._change() as change:
            subjects = select(SUBJECTS.c.name).join(TEMPLATES).where(TEMPLATES.c.id == template)
            found = change.connection.execute(subjects).all() if 0 < template < 2**63 else []
            if not found:
                raise no_template(template)
            receipt = change.erase(change.person(found[0][0]), [template])
        told(receipt)
        finish_erasure(self.engine)
        return receipt

    def remove_picture(self, subject: str, template: int, told: Told = untold) -> Receipt:
        """Erases the moving picture that is kept of a subject's template; the template stays.

        What stays of the subject is encrypted under a new key, and the old one is destroyed: no
        copy of the picture can be read any more.

        Raises:
            TemplateNotFoundError: the subject has no such template.
            PictureNotFoundError: no picture of it is kept.
            GalleryCorruptError: a template of the subject is damaged; remove that first.
            StorageError: it cannot be erased, or the database's log not emptied; if `told` was
                called, it is erased all the same.
        """
        with self._change() as change:
            kept = PICTURE.where(TEMPLATES.c.id == template, SUBJECTS.c.name == subject)
            found = change.connection.execute(kept).all() if 0 < template < 2**63 else []
            if not found:
                raise no_template(template)
            if found[0].sealed is None:
                raise no_picture(template)
            receipt = change.erase_picture(change.person(subject), template)
        told(receipt)
        finish_erasure(self.engine)
        return receipt

    def erase_expired(self, *, trust_clock: bool = False, told: Told = untold) -> list[Receipt]:
        """Erases every template whose authorisation has expired, one receipt a subject.

        No single reading of a clock destroys anybody: the time that erasures believe in stands in
        the record and goes on by at most 26 hours when a process starts, and then by twice the
        time that has passed in it. A clock that is a year ahead erases what expires tomorrow, not
        what expires within the year; search leaves out what has expired by the clock at once.

        Whoever has a damaged template beside expired ones is left for somebody to look at, and
        all others are erased.

        Args:
            trust_clock: somebody has looked at the clock: believe it.
            told: called with each receipt once it is durable, also if it fails afterwards.

        Raises:
            StorageError: as `remove_template`; some may be erased already, as `told` knows.
        """
        now, receipts = self._confirmed(trust_clock=trust_clock), list[Receipt]()
        expired = (
            select(SUBJECTS.c.id, SUBJECTS.c.name)
            .join(TEMPLATES, TEMPLATES.c.subject == SUBJECTS.c.id)
            .where(TEMPLATES.c.expires <= now)
            .distinct()
            .order_by(SUBJECTS.c.id)
            .limit(_TOGETHER)
        )
        last = -(2**63)
        while people := self.rows(expired.where(SUBJECTS.c.id > last)):
            with self._change() as change:
                erased = [r for _, name in people for r in change.erase_expired(name, now)]
            for receipt in erased:
                told(receipt)
            finish_erasure(self.engine)
            receipts += erased
            last = people[-1][0]
        return receipts

    def clock_ahead(self) -> int:
        """Seconds by which the clock is ahead of what erasures may believe now; 0 if it is not."""
        confirmed = int(self.rows(select(META.c.confirmed))[0][0])
        return max(0, clock.now() - confirmed - int(self._credit()))

    def merge(self, subject: str, into: str) -> int:
        """Makes two subjects one; returns how many templates were moved.

        A clip that both have is kept once. The first one's key is destroyed.

        Raises:
            SubjectNotFoundError: one of them is not there.
            GalleryError: they are the same.
            GalleryCorruptError: one of them has a damaged template.
            StorageError: it cannot be written.
        """
        if subject == into:
            raise GalleryError(f"got {subject!r} twice, need two subjects to make one of")
        with self._change() as change:
            old, new = change.person(subject), change.person(into)
            rows = change.held(TEMPLATES.c.subject == old.id)
            known = {held.row.digest for held in change.held(TEMPLATES.c.subject == new.id)}
            moved = [held for held in rows if held.row.digest not in known]
            for row, plain in change.readable(moved):
                now = row._replace(subject=new.id, name=new.name)
                change.rewrite(now, new.usable(), plain)
            change.reseal_pictures([held.row.id for held in moved], old, new)
            change.drop_templates([held.row.id for held in rows if held.row.digest in known])
            change.drop_subject(old)
        finish_erasure(self.engine)
        return len(moved)

    def rotate(self, new: MasterKey) -> int:
        """Wraps the keys of all subjects by another master key, all or none; returns how many.

        Raises:
            GalleryCorruptError: a key is damaged. Nothing was changed.
            StorageError: it cannot be written. Nothing was changed.
        """
        count = 0
        with self._change() as change:
            query = select(SUBJECT_KEYS, SUBJECTS.c.name).join(
                SUBJECTS, SUBJECTS.c.id == SUBJECT_KEYS.c.subject
            )
            old, sealer = self.sealer, Sealer(self.facts, new)
            for subject, key_id, wrapped, name in change.connection.execute(query).all():
                key = old.unwrap(subject, key_id, wrapped)
                if key is None:
                    raise lost_key(name)
                where = SUBJECT_KEYS.c.subject == subject
                change.connection.execute(
                    update(SUBJECT_KEYS).where(where).values(wrapped=sealer.wrap(subject, key))
                )
                count += 1
            change.connection.execute(update(META).values(master=new.id))
            kept = change.connection.execute(select(META.c.calibration)).scalar_one()
            if kept is not None and (text := old.unmarked(kept)) is not None:
                change.connection.execute(update(META).values(calibration=sealer.marked(text)))
        self.sealer = sealer
        finish_erasure(self.engine)
        return count

    def set_calibration(self, text: str | None) -> None:
        """Keeps the gallery's own calibration, JSON, in place of the one there is; None for none.

        Raises:
            GalleryError: opened read-only.
            StorageError: it cannot be written. Nothing was changed.
        """
        with self._change() as change:
            kept = None if text is None else self.sealer.marked(text)
            change.connection.execute(update(META).values(calibration=kept))

    def set_index_revision(self, name: str, revision: int) -> None:
        """Notes up to which revision an index is complete; it never goes back.

        A record that was opened for reading only notes nothing: the next one writes again what is
        there already, which does no harm.
        """
        if self.readonly:
            return
        upsert = (sqlite if self.engine.dialect.name == "sqlite" else postgresql).insert(INDEXES)
        with transaction(self.engine) as connection:
            connection.execute(
                upsert.values(name=name, revision=revision).on_conflict_do_update(
                    index_elements=[INDEXES.c.name],
                    set_={"revision": upsert.excluded.revision},
                    where=INDEXES.c.revision < upsert.excluded.revision,
                )
            )

    @contextmanager
    def _change(self) -> Iterator[Change]:
        """A transaction that raises the revision; others wait until it has ended.

        Raises:
            GalleryNotFoundError: somebody has removed the gallery, or put another in its place.
            MasterKeyError: somebody has changed its master key: what is encrypted under the old
                one would be lost.
        """
        if self.readonly:
            raise GalleryError(f"{self.location} was opened for reading only")
        with transaction(self.engine) as connection:
            raised = update(META).values(revision=META.c.revision + 1)
            identity = (META.c.gallery, META.c.master)
            fields = (META.c.revision, META.c.next_subject, META.c.next_template)
            found = connection.execute(raised.returning(*identity, *fields)).all()
            change = Change(self, connection, *self._current(found))
            yield change
            connection.execute(
                update(META).values(
                    next_subject=change.next_subject, next_template=change.next_template
                )
            )

    def _confirmed(self, *, trust_clock: bool) -> int:
        """The time up to which expired templates may be erased now; noted in the record."""
        with self._change() as change:
            confirmed = change.connection.execute(select(META.c.confirmed)).scalar_one()
            credit = self._credit()
            now = clock.now() if trust_clock else min(clock.now(), int(confirmed + credit))
            self._step = max(0.0, credit - max(0, now - confirmed))
            self._erased_at = time.monotonic()
            latest = now if trust_clock else max(now, confirmed)
            change.connection.execute(update(META).values(confirmed=latest))
        return now

    def _credit(self) -> float:
        return min(float(STEP), self._step + 2 * (time.monotonic() - self._erased_at))
