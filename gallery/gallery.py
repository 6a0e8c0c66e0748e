"""What every gallery can do, wherever it keeps its people."""

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from gait.modality import Modality
from gallery.local import LocalGallery
from gallery.template import Candidate, Counts, Enrolment, Subject, Template, Vector


class Gallery(Protocol):
    """An open gallery. Methods may be called from several threads.

    A call that returned is durable, and searches see it at once.
    """

    @property
    def location(self) -> str:
        """Where it is: a folder, or a URL."""
        ...

    @property
    def bundle(self) -> Path:
        """The model bundle that makes its embeddings."""
        ...

    @property
    def contract(self) -> str:
        """Identity of the model that made the embeddings."""
        ...

    @property
    def dimension(self) -> int:
        """Length of an embedding."""
        ...

    @property
    def revision(self) -> int:
        """How many changes there have been."""
        ...

    @property
    def ready(self) -> bool:
        """Whether the next search need not bring an index up to date first."""
        ...

    def enrol(self, enrolments: Sequence[Enrolment]) -> list[int]:
        """Enrols embeddings, all or none; returns the ids of their templates, in the given order.

        A clip its subject has already is not enrolled again.

        Raises:
            GalleryError: an embedding is not one of this gallery's model, or opened read-only.
            StorageError: it cannot be stored. Nothing was enrolled.
        """
        ...

    def remove_subject(self, subject: str) -> int:
        """Erases a subject with all templates.

        Raises:
            SubjectNotFoundError: no such subject.
        """
        ...

    def identify(
        self, embedding: Vector, top_k: int = 5, modality: Modality | None = None
    ) -> list[Candidate]:
        """The enrolled subjects most like a probe, the most similar first.

        Args:
            embedding: `(dimension,)` float32 as the encoder gives it.
            top_k: subjects wanted, at least 1; fewer are returned if there are fewer.
            modality: of the templates to search; None for both.

        Raises:
            GalleryEmptyError: nothing to search.
            GalleryError: not an embedding of this gallery's model, or `top_k` below 1.
        """
        ...

    def holds(self, subject: str, digest: str) -> bool:
        """Whether the subject has a template of the clip with this digest."""
        ...

    def subjects(self, after: str | None = None, limit: int | None = None) -> list[Subject]:
        """Subjects in order of name, from the one after the name `after`, at most `limit`."""
        ...

    def templates(self, subject: str) -> list[Template]:
        """Templates of a subject, oldest first.

        Raises:
            SubjectNotFoundError: no such subject.
        """
        ...

    def template(self, template: int) -> Template:
        """The template with this id.

        Raises:
            GalleryError: no such template.
        """
        ...

    def counts(self) -> Counts:
        """Subjects and templates."""
        ...

    def refresh(self) -> None:
        """Brings the index to the store's revision, so that the next search need not."""
        ...

    def close(self) -> None:
        """Lets go of everything that is held. No method may be called afterwards."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


def open_gallery(location: str, *, contract: str | None = None, readonly: bool = False) -> Gallery:
    """Opens the gallery at a location; see `LocalGallery.open`."""
    return LocalGallery.open(Path(location), contract=contract, readonly=readonly)


def create_gallery(location: str, bundle: Path) -> Gallery:
    """Makes an empty gallery for a model bundle and opens it; see `LocalGallery.create`."""
    return LocalGallery.create(Path(location), bundle)
