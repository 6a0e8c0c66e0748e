"""What a gallery keeps: templates of subjects, and what a search finds."""

import hashlib
import unicodedata
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gait.clip import Clip
from gait.errors import GalleryError
from gait.modality import Modality

NAME_LIMIT = 128
"""Characters of a subject's name."""

Vector = NDArray[np.float32]
Matrix = NDArray[np.float32]


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

    Raises:
        GalleryError: the subject's name cannot be used.
    """

    subject: str
    modality: Modality
    embedding: Vector
    source: str
    frames: int
    digest: str

    def __post_init__(self) -> None:
        check_name(self.subject)

    @classmethod
    def of(cls, subject: str, clip: Clip, embedding: Vector, source: str) -> "Enrolment":
        """The enrolment of a clip and its embedding."""
        return cls(subject, clip.modality, embedding, source, len(clip), clip_digest(clip))


@dataclass(frozen=True)
class Template:
    """One enrolled embedding, described. `created` is ISO 8601, UTC."""

    id: int
    subject: str
    modality: Modality
    source: str
    frames: int
    created: str


@dataclass(frozen=True)
class Subject:
    """An enrolled person and how many templates of each modality there are."""

    name: str
    created: str
    silhouettes: int
    range_views: int


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

    `similarity` is the mean over parts of the cosine, -1..1, larger is closer.
    """

    subject: str
    similarity: float
    template: int
    modality: Modality
    source: str


def clip_digest(clip: Clip) -> str:
    """SHA-256 of a clip's modality and frames, 64 hex digits."""
    digest = hashlib.sha256(f"{clip.modality} {len(clip)}".encode())
    digest.update(clip.frames.tobytes())
    return digest.hexdigest()


def check_name(name: str) -> None:
    """Checks a subject's name: 1..128 printable characters, no `/`, no space at the ends.

    Accents must be composed (Unicode NFC), or one person could be enrolled under two names that
    look the same.

    Raises:
        GalleryError: it is not usable as one.
    """
    if not 0 < len(name) <= NAME_LIMIT:
        raise GalleryError(f"got a subject name of {len(name)} characters, need 1..{NAME_LIMIT}")
    wrong = {"/", "\ufffd"} & set(name)  # U+FFFD stands for bytes that are no text: names would mix
    if not name.isprintable() or wrong or name != name.strip():
        raise GalleryError(
            f"got the subject name {name!r}, need printable characters, no '/' "
            "and no space at either end"
        )
    if not unicodedata.is_normalized("NFC", name):
        composed = unicodedata.normalize("NFC", name)
        raise GalleryError(f"got the subject name {name!a}, need accents composed: {composed!a}")
