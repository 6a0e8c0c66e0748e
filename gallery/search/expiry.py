"""Whether a template has expired: from that moment no search finds it."""

from gallery.record.sealing import Row


def has_expired(row: Row, now: int) -> bool:
    """Whether the authorisation of a template no longer holds.

    Args:
        row: of the template, authenticated when its embedding is opened.
        now: seconds since 1970.
    """
    return row.expires <= now
