"""A gallery as frames of a container: what describes the templates as JSON, embeddings as arrays.

Each frame holds some templates of some subjects: u32 length, JSON, and a `.npy` file. The last one
says how many there were. Nothing is ever unpickled.
"""

import io
import json
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, BinaryIO

import numpy as np
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from gait.errors import (
    ContractMismatchError,
    GalleryError,
    SubjectNotFoundError,
    TemplateNotFoundError,
    TransferError,
)
from gait.modality import Modality
from gallery.exchange.container import Reader, write_header
from gallery.exchange.envelope import Passphrase
from gallery.gallery import Gallery
from gallery.identity import Identity, Party
from gallery.record import clock
from gallery.template import Authorisation, Enrolment, Matrix, Template, iso_time

MOST_ROWS = 1024
"""Templates of a frame."""

_LENGTH = struct.Struct(">I")
_ARRAY_BYTES = 8 * 1024 * 1024
_PAGE = 1000


class Row(BaseModel):
    """A template as it travels, less its embedding."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    subject: str
    modality: Modality
    source: Annotated[str, Field(max_length=65536)]
    frames: Annotated[int, Field(ge=1, le=10**9)]
    digest: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    authorisation: str
    expires: AwareDatetime

    def enrolment(self, embedding: Matrix) -> Enrolment:
        """The enrolment it was.

        Raises:
            GalleryError: the name or the authorisation cannot be used.
        """
        return Enrolment(
            self.subject,
            self.modality,
            embedding,
            self.source,
            self.frames,
            self.digest,
            Authorisation(self.authorisation, self.expires),
        )


_ROWS = TypeAdapter(Annotated[list[Row], Field(max_length=MOST_ROWS)])


class _End(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    templates: int


@dataclass
class Moved:
    """What became of the templates.

    Attributes:
        templates: that were written, or enrolled.
        present: that the gallery had already.
        expired: left out.
    """

    templates: int = 0
    present: int = 0
    expired: int = 0


def export_gallery(
    gallery: Gallery,
    file: BinaryIO,
    *,
    sender: Identity,
    to: Passphrase | Party,
    advance: Callable[[int], None] = lambda _: None,
) -> Moved:
    """Writes every template that has not expired, in the memory of one frame.

    What is enrolled or erased meanwhile may or may not be in it.

    Args:
        gallery: open, if only for reading.
        file: empty.
        sender: signs.
        to: who can open it.
        advance: called with a number of templates when they are written.

    Raises:
        GalleryCorruptError: an embedding is damaged.
    """
    about: dict[str, str | int] = {"contract": gallery.contract, "dimension": gallery.dimension}
    writer, moved = write_header(file, sender, to, about), Moved()
    for templates in _portions(gallery, moved):
        try:
            embeddings = gallery.embeddings([template.id for template in templates])
        except TemplateNotFoundError:  # one was erased just now
            templates, embeddings = _left(gallery, templates)
        if templates:
            writer.write(_packed(templates, embeddings))
            moved.templates += len(templates)
            advance(len(templates))
    writer.write(_End(templates=moved.templates).model_dump_json().encode(), last=True)
    return moved


def import_gallery(
    gallery: Gallery,
    file: BinaryIO,
    *,
    trusted: Party,
    to: Passphrase | Identity,
    advance: Callable[[int], None] = lambda _: None,
) -> Moved:
    """Enrols what an export holds; all of it is checked first, so that a bad one changes nothing.

    A template the gallery has already is not enrolled again, so an import that was cut short can
    simply be run again. What has expired meanwhile is left out.

    Args:
        gallery: open for writing, of the same model.
        file: that can be read twice.
        trusted: who must have signed it.
        to: what opens it.
        advance: called with a number of templates when they are dealt with.

    Raises:
        TransferError: the export is damaged, cut short, not signed by `trusted` or not for us.
            Nothing was enrolled.
        ContractMismatchError: it is of another model. Nothing was enrolled.
        StorageError: the disk is full; the templates before are enrolled.
    """
    for _ in _checked(file, trusted, to, gallery):
        pass
    moved = Moved()
    for enrolments in _checked(file, trusted, to, gallery):
        valid = [e for e in enrolments if e.authorisation.seconds > clock.now()]
        new = [e for e in valid if not gallery.holds(e.subject, e.digest, e.authorisation)]
        if new:
            gallery.enrol(new)
        moved.templates += len(new)
        moved.present += len(valid) - len(new)
        moved.expired += len(enrolments) - len(valid)
        advance(len(enrolments))
    return moved


def _checked(
    file: BinaryIO, trusted: Party, to: Passphrase | Identity, gallery: Gallery
) -> Iterator[list[Enrolment]]:
    """The enrolments of every frame; raises unless the whole file is as it was sent."""
    file.seek(0)
    reader, count, end = Reader(file, trusted, to), 0, None
    frames = reader.frames()
    for frame in frames:
        if reader.about.get("contract") != gallery.contract:
            raise ContractMismatchError(
                f"the export is of model {reader.about.get('contract')}, the gallery of "
                f"{gallery.contract}: embed the clips again with gallery.reembed",
                gallery=gallery.contract,
                bundle=str(reader.about.get("contract")),
            )
        if end is not None:
            raise TransferError("the export has templates after its end: it is refused")
        end = _end(frame)
        if end is None:
            enrolments = _unpacked(frame, gallery.dimension)
            count += len(enrolments)
            yield enrolments
    if end is None or end.templates != count:
        raise TransferError("the export does not hold as many templates as it says")


def _portions(gallery: Gallery, moved: Moved) -> Iterator[list[Template]]:
    size = min(MOST_ROWS, max(1, _ARRAY_BYTES // (4 * gallery.dimension)))
    waiting: list[Template] = []
    for template in every_template(gallery):
        if template.expires <= iso_time(clock.now()):
            moved.expired += 1
            continue
        waiting.append(template)
        if len(waiting) == size:
            yield waiting
            waiting = []
    if waiting:
        yield waiting


def every_template(gallery: Gallery) -> Iterator[Template]:
    """All templates, by subject; those of somebody erased meanwhile may be left out."""
    after: str | None = None
    while page := gallery.subjects(after, _PAGE):
        for subject in page:
            try:
                yield from gallery.templates(subject.name)
            except SubjectNotFoundError:
                continue  # erased just now
        after = page[-1].name


def _left(gallery: Gallery, templates: Sequence[Template]) -> tuple[list[Template], Matrix]:
    kept, embeddings = list[Template](), [np.empty((0, gallery.dimension), np.float32)]
    for template in templates:
        try:
            embeddings.append(gallery.embeddings([template.id]))
        except TemplateNotFoundError:
            continue
        kept.append(template)
    return kept, np.concatenate(embeddings)


def _packed(templates: Sequence[Template], embeddings: Matrix) -> bytes:
    rows = [
        Row(
            subject=t.subject,
            modality=t.modality,
            source=t.source,
            frames=t.frames,
            digest=t.digest,
            authorisation=t.authorisation,
            expires=datetime.fromisoformat(t.expires),
        )
        for t in templates
    ]
    described, array = _ROWS.dump_json(rows), io.BytesIO()
    np.save(array, embeddings, allow_pickle=False)
    return _LENGTH.pack(len(described)) + described + array.getvalue()


def _end(frame: bytes) -> _End | None:
    if not frame.startswith(b"{"):  # a frame of templates begins with a length below 2²⁵
        return None
    try:
        return _End.model_validate_json(frame)
    except ValidationError as error:
        raise TransferError("the end of the export cannot be read") from error


def _unpacked(frame: bytes, dimension: int) -> list[Enrolment]:
    try:
        (length,) = _LENGTH.unpack_from(frame)
        described, array = frame[_LENGTH.size :][:length], frame[_LENGTH.size + length :]
        rows = _ROWS.validate_python(json.loads(described))
        embeddings = _array(array, (len(rows), dimension))
        return [row.enrolment(e) for row, e in zip(rows, embeddings, strict=True)]
    except (ValueError, struct.error, GalleryError, RecursionError) as error:
        raise TransferError(f"the export holds templates that cannot be read: {error}") from error


def _array(data: bytes, shape: tuple[int, int]) -> Matrix:
    file = io.BytesIO(data)
    if np.lib.format.read_magic(file) != (1, 0):
        raise ValueError("its arrays are of another version")
    got, fortran, dtype = np.lib.format.read_array_header_1_0(file)
    if (got, fortran, dtype) != (shape, False, np.dtype(np.float32)):
        raise ValueError(f"an array is {dtype} {got}, need float32 {shape}")
    embeddings = np.frombuffer(data, np.float32, offset=file.tell())
    norms = np.linalg.norm(embeddings.reshape(shape), axis=1)
    if not (np.abs(norms - 1) < 1e-2).all():  # not: NaN fails as well
        raise ValueError("an embedding's norm is not 1")
    return embeddings.reshape(shape)
