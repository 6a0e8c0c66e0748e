"""Command: erase what is no longer authorised.

python -m gallery.expire --gallery gallery --receipt receipts.json
"""

import sys
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime

from gait.cli import run
from gallery.command_line import options
from gallery.command_line.receipts import as_json, as_text, kept_in, room_for
from gallery.opening import open_gallery
from gallery.record import clock


@dataclass(frozen=True)
class Arguments:
    """Erases every template whose authorisation has expired. No search finds them anyway.

    If the clock is far ahead of the time that the gallery's record knows, only what expires within
    a day of that time is erased: a wrong clock must not destroy people. Look at the clock, then
    say --trust-clock.
    """

    gallery: options.Location
    trust_clock: bool = False
    """Somebody has looked at the clock of this machine, and it is right."""
    receipt: options.NewReceipt = None
    json: options.AsJson = False


def main() -> None:
    """Erases as the command line says."""
    arguments = options.parse(Arguments, "gallery.expire")
    with closing(open_gallery(arguments.gallery, any_model=True)) as gallery:
        expired = gallery.expiring(datetime.fromtimestamp(clock.now(), UTC))
        with kept_in(arguments.receipt, room_for(expired, expired)) as kept:
            gallery.erase_expired(trust_clock=arguments.trust_clock, told=kept.append)
        if ahead := gallery.clock_ahead():
            print(
                f"the clock is {ahead / 86400:.1f} days ahead of the gallery's record: what "
                "expired since is not erased; look at the clock, then say --trust-clock",
                file=sys.stderr,
            )
    if arguments.json:
        print(as_json(kept))
    else:
        print("\n\n".join(map(as_text, kept)) or "nothing has expired")


if __name__ == "__main__":
    run(main)
