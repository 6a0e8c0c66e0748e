"""What a capture knows between two frames, as text that is written down, and back."""

from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from gait.errors import CaptureStateError

T = TypeVar("T")


def to_text(kind: type[T], state: T) -> str:
    """A state as JSON."""
    return TypeAdapter(kind).dump_json(state).decode()


def from_text(kind: type[T], text: str) -> T:
    """A state as `to_text` wrote it.

    Raises:
        CaptureStateError: it is damaged, or was written by another version of this program.
    """
    try:
        return TypeAdapter(kind).validate_json(text)
    except ValidationError as error:
        raise CaptureStateError(
            "what an interrupted capture left cannot be read: it is damaged or of another version; "
            "delete the folder of the results and capture anew"
        ) from error
