"""Lists in pages: how many entries, and an opaque cursor that says where the last page ended."""

import base64
import binascii
from typing import Annotated

from fastapi import Depends, Query
from pydantic import Field
from starlette.exceptions import HTTPException

from serve.text import ONE_LINE, one_line

Limit = Annotated[int, Query(ge=1, le=1000, description="Entries on a page.")]
_WRONG = "the cursor is not one that a page of these gave"


def cursor_after(name: str | int) -> str:
    """The cursor of the page that begins after an entry, given its name or number."""
    return base64.urlsafe_b64encode(str(name).encode()).decode().rstrip("=")


async def _after(
    cursor: Annotated[
        Annotated[str, Field(max_length=1000), ONE_LINE] | None,
        Query(description="`next_cursor` of the page before."),
    ] = None,
) -> str | None:
    if cursor is None:
        return None
    padded = cursor + "=" * (-len(cursor) % 4)
    try:
        return one_line(base64.b64decode(padded, b"-_", validate=True).decode())
    except (binascii.Error, ValueError) as error:
        raise HTTPException(400, _WRONG) from error


async def _after_number(after: Annotated[str | None, Depends(_after)]) -> int:
    if after is None:
        return 0
    if not after.isascii() or not after.isdigit() or len(after) > 18:
        raise HTTPException(400, _WRONG)
    return int(after)


After = Annotated[str | None, Depends(_after)]
"""Name of the last entry of the page before; None for the first page."""
AfterNumber = Annotated[int, Depends(_after_number)]
"""Number of the last entry of the page before; 0 for the first page."""
