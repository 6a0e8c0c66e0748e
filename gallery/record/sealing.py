"""How templates lie in the record: encrypted, and bound to everything that is said of them."""

import hashlib
import hmac
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gait.errors import MasterKeyError
from gait.modality import Modality
from gait.moving_picture import MovingPicture
from gallery.record.master_key import MasterKey
from gallery.record.plain_template import PlainTemplate
from gallery.record.subject_key import SubjectKey
from gallery.template import Enrolment, Template, iso_time


class Facts(NamedTuple):
    """What never changes of a gallery.

    Attributes:
        gallery: its id, 32 hex digits, given when it was made.
        contract: fingerprint of the model of its embeddings.
        dimension: length of an embedding.
    """

    gallery: str
    contract: str
    dimension: int


class Row(NamedTuple):
    """What a template's row says in clear, with its subject's name, as queries give it.

    `expires` is in seconds since 1970. The encrypted embedding is bound to all of it: whoever
    changes a name or an expiry in the database has only made the template unreadable.
    """

    id: int
    subject: int
    name: str
    modality: str
    source: str
    frames: int
    digest: str
    created: str
    authorisation: str
    expires: int

    @classmethod
    def of(cls, enrolment: Enrolment, template: int, subject: int, created: str) -> "Row":
        """The row of an enrolment."""
        authorisation = enrolment.authorisation
        return cls(
            template,
            subject,
            enrolment.subject,
            str(enrolment.modality),
            enrolment.source,
            enrolment.frames,
            enrolment.digest,
            created,
            authorisation.reference,
            authorisation.seconds,
        )

    @property
    def template(self) -> Template | None:
        """The row for people; None if it holds what no row of ours holds."""
        try:
            return Template(
                self.id,
                self.name,
                Modality(self.modality),
                self.source,
                self.frames,
                self.created,
                self.authorisation,
                iso_time(self.expires),
                self.digest,
            )
        except (ValueError, TypeError, OverflowError, OSError):  # no modality, or no time
            return None


class Held(NamedTuple):
    """A row with what opens it: fingerprint of the subject's key, that key wrapped by the master
    key, and the encrypted embedding; each None if the record lacks it."""

    row: Row
    key: str | None
    wrapped: bytes | None
    sealed: bytes | None

    @classmethod
    def of(cls, columns: Sequence[Any]) -> "Held":
        """From the columns of a query, in the order of the fields."""
        cut = len(Row._fields)
        return cls(Row(*columns[:cut]), *columns[cut:])


class Sealer:
    """Opens and seals the templates of one gallery.

    Args:
        facts: of the gallery.
        master: key that wraps the subjects' keys.
    """

    def __init__(self, facts: Facts, master: MasterKey) -> None:
        self._facts, self.master = facts, master

    def unwrap(self, subject: int, key: str | None, wrapped: bytes | None) -> SubjectKey | None:
        """A subject's key; None if it is missing, destroyed or damaged."""
        if key is None or wrapped is None:
            return None
        try:
            return SubjectKey.unwrap(wrapped, self.master, self._key_place(subject, key))
        except MasterKeyError:
            return None

    def wrap(self, subject: int, key: SubjectKey) -> bytes:
        """A subject's key, wrapped."""
        return key.wrap(self.master, self._key_place(subject, key.id))

    def open(self, held: Held) -> PlainTemplate | None:
        """What is encrypted of a row, or None if any part of the row is not as it was written."""
        return self.open_all([held])[0]

    def open_all(self, held: Sequence[Held]) -> list[PlainTemplate | None]:
        """What is encrypted of each row, as `open` gives it."""
        keys = dict[bytes | None, SubjectKey | None]()
        packed = list[bytes | None]()
        for each in held:
            if each.wrapped not in keys:
                keys[each.wrapped] = self.unwrap(each.row.subject, each.key, each.wrapped)
            key, sealed = keys[each.wrapped], each.sealed
            if key is None or sealed is None:
                packed.append(None)
            else:
                packed.append(key.open(sealed, self._place(each.row)))
        return PlainTemplate.unpack_all(packed, self._facts.dimension)

    def seal(self, row: Row, key: SubjectKey, template: PlainTemplate) -> bytes:
        """A template encrypted and bound to its row."""
        return key.seal(template.packed, self._place(row))

    def seal_code(self, row: Row, key: SubjectKey, code: NDArray[np.uint8]) -> bytes:
        """A code encrypted and bound to its template, subject and modality."""
        return key.seal(code.tobytes(), self._code_place(row.id, row.subject, row.modality))

    def open_code(
        self, template: int, subject: int, modality: str, key: SubjectKey, sealed: bytes
    ) -> bytes | None:
        """A code, or None if it is damaged."""
        return key.open(sealed, self._code_place(template, subject, modality))

    def seal_picture(
        self, template: int, subject: int, key: SubjectKey, picture: MovingPicture
    ) -> bytes:
        """A moving picture encrypted and bound to its template and subject."""
        return key.seal(picture.packed, self._picture_place(template, subject))

    def open_picture(
        self, template: int, subject: int, key: SubjectKey, sealed: bytes
    ) -> MovingPicture | None:
        """A moving picture, or None if it is damaged."""
        packed = key.open(sealed, self._picture_place(template, subject))
        return None if packed is None else MovingPicture.unpack(packed)

    def marked(self, calibration: str) -> str:
        """A calibration with what shows that it was made with the master key, for this gallery."""
        place = f"calibration {self._facts.gallery} {self._facts.contract} {calibration}"
        key = self.master.derive("calibration")
        return f"{hmac.new(key, place.encode(), hashlib.sha256).hexdigest()} {calibration}"

    def unmarked(self, kept: str) -> str | None:
        """A calibration as `marked` was given it; None if somebody else has written it."""
        calibration = str(kept).partition(" ")[2]
        known = hmac.compare_digest(self.marked(calibration).encode(), str(kept).encode())
        return calibration if known else None

    def _place(self, row: Row) -> bytes:
        fields = ("embedding", self._facts.gallery, self._facts.contract, *map(str, row))
        return "\0".join(fields).encode()  # no text of a row holds a zero

    def _code_place(self, template: int, subject: int, modality: str) -> bytes:
        return f"code {self._facts.gallery} {template} {subject} {modality}".encode()

    def _picture_place(self, template: int, subject: int) -> bytes:
        return f"picture {self._facts.gallery} {template} {subject}".encode()

    def _key_place(self, subject: int, key: str) -> bytes:
        return f"key {self._facts.gallery} {subject} {key}".encode()
