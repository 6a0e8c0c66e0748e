"""A gallery's record: the only truth about who is enrolled.

Templates lie in it encrypted under their subject's key, the keys wrapped by the master key. Every
change is one transaction that raises the revision by one, so whoever reads sees all of a change or
nothing. Transactions follow one another by the database's own means: SQLite's write lock, or in
PostgreSQL the lock on the one row that holds the revision, which every change takes first.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sqlalchemy import ColumnElement, Connection, delete, insert, select, true, update
from sqlalchemy.dialects import postgresql, sqlite

from gait.errors import GalleryCorruptError, GalleryError, StorageError
from gait.modality import Modality
from gallery.index.codes import codes_of
from gallery.record import clock
from gallery.record.checks import check_enrolment, no_subject, no_template
from gallery.record.engine import finish_erasure, transaction
from gallery.record.location import Folder, Location
from gallery.record.master_key import MasterKey
from gallery.record.plain_template import PlainTemplate
from gallery.record.reading import WHOLE, RecordReader, portions
from gallery.record.schema import (
    EMBEDDINGS,
    INDEXES,
    META,
    REMOVED,
    SUBJECT_KEYS,
    SUBJECTS,
    TEMPLATES,
)
from gallery.record.sealing import Held, Row, Sealer
from gallery.record.subject_key import DESTROYED, SubjectKey
from gallery.template import Enrolment, Receipt, Shares, Vector, iso_time

SharesOf = Callable[[Modality, Vector], Shares]
"""The cohort shares of an embedding and its modality."""

STEP = 26 * 3600
"""Seconds by which the time that erasures believe in may go on at once."""
_TOGETHER = 200
"""Subjects whose expired templates are erased in one transaction."""


@dataclass
class _Change:
    """One transaction: its connection, the revision that it makes, and numbers not yet used."""

    connection: Connection
    revision: int
    next_subject: int
    next_template: int

    def subject(self) -> int:
        """A number that no subject has had."""
        self.next_subject += 1
        return self.next_subject - 1

    def template(self) -> int:
        """A number that no template has had."""
        self.next_template += 1
        return self.next_template - 1


@dataclass(frozen=True)
class _Person:
    """A subject's number, name and key; None for a key that is lost or damaged."""

    id: int
    name: str
    key: SubjectKey | None
    fingerprint: str

    def usable(self) -> SubjectKey:
        """The key.

        Raises:
            GalleryCorruptError: it is lost or damaged.
        """
        if self.key is None:
            raise _lost_key(self.name)
        return self.key


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
        the new authorisation.

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
            people = self._people(change, list(dict.fromkeys(e.subject for e in enrolments)))
            places = [(people[each.subject].id, each.digest) for each in enrolments]
            there = self._same_clips(change, places)
            new, again = dict[tuple[int, str], Enrolment](), dict[int, Enrolment]()
            for place, enrolment in zip(places, enrolments, strict=True):
                if place in there:
                    again[there[place]] = enrolment
                else:
                    new[place] = enrolment
            numbers = there | {place: change.template() for place in new}
            self._add(change, {numbers[place]: e for place, e in new.items()}, people, shares)
            self._authorise(change, again)
            return [numbers[place] for place in places]

    def remove_subject(self, name: str) -> Receipt:
        """Erases a subject with all templates: the key that reads them is destroyed.

        Raises:
            SubjectNotFoundError: no such subject.
            StorageError: it cannot be erased, or the database's log not emptied.
        """
        with self._change() as change:
            person = self._person(change, name)
            receipt = self._erase(change, person, self._numbers(change, person))
        finish_erasure(self.engine)
        return receipt

    def remove_template(self, template: int) -> Receipt:
        """Erases one template, and its subject if it was the last.

        Raises:
            TemplateNotFoundError: no such template.
            GalleryCorruptError: another template of the subject is damaged; remove that first.
            StorageError: it cannot be erased, or the database's log not emptied.
        """
        with self._change() as change:
            subjects = select(SUBJECTS.c.name).join(TEMPLATES).where(TEMPLATES.c.id == template)
            found = change.connection.execute(subjects).all() if 0 < template < 2**63 else []
            if not found:
                raise no_template(template)
            receipt = self._erase(change, self._person(change, found[0][0]), [template])
        finish_erasure(self.engine)
        return receipt

    def erase_expired(self, *, trust_clock: bool = False) -> list[Receipt]:
        """Erases every template whose authorisation has expired, one receipt a subject.

        No single reading of a clock destroys anybody: the time that erasures believe in stands in
        the record and goes on by at most 26 hours when a process starts, and then by twice the
        time that has passed in it. A clock that is a year ahead erases what expires tomorrow, not
        what expires within the year; search leaves out what has expired by the clock at once.

        Args:
            trust_clock: somebody has looked at the clock: believe it.

        Raises:
            GalleryCorruptError, StorageError: as `remove_template`; some may be erased already.
        """
        now, receipts = self._confirmed(trust_clock=trust_clock), list[Receipt]()
        expired = (
            select(SUBJECTS.c.name)
            .join(TEMPLATES, TEMPLATES.c.subject == SUBJECTS.c.id)
            .where(TEMPLATES.c.expires <= now)
            .distinct()
            .order_by(SUBJECTS.c.name)
            .limit(_TOGETHER)
        )
        while self.rows(expired):
            with self._change() as change:
                for (name,) in change.connection.execute(expired).all():
                    person = self._person(change, name)
                    ids = self._numbers(change, person, TEMPLATES.c.expires <= now)
                    receipts.append(self._erase(change, person, ids))
            finish_erasure(self.engine)
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
            old, new = self._person(change, subject), self._person(change, into)
            rows = self._held(change, TEMPLATES.c.subject == old.id)
            known = {held.row.digest for held in self._held(change, TEMPLATES.c.subject == new.id)}
            moved = [held for held in rows if held.row.digest not in known]
            for row, plain in self._readable(moved):
                now = row._replace(subject=new.id, name=new.name)
                self._rewrite(change, now, new.usable(), plain)
            self._drop_templates(change, [held.row.id for held in rows if held.row.digest in known])
            self._drop_subject(change, old)
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
                    raise _lost_key(name)
                where = SUBJECT_KEYS.c.subject == subject
                change.connection.execute(
                    update(SUBJECT_KEYS).where(where).values(wrapped=sealer.wrap(subject, key))
                )
                count += 1
            change.connection.execute(update(META).values(master=new.id))
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
            change.connection.execute(update(META).values(calibration=text))

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
    def _change(self) -> Iterator[_Change]:
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
            change = _Change(connection, *self._current(found))
            yield change
            connection.execute(
                update(META).values(
                    next_subject=change.next_subject, next_template=change.next_template
                )
            )

    def _people(self, change: _Change, names: Sequence[str]) -> dict[str, _Person]:
        """Subjects by name; those that are not there are made."""
        people = {person.name: person for person in self._present(change, names)}
        new = list[_Person]()
        for name in names:
            if name not in people:
                key = SubjectKey.generate()
                new.append(_Person(change.subject(), name, key, key.id))
        if new:
            created = iso_time(clock.now())
            rows = [{"id": p.id, "name": p.name, "created": created} for p in new]
            change.connection.execute(insert(SUBJECTS), rows)
            change.connection.execute(insert(SUBJECT_KEYS), [self._key_row(p) for p in new])
        return people | {person.name: person for person in new}

    def _key_row(self, person: _Person) -> dict[str, Any]:
        wrapped = self.sealer.wrap(person.id, person.usable())
        return {"subject": person.id, "id": person.fingerprint, "wrapped": wrapped}

    def _present(self, change: _Change, names: Sequence[str]) -> Iterator[_Person]:
        columns = (SUBJECTS.c.id, SUBJECTS.c.name, SUBJECT_KEYS.c.id, SUBJECT_KEYS.c.wrapped)
        joined = SUBJECTS.outerjoin(SUBJECT_KEYS, SUBJECT_KEYS.c.subject == SUBJECTS.c.id)
        for some in portions(names):
            query = select(*columns).select_from(joined).where(SUBJECTS.c.name.in_(some))
            for number, name, key_id, wrapped in change.connection.execute(query).all():
                key = self.sealer.unwrap(number, key_id, wrapped)
                yield _Person(number, name, key, key_id or "")

    def _person(self, change: _Change, name: str) -> _Person:
        found = list(self._present(change, [name]))
        if not found:
            raise no_subject(name)
        return found[0]

    def _same_clips(
        self, change: _Change, places: Sequence[tuple[int, str]]
    ) -> dict[tuple[int, str], int]:
        """Templates by subject and digest; of those places that are taken."""
        there = dict[tuple[int, str], int]()
        columns = (TEMPLATES.c.subject, TEMPLATES.c.digest, TEMPLATES.c.id)
        for some in portions(places):
            query = select(*columns).where(
                TEMPLATES.c.subject.in_({subject for subject, _ in some}),
                TEMPLATES.c.digest.in_({digest for _, digest in some}),
            )
            for subject, digest, template in change.connection.execute(query).all():
                there[subject, digest] = template
        return there

    def _add(
        self,
        change: _Change,
        new: Mapping[int, Enrolment],
        people: Mapping[str, _Person],
        shares: SharesOf | None,
    ) -> None:
        if not new:
            return
        templates, embeddings = list[dict[str, Any]](), list[dict[str, Any]]()
        created = iso_time(clock.now())
        plain = [PlainTemplate.of(enrolment.embedding) for enrolment in new.values()]
        codes = codes_of(np.stack([template.embedding for template in plain]))
        for (number, enrolment), template, code in zip(new.items(), plain, codes, strict=True):
            person = people[enrolment.subject]
            row, key = Row.of(enrolment, number, person.id, created), person.usable()
            columns = row._asdict()
            del columns["name"]
            sealed = self.sealer.seal_code(row, key, code)
            templates.append(columns | {"revision": change.revision, "code": sealed})
            if shares is not None:
                template = template.with_shares(shares(enrolment.modality, template.embedding))
            sealed = self.sealer.seal(row, key, template)
            embeddings.append({"template": number, "sealed": sealed})
        change.connection.execute(insert(TEMPLATES), templates)
        change.connection.execute(insert(EMBEDDINGS), embeddings)

    def _authorise(self, change: _Change, again: Mapping[int, Enrolment]) -> None:
        """Gives templates that are there the authorisation of a later enrolment."""
        for some in portions(list(again)):
            held = self._held(change, TEMPLATES.c.id.in_(some))
            for each, (row, plain) in zip(held, self._readable(held), strict=True):
                authorisation = again[row.id].authorisation
                now = row._replace(
                    authorisation=authorisation.reference, expires=authorisation.seconds
                )
                key = self.sealer.unwrap(row.subject, each.key, each.wrapped)
                assert key is not None  # it has just opened the template
                self._rewrite(change, now, key, plain)

    def _erase(self, change: _Change, person: _Person, templates: Sequence[int]) -> Receipt:
        """Erases templates: all, or some, and then the others get a new key."""
        rest = [n for n in self._numbers(change, person) if n not in set(templates)]
        if rest:
            self._renew(change, person, rest)
        self._drop_templates(change, templates)
        if not rest:
            self._drop_subject(change, person)
        return Receipt(
            self.facts.gallery,
            person.name,
            tuple(templates),
            person.fingerprint,
            change.revision,
            iso_time(clock.now()),
            "overwritten" if self.engine.dialect.name == "sqlite" else "deleted",
        )

    def _renew(self, change: _Change, person: _Person, templates: Sequence[int]) -> None:
        """Encrypts templates of a subject under a new key, which takes the place of the old."""
        key = SubjectKey.generate()
        renewed = replace(person, key=key, fingerprint=key.id)
        for some in portions(templates):
            rows = self._held(change, TEMPLATES.c.id.in_(some))
            for row, plain in self._readable(rows):
                self._rewrite(change, row, key, plain)
        where = SUBJECT_KEYS.c.subject == person.id
        change.connection.execute(update(SUBJECT_KEYS).where(where).values(self._key_row(renewed)))

    def _rewrite(self, change: _Change, row: Row, key: SubjectKey, plain: PlainTemplate) -> None:
        """Writes a template anew, under a key."""
        code = codes_of(plain.embedding[np.newaxis])[0]
        change.connection.execute(
            update(TEMPLATES)
            .where(TEMPLATES.c.id == row.id)
            .values(
                subject=row.subject,
                authorisation=row.authorisation,
                expires=row.expires,
                revision=change.revision,
                code=self.sealer.seal_code(row, key, code),
            )
        )
        sealed = self.sealer.seal(row, key, plain)
        where = EMBEDDINGS.c.template == row.id
        change.connection.execute(update(EMBEDDINGS).where(where).values(sealed=sealed))

    def _drop_templates(self, change: _Change, templates: Sequence[int]) -> None:
        for some in portions(templates):
            change.connection.execute(delete(EMBEDDINGS).where(EMBEDDINGS.c.template.in_(some)))
            change.connection.execute(delete(TEMPLATES).where(TEMPLATES.c.id.in_(some)))
            gone = [{"template": n, "revision": change.revision} for n in some]
            change.connection.execute(insert(REMOVED), gone)

    def _drop_subject(self, change: _Change, person: _Person) -> None:
        where = SUBJECT_KEYS.c.subject == person.id
        change.connection.execute(update(SUBJECT_KEYS).where(where).values(wrapped=DESTROYED))
        change.connection.execute(delete(SUBJECTS).where(SUBJECTS.c.id == person.id))

    def _numbers(
        self, change: _Change, person: _Person, condition: ColumnElement[bool] | None = None
    ) -> list[int]:
        where = TEMPLATES.c.subject == person.id
        query = select(TEMPLATES.c.id).where(where, true() if condition is None else condition)
        return list(change.connection.execute(query.order_by(TEMPLATES.c.id)).scalars())

    def _held(self, change: _Change, condition: ColumnElement[bool]) -> list[Held]:
        query = WHOLE.where(condition).order_by(TEMPLATES.c.id)
        return [Held.of(columns) for columns in change.connection.execute(query).all()]

    def _readable(self, rows: Sequence[Held]) -> Iterator[tuple[Row, PlainTemplate]]:
        """Rows with what is encrypted of them.

        Raises:
            GalleryCorruptError: one of them is damaged.
        """
        for held in rows:
            plain = self.sealer.open(held)
            if plain is None:
                raise self.damage(held.row.id)
            yield held.row, plain

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


def _lost_key(name: str) -> GalleryCorruptError:
    return GalleryCorruptError(
        f"the key of {name!r} is lost or damaged: restore a backup, or remove the subject and "
        "enrol it again"
    )
