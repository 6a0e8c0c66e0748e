"""Many clips into a gallery, batch by batch, so that it can be interrupted and run again."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from gait.clip import Clip
from gait.errors import ConfigError, EncoderError, GaitError, SubjectDuplicateError
from gait.moving_picture import SHORT, MovingPicture
from gait.quality.quality import Mode
from gallery.enrolment.duplicates import others_with, refuse_duplicate, resemblance
from gallery.enrolment.sources import Source
from gallery.enrolment.template_cap import keep_within
from gallery.gallery import Gallery
from gallery.network.encoder import Encoder
from gallery.template import Authorisation, Enrolment, Vector, check_name, clip_digest

Item = tuple[Source, Clip]


@dataclass(frozen=True)
class Rejection:
    """A clip that was not enrolled, with the stable code of the error and what it says."""

    source: str
    subject: str
    code: str
    reason: str


@dataclass(frozen=True)
class Alike:
    """A clip that matches another person, `other`, who was enrolled before."""

    source: str
    subject: str
    other: str
    similarity: float


@dataclass(frozen=True)
class Duplicate:
    """A clip that other people are enrolled by as well; it was enrolled all the same."""

    source: str
    subject: str
    others: list[str]


@dataclass
class Outcome:
    """What became of the clips: enrolled now, there already, or rejected.

    `alike` are enrolled clips that match another person, who may be the same one. `left` are the
    templates that were erased because their subject had more than the cap.
    """

    enrolled: int = 0
    present: int = 0
    left: list[int] = field(default_factory=list)
    rejected: list[Rejection] = field(default_factory=list)
    alike: list[Alike] = field(default_factory=list)
    duplicates: list[Duplicate] = field(default_factory=list)

    def reject(self, source: Source, error: GaitError) -> None:
        """Notes that a clip was not enrolled."""
        self.rejected.append(Rejection(source.name, source.subject, error.code, str(error)))


def enrol_sources(
    gallery: Gallery,
    encoder: Encoder,
    sources: Iterable[Source],
    *,
    authorisation: Authorisation,
    batch: int = 32,
    cap: int | None = None,
    quality: Mode = Mode.OFF,
    new_people: bool = False,
    pictures: bool = False,
    advance: Callable[[int], None] = lambda _: None,
) -> Outcome:
    """Enrols every clip that can be read and is not in the gallery yet under this authorisation.

    Args:
        gallery: open for writing.
        encoder: of the gallery's model.
        sources: the clips.
        authorisation: that allows their enrolment.
        batch: clips embedded and made durable together, at least 1.
        cap: templates of a subject and modality to keep (`template_cap`); None for all.
        quality: strict refuses a clip that is enrolled under another name, and people whose clips
            match somebody else; otherwise both are reported.
        new_people: whomever clips match, do not refuse their people.
        pictures: keep a short moving picture of each clip, for people to look at.
        advance: called with a number of clips when they are dealt with.

    Raises:
        ConfigError: `batch` is below 1.
        StorageError: the disk is full; the batches before are enrolled.
    """
    if batch < 1:
        raise ConfigError(f"got batches of {batch} clips, need at least 1")
    outcome, waiting, seen = Outcome(), list[Item](), dict[str, str]()
    mode = Mode.STANDARD if new_people else quality

    def enrol(items: list[Item]) -> None:
        people = dict[str, list[tuple[Source, Clip, Vector]]]()
        for usable in embedded(encoder, items, outcome):
            people.setdefault(usable[0].subject, []).append(usable)
        for subject, clips in people.items():
            _enrol(gallery, subject, clips, authorisation, outcome, cap, mode, pictures)
        advance(len(items))

    for source in sources:
        try:
            check_name(source.subject)
            clip = source.read(encoder.range_style)
            digest = clip_digest(clip)
            others = others_with(gallery, source.subject, digest)
            first = seen.setdefault(digest, source.subject)
            if first not in (source.subject, *others):
                others.append(first)
            refuse_duplicate(source.subject, others, quality)
        except GaitError as error:
            outcome.reject(source, error)
            advance(1)
            continue
        if others:
            outcome.duplicates.append(Duplicate(source.name, source.subject, others))
        if gallery.holds(source.subject, digest, authorisation, picture=pictures):
            outcome.present += 1
            advance(1)
            continue
        waiting.append((source, clip))
        if len(waiting) == batch:
            enrol(waiting)
            waiting = []
    enrol(waiting)
    return outcome


def _enrol(
    gallery: Gallery,
    subject: str,
    clips: list[tuple[Source, Clip, Vector]],
    authorisation: Authorisation,
    outcome: Outcome,
    cap: int | None,
    mode: Mode,
    pictures: bool,
) -> None:
    """Enrols clips of one person, unless they match somebody who is enrolled already."""
    like = resemblance(gallery, subject, [(clip.modality, vector) for _, clip, vector in clips])
    try:
        like.refuse(subject, mode)
    except SubjectDuplicateError as error:
        for source, _, _ in clips:
            outcome.reject(source, error)
        return
    for (source, _, _), others in zip(clips, like.by_clip, strict=True):
        outcome.alike += [Alike(source.name, subject, c.subject, c.similarity) for c in others]
    gallery.enrol(
        [
            Enrolment.of(
                *(subject, clip, vector, source.name, authorisation),
                MovingPicture.of(clip, most=SHORT) if pictures else None,
            )
            for source, clip, vector in clips
        ]
    )
    outcome.enrolled += len(clips)
    if cap is not None:
        outcome.left += keep_within(gallery, [subject], cap)


def embedded(
    encoder: Encoder, items: list[Item], outcome: Outcome
) -> list[tuple[Source, Clip, Vector]]:
    """Embeds a batch; if the network refuses it, one by one: the clips at fault are rejected."""
    try:
        embeddings = encoder.embed([clip for _, clip in items])
    except EncoderError as error:
        if len(items) > 1:
            return [e for item in items for e in embedded(encoder, [item], outcome)]
        outcome.reject(items[0][0], error)
        return []
    return [
        (source, clip, embedding)
        for (source, clip), embedding in zip(items, embeddings, strict=True)
    ]
