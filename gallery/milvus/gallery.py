"""A gallery in Milvus: the protocol of `gallery.gallery` over two collections.

`NAME` holds the templates, `NAME_ledger` everything else. Milvus has no transactions, so a change
is written with a revision that does not count yet, and one row of the ledger then makes it count.
"""

import uuid
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from gait.errors import ContractMismatchError, GaitError, GalleryError
from gait.manifest import Manifest
from gait.modality import Modality
from gallery.admission import no_subject
from gallery.decision.fusion import Fusion
from gallery.health import IndexHealth
from gallery.milvus.address import Address
from gallery.milvus.changes import Changes
from gallery.milvus.ledger import Facts, Ledger, Name
from gallery.milvus.making import find, make
from gallery.milvus.search import Search
from gallery.milvus.server import PAGE, Server
from gallery.milvus.templates import Templates
from gallery.record import clock
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
    iso_time,
)


class MilvusGallery:
    """An open gallery. Methods may be called from several threads. Made by `open` or `create`.

    A call that returned is searchable, from every machine; how durable it is then is up to Milvus.
    """

    def __init__(self, server: Server, facts: Facts, bundle: Path | None, readonly: bool) -> None:
        self._server, self._facts, self._bundle = server, facts, bundle
        address = server.address
        self._ledger = Ledger(server, address.collection)
        self._templates = Templates(server, address.collection, facts.dimension)
        self._search = Search(address, self._ledger, self._templates)
        self._changes = Changes(address, facts, self._ledger, self._templates, readonly)

    @classmethod
    def create(cls, location: str, bundle: Path) -> "MilvusGallery":
        """Makes an empty gallery for a model bundle and opens it.

        Raises:
            GalleryExistsError: the collection exists already.
            BundleError: the bundle is not whole.
            ConfigError: the URL is wrong, or pymilvus is not installed.
            StorageError: Milvus cannot be reached, or refuses.
        """
        manifest, server = Manifest.load(bundle), Server(Address.parse(location))
        with _closing_on_error(server):
            made = iso_time(clock.now())
            facts = Facts(uuid.uuid4().hex, manifest.contract, manifest.dimension, made)
            make(server, facts)
            return cls(server, facts, bundle, readonly=False)

    @classmethod
    def open(
        cls,
        location: str,
        *,
        contract: str | None = None,
        bundle: Path | None = None,
        readonly: bool = False,
    ) -> "MilvusGallery":
        """Opens a gallery.

        Args:
            location: a URL, see `gallery.milvus.address`.
            contract: identity of the bundle that will make the probes; None for that of `bundle`.
            bundle: that made it; Milvus keeps none. Without it nothing can be embedded.
            readonly: refuse every change.

        Raises:
            GalleryNotFoundError: there is no gallery.
            ContractMismatchError: it was made with another bundle.
            ConfigError: the URL is wrong, or pymilvus is not installed.
            StorageError: Milvus cannot be reached, or refuses.
        """
        if contract is None and bundle is not None:
            contract = Manifest.load(bundle).contract
        server = Server(Address.parse(location))
        with _closing_on_error(server):
            facts = find(server)
            if contract not in (None, facts.contract):
                raise ContractMismatchError(
                    f"{location} was made with model {facts.contract}, got a bundle of model "
                    f"{contract}: use that model's bundle, or gallery.reembed with this one",
                    gallery=facts.contract,
                    bundle=contract,
                )
            return cls(server, facts, bundle, readonly)

    def close(self) -> None:
        """Lets the next writer in, and disconnects."""
        self._changes.close()
        self._server.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def location(self) -> str:
        """The URL."""
        return self._server.address.location

    @property
    def identity(self) -> str:
        """Given when it was made, for good: 32 hex digits."""
        return self._facts.gallery

    @property
    def master_key(self) -> None:
        """None: Milvus has to read what it searches, so nothing is encrypted here."""
        return

    @property
    def bundle(self) -> Path:
        """The model bundle it was opened with.

        Raises:
            GalleryError: it was opened without.
        """
        if self._bundle is None:
            raise GalleryError(
                f"{self.location} keeps no model bundle: name the one it was made with (--bundle)"
            )
        return self._bundle

    @property
    def contract(self) -> str:
        """Identity of the model that made the embeddings."""
        return self._facts.contract

    @property
    def dimension(self) -> int:
        """Length of an embedding."""
        return self._facts.dimension

    @property
    def revision(self) -> int:
        """How many changes there have been."""
        return self._ledger.state().revision

    @property
    def ready(self) -> bool:
        """True: Milvus keeps the index."""
        return True

    @property
    def rung(self) -> str:
        """Name of the index in use."""
        return self._search.rung

    def refresh(self) -> None:
        """Nothing: Milvus keeps the index."""

    def health(self) -> IndexHealth:
        """How well the index finds what is in it, compared with the most thorough search it has."""
        return self._search.health()

    def enrol(self, enrolments: Sequence[Enrolment]) -> list[int]:
        """Enrols embeddings, all or none; subjects are made as needed.

        A clip its subject has already is not enrolled again, but gets the new authorisation, which
        may count although the call failed afterwards.

        Raises:
            GalleryError: an embedding is not one of this gallery's model, an authorisation has
                expired, or opened read-only.
            GalleryLockedError: another process writes.
            StorageError: Milvus failed. Nothing was enrolled, unless it failed while answering the
                very last request.
        """
        return self._changes.enrol(enrolments)

    def remove_subject(self, subject: str) -> Receipt:
        """Erases a subject with all templates from every search.

        Raises:
            SubjectNotFoundError: no such subject.
            GalleryError: opened read-only.
            GalleryLockedError: another process writes.
            StorageError: Milvus failed; some templates may be gone. Remove the subject again.
        """
        return self._changes.remove_subject(subject)

    def remove_template(self, template: int) -> Receipt:
        """Erases one template, and its subject if it was the last.

        Raises:
            TemplateNotFoundError: no such template.
        """
        return self._changes.remove_template(template)

    def erase_expired(self) -> list[Receipt]:
        """Erases every template whose authorisation has expired by now, one receipt a subject."""
        return self._changes.erase_expired()

    def merge(self, subject: str, into: str) -> int:
        """Makes two subjects one; returns how many templates were moved.

        A clip of both is kept once.

        Raises:
            SubjectNotFoundError: one of them is not there.
            GalleryError: they are the same.
            StorageError: Milvus failed; some templates may have moved. Merge again.
        """
        return self._changes.merge(subject, into)

    def identify(
        self,
        embedding: Vector,
        top_k: int = 5,
        modality: Modality | None = None,
        *,
        subjects: Collection[str] | None = None,
        fusion: Fusion | None = None,
    ) -> list[Candidate]:
        """The enrolled subjects most like a probe, the most similar first. Exact if the index is.

        Args:
            embedding: `(dimension,)` float32 as the encoder gives it.
            top_k: subjects wanted, at least 1; fewer are returned if there are fewer, and at most
                `MOST_FOUND`.
            modality: of the templates to search; None for both.
            subjects: search these only; None for all.
            fusion: of a subject's similarities; None for the best. Others are computed for the
                subjects whose best templates are most like the probe.

        Raises:
            GalleryEmptyError: nothing to search.
            GalleryError: not an embedding of this gallery's model, or `top_k` below 1.
        """
        return self._search.identify(embedding, top_k, modality, subjects=subjects, fusion=fusion)

    def compare(
        self, embedding: Vector, subject: str, modality: Modality | None = None
    ) -> Candidate:
        """How like a probe one subject is: the template most like it.

        Raises:
            SubjectNotFoundError: no such subject.
            GalleryEmptyError: the subject has no template of the modality that has not expired.
            GalleryError: not an embedding of this gallery's model.
        """
        return self._search.compare(embedding, subject, modality)

    def embeddings(self, templates: Sequence[int]) -> Matrix:
        """Embeddings `(n, dimension)` of templates, in the given order.

        Raises:
            TemplateNotFoundError: one of them is not there.
        """
        return self._templates.embeddings(templates, self.revision)

    def holds(self, subject: str, digest: str, authorisation: Authorisation) -> bool:
        """Whether the subject has the clip with this digest, under this authorisation."""
        expires = iso_time(authorisation.seconds)
        wanted = (digest, authorisation.reference, expires)
        return any(
            (t.digest, t.authorisation, t.expires) == wanted for t in self._templates_of(subject)
        )

    def subjects(self, after: str | None = None, limit: int | None = None) -> list[Subject]:
        """Subjects in order of name, from the one after the name `after`, at most `limit`."""
        revision, found = self.revision, list[Subject]()
        size = PAGE if limit is None else min(PAGE, max(1, limit))
        for names in self._ledger.pages(after or "", revision, size):
            found += self._counted(names, revision)
            if limit is not None and len(found) >= limit:
                break
        return found[:limit]

    def templates(self, subject: str) -> list[Template]:
        """Templates of a subject, oldest first.

        Raises:
            SubjectNotFoundError: no such subject.
        """
        found = self._templates_of(subject)
        if not found:
            raise no_subject(subject)
        return found

    def template(self, template: int) -> Template:
        """The template with this id.

        Raises:
            TemplateNotFoundError: no such template.
        """
        return self._templates.one(template, self.revision)

    def expiring(self, before: datetime) -> int:
        """How many templates expire before a moment."""
        seconds = int(before.timestamp())
        return self._templates.count(f"expires < {seconds} and revision <= {self.revision}")

    def counts(self) -> Counts:
        """Subjects and templates."""
        revision = self.revision
        templates = [
            self._templates.count(f'modality == "{m}" and revision <= {revision}') for m in Modality
        ]
        return Counts(self._ledger.count(revision), *templates)

    def _templates_of(self, subject: str) -> list[Template]:
        state = self._ledger.state()
        found = self._ledger.named([subject], state.revision).get(subject)
        if found is None:
            return []
        return self._templates.described(f"sid == {found.id} and revision <= {state.revision}")

    def _counted(self, names: Sequence[Name], revision: int) -> list[Subject]:
        counts = {name.id: dict.fromkeys(Modality, 0) for name in names}
        condition = f"sid in {list(counts)} and revision <= {revision}"
        for sid, modality in self._templates.modalities(condition):
            counts[sid][modality] += 1
        return [
            Subject(name.name, name.created, *(counts[name.id][m] for m in Modality))
            for name in names
            if any(counts[name.id].values())
        ]


@contextmanager
def _closing_on_error(server: Server) -> Iterator[None]:
    try:
        yield
    except GaitError:
        server.close()
        raise
