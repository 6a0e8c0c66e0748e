"""Reading a gallery's record: who is enrolled, by which templates, with which embeddings."""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from sqlalchemy import (
    Engine,
    Select,
    func,
    not_,
    select,
)

from gait.errors import (
    CalibrationError,
    GalleryCorruptError,
    GalleryError,
    GalleryNotFoundError,
    MasterKeyError,
)
from gait.modality import Modality
from gait.moving_picture import MovingPicture
from gallery.index.batching import Batching
from gallery.index.codes import code_bytes
from gallery.index.interface import Codes, Ids
from gallery.record import clock
from gallery.record.checks import no_picture, no_subject, no_template
from gallery.record.engine import open_engine, translated, which_file
from gallery.record.location import Folder, Location
from gallery.record.master_key import MasterKey
from gallery.record.plain_template import PlainTemplate
from gallery.record.queries import (
    JOINED,
    PICTURE,
    SHOWN,
    SUBJECT_COUNTS,
    WHOLE,
    among,
    codes_after,
    portions,
)
from gallery.record.schema import (
    INDEXES,
    META,
    PICTURES,
    REMOVED,
    SUBJECTS,
    TEMPLATES,
    VERSION,
)
from gallery.record.sealing import Facts, Held, Row, Sealer
from gallery.record.subject_key import SubjectKey
from gallery.template import Authorisation, Counts, Ending, Matrix, Subject, Template, iso_time

Codings = dict[int, SubjectKey | None]

_TOGETHER = 4_096
"""Codes given to an index at a time."""
_SEARCHES = 8
"""Searches whose templates are read together, at most."""
_CONNECTED = 64
"""Searches that learn the revision together, at most."""
_KEYS_KEPT = 4_096
"""Unwrapped keys that are kept while all codes are read."""
_PLACES = {str(modality): place for place, modality in enumerate(Modality)}

_T = TEMPLATES.c
_REVISION = select(META.c.gallery, META.c.master, META.c.revision)
"""Made once, because every search asks it several times."""


class RecordReader:
    """An open record, as its readers see it. Methods may be called from several threads.

    What cannot be opened (a damaged row, or one whose key is lost) is left out of every search and
    noted in `damaged`; all other people are found as before.

    Args:
        location: of the gallery.
        master: the key that wraps the subjects' keys.
        readonly: let the database refuse every write.

    Attributes:
        facts: what never changes of the gallery.
        damaged: numbers of templates that could not be opened.

    Raises:
        GalleryNotFoundError: there is none.
        GalleryError: another version made it.
        GalleryCorruptError: the database is damaged.
        MasterKeyError: it was made with another master key.
        StorageError: the database cannot be opened or reached.
    """

    def __init__(self, location: Location, master: MasterKey, *, readonly: bool = False) -> None:
        self.location, self.readonly = location, readonly
        self._file = which_file(location.database) if isinstance(location, Folder) else None
        if isinstance(location, Folder) and self._file is None:
            raise _no_gallery(location)
        self.engine = open_engine(location, readonly=readonly)
        self.damaged = set[int]()
        try:
            self.facts = _facts(self.engine, location, master)
        except BaseException:
            self.engine.dispose()
            raise
        self.sealer = Sealer(self.facts, master)
        among_numbers = partial(among, self.engine.dialect.name)
        ordered = WHOLE.order_by(_T.id)
        self._by_template = ordered.where(among_numbers(_T.id, "templates"))
        self._by_subject = ordered.where(
            among_numbers(_T.subject, "subjects"), not_(among_numbers(_T.id, "but"))
        )
        self._revision = Batching(self._read_revisions, _CONNECTED)
        self._whole = Batching(self._read_templates, _SEARCHES)
        self._whole_of = Batching(self._read_subjects, _SEARCHES)

    def close(self) -> None:
        """Closes all connections. No method may be called afterwards."""
        self.engine.dispose()

    @property
    def code_bytes(self) -> int:
        """Length of a code."""
        return code_bytes(self.facts.dimension)

    def revision(self) -> int:
        """How many changes there have been.

        Raises:
            GalleryNotFoundError: somebody has removed the gallery, or put another in its place.
            MasterKeyError: somebody has changed its master key.
        """
        return self._revision(None)

    def counts(self) -> Counts:
        """Subjects and templates."""
        found = self.rows(select(_T.modality, func.count()).group_by(_T.modality))
        by_modality: dict[str, int] = dict(map(tuple, found))
        ((subjects,),) = self.rows(select(func.count()).select_from(SUBJECTS))
        return Counts(subjects, *(by_modality.get(str(m), 0) for m in Modality))

    def held(self, subject: str | None = None) -> dict[Modality, tuple[int, int]]:
        """How many people, and templates of theirs, there are of each modality.

        Args:
            subject: name of the only person to count; None for everybody.
        """
        columns = (_T.modality, func.count(_T.subject.distinct()), func.count())
        query = select(*columns).group_by(_T.modality)
        if subject is not None:
            query = query.select_from(JOINED).where(SUBJECTS.c.name == subject)
        found = {modality: tuple(counts) for modality, *counts in self.rows(query)}
        return {modality: found[modality] for modality in Modality if modality in found}

    def calibration(self) -> str | None:
        """The gallery's own calibration as JSON; None where it has none.

        Raises:
            CalibrationError: it is not as it was written.
        """
        ((kept,),) = self.rows(select(META.c.calibration))
        text = None if kept is None else self.sealer.unmarked(kept)
        if kept is not None and text is None:
            raise CalibrationError(
                "the gallery's own calibration was damaged or changed in the database: make it "
                "again with gallery.calibrate, or take it away with --drop"
            )
        return text

    def expiring(self, before: int) -> int:
        """How many templates expire before a time, in seconds since 1970."""
        query = select(func.count()).select_from(TEMPLATES).where(_T.expires < before)
        return int(self.rows(query)[0][0])

    def ending(self, before: int, limit: int) -> list[Ending]:
        """The subjects of whom templates expire before a time, in seconds since 1970; the first
        to end first."""
        first = func.min(_T.expires)
        query = (
            select(SUBJECTS.c.name, first, func.count())
            .select_from(JOINED)
            .where(_T.expires < before)
            .group_by(SUBJECTS.c.id, SUBJECTS.c.name)
            .order_by(first, SUBJECTS.c.name)
            .limit(limit)
        )
        return [Ending(name, iso_time(end), count) for name, end, count in self.rows(query)]

    def subjects(
        self, after: str | None, limit: int | None, contains: str | None = None
    ) -> list[Subject]:
        """Subjects in order of name, those that come after the name `after`; if `contains` is
        given, those whose name holds it, in capitals or not."""
        query = SUBJECT_COUNTS if after is None else SUBJECT_COUNTS.where(SUBJECTS.c.name > after)
        if contains is not None:
            query = query.where(SUBJECTS.c.name.icontains(contains, autoescape=True))
        return [Subject(*row) for row in self.rows(query.limit(limit))]

    def subject(self, name: str) -> int:
        """The number of a subject.

        Raises:
            SubjectNotFoundError: no such subject.
        """
        found = self.rows(select(SUBJECTS.c.id).where(SUBJECTS.c.name == name))
        if not found:
            raise no_subject(name)
        return int(found[0][0])

    def subject_numbers(self, names: Collection[str]) -> list[int]:
        """The numbers of those subjects that there are."""
        return [
            number
            for some in portions(list(names))
            for (number,) in self.rows(select(SUBJECTS.c.id).where(SUBJECTS.c.name.in_(some)))
        ]

    def templates(self, subject: str) -> list[Template]:
        """Templates of a subject, oldest first.

        Raises:
            SubjectNotFoundError: no such subject.
            GalleryCorruptError: one of them is damaged so that it cannot be shown.
        """
        rows = self.rows(SHOWN.where(SUBJECTS.c.name == subject).order_by(_T.id))
        if not rows:
            raise no_subject(subject)
        return [self._shown(row) for row in rows]

    def template(self, template: int) -> Template:
        """The template with this number.

        Raises:
            TemplateNotFoundError: no such template.
            GalleryCorruptError: it is damaged so that it cannot be shown.
        """
        rows = self.rows(SHOWN.where(_T.id == template)) if 0 < template < 2**63 else []
        if not rows:
            raise no_template(template)
        return self._shown(rows[0])

    def _shown(self, columns: Sequence[Any]) -> Template:
        *row, picture = columns
        template = Row(*row).template
        if template is None:
            raise self.damage(row[0])
        return replace(template, picture=bool(picture))

    def picture(self, subject: str, template: int) -> MovingPicture:
        """The moving picture that is kept of a subject's template.

        Raises:
            TemplateNotFoundError: the subject has no such template that has not expired.
            PictureNotFoundError: no picture of it is kept.
            GalleryCorruptError: it is damaged.
        """
        rows = self.rows(PICTURE.where(_T.id == template)) if 0 < template < 2**63 else []
        if not rows or rows[0][0] != subject or rows[0][2] <= clock.now():
            raise no_template(template)
        _, number, _, key_id, wrapped, sealed = rows[0]
        if sealed is None:
            raise no_picture(template)
        key = self.sealer.unwrap(number, key_id, wrapped)
        found = key and self.sealer.open_picture(template, number, key, sealed)
        if not found:
            raise GalleryCorruptError(
                f"the picture of template {template} in {self.location} is damaged: restore a "
                "backup, or enrol the clip again"
            )
        return found

    def holds(
        self, subject: str, digest: str, authorisation: Authorisation, *, picture: bool = False
    ) -> bool:
        """Whether the subject has the clip with this digest, under this authorisation; if wanted,
        with a picture of it."""
        query = SHOWN.where(
            SUBJECTS.c.name == subject,
            _T.digest == digest,
            _T.authorisation == authorisation.reference,
            _T.expires == authorisation.seconds,
        )
        if picture:
            query = query.where(PICTURES.c.template.is_not(None))
        return bool(self.rows(query))

    def holders(self, digest: str) -> list[str]:
        """Names of the subjects who have the clip with this digest, in order."""
        query = select(SUBJECTS.c.name).select_from(JOINED).where(_T.digest == digest)
        return sorted(name for (name,) in self.rows(query))

    def whole(self, templates: Sequence[int]) -> list[Held]:
        """Rows with their encrypted embeddings, in order of number; of those that there are."""
        return self._whole(templates)

    def whole_of(self, subjects: Sequence[int], but: Sequence[int] = ()) -> list[Held]:
        """The rows of subjects with their encrypted embeddings, in order of number.

        Args:
            subjects: their numbers.
            but: templates of theirs that are left out.
        """
        return self._whole_of((subjects, but))

    def sample(self, count: int, seed: int = 0) -> list[int]:
        """Numbers of some templates, spread over all, at most `count`."""
        ((last,),) = self.rows(select(func.max(_T.id)))
        if last is None:
            return []
        places = np.random.default_rng(seed).integers(1, last, count, endpoint=True).tolist()
        first = [select(func.min(_T.id)).where(_T.id >= place) for place in places]
        return sorted({self.rows(query)[0][0] for query in first})

    def opened(self, held: Sequence[Held]) -> tuple[list[Row], list[PlainTemplate]]:
        """Those rows that can be opened, and what is encrypted of them."""
        rows, plain = list[Row](), list[PlainTemplate]()
        for each, template in zip(held, self.sealer.open_all(held), strict=True):
            if template is None:
                self.damaged.add(each.row.id)
            else:
                rows.append(each.row)
                plain.append(template)
        return rows, plain

    def embeddings(self, templates: Sequence[int]) -> Matrix:
        """Embeddings `(n, dimension)` of templates, in the given order.

        Raises:
            TemplateNotFoundError: one of them is not there.
            GalleryCorruptError: one of them is damaged.
        """
        held = self.whole(templates)
        opened = zip(*self.opened(held), strict=True)
        found = {row.id: template.embedding for row, template in opened}
        there = {each.row.id for each in held}
        for template in templates:
            if template not in there:
                raise no_template(template)
            if template not in found:
                raise self.damage(template)
        shape = (len(templates), self.facts.dimension)
        return np.array([found[template] for template in templates], np.float32).reshape(shape)

    def damage(self, template: int) -> GalleryCorruptError:
        """The error that says that a template is damaged, and what to do."""
        return GalleryCorruptError(
            f"template {template} in {self.location} is damaged: restore a backup, or remove it "
            f"with `gallery.remove --template {template}` and enrol the clip again "
            f"(`gallery.list --template {template}` says whose it is)"
        )

    def codes(self, after: int) -> Iterator[Codes]:
        """Templates that were added or changed after a revision, by number. See `CodeSource`."""
        keys: Codings = {}
        with translated(self.engine), self.engine.connect() as connection:
            streaming = connection.execution_options(yield_per=_TOGETHER)
            if self.engine.dialect.name != "sqlite":  # a cursor on the server needs a transaction
                streaming = streaming.execution_options(isolation_level="READ COMMITTED")
            for rows in streaming.execute(codes_after(after)).partitions():
                if len(keys) > _KEYS_KEPT:
                    keys.clear()
                yield self._codes(rows, keys)

    def removed(self, after: int) -> Ids:
        """Numbers of the templates that were removed after a revision."""
        query = select(REMOVED.c.template).where(REMOVED.c.revision > after)
        return np.array([template for (template,) in self.rows(query)], np.int64)

    def index_revision(self, name: str) -> int:
        """Up to which revision an index outside this process is complete; 0 if nobody said."""
        found = self.rows(select(INDEXES.c.revision).where(INDEXES.c.name == name))
        return int(found[0][0]) if found else 0

    def rows(self, query: Select[Any], values: Mapping[str, object] | None = None) -> Sequence[Any]:
        """What a query finds, with values for its parameters."""
        with translated(self.engine), self.engine.connect() as connection:
            return connection.execute(query, values).all()

    def _current(self, found: Sequence[Any]) -> list[int]:
        """What was read beside the gallery's id and its master key, if both are as they were.

        Args:
            found: rows that begin with the id and the fingerprint of the master key.

        Raises:
            GalleryNotFoundError, MasterKeyError: as `revision`.
        """
        where = self.location
        moved = isinstance(where, Folder) and which_file(where.database) != self._file
        if moved or not found or found[0][0] != self.facts.gallery:
            raise _no_gallery(self.location)
        _, master, *read = found[0]
        if master != self.sealer.master.id:
            raise MasterKeyError(
                f"the master key of {self.location} was changed to {master}: start again with it"
            )
        return list(map(int, read))

    def _read_revisions(self, questions: Sequence[None]) -> list[int]:
        """What `revision` gives for all who wait: it is read after the last of them came."""
        found = self.rows(_REVISION)
        return self._current(found) * len(questions)

    def _read_templates(self, questions: Sequence[Sequence[int]]) -> list[list[Held]]:
        """What `whole` gives for several searches, in one query."""
        wanted = [set(templates) for templates in questions]
        read = self._read(self._by_template, {"templates": list(set().union(*wanted))})
        return [[each for each in read if each.row.id in some] for some in wanted]

    def _read_subjects(
        self, questions: Sequence[tuple[Sequence[int], Sequence[int]]]
    ) -> list[list[Held]]:
        """What `whole_of` gives for several searches, in one query if no two want one subject."""
        wanted = [set(subjects) for subjects, _ in questions]
        every = set[int]().union(*wanted)
        if len(every) < sum(map(len, wanted)):  # what one leaves out, another may want
            return [self._read_subjects([each])[0] for each in questions]
        but = [template for _, some in questions for template in some]
        read = self._read(self._by_subject, {"subjects": list(every), "but": but})
        return [[each for each in read if each.row.subject in some] for some in wanted]

    def _read(self, query: Select[Any], numbers: Mapping[str, Sequence[int]]) -> list[Held]:
        """Rows by a query that is compiled once: a search spends more on that than on SQLite."""
        plain = self.engine.dialect.name == "sqlite"
        values = {name: json.dumps(some) if plain else some for name, some in numbers.items()}
        return [Held.of(columns) for columns in self.rows(query, values)]

    def _codes(self, rows: Sequence[Any], keys: Codings) -> Codes:
        opened, kept, length = list[bytes](), list[Any](), self.code_bytes
        for row in rows:
            template, subject, modality, sealed, key_id, wrapped = row
            if subject not in keys:
                keys[subject] = self.sealer.unwrap(subject, key_id, wrapped)
            key = keys[subject]
            code = None
            if key is not None:
                code = self.sealer.open_code(template, subject, modality, key, sealed)
            if code is None or len(code) != length:
                self.damaged.add(template)
            else:
                opened.append(code)
                kept.append(row)
        return Codes(
            np.array([row[0] for row in kept], np.int64),
            np.array([_PLACES[row[2]] for row in kept], np.uint8),
            np.frombuffer(b"".join(opened), np.uint8).reshape(len(kept), length),
        )


def _facts(engine: Engine, location: Location, master: MasterKey) -> Facts:
    columns = (META.c.version, META.c.gallery, META.c.contract, META.c.dimension, META.c.master)
    try:
        with translated(engine), engine.connect() as connection:
            row = connection.execute(select(*columns)).one()
    except GalleryNotFoundError:
        raise _no_gallery(location) from None
    version, gallery, contract, dimension, used = row
    if version != VERSION:
        raise GalleryError(
            f"{location} has tables of version {version}, this program reads {VERSION}: use the "
            "version that made the gallery, or build it again from the clips with gallery.build"
        )
    if used != master.id:
        raise MasterKeyError(
            f"this gallery was made with master key {used}, the configured one is {master.id}: "
            "configure that key; without it the templates cannot be read, by anyone, and people "
            "have to be enrolled again"
        )
    return Facts(gallery, contract, dimension)


def _no_gallery(location: Location) -> GalleryNotFoundError:
    return GalleryNotFoundError(f"there is no gallery at {location}: make one with gallery.build")
