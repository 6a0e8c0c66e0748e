"""Command: erase a subject with all templates, one template, or only its kept picture.

python -m gallery.remove --gallery gallery --receipt receipt.json SUBJECT
"""

from contextlib import closing
from dataclasses import dataclass
from typing import Annotated

import tyro

from gait.cli import run
from gait.errors import ConfigError
from gallery.command_line import options
from gallery.command_line.receipts import as_json, as_text, kept_in, room_for
from gallery.gallery import Gallery
from gallery.opening import open_gallery
from gallery.template import Receipt, Told


@dataclass(frozen=True)
class Arguments:
    """Erases a subject with all templates, one template, or only its picture, and says so."""

    gallery: options.Location
    subject: Annotated[str | None, tyro.conf.Positional] = None
    """Name."""
    template: int | None = None
    """Erase the template with this id only, instead of a subject."""
    picture: int | None = None
    """Erase only the moving picture that is kept of the subject's template with this id."""
    receipt: options.NewReceipt = None
    json: options.AsJson = False


def main() -> None:
    """Erases as the command line says."""
    arguments = options.parse(Arguments, "gallery.remove")
    if (arguments.subject is None) == (arguments.template is None):
        raise ConfigError("need either the name of a subject or --template ID")
    if arguments.subject is None and arguments.picture is not None:
        raise ConfigError("need the name of a subject with --picture ID, got --template")
    with closing(open_gallery(arguments.gallery, any_model=True)) as gallery:
        room = room_for(1, gallery.counts().templates)
        with kept_in(arguments.receipt, room) as kept:
            _erase(gallery, arguments, kept.append)
    print(as_json(kept) if arguments.json else as_text(kept[0]))


def _erase(gallery: Gallery, arguments: Arguments, told: Told) -> Receipt:
    if arguments.template is not None:
        return gallery.remove_template(arguments.template, told)
    assert arguments.subject is not None
    if arguments.picture is not None:
        return gallery.remove_picture(arguments.subject, arguments.picture, told)
    return gallery.remove_subject(arguments.subject, told)


if __name__ == "__main__":
    run(main)
