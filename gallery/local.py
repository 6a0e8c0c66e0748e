"""A gallery in a folder: enrolled people, with the bundle that embedded them.

gallery.db   the store of record
bundle/      a copy of the model bundle, so that the folder is complete in itself
lock         held by the process that may write
"""

import errno
import os
import tempfile
import threading
from collections.abc import Sequence
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
from gallery.index import Index
from gallery.lock import writer_lock
from gallery.store import Store
from gallery.template import Candidate, Counts, Enrolment, Subject, Template, Vector

BUNDLE = "bundle"
STORE = "gallery.db"


class LocalGallery:
    """An open gallery. Methods may be called from several threads. Made by `open` or `create`.

    A call that returned is durable, and searches see it at once.
    """

    def __init__(self, folder: Path, store: Store, lock: FileLock | None) -> None:
        self._folder, self._store, self._lock = folder, store, lock
        self._changing = threading.Lock()
        self._index = Index.of(-1, [], np.empty((0, store.dimension), np.float32))

    @classmethod
    def create(cls, folder: Path, bundle: Path) -> "LocalGallery":
        """Makes an empty gallery for a model bundle, which is copied into it, and opens it.

        Raises:
            GalleryError: the folder exists already.
            BundleError: the bundle is not whole.
            StorageError: the disk is full or the folder cannot be written.
        """
        manifest = Manifest.load(bundle)
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as made:
                new = Path(made) / "gallery"
                _copy_bundle(manifest, bundle, new / BUNDLE)
                Store.create(new / STORE, manifest.contract, manifest.dimension).close()
                new.rename(folder)
            _flush(folder.parent)
        except OSError as error:
            if error.errno in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR):
                raise GalleryError(f"{folder} exists already: choose another folder") from error
            raise StorageError(f"cannot make {folder}: {error}") from error
        return cls.open(folder)

    @classmethod
    def open(
        cls, folder: Path, *, contract: str | None = None, readonly: bool = False
    ) -> "LocalGallery":
        """Opens a gallery.

        Args:
            folder: of the gallery.
            contract: identity of the bundle that will make the probes; None for the gallery's own.
            readonly: do not take the lock; nothing can be changed, and what another process writes
                meanwhile is seen.

        Raises:
            GalleryError: there is no gallery.
            GalleryLockedError: another process may write to it.
            ContractMismatchError: it was made with another bundle.
            GalleryCorruptError: its database is damaged.
        """
        if not (folder / STORE).is_file():
            raise GalleryError(f"there is no gallery at {folder}: make one with gallery.build")
        lock = None if readonly else writer_lock(folder)
        try:
            store = Store(folder / STORE, readonly=readonly)
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

    def remove_subject(self, subject: str) -> int:
        """Deletes a subject with all templates, which no search finds any more.

        Returns:
            How many templates were deleted.

        Raises:
            SubjectNotFoundError: no such subject.
            GalleryError: the gallery was opened read-only.
        """
        with self._changing:
            removed = self._store.remove(subject)
            revision = self._store.revision()
            if self._index.revision == revision - 1:
                self._index = self._index.without(revision, subject)
        return removed

    def identify(
        self, embedding: Vector, top_k: int = 5, modality: Modality | None = None
    ) -> list[Candidate]:
        """The enrolled subjects most like a probe, the most similar first. Exact.

        Args:
            embedding: `(dimension,)` float32 as the encoder gives it.
            top_k: subjects wanted, at least 1; fewer are returned if there are fewer.
            modality: of the templates to search; None for both.

        Raises:
            GalleryEmptyError: nothing to search.
            GalleryError: not an embedding of this gallery's model, or `top_k` below 1.
        """
        if embedding.shape != (self.dimension,) or not np.isfinite(embedding).all():
            raise GalleryError(
                f"got a probe embedding of shape {embedding.shape}, need {self.dimension} finite "
                "numbers"
            )
        if top_k < 1:
            raise GalleryError(f"got top_k {top_k}, need at least 1")
        query = np.ascontiguousarray(embedding, np.float32)
        found = self._current().search(
            query, top_k, list(Modality) if modality is None else [modality]
        )
        if not found:
            what = "template" if modality is None else f"{modality} template"
            raise GalleryEmptyError(f"{self._folder} holds no {what}: enrol someone first")
        return found

    def refresh(self) -> None:
        """Brings the index to the store's revision, so that the next search need not."""
        self._current()

    def holds(self, subject: str, digest: str) -> bool:
        """Whether the subject has a template of the clip with this digest."""
        return self._store.holds(subject, digest)

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
            GalleryError: no such template.
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
                self._index = Index.of(*self._store.snapshot())
            return self._index


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
