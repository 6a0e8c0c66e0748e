"""Enrolling the clips of one person, and embedding clips without enrolling. Without HTTP."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

from gait.decode import Decoded
from gait.errors import ClipDuplicateError, GaitError, SubjectDuplicateError
from gait.quality.quality import Mode
from gallery.decision.decision import Policy
from gallery.enrolment.duplicates import (
    Resemblance,
    others_with,
    refuse_duplicate,
    resemblance,
)
from gallery.enrolment.template_cap import keep_within
from gallery.gallery import Gallery
from gallery.template import (
    Authorisation,
    Candidate,
    Enrolment,
    Vector,
    check_name,
    clip_digest,
)
from serve.work.metrics import Stages
from serve.work.service import Clips, Reading, Service


@dataclass(frozen=True)
class Person:
    """Whom clips are enrolled as.

    Args:
        gallery: its name.
        subject: the person's name or number.
        source: where the clips came from, in words for people.
        authorisation: that allows it.
        new: not to be refused, whomever the clips match.
    """

    gallery: str
    subject: str
    source: str
    authorisation: Authorisation
    new: bool = False


@dataclass
class Enrolled:
    """Outcome of an enrolment: by position of the clip, what was stored and what was refused.

    `erased` are the templates that left because the person had more than the cap. `alike` are other
    people whom a clip matches, `duplicates` the names of those enrolled by the very same clip.
    """

    templates: dict[int, tuple[int, Decoded]] = field(default_factory=dict)
    rejected: dict[int, GaitError] = field(default_factory=dict)
    duplicates: dict[int, list[str]] = field(default_factory=dict)
    erased: list[int] = field(default_factory=list)
    alike: dict[int, list[Candidate]] = field(default_factory=dict)
    revision: int = 0


@dataclass(frozen=True)
class Embedded:
    """By position of the clip, its embedding or why there is none."""

    embeddings: dict[int, tuple[Decoded, Vector]]
    rejected: dict[int, GaitError]


async def enrol(
    service: Service,
    person: Person,
    files: Sequence[bytes],
    reading: Reading,
    stages: Stages,
    *,
    compare: bool,
) -> Enrolled:
    """Enrols the clips that can be used as templates of one person, together or not at all.

    Args:
        service: that has the gallery.
        person: whom they are enrolled as.
        files: the clips.
        reading: how they are read.
        stages: how long each took.
        compare: also find out whom else they match, which is a search. In the mode `strict` a
            person who matches another is refused.

    Raises:
        GalleryNotFoundError: there is no such gallery.
        GalleryError: the name cannot be used.
        StorageError: the disk is full.
    """
    check_name(person.subject)
    await service.on(person.gallery, lambda gallery: gallery.revision)  # before the costly part
    mode = service.settings.quality_enrol
    clips = await service.decode_all(files, reading, mode, stages)
    duplicates = await service.on(person.gallery, partial(_single, person.subject, clips, mode))
    embedded = await _embed(service, clips, stages)
    outcome = Enrolled(rejected=embedded.rejected, duplicates=duplicates)
    if not embedded.embeddings:
        return outcome
    if compare:
        look = partial(_resemblance, person, embedded, service.settings.policy, stages)
        like = await service.on(person.gallery, look)
        pairs = zip(embedded.embeddings, like.by_clip, strict=True)
        outcome.alike = {position: others for position, others in pairs if others}
        try:
            like.refuse(person.subject, Mode.STANDARD if person.new else mode)
        except SubjectDuplicateError as error:
            outcome.rejected |= dict.fromkeys(embedded.embeddings, error)
            return outcome
    task = partial(_stored, person, embedded, stages, service.settings.max_templates)
    ids, outcome.erased, outcome.revision = await service.on(person.gallery, task)
    stored = zip(ids, (clip for clip, _ in embedded.embeddings.values()), strict=True)
    outcome.templates = dict(zip(embedded.embeddings, stored, strict=True))
    return outcome


async def embed(
    service: Service, files: Sequence[bytes], reading: Reading, stages: Stages
) -> Embedded:
    """Embeds the clips that can be used."""
    mode = service.settings.quality_search
    return await _embed(service, await service.decode_all(files, reading, mode, stages), stages)


async def _embed(service: Service, clips: Clips, stages: Stages) -> Embedded:
    if not clips.usable:
        return Embedded({}, clips.rejected)
    rows = await service.embed([each.clip for each in clips.usable.values()], stages)
    pairs = zip(clips.usable.items(), rows, strict=True)
    return Embedded({position: (clip, row) for (position, clip), row in pairs}, clips.rejected)


def _resemblance(
    person: Person, embedded: Embedded, policy: Policy, stages: Stages, gallery: Gallery
) -> Resemblance:
    clips = [(clip.clip.modality, vector) for clip, vector in embedded.embeddings.values()]
    with stages.stage("search"):
        return resemblance(gallery, person.subject, clips, policy)


def _single(subject: str, clips: Clips, mode: Mode, gallery: Gallery) -> dict[int, list[str]]:
    """Moves clips that others are enrolled by to the rejected, or returns them with the names."""
    found = {}
    for position, decoded in list(clips.usable.items()):
        if others := others_with(gallery, subject, clip_digest(decoded.clip)):
            try:
                refuse_duplicate(subject, others, mode)
                found[position] = others
            except ClipDuplicateError as error:
                clips.rejected[position] = error
                del clips.usable[position]
    return found


def _stored(
    person: Person, embedded: Embedded, stages: Stages, cap: int | None, gallery: Gallery
) -> tuple[list[int], list[int], int]:
    enrolments = [
        Enrolment.of(person.subject, decoded.clip, embedding, person.source, person.authorisation)
        for decoded, embedding in embedded.embeddings.values()
    ]
    with stages.stage("enrol"):
        ids = gallery.enrol(enrolments)
        erased = [] if cap is None else keep_within(gallery, [person.subject], cap)
        return ids, erased, gallery.revision
