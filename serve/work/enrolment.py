"""Enrolling the clips of one person, and embedding clips without enrolling. Without HTTP."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from gait.decode import Decoded
from gait.errors import (
    ClipDuplicateError,
    GaitError,
    SubjectDuplicateError,
    SubjectNotFoundError,
)
from gait.moving_picture import SHORT, MovingPicture
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
        new: not to be refused, whomever the clips match.
        pictures: short moving pictures of the clips are kept.
    """

    gallery: str
    subject: str
    new: bool = False
    pictures: bool = False


@dataclass(frozen=True)
class Embedded:
    """By position of the clip, its embedding or why there is none."""

    embeddings: dict[int, tuple[Decoded, Vector]]
    rejected: dict[int, GaitError]


@dataclass
class Checked:
    """What an enrolment would store, and refuse, by position of the clip.

    `alike` are other people whom a clip matches, `duplicates` the names of those enrolled by the
    very same clip; `known` counts the templates that the person has.
    """

    embeddings: dict[int, tuple[Decoded, Vector]]
    rejected: dict[int, GaitError]
    duplicates: dict[int, list[str]]
    alike: dict[int, list[Candidate]]
    known: int
    revision: int


@dataclass(frozen=True)
class Stored:
    """Templates by position of the clip, those that left because the person had more than the cap,
    and the gallery's revision; 0 where nothing could be stored."""

    templates: dict[int, tuple[int, Decoded]]
    erased: list[int]
    revision: int


async def check(
    service: Service,
    person: Person,
    files: Sequence[bytes],
    reading: Reading,
    stages: Stages,
    *,
    compare: bool,
) -> Checked:
    """Finds out what would become of clips that are enrolled as one person; stores nothing.

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
    """
    check_name(person.subject)
    await service.on(person.gallery, lambda gallery: gallery.revision)  # before the costly part
    mode = service.settings.quality_enrol
    clips = await service.decode_all(files, reading, mode, stages)
    single = partial(_single, person.subject, clips, mode)
    duplicates, known, revision = await service.on(person.gallery, single)
    embedded = await _embed(service, clips, stages)
    embeddings, rejected = embedded.embeddings, embedded.rejected
    checked = Checked(embeddings, rejected, duplicates, {}, known, revision)
    if not (compare and embeddings):
        return checked
    look = partial(_resemblance, person, embedded, service.settings.policy, stages)
    like = await service.on(person.gallery, look)
    pairs = zip(embeddings, like.by_clip, strict=True)
    checked.alike = {position: others for position, others in pairs if others}
    try:
        like.refuse(person.subject, Mode.STANDARD if person.new else mode)
    except SubjectDuplicateError as error:
        rejected |= dict.fromkeys(embeddings, error)
        embeddings.clear()
    return checked


async def store(
    service: Service,
    person: Person,
    checked: Checked,
    stages: Stages,
    source: str,
    authorisation: Authorisation,
) -> Stored:
    """Stores what `check` found usable as templates of the person, together or not at all.

    Args:
        service, person, stages: as in `check`.
        checked: by `check`.
        source: where the clips came from, in words for people.
        authorisation: that allows it.

    Raises:
        StorageError: the disk is full.
    """
    if not checked.embeddings:
        return Stored({}, [], 0)
    enrolments = [
        Enrolment.of(
            *(person.subject, decoded.clip, embedding, source, authorisation),
            MovingPicture.of(decoded.clip, decoded.times, SHORT) if person.pictures else None,
        )
        for decoded, embedding in checked.embeddings.values()
    ]
    task = partial(_stored, person, enrolments, stages, service.settings.max_templates)
    ids, erased, revision = await service.on(person.gallery, task)
    stored = zip(ids, (clip for clip, _ in checked.embeddings.values()), strict=True)
    return Stored(dict(zip(checked.embeddings, stored, strict=True)), erased, revision)


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


def _single(
    subject: str, clips: Clips, mode: Mode, gallery: Gallery
) -> tuple[dict[int, list[str]], int, int]:
    """Moves clips that others are enrolled by to the rejected, or returns them with the names; then
    how many templates the person has, and the gallery's revision."""
    found = {}
    for position, decoded in list(clips.usable.items()):
        if others := others_with(gallery, subject, clip_digest(decoded.clip)):
            try:
                refuse_duplicate(subject, others, mode)
                found[position] = others
            except ClipDuplicateError as error:
                clips.rejected[position] = error.with_traceback(None)
                del clips.usable[position]
    return found, _known(subject, gallery), gallery.revision


def _known(subject: str, gallery: Gallery) -> int:
    try:
        return len(gallery.templates(subject))
    except SubjectNotFoundError:
        return 0


def _stored(
    person: Person, enrolments: list[Enrolment], stages: Stages, cap: int | None, gallery: Gallery
) -> tuple[list[int], list[int], int]:
    with stages.stage("enrol"):
        ids = gallery.enrol(enrolments)
        erased = [] if cap is None else keep_within(gallery, [person.subject], cap)
        return ids, erased, gallery.revision
