"""Options that several commands of the gallery have; each command names those it takes."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, TypeVar

import tyro
from tyro.conf import arg

from gait.errors import ConfigError, GalleryNotFoundError
from gallery.record.creation import locations_in
from gallery.record.location import NAME, NAME_RULE, Folder, parse_location

T = TypeVar("T")

Location = Annotated[str, arg(help="Folder or URL of the gallery.")]
BundleOfUrl = Annotated[
    Path | None, arg(help="Model bundle, for a gallery in PostgreSQL, which keeps none.")
]
OneGallery = Annotated[str | None, arg(help="Folder or URL of the gallery.")]
AllGalleries = Annotated[
    str | None,
    arg(help="Instead: the folder, or the PostgreSQL database, of galleries. All of them."),
]
AsJson = Annotated[bool, arg(help="Print the outcome as JSON.")]
NewReceipt = Annotated[Path | None, arg(help="Keep the receipts in this new file.")]
PassphraseFile = Annotated[
    Path | None, arg(help="Instead: a file whose first line is a passphrase that both sides know.")
]


def locations(gallery: str | None, galleries: str | None) -> dict[str, str]:
    """Which galleries are meant: their locations by name. The name of a single one is empty.

    Raises:
        ConfigError: neither is given, or both.
        GalleryNotFoundError: there is no gallery among `galleries`.
    """
    if (gallery is None) == (galleries is None):
        raise ConfigError("say either --gallery, which one, or --galleries, where all of them are")
    if gallery is not None:
        return {"": gallery}
    assert galleries is not None
    found = locations_in(galleries)
    if not found:
        raise GalleryNotFoundError(f"there is no gallery in {galleries}")
    return found


def note_unserved(location: str) -> None:
    """Says on stderr if a gallery lies where a service looks, under a name that it does not take.

    Args:
        location: folder or URL of the gallery.
    """
    where = parse_location(location)
    if not isinstance(where, Folder) or NAME.fullmatch(where.path.name):
        return
    if where.path.absolute().parent.name == "galleries":
        print(
            f"note: the service will not serve {where}: a gallery's name is {NAME_RULE}; rename "
            "the folder",
            file=sys.stderr,
        )


def parse(arguments: Callable[..., T], command: str) -> T:
    """The arguments of `python -m command`; exits with 2, or after `--help`, as tyro does.

    Options in a group, such as those of `Network`, are written without the group's name.
    """
    config = (tyro.conf.EnumChoicesFromValues, tyro.conf.OmitArgPrefixes)
    return tyro.cli(arguments, prog=f"python -m {command}", config=config)
