"""A gallery in a folder: enrolled people, with the bundle that embedded them.

gallery.db   the store of record: templates, encrypted
keys.db      the subjects' keys, wrapped by the master key, which is elsewhere
bundle/      a copy of the model bundle, so that the folder is complete in itself
lock         held by the process that may write
"""

import errno
import os
import tempfile
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from filelock import FileLock

from gait.errors import (
    ContractMismatchError,
    GaitError,
    GalleryEmptyError,
    GalleryError,
    StorageError,
)
from gait.manifest import Manifest
from gait.modality import Modality
from gallery import clock
from gallery.admission import checked_probe
from gallery.fusion import WIDER, Fusion, subject_similarity
from gallery.health import IndexHealth
from gallery.index import Index
from gallery.lock import writer_lock
from gallery.master_key import MasterKey
from gallery.store import Store
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

BUNDLE = "bundle"
STORE = "gallery.db"
KEYS = "keys.db"
_TOGETHER = 4096
"""Templates read together."""
_SAMPLE = 100
"""Templates that health is measured on."""


class LocalGallery:
    """An open gallery. Methods may be called from several threads. Made by `open` or `create`.

    A call that returned is durable, and searches see it at once.
    """

    def __init__(self, folder: Path, store: Store, lock: FileLock | None) -> None:
        self._folder, self._store, self._lock = folder, store, lock
        self._changing = threading.Lock()
        self._index = self._empty()

    @classmethod
    def create(
        cls, folder: Path, bundle: Path, *, master: MasterKey | None = None
    ) -> "LocalGallery":
        """Makes an empty gallery for a model bundle, which is copied into it, and opens it.

        Args:
            folder: to be made.
            bundle: made by `export.onnx`.
            master: wraps the keys of subjects; None for the configured master key, which is made
                if nothing is configured.

        Raises:
            GalleryError: the folder exists already.
            BundleError: the bundle is not whole.
            StorageError: the disk is full or the folder cannot be written.
        """
        manifest = Manifest.load(bundle)
        if folder.exists():
            raise _exists(folder)
        master = master or MasterKey.load(create=True)
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as made:
                new = Path(made) / "gallery"
                _copy_bundle(manifest, bundle, new / BUNDLE)
                store = Store.create(
                    new / STORE, new / KEYS, manifest.contract, manifest.dimension, master
                )
                store.close()
                new.rename(folder)
            _flush(folder.parent)
        except OSError as error:
            if error.errno in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR):
                raise _exists(folder) from error
            raise StorageError(f"cannot make {folder}: {error}") from error
        return cls.open(folder, master=master)

    @classmethod
    def open(
        cls,
        folder: Path,
        *,
        contract: str | None = None,
        readonly: bool = False,
        master: MasterKey | None = None,
    ) -> "LocalGallery":
        """Opens a gallery.

        Args:
            folder: of the gallery.
            contract: identity of the bundle that will make the probes; None for the gallery's own.
            readonly: do not take the lock; nothing can be changed, and what another process writes
                meanwhile is seen.
            master: that the gallery was made with; None for the configured one.

        Raises:
            GalleryError: there is no gallery.
            GalleryLockedError: another process may write to it.
            ContractMismatchError: it was made with another bundle.
            GalleryCorruptError: a database is damaged or missing.
            MasterKeyError: the master key is missing, or not the one it was made with.
        """
        if not (folder / STORE).is_file():
            raise GalleryError(f"there is no gallery at {folder}: make one with gallery.build")
        lock = None if readonly else writer_lock(folder)
        try:
            store = Store(
                folder / STORE, folder / KEYS, master or MasterKey.load(), readonly=readonly
            )
            _check_contract(folder, store.contract, contract)
        except GaitError:
            if lock is not None:
                lock.release()
            raise
        return cls(folder, store, lock)

    def close(self) -> None:
        """Closes the store and gives the lock back."""
        self._store.close()
        if self._lock is not None:
            self._lock.release()

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
        """The folder."""
        return str(self._folder)

    @property
    def identity(self) -> str:
        """Given when it was made, for good: 32 hex digits."""
        return self._store.gallery

    @property
    def master_key(self) -> str:
        """Fingerprint of the master key."""
        return self._store.keys.master

    @property
    def bundle(self) -> Path:
        """The gallery's own copy of its model bundle."""
        return self._folder / BUNDLE

    @property
    def contract(self) -> str:
        """Identity of the model that made the embeddings."""
        return self._store.contract

    @property
    def dimension(self) -> int:
        """Length of an embedding."""
        return self._store.dimension

    @property
    def revision(self) -> int:
        """How many changes there have been."""
        return self._store.revision()

    @property
    def rung(self) -> str:
        """Name of the index in use."""
        return "exact"

    def health(self) -> IndexHealth:
        """How well the index finds what is in it; brings it up to date first."""
        self._current()
        sample = next(self._store.batches(_SAMPLE), None)
        if sample is None:
            return IndexHealth(1.0, 1.0, 0, self.rung)
        found = [self._current().search(e, 1, list(Modality))[0] for e in sample.embeddings]
        hits = [c.template == t for c, t in zip(found, sample.ids, strict=True)]
        return IndexHealth(float(np.mean(hits)), 1.0, self.counts().templates, self.rung)

    def expiring(self, before: datetime) -> int:
        """How many templates expire before a moment."""
        return self._store.expiring(int(before.timestamp()))

    @property
    def ready(self) -> bool:
        """Whether the index is at the store's revision, so that a search need not rebuild it."""
        return self._index.revision == self._store.revision()

    def enrol(self, enrolments: Sequence[Enrolment]) -> list[int]:
        """Enrols embeddings, all or none; subjects are made as needed.

        A clip its subject has already is not enrolled again.

        Returns:
            Ids of the templates, in the given order.

        Raises:
            GalleryError: an embedding is not one of this gallery's model, or opened read-only.
            StorageError: the disk is full. Nothing was enrolled.
        """
        with self._changing:
            templates = self._store.add(enrolments)
            revision = self._store.revision()
            if self._index.revision == revision - 1:
                new = {
                    template.id: (template, enrolment.embedding)
                    for template, enrolment in zip(templates, enrolments, strict=True)
                    if template.id > self._index.last
                }
                added = [template for template, _ in new.values()]
                embeddings = np.array([e for _, e in new.values()], np.float32)
                self._index = self._index.plus(revision, added, embeddings)
        return [template.id for template in templates]

    def remove_subject(self, subject: str) -> Receipt:
        """Deletes a subject with all templates, which no search finds any more.

        Raises:
            SubjectNotFoundError: no such subject.
            GalleryError: the gallery was opened read-only.
        """
        with self._changing, self._stale_on_error():
            receipt = self._store.remove(subject)
            if self._index.revision == receipt.revision - 1:
                self._index = self._index.without(receipt.revision, subject)
        return receipt

    def remove_template(self, template: int) -> Receipt:
        """Erases one template, and its subject if it was the last.

        Raises:
            TemplateNotFoundError: no such template.
        """
        with self._changing, self._stale_on_error():
            return self._store.remove_template(template)

    def erase_expired(self) -> list[Receipt]:
        """Erases every template whose authorisation has expired by now, one receipt a subject."""
        with self._changing, self._stale_on_error():
            return self._store.erase_expired()

    def rotate(self, new: MasterKey) -> int:
        """Wraps the keys of all subjects by another master key, all or none; returns how many.

        Raises:
            GalleryError: opened read-only.
            GalleryCorruptError: a key is damaged. Nothing was changed.
            StorageError: the disk is full. Nothing was changed.
        """
        return self._store.rotate(new)

    def merge(self, subject: str, into: str) -> int:
        """Makes two subjects one; returns how many templates were moved.

        Raises:
            SubjectNotFoundError: one of them is not there.
            GalleryError: they are the same.
        """
        with self._changing:
            return self._store.merge(subject, into)

    def identify(
        self,
        embedding: Vector,
        top_k: int = 5,
        modality: Modality | None = None,
        *,
        subjects: Collection[str] | None = None,
        fusion: Fusion | None = None,
    ) -> list[Candidate]:
        """The enrolled subjects most like a probe, the most similar first. Exact.

        Args:
            embedding: `(dimension,)` float32 as the encoder gives it.
            top_k: subjects wanted, at least 1; fewer are returned if there are fewer.
            modality: of the templates to search; None for both.
            subjects: search these only; None for all.
            fusion: of a subject's similarities; None for the best. Others are computed for the
                subjects whose best templates are most like the probe.

        Raises:
            GalleryEmptyError: nothing to search.
            GalleryError: not an embedding of this gallery's model, or `top_k` below 1.
        """
        query = checked_probe(embedding, self.dimension)
        if top_k < 1:
            raise GalleryError(f"got top_k {top_k}, need at least 1")
        now = iso_time(clock.now())

        def admits(template: Template) -> bool:
            wanted = subjects is None or template.subject in subjects
            return wanted and template.expires > now

        modalities = list(Modality) if modality is None else [modality]
        plain = fusion in (None, Fusion.BEST)
        found = self._current().search(query, top_k if plain else top_k + WIDER, modalities, admits)
        if fusion is not None and not plain:
            found = [self._fused(c, query, fusion, modalities, admits) for c in found]
            found = sorted(found, key=lambda c: -c.similarity)[:top_k]
        if not found:
            what = "template" if modality is None else f"{modality} template"
            raise GalleryEmptyError(f"{self._folder} holds no {what}: enrol someone first")
        return found

    def _fused(
        self,
        candidate: Candidate,
        query: Vector,
        fusion: Fusion,
        modalities: Collection[Modality],
        admits: Callable[[Template], bool],
    ) -> Candidate:
        templates = self._store.templates(candidate.subject)
        valid = [t for t in templates if t.modality in modalities and admits(t)]
        similarities = self._store.embeddings([t.id for t in valid]) @ query
        fused = subject_similarity(fusion, similarities, [t.modality for t in valid])
        return replace(candidate, similarity=fused)

    def compare(
        self, embedding: Vector, subject: str, modality: Modality | None = None
    ) -> Candidate:
        """How like a probe one subject is: the template most like it.

        Raises:
            SubjectNotFoundError: no such subject.
            GalleryEmptyError: the subject has no template of the modality that has not expired.
            GalleryError: not an embedding of this gallery's model.
        """
        query, now = checked_probe(embedding, self.dimension), iso_time(clock.now())
        valid = [
            template
            for template in self._store.templates(subject)
            if template.expires > now and modality in (None, template.modality)
        ]
        if not valid:
            what = "template" if modality is None else f"{modality} template"
            raise GalleryEmptyError(f"the subject has no {what} that has not expired")
        similarities = self._store.embeddings([template.id for template in valid]) @ query
        best = int(similarities.argmax())
        t = valid[best]
        return Candidate(subject, float(similarities[best]), t.id, t.modality, t.source)

    def embeddings(self, templates: Sequence[int]) -> Matrix:
        """Embeddings `(n, dimension)` of templates, in the given order.

        Raises:
            TemplateNotFoundError: one of them is not there.
            GalleryCorruptError: one of them is damaged.
        """
        return self._store.embeddings(templates)

    def refresh(self) -> None:
        """Brings the index to the store's revision, so that the next search need not."""
        self._current()

    def holds(self, subject: str, digest: str, authorisation: Authorisation) -> bool:
        """Whether the subject has the clip with this digest, under this authorisation."""
        return self._store.holds(subject, digest, authorisation)

    def subjects(self, after: str | None = None, limit: int | None = None) -> list[Subject]:
        """Subjects in order of name, from the one after the name `after`, at most `limit`."""
        return self._store.subjects(after, limit)

    def templates(self, subject: str) -> list[Template]:
        """Templates of a subject, oldest first.

        Raises:
            SubjectNotFoundError: no such subject.
        """
        return self._store.templates(subject)

    def template(self, template: int) -> Template:
        """The template with this id.

        Raises:
            TemplateNotFoundError: no such template.
        """
        return self._store.template(template)

    def counts(self) -> Counts:
        """Subjects and templates."""
        return self._store.counts()

    def _current(self) -> Index:
        index = self._index
        if index.revision == self._store.revision():
            return index
        with self._changing:  # a write in progress brings the index up itself
            if self._index.revision != self._store.revision():
                self._index = self._built()
            return self._index

    def _built(self) -> Index:
        revision = self._store.revision()
        index = self._empty()
        for batch in self._store.batches(_TOGETHER):
            described = self._store.described(batch.ids.tolist())
            rows = [row for row, t in enumerate(batch.ids.tolist()) if t in described]
            templates = [described[int(batch.ids[row])] for row in rows]
            index = index.plus(revision, templates, batch.embeddings[rows])
        return replace(index, revision=revision)

    def _empty(self) -> Index:
        return Index.of(-1, [], np.empty((0, self._store.dimension), np.float32))

    @contextmanager
    def _stale_on_error(self) -> Iterator[None]:
        """An erasure that fails may have destroyed keys, without a new revision."""
        try:
            yield
        except StorageError:
            self._index = self._empty()
            raise


def _exists(folder: Path) -> GalleryError:
    return GalleryError(f"{folder} exists already: choose another folder")


def _check_contract(folder: Path, gallery: str, contract: str | None) -> None:
    if contract is None:
        contract = Manifest.load(folder / BUNDLE).contract
    if contract != gallery:
        raise ContractMismatchError(
            f"{folder} was made with model {gallery}, got a bundle of model {contract}: "
            "use that model's bundle, or build the gallery again with this one",
            gallery=gallery,
            bundle=contract,
        )


def _copy_bundle(manifest: Manifest, bundle: Path, copy: Path) -> None:
    copy.mkdir(parents=True)
    for name, data in manifest.contents(bundle).items():
        (copy / name).write_bytes(data)
    manifest.save(copy)


def _flush(folder: Path) -> None:
    """Makes a rename in the folder survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
