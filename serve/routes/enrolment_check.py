"""What an enrolment would do, without doing it: the steps of `serve.work.enrolment` up to storing.

A test compares both on the same clips.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

from gait.decode import Decoded
from gait.errors import (
    ClipDuplicateError,
    GaitError,
    SubjectDuplicateError,
    SubjectNotFoundError,
)
from gait.quality.quality import Mode
from gallery.enrolment.duplicates import others_with, refuse_duplicate, resemblance
from gallery.gallery import Gallery
from gallery.template import Candidate, check_name, clip_digest
from serve.work.metrics import Stages
from serve.work.service import Reading, Service


@dataclass
class Checked:
    """By position of the clip what would be stored, what refused, and whom else it matches.

    `known` counts the templates that the person has.
    """

    usable: dict[int, Decoded]
    rejected: dict[int, GaitError]
    duplicates: dict[int, list[str]] = field(default_factory=dict)
    alike: dict[int, list[Candidate]] = field(default_factory=dict)
    known: int = 0
    revision: int = 0


async def checked(
    service: Service,
    gallery: str,
    subject: str,
    files: Sequence[bytes],
    reading: Reading,
    stages: Stages,
    new_person: bool,
    compare: bool,
) -> Checked:
    """What would become of clips that are enrolled as one person.

    Args:
        service: that has the gallery.
        gallery: its name.
        subject: whom they would be enrolled as.
        files: the clips.
        reading: how they are read.
        stages: how long each took.
        new_person: not to be refused, whomever the clips match.
        compare: also find out whom else they match.

    Raises:
        GalleryNotFoundError: there is no such gallery.
        GalleryError: the name cannot be used.
    """
    check_name(subject)
    await service.on(gallery, lambda found: found.revision)  # before the costly part
    mode = service.settings.quality_enrol
    clips = await service.decode_all(files, reading, mode, stages)
    found = Checked(clips.usable, clips.rejected)
    await service.on(gallery, partial(_same_clips, subject, found, mode))
    if not (compare and found.usable):
        return found
    positions, decoded = zip(*found.usable.items(), strict=True)
    rows = await service.embed([each.clip for each in decoded], stages)
    embedded = [(each.clip.modality, row) for each, row in zip(decoded, rows, strict=True)]
    policy = service.settings.policy
    like = await service.on(gallery, lambda within: resemblance(within, subject, embedded, policy))
    found.alike = {at: some for at, some in zip(positions, like.by_clip, strict=True) if some}
    try:
        like.refuse(subject, Mode.STANDARD if new_person else mode)
    except SubjectDuplicateError as error:
        found.rejected |= dict.fromkeys(positions, error)
        found.usable = {}
    return found


def _same_clips(subject: str, found: Checked, mode: Mode, gallery: Gallery) -> None:
    """Moves clips that others are enrolled by to the rejected, or notes whose they are."""
    found.revision, found.known = gallery.revision, _known(subject, gallery)
    for position, decoded in list(found.usable.items()):
        if others := others_with(gallery, subject, clip_digest(decoded.clip)):
            try:
                refuse_duplicate(subject, others, mode)
                found.duplicates[position] = others
            except ClipDuplicateError as error:
                found.rejected[position] = error
                del found.usable[position]


def _known(subject: str, gallery: Gallery) -> int:
    try:
        return len(gallery.templates(subject))
    except SubjectNotFoundError:
        return 0
