"""Forms with files, as a request's body (RFC 7578)."""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass

Field = tuple[str, str | bytes]
"""Name and value: text, or a file's content."""


@dataclass(frozen=True)
class Form:
    """A request's body and its type."""

    body: bytes
    content_type: str


def form(fields: Iterable[Field]) -> Form:
    """The form of some fields, in their order. Files are all named `clip`: names may tell people.

    Args:
        fields: names in ASCII without quotes, given by code and never by people.
    """
    boundary = secrets.token_hex(24)  # too long to occur in a file by chance
    parts = [_part(boundary, name, value) for name, value in fields]
    body = b"".join([*parts, f"--{boundary}--\r\n".encode()])
    return Form(body, f"multipart/form-data; boundary={boundary}")


def _part(boundary: str, name: str, value: str | bytes) -> bytes:
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"'
    if isinstance(value, str):
        return f"{head}\r\n\r\n{value}\r\n".encode()
    kind = "Content-Type: application/octet-stream"
    return f'{head}; filename="clip"\r\n{kind}\r\n\r\n'.encode() + value + b"\r\n"
