"""A gallery in Milvus: the protocol of `gallery.gallery` over two collections.

`NAME` holds the templates, `NAME_ledger` everything else. Milvus has no transactions, so a change
is written with a revision that does not count yet, and one row of the ledger then makes it count.
"""

import threading
import uuid
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from gait.errors import (
    ContractMismatchError,
    GaitError,
    GalleryEmptyError,
    GalleryError,
    GalleryExistsError,
    GalleryNotFoundError,
    StorageError,
)
from gait.manifest import Manifest
from gait.modality import Modality
from gallery import clock
from gallery.admission import check_enrolment, checked_probe, no_subject, no_template
from gallery.fusion import Fusion
from gallery.health import IndexHealth
from gallery.milvus.address import Address
from gallery.milvus.enrolling import Plan
from gallery.milvus.lease import SETTLE, Lease
from gallery.milvus.ledger import Facts, Ledger, Name, State
from gallery.milvus.server import PAGE, Server
from gallery.milvus.templates import MOST_FOUND, Templates
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

_WIDER = 100
"""Subjects beyond those wanted whose similarities are fused."""
_SAMPLE = 32
"""Templates searched for by `health`."""
_ALL_EFFORT = {"ef": MOST_FOUND, "nprobe": MOST_FOUND}


class MilvusGallery:
    """An open gallery. Methods may be called from several threads. Made by `open` or `create`.

    A call that returned is searchable, from every machine; how durable it is then is up to Milvus.
    """

    def __init__(self, server: Server, facts: Facts, bundle: Path | None, readonly: bool) -> None:
        self._server, self._facts, self._bundle = server, facts, bundle
        address = server.address
        self._ledger = Ledger(server, address.collection)
        self._templates = Templates(server, address.collection, facts.dimension)
        settle = 0.0 if address.lite else SETTLE
        self._lease = None if readonly else Lease(self._ledger, settle)
        self._index = self._templates.index()
        self._changing = threading.Lock()
        self._clean, self._owed, self._floor = True, False, 1

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
            _make(server, facts)
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
            facts = _facts(server)
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
        with suppress(StorageError):  # the lease runs out by itself
            self._purge()
            if self._lease is not None:
                self._lease.release()
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
        return f"milvus {self._index.lower()}"

    def refresh(self) -> None:
        """Nothing: Milvus keeps the index."""

    def health(self) -> IndexHealth:
        """How well the index finds what is in it, compared with the most thorough search it has."""
        revision, now = self.revision, clock.now()
        valid = f"revision <= {revision} and expires > {now}"
        sample = self._templates.first(valid, _SAMPLE)
        total = self._templates.count(f"revision <= {revision}")
        if not sample:
            return IndexHealth(1.0, 1.0, total, self.rung)
        own = self._templates.embeddings(sample, revision)
        between = own + np.roll(own, 1, axis=0)
        between /= np.linalg.norm(between, axis=1, keepdims=True)
        hits = [
            self._search(e, valid, 1)[0].template == t for e, t in zip(own, sample, strict=True)
        ]
        same = [
            self._search(e, valid, 1)[0].subject == self._search(e, valid, 1, True)[0].subject
            for e in between
        ]
        return IndexHealth(float(np.mean(hits)), float(np.mean(same)), total, self.rung)

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
        for enrolment in enrolments:
            check_enrolment(enrolment, self.dimension)
        with self._change() as state:
            state = replace(state, next_template=max(state.next_template, self._floor))
            plan = Plan.make(enrolments, state, self._ledger, self._templates)
            self._floor = plan.after.next_template
            self._templates.add(plan.rows)
            written = self._templates.count(f"revision > {state.revision}")
            if written != len(plan.rows):
                raise StorageError(
                    f"Milvus shows {written} of {len(plan.rows)} new templates: none was enrolled"
                )
            self._ledger.add(plan.names, plan.after.revision)
            self._templates.replace(plan.renewed)
            self._commit(plan.after)
        return plan.ids

    def remove_subject(self, subject: str) -> Receipt:
        """Erases a subject with all templates from every search.

        Raises:
            SubjectNotFoundError: no such subject.
            GalleryError: opened read-only.
            GalleryLockedError: another process writes.
            StorageError: Milvus failed; some templates may be gone. Remove the subject again.
        """
        with self._change() as state:
            name = self._named(subject, state)
            owners = self._templates.owners(f"sid == {name.id}")
            return self._erase(name, [owner.id for owner in owners], state)

    def remove_template(self, template: int) -> Receipt:
        """Erases one template, and its subject if it was the last.

        Raises:
            TemplateNotFoundError: no such template.
        """
        with self._change() as state:
            subject = self.template(template).subject
            return self._erase(self._named(subject, state), [template], state)

    def erase_expired(self) -> list[Receipt]:
        """Erases every template whose authorisation has expired by now, one receipt a subject."""
        receipts = []
        with self._change() as state:
            expired: dict[str, list[int]] = {}
            condition = f"expires <= {clock.now()} and revision <= {state.revision}"
            for template in self._templates.described(condition):
                expired.setdefault(template.subject, []).append(template.id)
            names = self._ledger.named(expired, state.revision)
            for subject in sorted(expired):
                receipts.append(self._erase(names[subject], expired[subject], state))
                state = self._ledger.state()
        with suppress(StorageError):  # Milvus limits how often it is asked; it merges by itself too
            self._purge()
        return receipts

    def merge(self, subject: str, into: str) -> int:
        """Makes two subjects one; returns how many templates were moved.

        A clip of both is kept once.

        Raises:
            SubjectNotFoundError: one of them is not there.
            GalleryError: they are the same.
            StorageError: Milvus failed; some templates may have moved. Merge again.
        """
        if subject == into:
            raise GalleryError("got the same subject twice: nothing to merge")
        with self._change() as state:
            gone, kept = self._named(subject, state), self._named(into, state)
            have = {owner.digest for owner in self._templates.owners(f"sid == {kept.id}")}
            owners = self._templates.owners(f"sid == {gone.id}")
            moved = [owner.id for owner in owners if owner.digest not in have]
            for rows in self._templates.whole(moved):
                self._templates.replace([row | {"sid": kept.id, "subject": into} for row in rows])
            self._erase(gone, [owner.id for owner in owners if owner.digest in have], state)
        return len(moved)

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
        query = checked_probe(embedding, self.dimension)
        if top_k < 1:
            raise GalleryError(f"got top_k {top_k}, need at least 1")
        valid = self._valid(modality, subjects)
        if fusion in (None, Fusion.BEST):
            found = self._search(query, valid, top_k)
        else:
            found = self._fused(query, valid, top_k, fusion)
        if not found:
            what = "template" if modality is None else f"{modality} template"
            raise GalleryEmptyError(f"{self.location} holds no {what}: enrol someone first")
        return found

    def compare(
        self, embedding: Vector, subject: str, modality: Modality | None = None
    ) -> Candidate:
        """How like a probe one subject is: the template most like it.

        Raises:
            SubjectNotFoundError: no such subject.
            GalleryEmptyError: the subject has no template of the modality that has not expired.
            GalleryError: not an embedding of this gallery's model.
        """
        query = checked_probe(embedding, self.dimension)
        self._named(subject, self._ledger.state())
        found = self._search(query, self._valid(modality, [subject]), 1)
        if not found:
            what = "template" if modality is None else f"{modality} template"
            raise GalleryEmptyError(f"the subject has no {what} that has not expired")
        return found[0]

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
        if not 0 < template < 2**63:
            raise no_template(template)
        found = self._templates.described(f"id == {template} and revision <= {self.revision}")
        if not found:
            raise no_template(template)
        return found[0]

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

    @contextmanager
    def _change(self) -> Iterator[State]:
        """One change at a time: the state before it, cleared of what was never committed."""
        if self._lease is None:
            raise GalleryError(f"{self.location} was opened for reading only")
        with self._changing:
            if self._lease.take():
                self._clean = False
            state = self._ledger.state()
            if not self._clean:
                self._templates.forget_after(state.revision)
                self._ledger.forget_after(state.revision)
            self._clean = False
            yield state
            self._clean = True

    def _commit(self, state: State) -> None:
        assert self._lease is not None
        self._lease.check()
        self._ledger.commit(state)

    def _erase(self, name: Name, ids: Sequence[int], state: State) -> Receipt:
        self._templates.delete(ids)
        if not self._templates.count(f"sid == {name.id}"):
            self._ledger.remove(name.name)
        state = replace(state, revision=state.revision + 1)
        self._commit(state)
        self._owed = True
        now = iso_time(clock.now())
        return Receipt(self.identity, name.name, tuple(ids), "", state.revision, now)

    def _purge(self) -> None:
        if self._owed:
            self._owed = False
            self._templates.purge()

    def _named(self, subject: str, state: State) -> Name:
        found = self._ledger.named([subject], state.revision)
        if subject not in found:
            raise no_subject(subject)
        return found[subject]

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

    def _valid(self, modality: Modality | None, subjects: Collection[str] | None) -> str:
        revision = self.revision
        condition = f"revision <= {revision} and expires > {clock.now()}"
        if modality is not None:
            condition += f' and modality == "{modality}"'
        if subjects is not None:
            ids = sorted(name.id for name in self._ledger.named(subjects, revision).values())
            condition += f" and sid in {ids}"
        return condition

    def _search(
        self, query: Vector, condition: str, top_k: int, thorough: bool = False
    ) -> list[Candidate]:
        effort = self._server.address.searching(self._index, top_k)
        if thorough:
            effort = {name: _ALL_EFFORT[name] for name in effort}
        return self._templates.search(query, condition, top_k, effort)

    def _fused(self, query: Vector, valid: str, top_k: int, fusion: Fusion) -> list[Candidate]:
        found = self._search(query, valid, top_k + _WIDER)
        names = self._ledger.named([c.subject for c in found], self.revision)
        fused = []
        for candidate in found:
            owners = self._templates.owners(f"{valid} and sid == {names[candidate.subject].id}")
            embeddings = self.embeddings([owner.id for owner in owners])
            fused.append(replace(candidate, similarity=float(fusion(embeddings @ query))))
        return sorted(fused, key=lambda c: -c.similarity)[:top_k]


@contextmanager
def _closing_on_error(server: Server) -> Iterator[None]:
    try:
        yield
    except GaitError:
        server.close()
        raise


def _make(server: Server, facts: Facts) -> None:
    collection = server.address.collection
    ledger, templates = Ledger(server, collection), Templates(server, collection, facts.dimension)
    if ledger.exists():
        ledger.load()
        if ledger.facts() is not None:
            raise GalleryExistsError(f"{server.address.location} exists already: choose another")
        ledger.drop()  # its making was cut short, so that nobody can be enrolled in it
        if templates.exists():
            templates.drop()
    elif templates.exists():
        raise GalleryExistsError(f"there is a collection {collection} already: choose another name")
    ledger.create()
    templates.create()
    ledger.load()
    templates.load()
    ledger.finish(facts)


def _facts(server: Server) -> Facts:
    ledger = Ledger(server, server.address.collection)
    facts = None
    if ledger.exists():
        ledger.load()
        facts = ledger.facts()
    if facts is None:
        raise GalleryNotFoundError(
            f"there is no gallery at {server.address.location}: make one with gallery.build"
        )
    Templates(server, server.address.collection, facts.dimension).load()
    return facts
