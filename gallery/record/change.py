"""One change of a record: the steps that enrolling, merging and erasing are made of."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sqlalchemy import ColumnElement, Connection, delete, insert, select, true, update

from gait.errors import GalleryCorruptError
from gait.modality import Modality
from gallery.index.codes import codes_of
from gallery.record import clock
from gallery.record.checks import no_subject
from gallery.record.plain_template import PlainTemplate
from gallery.record.queries import WHOLE, portions
from gallery.record.reading import RecordReader
from gallery.record.schema import (
    EMBEDDINGS,
    PICTURES,
    REMOVED,
    SUBJECT_KEYS,
    SUBJECTS,
    TEMPLATES,
)
from gallery.record.sealing import Held, Row
from gallery.record.subject_key import DESTROYED, SubjectKey
from gallery.template import Authorisation, Enrolment, Receipt, Shares, Vector, iso_time

log = logging.getLogger("gallery")
SharesOf = Callable[[Modality, Vector], Shares]
"""The cohort shares of an embedding and its modality."""


@dataclass(frozen=True)
class Person:
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
            raise lost_key(self.name)
        return self.key


@dataclass
class Change:
    """One transaction on a record, and the steps that changes are made of.

    Args:
        reader: of the record.
        connection: inside the transaction.
        revision: that the change makes.
        next_subject, next_template: numbers that nobody has had.
    """

    reader: RecordReader
    connection: Connection
    revision: int
    next_subject: int
    next_template: int

    def new_subject(self) -> int:
        """A number that no subject has had."""
        self.next_subject += 1
        return self.next_subject - 1

    def new_template(self) -> int:
        """A number that no template has had."""
        self.next_template += 1
        return self.next_template - 1

    def people(self, names: Sequence[str]) -> dict[str, Person]:
        """Subjects by name; those that are not there are made."""
        people = {person.name: person for person in self._present(names)}
        new = list[Person]()
        for name in names:
            if name not in people:
                key = SubjectKey.generate()
                new.append(Person(self.new_subject(), name, key, key.id))
        if new:
            created = iso_time(clock.now())
            rows = [{"id": p.id, "name": p.name, "created": created} for p in new]
            self.connection.execute(insert(SUBJECTS), rows)
            self.connection.execute(insert(SUBJECT_KEYS), [self._key_row(p) for p in new])
        return people | {person.name: person for person in new}

    def _key_row(self, person: Person) -> dict[str, Any]:
        wrapped = self.reader.sealer.wrap(person.id, person.usable())
        return {"subject": person.id, "id": person.fingerprint, "wrapped": wrapped}

    def _present(self, names: Sequence[str]) -> Iterator[Person]:
        columns = (SUBJECTS.c.id, SUBJECTS.c.name, SUBJECT_KEYS.c.id, SUBJECT_KEYS.c.wrapped)
        joined = SUBJECTS.outerjoin(SUBJECT_KEYS, SUBJECT_KEYS.c.subject == SUBJECTS.c.id)
        for some in portions(names):
            query = select(*columns).select_from(joined).where(SUBJECTS.c.name.in_(some))
            for number, name, key_id, wrapped in self.connection.execute(query).all():
                key = self.reader.sealer.unwrap(number, key_id, wrapped)
                yield Person(number, name, key, key_id or "")

    def person(self, name: str) -> Person:
        """The subject of a name.

        Raises:
            SubjectNotFoundError: no such subject.
        """
        found = list(self._present([name]))
        if not found:
            raise no_subject(name)
        return found[0]

    def same_clips(self, places: Sequence[tuple[int, str]]) -> dict[tuple[int, str], int]:
        """Templates by subject and digest; of those places that are taken."""
        there = dict[tuple[int, str], int]()
        columns = (TEMPLATES.c.subject, TEMPLATES.c.digest, TEMPLATES.c.id)
        for some in portions(places):
            query = select(*columns).where(
                TEMPLATES.c.subject.in_({subject for subject, _ in some}),
                TEMPLATES.c.digest.in_({digest for _, digest in some}),
            )
            for subject, digest, template in self.connection.execute(query).all():
                there[subject, digest] = template
        return there

    def add(
        self,
        new: Mapping[int, Enrolment],
        people: Mapping[str, Person],
        shares: SharesOf | None,
    ) -> None:
        """Stores new templates by number, of people who are there, with their cohort shares."""
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
            sealed = self.reader.sealer.seal_code(row, key, code)
            templates.append(columns | {"revision": self.revision, "code": sealed})
            if shares is not None:
                template = template.with_shares(shares(enrolment.modality, template.embedding))
            sealed = self.reader.sealer.seal(row, key, template)
            embeddings.append({"template": number, "sealed": sealed})
        self.connection.execute(insert(TEMPLATES), templates)
        self.connection.execute(insert(EMBEDDINGS), embeddings)

    def keep_pictures(
        self, enrolled: Mapping[int, Enrolment], people: Mapping[str, Person]
    ) -> None:
        """Keeps the moving pictures of templates by number, for those that come with one."""
        rows = list[dict[str, Any]]()
        for number, enrolment in enrolled.items():
            if enrolment.picture is not None:
                person = people[enrolment.subject]
                key, picture = person.usable(), enrolment.picture
                sealed = self.reader.sealer.seal_picture(number, person.id, key, picture)
                rows.append({"template": number, "sealed": sealed})
        if rows:
            self._drop_pictures([row["template"] for row in rows])
            self.connection.execute(insert(PICTURES), rows)

    def reseal_pictures(self, templates: Sequence[int], old: Person, new: Person) -> None:
        """Encrypts the moving pictures of templates anew, when these get another subject or key.

        One that is damaged is dropped: it is no reason to keep the templates as they are.
        """
        sealer = self.reader.sealer
        for some in portions(templates):
            query = select(PICTURES).where(PICTURES.c.template.in_(some))
            for number, sealed in self.connection.execute(query).all():
                picture = sealer.open_picture(number, old.id, old.usable(), sealed)
                if picture is None:
                    log.error("the picture of template %s is damaged and was dropped", number)
                    self._drop_pictures([number])
                    continue
                sealed = sealer.seal_picture(number, new.id, new.usable(), picture)
                where = PICTURES.c.template == number
                self.connection.execute(update(PICTURES).where(where).values(sealed=sealed))

    def _drop_pictures(self, templates: Sequence[int]) -> None:
        self.connection.execute(delete(PICTURES).where(PICTURES.c.template.in_(templates)))

    def authorise(self, again: Mapping[int, Authorisation]) -> None:
        """Gives templates that are there another authorisation."""
        for some in portions(list(again)):
            held = self.held(TEMPLATES.c.id.in_(some))
            for each, (row, plain) in zip(held, self.readable(held), strict=True):
                authorisation = again[row.id]
                now = row._replace(
                    authorisation=authorisation.reference, expires=authorisation.seconds
                )
                key = self.reader.sealer.unwrap(row.subject, each.key, each.wrapped)
                assert key is not None  # it has just opened the template
                self.rewrite(now, key, plain)

    def erase(self, person: Person, templates: Sequence[int]) -> Receipt:
        """Erases templates: all, or some, and then the others get a new key."""
        rest = [n for n in self.numbers(person) if n not in set(templates)]
        if rest:
            self._renew(person, rest)
        self.drop_templates(templates)
        if not rest:
            self.drop_subject(person)
        return self._receipt(person, templates=tuple(templates))

    def erase_picture(self, person: Person, template: int) -> Receipt:
        """Erases the moving picture of a template, and gives all that stays a new key."""
        self._drop_pictures([template])
        self._renew(person, self.numbers(person))
        return self._receipt(person, pictures=(template,))

    def _receipt(
        self, person: Person, templates: tuple[int, ...] = (), pictures: tuple[int, ...] = ()
    ) -> Receipt:
        return Receipt(
            self.reader.facts.gallery,
            person.name,
            templates,
            person.fingerprint,
            self.revision,
            iso_time(clock.now()),
            "overwritten" if self.reader.engine.dialect.name == "sqlite" else "deleted",
            pictures,
        )

    def erase_expired(self, name: str, now: int) -> list[Receipt]:
        """Erases what of a subject has expired by a time, if the rest can be kept.

        Args:
            name: of the subject, who may have gone meanwhile.
            now: seconds since 1970.
        """
        for person in self._present([name]):
            ids = self.numbers(person, TEMPLATES.c.expires <= now)
            rest = (TEMPLATES.c.subject == person.id) & TEMPLATES.c.id.not_in(ids)
            rows = self.held(rest)
            if len(self.reader.opened(rows)[0]) == len(rows):
                return [self.erase(person, ids)] if ids else []
            log.error(
                "templates %s have expired and are not erased, since their person has damaged ones "
                "too: remove those, gallery.info lists them",
                ids,
            )
        return []

    def _renew(self, person: Person, templates: Sequence[int]) -> None:
        """Encrypts templates of a subject under a new key, which takes the place of the old."""
        key = SubjectKey.generate()
        renewed = replace(person, key=key, fingerprint=key.id)
        for some in portions(templates):
            rows = self.held(TEMPLATES.c.id.in_(some))
            for row, plain in self.readable(rows):
                self.rewrite(row, key, plain)
        self.reseal_pictures(templates, person, renewed)
        where = SUBJECT_KEYS.c.subject == person.id
        self.connection.execute(update(SUBJECT_KEYS).where(where).values(self._key_row(renewed)))

    def rewrite(self, row: Row, key: SubjectKey, plain: PlainTemplate) -> None:
        """Writes a template anew, under a key."""
        code = codes_of(plain.embedding[np.newaxis])[0]
        self.connection.execute(
            update(TEMPLATES)
            .where(TEMPLATES.c.id == row.id)
            .values(
                subject=row.subject,
                authorisation=row.authorisation,
                expires=row.expires,
                revision=self.revision,
                code=self.reader.sealer.seal_code(row, key, code),
            )
        )
        sealed = self.reader.sealer.seal(row, key, plain)
        where = EMBEDDINGS.c.template == row.id
        self.connection.execute(update(EMBEDDINGS).where(where).values(sealed=sealed))

    def drop_templates(self, templates: Sequence[int]) -> None:
        """Removes templates, and notes for indexes that they are gone."""
        for some in portions(templates):
            self.connection.execute(delete(EMBEDDINGS).where(EMBEDDINGS.c.template.in_(some)))
            self._drop_pictures(some)
            self.connection.execute(delete(TEMPLATES).where(TEMPLATES.c.id.in_(some)))
            gone = [{"template": n, "revision": self.revision} for n in some]
            self.connection.execute(insert(REMOVED), gone)

    def drop_subject(self, person: Person) -> None:
        """Destroys a subject's key and removes the subject, who has no template any more."""
        where = SUBJECT_KEYS.c.subject == person.id
        self.connection.execute(update(SUBJECT_KEYS).where(where).values(wrapped=DESTROYED))
        self.connection.execute(delete(SUBJECTS).where(SUBJECTS.c.id == person.id))

    def numbers(self, person: Person, condition: ColumnElement[bool] | None = None) -> list[int]:
        """Numbers of a subject's templates, of those that meet a condition."""
        where = TEMPLATES.c.subject == person.id
        query = select(TEMPLATES.c.id).where(where, true() if condition is None else condition)
        return list(self.connection.execute(query.order_by(TEMPLATES.c.id)).scalars())

    def held(self, condition: ColumnElement[bool]) -> list[Held]:
        """Templates that meet a condition, in order of number."""
        query = WHOLE.where(condition).order_by(TEMPLATES.c.id)
        return [Held.of(columns) for columns in self.connection.execute(query).all()]

    def readable(self, rows: Sequence[Held]) -> Iterator[tuple[Row, PlainTemplate]]:
        """Rows with what is encrypted of them.

        Raises:
            GalleryCorruptError: one of them is damaged.
        """
        for held in rows:
            plain = self.reader.sealer.open(held)
            if plain is None:
                raise self.reader.damage(held.row.id)
            yield held.row, plain


def lost_key(name: str) -> GalleryCorruptError:
    return GalleryCorruptError(
        f"the key of {name!r} is lost or damaged: restore a backup, or remove the subject and "
        "enrol it again"
    )
