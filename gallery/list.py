"""Command: who is enrolled?

python -m gallery.list --gallery gallery
"""

import json
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

import tyro

from gait.cli import run
from gallery.gallery import Gallery
from gallery.table import table


@dataclass(frozen=True)
class Arguments:
    """Lists the subjects of a gallery, or the templates of one of them."""

    gallery: Path
    """Folder of the gallery."""
    subject: str | None = None
    """List this subject's templates."""
    json: bool = False
    """Print JSON."""


def main() -> None:
    """Lists as the command line says."""
    arguments = tyro.cli(Arguments)
    with closing(Gallery.open(arguments.gallery, readonly=True)) as gallery:
        if arguments.subject is None:
            head = ["name", "created", "silhouettes", "range_views"]
            rows = [asdict(subject) for subject in gallery.subjects()]
        else:
            head = ["id", "modality", "source", "frames", "created"]
            rows = [asdict(template) for template in gallery.templates(arguments.subject)]
    if arguments.json:
        print(json.dumps(rows))
    else:
        print(table(head, [[row[name] for name in head] for row in rows]))


if __name__ == "__main__":
    run(main)
