"""Command: a gallery for a new model, out of the clips that were enrolled in the old one.

python -m gallery.reembed --gallery gallery --bundle new --clips data/clips --out gallery-new
"""

import json
import sys
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path

from gait.cli import run
from gait.errors import ConfigError, GaitError, GalleryError
from gait.manifest import Manifest
from gait.moving_picture import SHORT, MovingPicture
from gait.progress import progress
from gait.range_style import RangeStyle
from gallery.command_line import options
from gallery.command_line.network import Batch, Network, Points
from gallery.enrolment.bulk import Item, Outcome, Rejection, embedded
from gallery.enrolment.sources import Selection, Source, find_sources, other_style
from gallery.exchange.templates import every_template
from gallery.gallery import Gallery
from gallery.network.encoder import Encoder
from gallery.opening import open_gallery, open_or_create
from gallery.record import clock
from gallery.template import Authorisation, Enrolment, Template, clip_digest, iso_time

Wanted = dict[str, list[Template]]


@dataclass(frozen=True)
class Missing:
    """A template whose clip was not found, or could not be embedded."""

    template: int
    subject: str
    source: str


@dataclass
class Remade:
    """What became of the templates, and of the clips that could not be used."""

    enrolled: int = 0
    present: int = 0
    expired: int = 0
    missing: list[Missing] = field(default_factory=list)
    rejected: list[Rejection] = field(default_factory=list)


def reembed(
    old: Gallery,
    new: Gallery,
    encoder: Encoder,
    sources: Iterable[Source],
    *,
    batch: int = 32,
    advance: Callable[[int], None] = lambda _: None,
) -> Remade:
    """Enrols each template's clip, found by its digest whatever its name is now.

    Subject, source, authorisation, expiry and whether a picture is kept are those of the old
    template. What the new gallery has already is not embedded again; what has expired is left out.

    Args:
        old: only read.
        new: open for writing.
        encoder: of the new gallery's model.
        sources: clips, in any order; those of nobody are passed over.
        batch: clips embedded and made durable together, at least 1.
        advance: called with 1 for each clip that is read.

    Raises:
        ConfigError: `batch` is below 1.
        StorageError: the disk is full; the batches before are enrolled.
    """
    if batch < 1:
        raise ConfigError(f"got batches of {batch} clips, need at least 1")
    remade, outcome = Remade(), Outcome()
    wanted, styles = _wanted(old, new, remade), _styles(old)
    waiting = list[Item]()
    sought = set(wanted)
    for source in sources:
        advance(1)
        try:
            read = {style: source.read(style) for style in {*styles, encoder.range_style}}
        except GaitError as error:
            outcome.reject(source, error)
            continue
        clip = read[encoder.range_style]
        found, digest = sought & {clip_digest(read[style]) for style in styles}, clip_digest(clip)
        sought -= found
        if found - {digest}:
            _drawn_anew(found, digest, wanted, new, remade)
        if found and wanted.get(digest):
            waiting.append((source, clip))
        if len(waiting) == batch:
            remade.enrolled += _enrol(new, encoder, waiting, wanted, outcome)
            waiting = []
    remade.enrolled += _enrol(new, encoder, waiting, wanted, outcome)
    left = sorted((t for some in wanted.values() for t in some), key=lambda t: t.id)
    remade.missing = [Missing(t.id, t.subject, t.source) for t in left]
    remade.rejected = outcome.rejected
    return remade


def _styles(old: Gallery) -> tuple[RangeStyle, ...]:
    """How the clips of a gallery may have been drawn: as its bundle says, if it keeps one."""
    try:
        return (Manifest.load(old.bundle).inputs.range_style,)
    except GalleryError:
        return tuple(RangeStyle)


def _drawn_anew(
    found: Iterable[str], digest: str, wanted: Wanted, new: Gallery, remade: Remade
) -> None:
    """Templates of a clip of points are from here on wanted by the digest of its new frames."""
    templates = [t for each in sorted(found) for t in wanted.pop(each)]
    for t in templates:
        if new.holds(t.subject, digest, _authorisation(t), picture=t.picture):
            remade.present += 1
        else:
            wanted.setdefault(digest, []).append(t)


def _wanted(old: Gallery, new: Gallery, remade: Remade) -> Wanted:
    wanted: Wanted = {}
    for template in every_template(old):
        if template.expires <= iso_time(clock.now()):
            remade.expired += 1
        elif new.holds(
            *(template.subject, template.digest, _authorisation(template)), picture=template.picture
        ):
            remade.present += 1
        else:
            wanted.setdefault(template.digest, []).append(template)
    return wanted


def _enrol(
    new: Gallery, encoder: Encoder, items: list[Item], wanted: Wanted, outcome: Outcome
) -> int:
    enrolments = [
        Enrolment.of(
            *(t.subject, clip, embedding, t.source, _authorisation(t)),
            MovingPicture.of(clip, most=SHORT) if t.picture else None,
        )
        for _, clip, embedding in (embedded(encoder, items, outcome) if items else [])
        for t in wanted.pop(clip_digest(clip))
    ]
    if enrolments:
        new.enrol(enrolments)
    return len(enrolments)


def _authorisation(template: Template) -> Authorisation:
    return Authorisation(template.authorisation, datetime.fromisoformat(template.expires))


@dataclass(frozen=True)
class Arguments:
    """Embeds a gallery's clips with another model. Run again, it goes on where it was cut short."""

    gallery: str
    """Folder or URL of the gallery; it is only read."""
    bundle: Path
    """Model bundle to embed with."""
    clips: Path
    """Where the clips are: what gallery.build was given, or anything with the same clips in it."""
    out: str
    """Folder or URL of the new gallery."""
    points: Points = field(default_factory=Points)
    batch: Batch = 32
    network: Network = field(default_factory=Network)
    json: options.AsJson = False


def main() -> None:
    """Embeds again as the command line says."""
    arguments = options.parse(Arguments, "gallery.reembed")
    if arguments.gallery == arguments.out:
        raise ConfigError("the new gallery must be another than the old one")
    sources = find_sources(arguments.clips, Selection(source=arguments.points.source))
    encoder = arguments.network.encoder(arguments.bundle)
    if said := other_style(sources, encoder.range_style):
        print(f"note: {said}", file=sys.stderr)
    options.note_unserved(arguments.out)
    with (
        closing(open_gallery(arguments.gallery, readonly=True)) as old,
        closing(open_or_create(arguments.out, arguments.bundle)) as new,
        progress() as bar,
    ):
        task = bar.add_task("embed", total=len(sources), note=encoder.provider)
        remade = reembed(
            old,
            new,
            encoder,
            sources,
            batch=arguments.batch,
            advance=lambda n: bar.advance(task, n),
        )
    if arguments.json:
        print(json.dumps({"gallery": arguments.out} | asdict(remade)))
    else:
        print(_summary(arguments.out, remade))


def _summary(out: str, remade: Remade) -> str:
    lines = [f"unread    {r.source}  [{r.code}] {r.reason}" for r in remade.rejected]
    lines += [f"missing   template {m.template} of {m.subject}, {m.source}" for m in remade.missing]
    lines.append(f"gallery   {out}")
    lines.append(
        f"templates {remade.enrolled} enrolled, {remade.present} there already, "
        f"{len(remade.missing)} without a clip, {remade.expired} expired left out"
    )
    return "\n".join(lines)


if __name__ == "__main__":
    run(main)
