"""What a gallery takes, checked before anything is written or searched."""

import numpy as np

from gait.errors import (
    GalleryError,
    PictureNotFoundError,
    SubjectNotFoundError,
    TemplateNotFoundError,
)
from gallery.record import clock
from gallery.template import Authorisation, Enrolment, Vector


def check_enrolment(enrolment: Enrolment, dimension: int) -> None:
    """Checks that an enrolment can go into a gallery of embeddings `(dimension,)`.

    Raises:
        GalleryError: not such an embedding, or the authorisation has expired.
    """
    embedding = enrolment.embedding
    if embedding.shape != (dimension,) or embedding.dtype != np.float32:
        raise GalleryError(
            f"got an embedding of {embedding.dtype} {embedding.shape} for "
            f"{enrolment.subject!r}, this gallery holds float32 ({dimension},)"
        )
    if not abs(float(np.linalg.norm(embedding)) - 1) < 1e-2:  # not: NaN fails as well
        raise GalleryError(
            f"got an embedding of norm {np.linalg.norm(embedding):.4f} for "
            f"{enrolment.subject!r}, need 1: use the encoder's output as it is"
        )
    check_authorisation(enrolment.authorisation)


def check_authorisation(authorisation: Authorisation) -> None:
    """Checks that an authorisation holds now.

    Raises:
        GalleryError: it has expired.
    """
    if authorisation.seconds <= clock.now():
        raise GalleryError(
            f"the authorisation expired at {authorisation.expires.isoformat()}: nobody can be "
            "enrolled under it"
        )


def checked_probe(embedding: Vector, dimension: int) -> Vector:
    """A probe as a search takes it.

    Raises:
        GalleryError: not an embedding `(dimension,)`, or not finite.
    """
    if embedding.shape != (dimension,) or not np.isfinite(embedding).all():
        raise GalleryError(
            f"got a probe embedding of shape {embedding.shape}, need {dimension} finite numbers"
        )
    return np.ascontiguousarray(embedding, np.float32)


def no_subject(subject: str) -> SubjectNotFoundError:
    """The error that says so."""
    return SubjectNotFoundError(f"the gallery has no subject {subject!r}", subject=subject)


def no_template(template: int) -> TemplateNotFoundError:
    """The error that says so."""
    return TemplateNotFoundError(f"the gallery has no template {template}")


def no_picture(template: int) -> PictureNotFoundError:
    """The error that says so."""
    return PictureNotFoundError(
        f"no picture of template {template} is kept: enrol with keep_pictures for that"
    )
