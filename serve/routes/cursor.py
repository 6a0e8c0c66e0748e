"""Opaque cursors: where a page of subjects ended."""

import base64
import binascii
from http import HTTPStatus

from starlette.exceptions import HTTPException


def encode(name: str) -> str:
    """The cursor of the page that begins after the subject `name`."""
    return base64.urlsafe_b64encode(name.encode()).decode().rstrip("=")


def decode(cursor: str) -> str:
    """The name in a cursor.

    Raises:
        HTTPException: 400, it is not one of ours.
    """
    padded = cursor + "=" * (-len(cursor) % 4)
    try:
        return base64.b64decode(padded, b"-_", validate=True).decode()
    except (binascii.Error, ValueError) as error:
        raise HTTPException(
            HTTPStatus.BAD_REQUEST, "the cursor is not one that a page of subjects gave"
        ) from error
