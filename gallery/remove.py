"""Command: delete a subject with all templates.

python -m gallery.remove --gallery gallery SUBJECT
"""

from contextlib import closing
from dataclasses import dataclass
from typing import Annotated

import tyro

from gait.cli import run
from gallery.gallery import open_gallery


@dataclass(frozen=True)
class Arguments:
    """Deletes a subject from a gallery, with all templates."""

    subject: Annotated[str, tyro.conf.Positional]
    """Name."""
    gallery: str
    """Folder of the gallery."""


def main() -> None:
    """Deletes as the command line says."""
    arguments = tyro.cli(Arguments, prog="python -m gallery.remove")
    with closing(open_gallery(arguments.gallery)) as gallery:
        receipt = gallery.remove_subject(arguments.subject)
    print(f"removed {arguments.subject}: {len(receipt.templates)} templates")


if __name__ == "__main__":
    run(main)
