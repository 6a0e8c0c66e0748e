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
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from filelock import FileLock

from gait.errors import (
    ContractMismatchError,
    GaitError,
    GalleryError,
    StorageError,
)
from gait.manifest import Manifest
from gait.modality import Modality
from gallery.decision.fusion import Fusion
from gallery.health import IndexHealth
from gallery.index.index import Index
from gallery.index.live import LiveIndex
from gallery.index.rows import Change
from gallery.index.rung import RungName
from gallery.local_search import LocalSearch
from gallery.lock import writer_lock
from gallery.projection import StoreSource
from gallery.record.master_key import MasterKey
from gallery.store import Store
from gallery.template import (
    Authorisation,
    Batch,
    Candidate,
    Counts,
    Enrolment,
    Matrix,
    Receipt,
    Subject,
    Template,
    Vector,
)

BUNDLE = "bundle"
STORE = "gallery.db"
KEYS = "keys.db"


class LocalGallery:
    """An open gallery. Methods may be called from several threads. Made by `open` or `create`.

    A call that returned is durable, and searches see it at once.
    """

    def __init__(
        self, folder: Path, store: Store, lock: FileLock | None, index: RungName | None
    ) -> None:
        self._folder, self._store, self._lock = folder, store, lock
        self._changing = threading.Lock()
        self._source = StoreSource(store)
        self._live = LiveIndex(self._source, index)
        self._search = LocalSearch(folder, store, self._live, self._current)

    @classmethod
    def create(
        cls,
        folder: Path,
        bundle: Path,
        *,
        master: MasterKey | None = None,
        index: RungName | None = None,
    ) -> "LocalGallery":
        """Makes an empty gallery for a model bundle, which is copied into it, and opens it.

        Args:
            folder: to be made.
            bundle: made by `export.onnx`.
            master: wraps the keys of subjects; None for the configured master key, which is made
                if nothing is configured.
            index: see `open`.

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
        return cls.open(folder, master=master, index=index)

    @classmethod
    def open(
        cls,
        folder: Path,
        *,
        contract: str | None = None,
        readonly: bool = False,
        master: MasterKey | None = None,
        index: RungName | None = None,
    ) -> "LocalGallery":
        """Opens a gallery.

        Args:
            folder: of the gallery.
            contract: identity of the bundle that will make the probes; None for the gallery's own.
            readonly: do not take the lock; nothing can be changed, and what another process writes
                meanwhile is seen.
            master: that the gallery was made with; None for the configured one.
            index: how embeddings are held for search; None leaves it to their number.

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
        return cls(folder, store, lock, index)

    def close(self) -> None:
        """Closes the store and gives the lock back."""
        self._live.close()
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
        return self._live.rung

    def health(self) -> IndexHealth:
        """How well the index finds what is in it; brings it up to date first."""
        self._current()
        return self._live.health()

    def expiring(self, before: datetime) -> int:
        """How many templates expire before a moment."""
        return self._store.expiring(int(before.timestamp()))

    @property
    def ready(self) -> bool:
        """Whether the index is at the store's revision, so that a search need not rebuild it."""
        return self._live.index.revision == self._store.revision()

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
            before, last = self._store.revision(), self._live.index.last
            templates = self._store.add(enrolments)
            added = {
                template.id: enrolment
                for template, enrolment in zip(templates, enrolments, strict=True)
                if template.id > last
            }
            changes = [
                Change(np.array([template.id]), expires=enrolment.authorisation.seconds)
                for template, enrolment in zip(templates, enrolments, strict=True)
            ]
            self._live.follow(
                before, self._store.revision(), added=self._batch(added), changes=changes
            )
        return [template.id for template in templates]

    def _batch(self, enrolments: Mapping[int, Enrolment]) -> Batch:
        subjects = self._store.subject_ids({each.subject for each in enrolments.values()})
        places, each = list(Modality), enrolments.values()
        vectors = [enrolment.embedding for enrolment in each]
        return Batch(
            np.array(list(enrolments), np.int64),
            np.array([subjects[enrolment.subject] for enrolment in each], np.int64),
            np.array([places.index(enrolment.modality) for enrolment in each], np.uint8),
            np.array([enrolment.authorisation.seconds for enrolment in each], np.int64),
            np.array(vectors, np.float32).reshape(len(vectors), self.dimension),
        )

    def remove_subject(self, subject: str) -> Receipt:
        """Deletes a subject with all templates, which no search finds any more.

        Raises:
            SubjectNotFoundError: no such subject.
            GalleryError: the gallery was opened read-only.
        """
        with self._changing, self._stale_on_error():
            return self._erased(lambda: [self._store.remove(subject)])[0]

    def remove_template(self, template: int) -> Receipt:
        """Erases one template, and its subject if it was the last.

        Raises:
            TemplateNotFoundError: no such template.
        """
        with self._changing, self._stale_on_error():
            return self._erased(lambda: [self._store.remove_template(template)])[0]

    def erase_expired(self) -> list[Receipt]:
        """Erases every template whose authorisation has expired by now, one receipt a subject."""
        with self._changing, self._stale_on_error():
            return self._erased(self._store.erase_expired)

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
            before = self._store.revision()
            ids = [template.id for template in self._store.templates(subject)]
            moved = self._store.merge(subject, into)
            left = self._store.described(ids)
            change = Change(np.array(list(left), np.int64), self._store.subject_ids([into])[into])
            gone = [template for template in ids if template not in left]
            self._live.follow(before, self._store.revision(), gone=gone, changes=[change])
        return moved

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

    def _erased(self, erase: Callable[[], list[Receipt]]) -> list[Receipt]:
        before = self._store.revision()
        receipts = erase()
        gone = [template for receipt in receipts for template in receipt.templates]
        self._live.follow(before, self._store.revision(), gone=gone)
        return receipts

    def _current(self) -> Index:
        index = self._live.index
        writing = self._changing.locked()  # the write has not returned: it need not be seen yet
        if index.revision >= 0 and (writing or index.revision == self._store.revision()):
            return index
        with self._changing:
            self._live.refresh()
            return self._live.index

    @contextmanager
    def _stale_on_error(self) -> Iterator[None]:
        """An erasure that fails may have destroyed keys, without a new revision."""
        try:
            yield
        except StorageError:
            self._live.forget()
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
