"""Command: enrol people from sequences or clip files.

python -m gallery.build --out gallery --authorisation "study 12, consent form 3" \
    --expires 2030-12-31 data/sustech1k --modality range_view
"""

import json
import sys
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from gait.cli import run
from gait.errors import GalleryError
from gait.modality import Modality
from gait.own_bundle import own_bundle
from gait.progress import progress
from gait.quality.quality import Mode
from gallery.command_line import options
from gallery.command_line.network import Batch, Network, Points
from gallery.enrolment.bulk import Outcome, enrol_sources
from gallery.enrolment.expiry_date import expiry_date
from gallery.enrolment.sources import Selection, Source, find_sources, other_style
from gallery.gallery import Gallery
from gallery.network.encoder import Encoder
from gallery.opening import kept_bundle, open_or_create
from gallery.template import Authorisation


@dataclass(frozen=True)
class Arguments:
    """Enrols people into a gallery, which is made if needed. Run again to go on or to add more."""

    root: Annotated[Path, tyro.conf.Positional]
    """A tree <subject>/<type>/<view>/*.pkl, a folder <subject>/<clip file>, or a CSV file with the
    columns path, subject and, if wanted, modality and walk."""
    out: options.Location
    authorisation: str
    """Consent or order that allows the enrolment: a reference in your words."""
    expires: str
    """Until when: a date such as 2030-12-31, which is included: it ends with that day in UTC; or an
    ISO 8601 time with its zone. Afterwards nobody is found by these clips."""
    bundle: Path | None = None
    """Model bundle of export.onnx; by default that of the gallery, else the package's own."""
    subjects: tuple[str, ...] = ()
    """Subjects to enrol, patterns such as `08*` allowed; none for all."""
    types: tuple[str, ...] = ()
    """Types of walk, of a tree; patterns such as `*-nm*` allowed."""
    views: tuple[str, ...] = ()
    """Views, of a tree."""
    modality: Modality | None = None
    """Enrol this modality only."""
    points: Points = field(default_factory=Points)
    quality: Mode = Mode.STRICT
    """Which clips to refuse: off, standard (those that show no walking person) or strict (poor ones
    too, and those of people who seem to be enrolled under another name)."""
    new_people: bool = False
    """None of these people is enrolled under another name: only report whom their clips match."""
    keep_pictures: bool = False
    """Also keep a short moving picture of each clip, for people who have to judge a match. It is
    encrypted under the person's key and erased with it."""
    cap: int | None = None
    """Templates of a person and modality to keep; beyond it those least like the others are erased.
    By default all are kept."""
    batch: Batch = 32
    network: Network = field(default_factory=Network)
    json: options.AsJson = False


def main() -> None:
    """Enrols as the command line says."""
    arguments = options.parse(Arguments, "gallery.build")
    authorisation = Authorisation(arguments.authorisation, expiry_date(arguments.expires))
    sources = find_sources(arguments.root, _selection(arguments))
    bundle = arguments.bundle or kept_bundle(arguments.out) or own_bundle()
    encoder = arguments.network.encoder(bundle)
    if said := other_style(sources, encoder.range_style):
        print(f"note: {said}", file=sys.stderr)
    options.note_unserved(arguments.out)
    with closing(open_or_create(arguments.out, bundle)) as gallery:
        outcome = _enrol(gallery, encoder, sources, authorisation, arguments)
        counts = gallery.counts()
    if arguments.json:
        facts = {
            "gallery": arguments.out,
            "contract": encoder.contract,
            "provider": encoder.provider,
            "variant": encoder.choice.variant,
            "variant_reason": encoder.choice.reason,
        }
        print(json.dumps(facts | asdict(counts) | asdict(outcome)))
    else:
        print(
            f"network   {encoder.choice.variant} because {encoder.choice.reason}, "
            f"{encoder.provider}, {encoder.threads} threads"
        )
        print(_summary(arguments.out, outcome))
        print(f"holds     {counts.subjects} subjects, {counts.templates} templates")
    if not outcome.enrolled + outcome.present:
        raise GalleryError(f"none of {len(sources)} clips could be enrolled; see the reasons above")


def _selection(arguments: Arguments) -> Selection:
    return Selection(
        arguments.subjects,
        arguments.types,
        arguments.views,
        arguments.modality,
        arguments.points.source,
        arguments.quality,
    )


def _enrol(
    gallery: Gallery,
    encoder: Encoder,
    sources: list[Source],
    authorisation: Authorisation,
    arguments: Arguments,
) -> Outcome:
    with progress() as bar:
        task = bar.add_task("enrol", total=len(sources), note=encoder.provider)
        return enrol_sources(
            gallery,
            encoder,
            sources,
            authorisation=authorisation,
            batch=arguments.batch,
            cap=arguments.cap,
            quality=arguments.quality,
            new_people=arguments.new_people,
            pictures=arguments.keep_pictures,
            advance=lambda n: bar.advance(task, n),
        )


def _summary(out: str, outcome: Outcome) -> str:
    lines = [f"rejected  {r.source}  [{r.code}] {r.reason}" for r in outcome.rejected]
    lines += [
        f"alike     {a.source} of {a.subject} matches {a.other} ({a.similarity:.4f}): if they "
        "are one person, merge them"
        for a in outcome.alike
    ]
    lines += [
        f"duplicate {d.source}  is enrolled under {', '.join(d.others)} too; see gallery.remove"
        for d in outcome.duplicates
    ]
    lines.append(f"gallery   {out}")
    lines.append(
        f"clips     {outcome.enrolled} enrolled, {outcome.present} there already, "
        f"{len(outcome.rejected)} rejected"
    )
    if outcome.left:
        templates = ", ".join(map(str, outcome.left))
        lines.append(f"erased    beyond the cap, least like the others: templates {templates}")
    return "\n".join(lines)


if __name__ == "__main__":
    run(main)
