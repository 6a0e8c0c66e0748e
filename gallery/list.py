"""Command: who is enrolled, or which galleries are there?

python -m gallery.list --gallery gallery
python -m gallery.list --galleries data/galleries
"""

import json
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, fields

from gait.cli import run
from gallery.command_line import options
from gallery.command_line.table import table
from gallery.gallery import Gallery
from gallery.opening import open_gallery
from gallery.template import Subject, Template


@dataclass(frozen=True)
class Arguments:
    """Lists the subjects of a gallery, the templates of one of them, or one template; or where the
    galleries are, a line each."""

    gallery: options.OneGallery = None
    galleries: options.AllGalleries = None
    subject: str | None = None
    """List this subject's templates."""
    template: int | None = None
    """Show the template with this id, and whose it is."""
    json: options.AsJson = False


def main() -> None:
    """Lists as the command line says."""
    arguments = options.parse(Arguments, "gallery.list")
    found = options.locations(arguments.gallery, arguments.galleries)
    if arguments.gallery is None:
        print(json.dumps(found) if arguments.json else "\n".join(found.values()))
        return
    with closing(open_gallery(arguments.gallery, readonly=True)) as gallery:
        rows = [asdict(row) for row in _rows(gallery, arguments)]
    of_subjects = arguments.subject is None and arguments.template is None
    head = [field.name for field in fields(Subject if of_subjects else Template)]
    if arguments.json:
        print(json.dumps(rows))
    else:
        print(table(head, [[row[name] for name in head] for row in rows]))


def _rows(gallery: Gallery, arguments: Arguments) -> Sequence[Subject | Template]:
    if arguments.template is not None:
        return [gallery.template(arguments.template)]
    if arguments.subject is not None:
        return gallery.templates(arguments.subject)
    return gallery.subjects()


if __name__ == "__main__":
    run(main)
