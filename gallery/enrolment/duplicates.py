"""The same clip under two names: one of them is wrong, and both would be found by it."""

from collections.abc import Sequence

from gait.errors import ClipDuplicateError
from gait.quality.quality import Mode
from gallery.gallery import Gallery


def others_with(gallery: Gallery, subject: str, digest: str) -> list[str]:
    """Names other than the subject's under which the clip with this digest is enrolled."""
    return [name for name in gallery.holders(digest) if name != subject]


def refuse_duplicate(subject: str, others: Sequence[str], mode: Mode) -> None:
    """Refuses a clip that others are enrolled by, if the mode is strict.

    Args:
        subject: whom the clip is said to show.
        others: who is enrolled by it already, see `others_with`.
        mode: of enrolments.

    Raises:
        ClipDuplicateError: the mode is strict and there are others.
    """
    if others and mode is Mode.STRICT:
        raise ClipDuplicateError(
            f"got a clip for {subject!r} that is enrolled under {', '.join(map(repr, others))} "
            "already: enrol it under one name, or merge the two people",
            others=list(others),
        )
