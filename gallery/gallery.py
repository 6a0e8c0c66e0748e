"""What every gallery can do, wherever it keeps its people."""

from collections.abc import Collection, Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from gait.errors import GalleryNotFoundError
from gait.manifest import Manifest
from gait.modality import Modality
from gallery.decision.fusion import Fusion
from gallery.health import IndexHealth
from gallery.local import LocalGallery
from gallery.milvus import MilvusGallery
from gallery.milvus.address import SCHEMES
from gallery.template import (
    Authorisation,
    Candidate,
    Counts,
    Enrolment,
    Matrix,
    Receipt,
    Subject,
    Template,
    Vector,
)


class Gallery(Protocol):
    """An open gallery. Methods may be called from several threads.

    A call that returned is durable, and searches see it at once.
    """

    @property
    def location(self) -> str:
        """Where it is: a folder, or a URL."""
        ...

    @property
    def identity(self) -> str:
        """Given when it was made, for good: 32 hex digits. Receipts name it."""
        ...

    @property
    def master_key(self) -> str | None:
        """Fingerprint of the master key that opens it; None if it needs none."""
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

    @property
    def rung(self) -> str:
        """Name of the index in use."""
        ...

    def health(self) -> IndexHealth:
        """How well the index finds what is in it; brings it up to date first."""
        ...

    def enrol(self, enrolments: Sequence[Enrolment]) -> list[int]:
        """Enrols embeddings, all or none; returns the ids of their templates, in the given order.

        A clip its subject has already is not enrolled again, but gets the new authorisation.

        Raises:
            GalleryError: an embedding is not one of this gallery's model, an authorisation has
                expired, or opened read-only.
            StorageError: it cannot be stored. Nothing was enrolled.
        """
        ...

    def remove_subject(self, subject: str) -> Receipt:
        """Erases a subject with all templates: the key that reads them is destroyed.

        Raises:
            SubjectNotFoundError: no such subject.
        """
        ...

    def remove_template(self, template: int) -> Receipt:
        """Erases one template; the rest of its subject, if there is any, gets a new key.

        Raises:
            TemplateNotFoundError: no such template.
        """
        ...

    def erase_expired(self) -> list[Receipt]:
        """Erases every template whose authorisation has expired by now, one receipt a subject."""
        ...

    def merge(self, subject: str, into: str) -> int:
        """Makes two subjects that are one person one; returns how many templates were moved.

        A clip that both have is kept once.

        Raises:
            SubjectNotFoundError: one of them is not there.
            GalleryError: they are the same.
        """
        ...

    def identify(
        self,
        embedding: Vector,
        top_k: int = 5,
        modality: Modality | None = None,
        *,
        subjects: Collection[str] | None = None,
        fusion: Fusion | None = None,
    ) -> list[Candidate]:
        """The enrolled subjects most like a probe, the most similar first. Never an expired one.

        Args:
            embedding: `(dimension,)` float32 as the encoder gives it.
            top_k: subjects wanted, at least 1; fewer are returned if there are fewer.
            modality: of the templates to search; None for both.
            subjects: search these only; None for all.
            fusion: of a subject's similarities; None for the gallery's own.

        Raises:
            GalleryEmptyError: nothing to search.
            GalleryError: not an embedding of this gallery's model, or `top_k` below 1.
        """
        ...

    def compare(
        self, embedding: Vector, subject: str, modality: Modality | None = None
    ) -> Candidate:
        """How like a probe one subject is: the template most like it.

        Raises:
            SubjectNotFoundError: no such subject.
            GalleryEmptyError: the subject has no template of the modality that has not expired.
            GalleryError: not an embedding of this gallery's model.
        """
        ...

    def embeddings(self, templates: Sequence[int]) -> Matrix:
        """Embeddings `(n, dimension)` of templates, in the given order.

        Raises:
            TemplateNotFoundError: one of them is not there.
            GalleryCorruptError: one of them is damaged.
        """
        ...

    def holds(self, subject: str, digest: str, authorisation: Authorisation) -> bool:
        """Whether the subject has the clip with this digest, under this authorisation."""
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
            TemplateNotFoundError: no such template.
        """
        ...

    def expiring(self, before: datetime) -> int:
        """How many templates expire before a moment."""
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


def open_gallery(
    location: str,
    *,
    contract: str | None = None,
    bundle: Path | None = None,
    readonly: bool = False,
) -> Gallery:
    """Opens the gallery at a location: a folder, or a URL of Milvus (`gallery.milvus.address`).

    Args:
        location: of the gallery.
        contract: identity of the bundle that will make the probes; None for the gallery's own.
        bundle: the model bundle, for a gallery that keeps none; its contract is checked.
        readonly: refuse every change.

    Raises:
        GalleryError: there is no gallery.
        ContractMismatchError: it was made with another bundle.
        StorageError: it cannot be reached.
    """
    if _in_milvus(location):
        return MilvusGallery.open(location, contract=contract, bundle=bundle, readonly=readonly)
    if contract is None and bundle is not None:
        contract = Manifest.load(bundle).contract
    return LocalGallery.open(Path(location), contract=contract, readonly=readonly)


def create_gallery(location: str, bundle: Path) -> Gallery:
    """Makes an empty gallery for a model bundle and opens it.

    Raises:
        GalleryError: there is something already.
        BundleError: the bundle is not whole.
        StorageError: it cannot be written.
    """
    if _in_milvus(location):
        return MilvusGallery.create(location, bundle)
    return LocalGallery.create(Path(location), bundle)


def open_or_create(location: str, bundle: Path) -> Gallery:
    """Opens a gallery for a model bundle, or makes it if there is none.

    Raises:
        ContractMismatchError: it was made with another bundle.
        BundleError: the bundle is not whole.
        StorageError: it cannot be reached or written.
    """
    if not _in_milvus(location) and not Path(location).exists():
        return create_gallery(location, bundle)
    try:
        return open_gallery(location, bundle=bundle)
    except GalleryNotFoundError:
        return create_gallery(location, bundle)


def _in_milvus(location: str) -> bool:
    return location.split("://", 1)[0].split(":", 1)[0] in SCHEMES
