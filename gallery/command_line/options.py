"""Options that several commands of the gallery have; each command names those it takes."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, TypeVar

import tyro
from tyro.conf import arg

T = TypeVar("T")

Location = Annotated[str, arg(help="Folder or URL of the gallery.")]
BundleOfUrl = Annotated[
    Path | None, arg(help="Model bundle, for a gallery in PostgreSQL, which keeps none.")
]
AsJson = Annotated[bool, arg(help="Print the outcome as JSON.")]
NewReceipt = Annotated[Path | None, arg(help="Keep the receipts in this new file.")]
PassphraseFile = Annotated[
    Path | None, arg(help="Instead: a file whose first line is a passphrase that both sides know.")
]


def parse(arguments: Callable[..., T], command: str) -> T:
    """The arguments of `python -m command`; exits with 2, or after `--help`, as tyro does.

    Options in a group, such as those of `Network`, are written without the group's name.
    """
    config = (tyro.conf.EnumChoicesFromValues, tyro.conf.OmitArgPrefixes)
    return tyro.cli(arguments, prog=f"python -m {command}", config=config)
