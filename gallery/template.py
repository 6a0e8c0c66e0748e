"""What a gallery keeps: templates of subjects, and what a search finds."""

import hashlib
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Literal, NamedTuple
from urllib.parse import unquote

import numpy as np
from numpy.typing import NDArray

from gait.clip import Clip
from gait.errors import GalleryError
from gait.modality import Modality
from gait.moving_picture import MovingPicture

NAME_LIMIT = 128
"""Characters of a subject's name."""

SOURCE_LIMIT = 1024
"""Characters of the words that say where a clip came from."""

REFERENCE_LIMIT = 256
"""Characters of an authorisation's reference."""

Vector = NDArray[np.float32]
Matrix = NDArray[np.float32]


@dataclass(frozen=True)
class Authorisation:
    """Why a person may be enrolled: a consent or an order, and until when it holds.

    Args:
        reference: number or place of the document, in words for people.
        expires: aware; from this moment no search finds what was enrolled under it.

    Raises:
        GalleryError: the reference is empty, too long or not printable, or `expires` has no zone.
    """

    reference: str
    expires: datetime

    def __post_init__(self) -> None:
        reference = self.reference
        usable = reference.isprintable() and reference.strip() == reference
        if not (0 < len(reference) <= REFERENCE_LIMIT and usable):
            raise GalleryError(
                f"got an authorisation of {len(reference)} characters, need 1..{REFERENCE_LIMIT} "
                "printable ones without space at either end"
            )
        if self.expires.tzinfo is None:
            raise GalleryError("got an expiry without a time zone: end it in Z or +00:00")

    @property
    def seconds(self) -> int:
        """The expiry in seconds since 1970, UTC."""
        return int(self.expires.timestamp())


class Shares(NamedTuple):
    """What is taken off similarities to a template, for its part (`gallery.search.cohort`).

    Attributes:
        cohort: the first 32 hex digits of the cohort's SHA-256.
        values: of probes by each modality, in the order of `Modality`.
    """

    cohort: str
    values: tuple[float, float]


@dataclass(frozen=True, eq=False)
class Enrolment:
    """One embedding about to be enrolled.

    Args:
        subject: whose walk it is.
        modality: of the clip.
        embedding: `(p * d,)` float32 as the encoder gives it.
        source: where the clip came from, in words for people; not read by programs.
        frames: frames the embedding was made from.
        digest: `clip_digest` of the clip; the same clip of a subject is enrolled once.
        authorisation: that allows it.
        picture: moving picture of the clip that is to be kept, for people to look at; None for
            none.

    Raises:
        GalleryError: the subject's name cannot be used.
    """

    subject: str
    modality: Modality
    embedding: Vector
    source: str
    frames: int
    digest: str
    authorisation: Authorisation
    picture: MovingPicture | None = None

    def __post_init__(self) -> None:
        check_name(self.subject)
        if not _storable(self.source):
            raise GalleryError(
                f"got a source of {len(self.source)} characters, need at most {SOURCE_LIMIT}, "
                "printable ones"
            )

    @classmethod
    def of(
        cls,
        subject: str,
        clip: Clip,
        embedding: Vector,
        source: str,
        authorisation: Authorisation,
        picture: MovingPicture | None = None,
    ) -> "Enrolment":
        """The enrolment of a clip and its embedding; with a picture only if it is to be kept."""
        digest, shown = clip_digest(clip), source[-SOURCE_LIMIT:]
        shown = "".join(c if c.isprintable() else "\ufffd" for c in shown)
        modality, frames = clip.modality, len(clip)
        return cls(subject, modality, embedding, shown, frames, digest, authorisation, picture)


@dataclass(frozen=True)
class Template:
    """One enrolled embedding, described. `created` and `expires` are ISO 8601, UTC.

    `authorisation` is the reference of the consent or order, which holds until `expires`.
    `digest` is the clip's, see `clip_digest`. `picture`: whether a moving picture of it is kept.
    """

    id: int
    subject: str
    modality: Modality
    source: str
    frames: int
    created: str
    authorisation: str
    expires: str
    digest: str
    picture: bool = False


@dataclass(frozen=True)
class Subject:
    """An enrolled person and how many templates of each modality there are."""

    name: str
    created: str
    silhouettes: int
    range_views: int


@dataclass(frozen=True)
class Ending:
    """A subject whose authorisation ends: when the first one does (ISO 8601, UTC), and how many
    templates are concerned."""

    subject: str
    expires: str
    templates: int


@dataclass(frozen=True)
class Counts:
    """How much a gallery holds."""

    subjects: int
    silhouettes: int
    range_views: int

    @property
    def templates(self) -> int:
        """Templates of both modalities."""
        return self.silhouettes + self.range_views


@dataclass(frozen=True)
class Candidate:
    """A subject found by a search, with the template that is most like the probe.

    `similarity` is the mean over parts of the cosine, fused over the subject's templates, and where
    the bundle has a cohort less what that has of it; larger is closer.
    """

    subject: str
    similarity: float
    template: int
    modality: Modality
    source: str


@dataclass(frozen=True)
class Receipt:
    """Proof that something was erased, without anything biometric.

    Attributes:
        gallery: id of the gallery, as `gallery.info` shows it.
        subject: whose templates they were.
        templates: ids of the erased templates; none if only a picture was.
        key: fingerprint of the destroyed key; nothing encrypted with it can be read again,
            wherever a copy of it lies.
        revision: of the gallery after the erasure.
        erased: when, ISO 8601, UTC.
        destruction: what became of the key. `overwritten`: with zeros, where it lay, and the
            database's log that held it was emptied (SQLite). `deleted`: from the database, which
            may keep copies in its log until that is recycled; they are wrapped by the master key
            (PostgreSQL; or SQLite whose log somebody was reading).
        pictures: ids of templates that stay and whose kept moving picture was erased.
    """

    gallery: str
    subject: str
    templates: tuple[int, ...]
    key: str
    revision: int
    erased: str
    destruction: Literal["overwritten", "deleted"]
    pictures: tuple[int, ...] = ()

    @property
    def unfinished(self) -> "Receipt":
        """The receipt where the erasure is durable, and the log could not be emptied after it."""
        return replace(self, destruction="deleted")


Told = Callable[[Receipt], None]
"""Takes a receipt once the erasure is durable: what fails afterwards does not undo it."""


def untold(_: Receipt) -> None:
    """Nobody wants to know before all is done."""


def iso_time(seconds: float) -> str:
    """Seconds since 1970 as ISO 8601, UTC, to the second."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def clip_digest(clip: Clip) -> str:
    """SHA-256 of a clip's modality and frames, 64 hex digits."""
    digest = hashlib.sha256(f"{clip.modality} {len(clip)}".encode())
    digest.update(clip.frames.tobytes())
    return digest.hexdigest()


def check_name(name: str) -> None:
    """Checks a subject's name: 1..128 printable characters, no dot or space at the ends.

    A name is part of paths, and many programs change paths on the way: to them `x/..`, `%2e%2e` and
    a name that ends in a dot mean another path, and `a?b` and `a#b` mean `a`. A name that any of
    them could read as another one is refused, also if it only looks like one (Unicode NFKC).
    Accents must be composed (NFC) and every character show something, or one person could be
    enrolled under two names that look the same.

    Raises:
        GalleryError: it is not usable as one.
    """
    if not 0 < len(name) <= NAME_LIMIT:
        raise GalleryError(f"got a subject name of {len(name)} characters, need 1..{NAME_LIMIT}")
    alike = unicodedata.normalize("NFKC", name)
    if not name.isprintable() or _NOT_IN_NAMES & {*name, *alike} or alike != alike.strip(" ."):
        raise GalleryError(
            f"got the subject name {name!a}, need visible characters without any of / \\ ? # "
            "and without a dot or space at either end"
        )
    if unquote(name) != name:
        raise GalleryError(
            f"got the subject name {name!a}, which is percent-encoded: give it as it is to be read"
        )
    if not unicodedata.is_normalized("NFC", name):
        composed = unicodedata.normalize("NFC", name)
        raise GalleryError(f"got the subject name {name!a}, need accents composed: {composed!a}")


_INVISIBLE = (0x34F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFFA0)
_SELECTORS = (*range(0x180B, 0x1810), *range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0))
_NOT_IN_NAMES = frozenset("/\\?#\ufffd") | {chr(code) for code in (*_INVISIBLE, *_SELECTORS)}
"""U+FFFD stands for bytes that are no text: names would mix. Others show nothing, or choose between
shapes of a character that may look the same."""


def _storable(text: str) -> bool:
    return len(text) <= SOURCE_LIMIT and text.isprintable()
