"""Enrolling the clips of one person, and embedding clips without enrolling. Without HTTP."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

from gait.decode import Decoded
from gait.errors import ClipDuplicateError, GaitError
from gait.quality.quality import Mode
from gallery.decision.decision import Policy
from gallery.enrolment.duplicates import others_with, refuse_duplicate
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
    """

    gallery: str
    subject: str
    source: str
    authorisation: Authorisation


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
        compare: also say whom else they match, which is a search.

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
    if embedded.embeddings:
        if compare:
            look = partial(_alike, person, embedded, service.settings.policy, stages)
            outcome.alike = await service.on(person.gallery, look)
        task = partial(_stored, person, embedded, stages, service.settings.max_templates)
        ids, outcome.erased, outcome.revision = await service.on(person.gallery, task)
        stored = [clip for clip, _ in embedded.embeddings.values()]
        pairs = zip(embedded.embeddings, ids, stored, strict=True)
        outcome.templates = {position: (id_, clip) for position, id_, clip in pairs}
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


def _alike(
    person: Person, embedded: Embedded, policy: Policy, stages: Stages, gallery: Gallery
) -> dict[int, list[Candidate]]:
    with stages.stage("search"):
        found = {
            position: gallery.alike(embedding, decoded.clip.modality, person.subject, policy)
            for position, (decoded, embedding) in embedded.embeddings.items()
        }
    return {position: others for position, others in found.items() if others}


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
