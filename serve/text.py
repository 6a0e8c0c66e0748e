"""Text that people send: what every field takes, and how text of any origin is kept and shown."""

import difflib
import unicodedata
from collections.abc import Iterable

from pydantic import AfterValidator

from gallery.template import NAME_LIMIT

KEPT = 256
"""Characters that are kept of text which was sent and never checked."""


def one_line(text: str) -> str:
    """Text as it is kept: one line that can be encoded and printed, with accents composed (NFC).

    Raises:
        ValueError: it holds line ends, control characters, halves of surrogate pairs, or the
            replacement character, which stands for bytes that are no text.
    """
    if not text.isprintable() or "\ufffd" in text:
        raise ValueError("needs one line of printable characters")
    return unicodedata.normalize("NFC", text)


ONE_LINE = AfterValidator(one_line)
"""Belongs to the type of every text field of a request, after its length:
`Annotated[str, Field(max_length=200), ONE_LINE]`. A test walks the OpenAPI document for others."""


def drawable(text: str) -> str:
    """Text that cannot draw on a terminal: what is not printable is spelled out."""
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode() for each in text
    )


def kept(text: str, most: int = KEPT) -> str:
    """The beginning of text that was never checked, fit for records and replies."""
    return drawable(unicodedata.normalize("NFC", text[:most]))[:most]


def nearest(name: str, known: Iterable[str]) -> str:
    """Words that propose the known name most like this one; nothing if none is like it."""
    found = difflib.get_close_matches(name[:NAME_LIMIT], known, n=1)
    return f", did you mean {found[0]}?" if found else ""
