"""Command: erase what is no longer authorised.

python -m gallery.expire --gallery gallery --receipt receipts.json
"""

from contextlib import closing
from dataclasses import dataclass

from gait.cli import run
from gallery.command_line import options
from gallery.command_line.receipts import as_json, as_text, kept_in
from gallery.gallery import open_gallery


@dataclass(frozen=True)
class Arguments:
    """Erases every template whose authorisation has expired. No search finds them anyway."""

    gallery: options.Location
    receipt: options.NewReceipt = None
    json: options.AsJson = False


def main() -> None:
    """Erases as the command line says."""
    arguments = options.parse(Arguments, "gallery.expire")
    with closing(open_gallery(arguments.gallery)) as gallery, kept_in(arguments.receipt) as kept:
        kept += gallery.erase_expired()
    if arguments.json:
        print(as_json(kept))
    else:
        print("\n\n".join(map(as_text, kept)) or "nothing has expired")


if __name__ == "__main__":
    run(main)
