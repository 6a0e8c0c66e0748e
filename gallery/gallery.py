"""A gallery: who is enrolled, and who is found.

It stands on two things. The record (`gallery.record`) is the only truth: subjects and templates,
encrypted, in an SQLite file in the gallery's folder or in PostgreSQL. The index (`gallery.index`)
proposes templates for a probe, in this process's memory or in Milvus, and can be made again from
the record at any time. Whatever they are, a gallery keeps the same promises:

- A call that returned is durable. Searches of this process see it at once, and so do those of any
  other that searches the same record.
- Similarities are computed from the record's embeddings, so they, and the order of the people
  found, do not depend on the index.
- What has expired is never found (`gallery.search.expiry`).
- What was erased is gone: its subject's key is destroyed.
- A damaged template is left out and reported; everybody else is found as before.
"""

import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from gait.errors import (
    GalleryEmptyError,
    GalleryError,
    StorageError,
)
from gait.modality import Modality
from gait.moving_picture import MovingPicture
from gallery.decision.calibration import Calibration
from gallery.decision.decision import USUAL, Decision, Policy, Strangers, Whose
from gallery.decision.gallery_decisions import GalleryDecisions
from gallery.index.interface import Index
from gallery.record import clock
from gallery.record.checks import checked_probe
from gallery.record.master_key import MasterKey
from gallery.record.record import Record
from gallery.search.cohort import Cohort
from gallery.search.fusion import DEFAULT, Fusion
from gallery.search.identification import COMPARED, Identification, Normaliser
from gallery.template import (
    Authorisation,
    Candidate,
    Counts,
    Ending,
    Enrolment,
    Matrix,
    Receipt,
    Subject,
    Template,
    Told,
    Vector,
    untold,
)

log = logging.getLogger("gallery")

_SAMPLE = 16
"""Templates that are looked for when the index is checked."""
_DEEPER = 8
"""Times as many templates are compared, to check that it makes no difference."""


@dataclass(frozen=True)
class Health:
    """How a gallery is.

    Attributes:
        engine: of the index, `memory` or `milvus`.
        templates: how many the index holds.
        behind: changes of the record that the index does not know yet.
        self_hit: of a sample of templates, the share that the index proposes for themselves, 0..1.
        recall: of the same sample, the share for which comparing eight times as many templates
            finds nobody more alike, 0..1.
        damaged: templates that could not be read since the gallery was opened.
    """

    engine: str
    templates: int
    behind: int
    self_hit: float
    recall: float
    damaged: tuple[int, ...]


@dataclass(frozen=True)
class Found:
    """What a search found.

    Args:
        decision: about the most similar person.
        candidates: the most similar people first; all that the search was to list, whatever was
            decided.
        revision: how many changes of the record there had been before; it may know later ones.
    """

    decision: Decision
    candidates: list[Candidate]
    revision: int


class Gallery:
    """An open gallery. Methods may be called from several threads, and several processes may have
    the same gallery open. Made by `gallery.opening`.

    Args:
        record: who is enrolled; closed with the gallery.
        index: that proposes; closed with the gallery.
        bundle: model bundle of its embeddings; None if the gallery keeps none and none was given.
    """

    def __init__(self, record: Record, index: Index, bundle: Path | None) -> None:
        self._record, self._index, self._bundle = record, index, bundle
        self._decisions = GalleryDecisions(record, bundle)

    def close(self) -> None:
        """Lets go of everything that is held. No method may be called afterwards."""
        self._index.close()
        self._record.close()

    def drop_index(self) -> None:
        """Removes what the index holds outside this process, once the record is gone."""
        self._index.drop()

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
        """Where it is: a folder, or a URL."""
        return str(self._record.location)

    @property
    def id(self) -> str:
        """Given when it was made, for good: 32 hex digits. Receipts name it."""
        return self._record.facts.gallery

    @property
    def master_key(self) -> str:
        """Fingerprint of the master key that opens it."""
        return self._record.sealer.master.id

    @property
    def bundle(self) -> Path:
        """The model bundle that makes its embeddings.

        Raises:
            GalleryError: a gallery in PostgreSQL keeps none, and none was given.
        """
        if self._bundle is None:
            raise GalleryError(f"{self.location} keeps no model bundle: give --bundle")
        return self._bundle

    @property
    def contract(self) -> str:
        """Fingerprint of the model that made the embeddings."""
        return self._record.facts.contract

    @property
    def dimension(self) -> int:
        """Length of an embedding."""
        return self._record.facts.dimension

    @property
    def revision(self) -> int:
        """How many changes there have been."""
        return self._record.revision()

    def check_current(self) -> None:
        """Makes sure that the record is still the one that was opened.

        Raises:
            GalleryNotFoundError: somebody has removed the gallery, or put another in its place.
            MasterKeyError: somebody has changed its master key.
            StorageError: it cannot be reached.
        """
        self._record.revision()

    @property
    def ready(self) -> bool:
        """Whether the index has been made, so that a search need not make it first."""
        return self._index.revision >= 0

    @property
    def behind(self) -> int:
        """How many changes of the record the index does not know yet; a search follows them."""
        return self._record.revision() - max(0, self._index.revision)

    def refresh(self) -> None:
        """Brings the index to the record's revision, so that the next search need not."""
        self._index.follow()

    def health(self) -> Health:
        """How well the index finds what is in the record; brings it up to date first."""
        behind = self.behind
        self._index.follow()
        sample = self._record.sample(_SAMPLE)
        rows, templates = self._record.opened(self._record.whole(sample))
        own, same = list[bool](), list[bool]()
        for row, template in zip(rows, templates, strict=True):
            search = self._search(template.embedding, None)
            usual = search.proposed(COMPARED)
            own.append(row.id in [each.row.id for each in usual])
            more = search.proposed(_DEEPER * COMPARED)
            others = [[e.row.id for e in some if e.row.id != row.id] for some in (usual, more)]
            same.append(others[0][:1] == others[1][:1])
        facts, count = self._index.health(), max(1, len(rows))
        self_hit, recall = (sum(some) / count if some else 1.0 for some in (own, same))
        damaged = tuple(sorted(self._record.damaged))
        return Health(facts.engine, facts.templates, behind, self_hit, recall, damaged)

    @property
    def damaged(self) -> tuple[int, ...]:
        """Templates that could not be read since the gallery was opened."""
        return tuple(sorted(self._record.damaged))

    def check(self) -> tuple[int, ...]:
        """Reads every template; returns those that are damaged.

        Raises:
            StorageError: the record cannot be read.
        """
        for codes in self._record.codes(0):
            self._record.opened(self._record.whole(codes.templates.tolist()))
        return self.damaged

    def enrol(self, enrolments: Sequence[Enrolment]) -> list[int]:
        """Enrols embeddings, all or none; returns the ids of their templates, in the given order.

        A clip its subject has already is not enrolled again, but gets the new authorisation.

        Raises:
            GalleryError: an embedding is not one of this gallery's model, an authorisation has
                expired, or opened read-only.
            StorageError: it cannot be stored. Nothing was enrolled.
        """
        shares = None if self.cohort is None else self.cohort.of_template
        numbers = self._record.enrol(enrolments, shares)
        self._catch_up()
        return numbers

    def authorise(self, subject: str, authorisation: Authorisation) -> int:
        """Gives all templates of a subject another authorisation, as when consent is given anew.

        Returns:
            How many templates there are.

        Raises:
            SubjectNotFoundError: no such subject.
            GalleryError: the authorisation has expired, or opened read-only.
            GalleryCorruptError: one of the templates is damaged. Nothing was changed.
            StorageError: it cannot be written. Nothing was changed.
        """
        count = self._record.authorise(subject, authorisation)
        self._catch_up()
        return count

    def remove_subject(self, subject: str, told: Told = untold) -> Receipt:
        """Erases a subject with all templates: the key that reads them is destroyed.

        Raises:
            SubjectNotFoundError: no such subject.
            StorageError: it cannot be erased; if `told` was called with the receipt, it is, and
                only the database's log could not be emptied.
        """
        receipt = self._record.remove_subject(subject, told)
        self._catch_up()
        return receipt

    def remove_template(self, template: int, told: Told = untold) -> Receipt:
        """Erases one template; the rest of its subject, if there is any, gets a new key.

        Raises:
            TemplateNotFoundError: no such template.
            GalleryCorruptError: another template of the subject is damaged; remove that first.
            StorageError: it cannot be erased; if `told` was called with the receipt, it is, and
                only the database's log could not be emptied.
        """
        receipt = self._record.remove_template(template, told)
        self._catch_up()
        return receipt

    def remove_picture(self, subject: str, template: int, told: Told = untold) -> Receipt:
        """Erases the moving picture that is kept of a subject's template; the template stays, and
        all that stays of the subject gets a new key.

        Raises:
            TemplateNotFoundError: the subject has no such template.
            PictureNotFoundError: no picture of it is kept.
            GalleryCorruptError: a template of the subject is damaged; remove that first.
            StorageError: it cannot be erased; if `told` was called with the receipt, it is, and
                only the database's log could not be emptied.
        """
        receipt = self._record.remove_picture(subject, template, told)
        self._catch_up()
        return receipt

    def erase_expired(self, *, trust_clock: bool = False, told: Told = untold) -> list[Receipt]:
        """Erases every template whose authorisation has expired by now, one receipt a subject.

        A clock that runs far ahead of the record's own time is not believed at once: see
        `Record.erase_expired`, and `clock_ahead`. `told` is called with each receipt once it is
        durable, also if something fails afterwards.
        """
        receipts = self._record.erase_expired(trust_clock=trust_clock, told=told)
        self._catch_up()
        return receipts

    def clock_ahead(self) -> int:
        """Seconds by which the clock is ahead of what erasures may believe now; 0 if it is not."""
        return self._record.clock_ahead()

    def merge(self, subject: str, into: str) -> int:
        """Makes two subjects that are one person one; returns how many templates were moved.

        A clip that both have is kept once.

        Raises:
            SubjectNotFoundError: one of them is not there.
            GalleryError: they are the same.
            GalleryCorruptError: one of them has a damaged template.
        """
        moved = self._record.merge(subject, into)
        self._catch_up()
        return moved

    def rotate(self, new: MasterKey) -> int:
        """Wraps the keys of all subjects by another master key, all or none; returns how many.

        Raises:
            GalleryError: opened read-only.
            GalleryCorruptError: a key is damaged. Nothing was changed.
            StorageError: it cannot be written. Nothing was changed.
        """
        return self._record.rotate(new)

    def identify(
        self,
        embedding: Vector,
        top_k: int = 5,
        modality: Modality | None = None,
        *,
        subjects: Collection[str] | None = None,
        fusion: Fusion = DEFAULT,
        probe: Modality | None = None,
    ) -> list[Candidate]:
        """The enrolled subjects most like a probe, the most similar first. Never an expired one.

        Args:
            embedding: `(dimension,)` float32 as the encoder gives it.
            top_k: subjects wanted, at least 1; fewer are returned if there are fewer.
            modality: of the templates to search; None for both.
            subjects: search these only; None for all.
            fusion: of the similarities of a subject's templates.
            probe: modality of the clip, by which similarities are normalised if the bundle has a
                cohort; None leaves them as they are.

        Returns:
            At most `top_k` people; nobody where nobody is enrolled.

        Raises:
            GalleryError: not an embedding of this gallery's model, or `top_k` below 1.
        """
        search = self._search(embedding, modality, probe)
        return self._identified(search, top_k, subjects, fusion)[0]

    def _identified(
        self,
        search: Identification,
        top_k: int,
        subjects: Collection[str] | None,
        fusion: Fusion = DEFAULT,
    ) -> tuple[list[Candidate], int]:
        """What `identify` finds, and the revision before it looked."""
        if top_k < 1:
            raise GalleryError(f"got top_k {top_k}, need at least 1")
        if subjects is not None:
            revision = self._record.revision()
            numbers = self._record.subject_numbers(subjects)
            return search.among(numbers, fusion)[:top_k], revision
        revision = self._index.follow()
        return search.among_all(top_k, fusion), revision

    def search(
        self,
        embedding: Vector,
        probe: Modality,
        policy: Policy = USUAL,
        *,
        top_k: int = 5,
        modality: Modality | None = None,
        subjects: Collection[str] | None = None,
    ) -> Found:
        """Finds the people most like a probe, and decides whether the first is the one.

        Args:
            embedding: `(dimension,)` float32 as the encoder gives it.
            probe: modality of the clip.
            policy: how often strangers may be called somebody.
            top_k, modality, subjects: as `identify`.

        Raises:
            GalleryError: as `identify`.
            CalibrationError: the gallery's or the bundle's calibration is damaged.
        """
        search = self._search(embedding, modality, probe)
        candidates, revision = self._identified(search, top_k, subjects)
        decided = self._decisions.of_search
        decision = decided(candidates, probe, policy, modality, subjects, revision)
        return Found(decision, candidates, revision)

    def decision_on(
        self, similarity: float, probe: Modality, policy: Policy = USUAL
    ) -> Decision | None:
        """What a search of everybody would decide that finds this similarity at best.

        Returns:
            None where there is no calibration.

        Raises:
            CalibrationError: the gallery's or the bundle's calibration is damaged.
        """
        return self._decisions.of_similarity(similarity, probe, policy)

    def strangers(
        self, probe: Modality, policy: Policy = USUAL, *, modality: Modality | None = None
    ) -> Strangers:
        """How similar strangers come out of a search now, and from which similarity on it decides.

        Args:
            probe: modality of the clips.
            policy: how often strangers may be called somebody.
            modality: of the templates to search; None for both.

        Raises:
            BundleTamperedError: the bundle's calibration is not the one that was exported.
        """
        return self._decisions.strangers(probe, policy, modality)

    def verify(
        self,
        embedding: Vector,
        probe: Modality,
        subject: str,
        policy: Policy = USUAL,
        *,
        modality: Modality | None = None,
    ) -> Found:
        """Compares a probe with one enrolled person, and decides whether it is that person.

        Args:
            embedding: `(dimension,)` float32 as the encoder gives it.
            probe: modality of the clip.
            subject: the person.
            policy: how often strangers may be called that person.
            modality: of the templates to compare with; None for both.

        Returns:
            The decision, and the person as the only candidate.

        Raises:
            SubjectNotFoundError, GalleryEmptyError, GalleryError: as `compare`.
            CalibrationError: the gallery's or the bundle's calibration is damaged.
        """
        revision = self._record.revision()
        found = self.compare(embedding, subject, modality, probe=probe)
        decision = self._decisions.of_comparison(found, probe, policy, modality)
        return Found(decision, [found], revision)

    @property
    def cohort(self) -> Cohort | None:
        """Of the bundle, by which similarities are normalised.

        Raises:
            BundleTamperedError: it is not the one that was exported.
        """
        return self._decisions.cohort

    @property
    def calibration(self) -> tuple[Calibration, Whose] | None:
        """What similarities mean: the gallery's own calibration, else that of its bundle.

        Raises:
            CalibrationError: it is damaged, or of another version.
            BundleTamperedError: the bundle's is not the one that was exported.
        """
        return self._decisions.calibration

    def set_calibration(self, calibration: Calibration | None) -> None:
        """Keeps a calibration made for this gallery, which comes before the bundle's.

        Args:
            calibration: in place of the one there is; None to go back to the bundle's.

        Raises:
            CalibrationError: it is of another model.
            GalleryError: opened read-only.
            StorageError: it cannot be written.
        """
        if calibration is not None:
            self._decisions.checked(calibration.text)
        self._record.set_calibration(None if calibration is None else calibration.text)
        self._catch_up()

    def compare(
        self,
        embedding: Vector,
        subject: str,
        modality: Modality | None = None,
        *,
        fusion: Fusion = DEFAULT,
        probe: Modality | None = None,
    ) -> Candidate:
        """How like a probe one subject is: the same similarity as `identify` gives.

        Raises:
            SubjectNotFoundError: no such subject.
            GalleryEmptyError: the subject has no template of the modality that has not expired.
            GalleryError: not an embedding of this gallery's model.
        """
        search = self._search(embedding, modality, probe)
        found = search.among([self._record.subject(subject)], fusion)
        if not found:
            raise GalleryEmptyError(
                f"the subject has no {_template_of(modality)} that has not expired"
            )
        return found[0]

    def embeddings(self, templates: Sequence[int]) -> Matrix:
        """Embeddings `(n, dimension)` of templates, in the given order.

        Raises:
            TemplateNotFoundError: one of them is not there.
            GalleryCorruptError: one of them is damaged.
        """
        return self._record.embeddings(templates)

    def holds(
        self, subject: str, digest: str, authorisation: Authorisation, *, picture: bool = False
    ) -> bool:
        """Whether the subject has the clip with this digest, under this authorisation; if wanted,
        with a picture of it."""
        return self._record.holds(subject, digest, authorisation, picture=picture)

    def holders(self, digest: str) -> list[str]:
        """Names of the subjects who have the clip with this digest, in order."""
        return self._record.holders(digest)

    def subjects(
        self, after: str | None = None, limit: int | None = None, contains: str | None = None
    ) -> list[Subject]:
        """Subjects in order of name, from the one after the name `after`, at most `limit`; only
        those whose name holds `contains`, in capitals or not (letters a to z)."""
        return self._record.subjects(after, limit, contains)

    def templates(self, subject: str) -> list[Template]:
        """Templates of a subject, oldest first.

        Raises:
            SubjectNotFoundError: no such subject.
        """
        return self._record.templates(subject)

    def template(self, template: int) -> Template:
        """The template with this id.

        Raises:
            TemplateNotFoundError: no such template.
        """
        return self._record.template(template)

    def picture(self, subject: str, template: int) -> MovingPicture:
        """The moving picture that is kept of a subject's template.

        Raises:
            TemplateNotFoundError: the subject has no such template that has not expired.
            PictureNotFoundError: no picture of it is kept.
            GalleryCorruptError: it is damaged.
        """
        return self._record.picture(subject, template)

    def expiring(self, before: datetime) -> int:
        """How many templates expire before a moment."""
        return self._record.expiring(int(before.timestamp()))

    def ending(self, before: datetime, limit: int) -> list[Ending]:
        """At most `limit` subjects of whom templates expire before a moment, the first first."""
        return self._record.ending(int(before.timestamp()), limit)

    def counts(self) -> Counts:
        """Subjects and templates."""
        return self._record.counts()

    def _catch_up(self) -> None:
        """Brings the index to the record after a change, unless nobody has searched yet.

        The change is durable by then, so an index that cannot be reached is no reason to say that
        it failed: the next search follows, or says what is wrong.
        """
        if self.ready:
            try:
                self._index.follow()
            except StorageError as error:
                log.warning(
                    "the index of %s does not know the last change: %s", self.location, error
                )

    def _search(
        self, embedding: Vector, modality: Modality | None, seen_by: Modality | None = None
    ) -> Identification:
        probe = checked_probe(embedding, self.dimension)
        normaliser = None
        if seen_by is not None and self.cohort is not None:
            normaliser = Normaliser(self.cohort, probe, seen_by)
        return Identification(self._record, self._index, probe, modality, clock.now(), normaliser)


def _template_of(modality: Modality | None) -> str:
    return "template" if modality is None else f"{modality} template"
